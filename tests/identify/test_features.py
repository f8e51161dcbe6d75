"""Features: values worked out by hand, the invariances that the design promises, and arbitrary bytes."""

import math
import struct

import numpy as np
import pytest
from evidence_logs import MILLISECOND, pack, record, rtp, sender_report, steady_flow
from hypothesis import given, settings
from hypothesis import strategies as st

from callprint.core.evidence import EVIDENCE_RTCP
from callprint.core.identify.feature_row import FEATURE_NAMES
from callprint.core.identify.features import features, packet_counts

START_NS = 1_700_000_000_000_000_000


def named(log: bytes, maximum_packets: int = 128) -> dict[str, float]:
    return dict(zip(FEATURE_NAMES, features(*pack([log]), maximum_packets)[0].tolist(), strict=True))


def test_a_steady_g711_flow():
    row = named(steady_flow(10))
    assert row["packets_log2"] == pytest.approx(math.log2(11))
    assert row["rate_8000"] == 1
    assert row["packet_duration_ms"] == 20
    assert row["increment_fraction"] == 1
    assert row["payload_usual"] == 160
    assert row["payload_excess"] == 0  # no authentication tag
    assert row["payload_plus_zero"] == 1  # nothing but 0xff
    assert row["gap_50"] == pytest.approx(1)
    assert row["gap_deviation_ms"] == 0
    assert row["residual_90_ms"] == 0
    assert row["first_sequence_small"] == 1
    assert row["first_timestamp_zero"] == 1
    assert row["rtcp_count"] == 0


def test_an_authentication_tag_shows_as_excess():
    log = b"".join(record(START_NS + i * 20 * MILLISECOND, rtp(i, 160 * i, b"\x55" * 170)) for i in range(10))
    assert named(log)["payload_excess"] == 10


def test_extension_elements_are_recognised_by_form_whatever_their_id():
    def log(ids):
        records = []
        for i in range(10):
            send_time, counter, level = 1000 + 5243 * i, 7 + i, 30 + i
            body = bytes([ids[0] << 4 | 2]) + send_time.to_bytes(3, "big") + bytes([ids[1] << 4 | 1])
            body += counter.to_bytes(2, "big") + bytes([ids[2] << 4]) + b"0" + bytes([ids[3] << 4, level])
            body += b"\0" * (-len(body) % 4)
            ext = struct.pack("!HH", 0xBEDE, len(body) // 4) + body
            records.append(record(START_NS + i * 20 * MILLISECOND, rtp(i, 160 * i, first=0x90, ext=ext)))
        return b"".join(records)

    one, other = named(log([1, 2, 3, 4])), named(log([5, 8, 11, 14]))
    assert (one["extension_send_time"], one["extension_counter"]) == (1, 2)
    assert (one["extension_identifier"], one["extension_level"]) == (3, 4)
    assert one["extension_send_time_step"] == pytest.approx(20, abs=0.01)
    assert one == other


def test_a_sender_report_is_compared_with_the_media():
    log = steady_flow(10) + sender_report(START_NS + 190 * MILLISECOND, 160 * 9 + 80, 10, cname=b"user@host")
    row = named(log)
    assert row["rtcp_clear_fraction"] == 1
    assert row["rtcp_has_sdes"] == 1
    assert row["cname_length"] == 9
    assert row["cname_at"] == 1
    assert row["sr_timestamp_error_ms"] == pytest.approx(0, abs=1e-3)
    assert row["sr_ntp_offset_s"] == pytest.approx(0, abs=1e-3)
    assert row["sr_octets_for_packet"] == 160
    assert row["rtcp_first_ms"] == pytest.approx(math.log1p(190))


@pytest.mark.parametrize("tag", [0, 10])
def test_an_srtcp_index_is_found_at_the_end_or_before_the_tag(tag):
    body = (
        struct.pack("!BBHI", 0x80, 200, 6, 0x11223344)
        + bytes(range(200, 220))
        + bytes([3, 9, 27] * 5)[: 16 - tag]
    )
    packet = body + struct.pack("!I", 0x80000001) + b"\xaa" * tag
    row = named(steady_flow(4) + record(START_NS + 100 * MILLISECOND, packet, EVIDENCE_RTCP))
    assert row["rtcp_clear_fraction"] == 0
    assert (row["rtcp_index_at_end"], row["rtcp_index_before_tag"]) == ((1, 0) if tag == 0 else (0, 1))


def test_a_new_ssrc_and_payload_type_number_change_only_their_own_columns():
    one = named(steady_flow(20, ssrc=0x71234567, kind=96))
    other = named(steady_flow(20, ssrc=0x61234568, kind=111))
    assert {name for name in FEATURE_NAMES if one[name] != other[name]} == {"type_value"}


def test_no_more_packets_are_looked_at_than_asked_for():
    log = steady_flow(100)
    buffer, spans = pack([log])
    assert packet_counts(features(buffer, spans, 10)).tolist() == [10]
    assert named(log, 10) == named(steady_flow(10))


def test_the_other_logs_of_a_buffer_change_nothing():
    logs = [steady_flow(3), b"", steady_flow(40, sequence=9000), steady_flow(2, timestamp=77)]
    together = features(*pack(logs))
    for i, log in enumerate(logs):
        np.testing.assert_array_equal(together[i], features(*pack([log]))[0])


def test_a_span_outside_the_buffer_is_refused():
    buffer, _ = pack([steady_flow(2)])
    for span in ((0, len(buffer) + 1), (-1, 4), (8, 4)):
        with pytest.raises(ValueError, match="outside"):
            features(buffer, np.array([span]))


def test_a_record_longer_than_evidence_may_be_ends_the_log():
    whole, long = steady_flow(10), record(START_NS, rtp(10, 1600, bytes(244)))
    assert len(long) == 12 + 256
    assert named(whole + long + steady_flow(5)) == named(whole)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=243) | st.just(b"\xd5" * 160), min_size=1, max_size=40))
def test_code_values_are_counted_as_numpy_does(payloads):
    row = named(
        b"".join(record(START_NS + i, rtp(i, 160 * i, payload)) for i, payload in enumerate(payloads))
    )
    codes = np.frombuffer(b"".join(payloads), np.uint8)
    if len(codes) == 0:
        assert row["payload_entropy"] == row["payload_top_byte"] == 0
        return
    counts = np.bincount(codes, minlength=256)
    shares = counts[counts > 0] / len(codes)
    empty_between = [
        counts[code] == 0 < min(counts[code - 1], counts[code + 1])
        for code in range(256)
        if code & 127 not in (0, 127)
    ]
    repeats = sum(
        int((np.diff(np.frombuffer(payload, np.uint8).astype(int)) == 0).sum()) for payload in payloads
    )
    expected = {
        "payload_entropy": -(shares * np.log2(shares)).sum(),
        "payload_top_byte": counts.max() / len(codes),
        "payload_distinct_bytes": len(shares) / 256,
        "payload_high_bit": counts[128:].sum() / len(codes),
        "payload_odd": counts[1::2].sum() / len(codes),
        "payload_holes": sum(empty_between) / 128,
        "payload_pair_roughness": np.abs(counts[::2] - counts[1::2]).sum() / len(codes),
        "payload_repeat": repeats / len(codes),
    }
    assert {name: row[name] for name in expected} == pytest.approx(expected, rel=1e-5, abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 60_000_000) | st.sampled_from([0, 20_000_000]), min_size=1, max_size=100))
def test_quantiles_of_gaps_are_those_of_sorted_gaps(gaps_ns):
    times_ns = START_NS + np.concatenate([[0], np.cumsum(gaps_ns)])
    row = named(b"".join(record(int(at), rtp(i, 160 * i)) for i, at in enumerate(times_ns)))
    ratios = np.sort(np.array(gaps_ns) / 20e6)
    assert row["gap_50"] == pytest.approx(ratios[len(ratios) // 2], rel=1e-5)
    assert row["gap_90"] == pytest.approx(ratios[min(len(ratios) - 1, int(0.9 * len(ratios)))], rel=1e-5)


payloads = st.binary(max_size=600) | st.builds(
    lambda head, rest: bytes([0x80 | head, *rest]), st.integers(0, 63), st.binary(min_size=11, max_size=600)
)
records = st.builds(
    record,
    st.integers(-(2**63), 2**63 - 1) | st.integers(START_NS, START_NS + 10**10),
    payloads,
    st.integers(0, 3),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(records, max_size=40).map(b"".join) | st.binary(max_size=400))
def test_any_bytes_give_a_finite_row(log):
    """Invariant: whatever an evidence log holds, its features are finite numbers and nothing is raised."""
    assert np.isfinite(features(*pack([log]))).all()
