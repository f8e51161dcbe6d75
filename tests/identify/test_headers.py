"""Evidence of headers alone: what features see of it, and when it counts."""

import struct

import numpy as np
import pytest
from evidence_logs import (
    MILLISECOND,
    header_record,
    headers_of,
    pack,
    record,
    rtp,
    sender_report,
    steady_flow,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from callprint.core.evidence import ENOUGH_WHOLE, EVIDENCE_RTP, EVIDENCE_RTP_HEADER
from callprint.core.identify.evidence_tables import logs_by_headers
from callprint.core.identify.feature_row import FEATURE_NAMES, GROUPS, group_columns
from callprint.core.identify.features import features, packet_counts
from callprint.core.identify.k_matrix import k_matrices

START_NS = 1_700_000_000_000_000_000
EXTENSION = struct.pack("!HH", 0xBEDE, 1) + b"\x10\x20\x00\x00"


def rows(*logs: bytes) -> np.ndarray:
    return features(*pack(list(logs)), 100)


def test_headers_give_all_features_but_those_of_payloads():
    log = steady_flow(30) + sender_report(START_NS + 700 * MILLISECOND, 160 * 35, 35)
    whole, headers = rows(log, headers_of(log))
    payload = group_columns("payload")
    assert whole[payload].any()
    assert not headers[payload].any()
    whole[payload] = 0
    np.testing.assert_array_equal(headers, whole)
    assert packet_counts(headers[np.newaxis]) == [30]


def test_extensions_count_among_the_header():
    packets = [rtp(i, 160 * i, first=0x90, ext=EXTENSION) for i in range(12)]
    log = b"".join(record(START_NS + i * 20 * MILLISECOND, packet) for i, packet in enumerate(packets))
    whole, all_kept, cut_within = rows(log, headers_of(log, 20), headers_of(log, 16))
    extension, sizes = group_columns("extension"), group_columns("sizes")
    np.testing.assert_array_equal(all_kept[extension], whole[extension])
    assert not cut_within[extension].any(), "an extension that is not there says nothing"
    np.testing.assert_array_equal(cut_within[sizes], whole[sizes])


def test_payloads_of_any_length_have_a_size():
    packets = [rtp(i, 320 * i) for i in range(20)]
    log = b"".join(
        header_record(START_NS + i * 40 * MILLISECOND, packet, length=332) for i, packet in enumerate(packets)
    )
    row = dict(zip(FEATURE_NAMES, rows(log)[0].tolist(), strict=True))
    assert (row["payload_usual"], row["payload_usual_fraction"], row["payload_maximum"]) == (320, 1, 320)
    assert (row["payload_minimum"], row["payload_excess"], row["rate_kbits"]) == (
        320,
        0,
        pytest.approx(67.4, abs=0.1),
    )


def test_whole_packets_count_alone_when_there_are_enough():
    headers = headers_of(steady_flow(40, sequence=100, kind=96))
    enough, few = steady_flow(ENOUGH_WHOLE), steady_flow(ENOUGH_WHOLE - 1)
    logs = [headers + enough, headers + few, enough, few]
    assert logs_by_headers(*pack(logs)).tolist() == [False, True, False, False]
    found = rows(*logs)
    np.testing.assert_array_equal(found[0], found[2])
    assert packet_counts(found).tolist() == [10, 49, 10, 9]
    assert not found[1, group_columns("payload")].any()


def test_images_are_made_of_whole_packets():
    logs = [headers_of(steady_flow(40, sequence=100)) + steady_flow(5), headers_of(steady_flow(40))]
    images, packets = k_matrices(*pack(logs), 4)
    assert packets.tolist() == [4, 0]
    np.testing.assert_array_equal(images[0], k_matrices(*pack([steady_flow(5)]), 4)[0][0])


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([EVIDENCE_RTP, EVIDENCE_RTP_HEADER]), st.binary(max_size=60), st.booleans()
        ),
        max_size=14,
    )
)
def test_any_bytes_in_headers_give_finite_features(parts):
    """Whatever the records hold, every feature is a finite number, and payloads of headers are missing."""
    log = b"".join(
        record(START_NS + i, (b"\x50\x01" if like_rtp else b"") + payload, kind)
        for i, (kind, payload, like_rtp) in enumerate(parts)
    )
    found = rows(log)
    assert np.isfinite(found).all()
    if logs_by_headers(*pack([log]))[0]:
        assert not found[0, group_columns("payload")].any()
    assert found.shape[1] == sum(len(names) for names in GROUPS.values())
