"""Quality from the flow engine to the summary of a flow, and to a rating once SDP has spoken."""

from dataclasses import replace

import numpy as np
import pytest
from flow.packet_rows import packet_rows, stream

from callprint.core.quality.flow_rating import Measured, Note, never_rated, rated
from callprint.core.quality.measures import with_codec
from callprint.core.quality.windows import Interval
from callprint.core.verdicts.pipeline import IdentificationPipeline


def summary_of(packets):
    pipeline = IdentificationPipeline(None)
    data, rows = packet_rows(packets)
    pipeline.process(data, rows)
    (running,) = [report.summary for report in pipeline.reports_so_far()]
    (ended,) = [report.summary for report in pipeline.finish().reports]
    # What is missing of the newest 64 packets is settled at the end only.
    assert (running.lost, running.late) == (ended.lost, ended.late)
    assert (running.mos is None) == (ended.mos is None)
    return ended


def test_a_clean_call_of_g711_has_the_best_mos():
    summary = summary_of(stream(1500))
    assert (summary.r_factor, summary.mos, summary.mos_band) == (93.2, 4.41, "narrowband")
    assert summary.quality_notes == Note.DELAY_UNKNOWN
    assert len(summary.quality_windows.split(" ")) == 2 + 3
    assert (summary.late, summary.burst_density, summary.gap_density, summary.packet_ms) == (
        0,
        0.0,
        0.0,
        20.0,
    )


def test_more_loss_is_a_lower_mos():
    chance = np.random.default_rng(1)
    found = []
    for share in (0.0, 0.01, 0.03, 0.1, 0.3):
        packets = stream(1500)
        kept = packets[:2] + [p for p in packets[2:-1] if chance.random() >= share] + packets[-1:]
        found.append(summary_of(kept).mos)
    assert found == sorted(found, reverse=True)
    assert found[0] - found[-1] > 2


def test_packets_that_came_twice_forbid_a_mos():
    packets = [p for packet in stream(500) for p in (packet, replace(packet, time_ms=packet.time_ms + 0.1))]
    summary = summary_of(packets[:1] + packets[2:])
    assert summary.mos is None
    assert summary.quality_notes == Note.CAPTURE_DUPLICATES
    assert with_codec(summary, "opus") is summary


def test_a_dynamic_type_is_rated_when_its_codec_is_known():
    packets = [replace(p, payload_type=111, timestamp=p.timestamp * 6) for p in stream(1000)]
    summary = summary_of(packets)
    assert (summary.mos, summary.quality_notes) == (None, None)
    by_sdp, guessed = with_codec(summary, "opus"), with_codec(summary, None)
    assert by_sdp.mos == guessed.mos > 4
    assert Note.CODEC_ASSUMED in guessed.quality_notes
    assert Note.CODEC_ASSUMED not in by_sdp.quality_notes
    assert with_codec(summary, "speex").quality_notes == Note.CODEC_UNKNOWN


@pytest.mark.parametrize("codec", ["PCMU", "opus", "speex", "dynamic"])
@pytest.mark.parametrize("clock_rate_hz", [8000, 48000])
@pytest.mark.parametrize("doubts", [(), (Note.CAPTURE_CUT,)])
def test_a_flow_is_never_rated_exactly_where_enough_packets_give_no_mos(codec, clock_rate_hz, doubts):
    measured = Measured(codec, clock_rate_hz, 20.0, 172.0, None, doubts)
    rating = rated(measured, Interval(expected=1000, received=1000))
    assert never_rated(measured) == (rating if rating.mos is None else None)
