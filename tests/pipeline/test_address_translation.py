"""A NAT between the application and the monitor: other addresses and ports, the same verdicts."""

from pathlib import Path

import pytest

from callprint.core.dissect import dissect
from callprint.core.flow import EngineSettings
from callprint.core.verdicts.pipeline import IdentificationPipeline
from callprint.inference import DEFAULT_MODEL, load_model
from callprint.sources import open_captures

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "applications.pcapng"


def verdicts(change):
    pipeline = IdentificationPipeline(load_model(DEFAULT_MODEL), EngineSettings(maximum_flows=4096))
    found = []
    for data, records in open_captures([SAMPLE]):
        packets = dissect(data, records)
        change(packets)
        found += pipeline.process(data, packets).verdicts
    found += pipeline.finish().verdicts
    return sorted(
        (v.flow.ssrc, v.flow.first_seen_ns, v.k, v.final, v.application, v.confidence, v.reason)
        for v in found
    )


def translate(packets):
    for side in ("src", "dst"):
        packets[f"{side}_lo"] ^= 0x00A5_5A00
        packets[f"{side}_port"] ^= 0x1234  # an even change: RTCP stays beside its RTP


@pytest.mark.parametrize("change", [translate])
def test_translated_addresses_give_the_same_verdicts(change):
    unchanged = verdicts(lambda packets: None)
    assert len(unchanged) >= 8
    assert verdicts(change) == unchanged
