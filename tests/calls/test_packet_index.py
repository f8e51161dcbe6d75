"""Packets found by an index are those that a look at each packet finds."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from callprint.core.calls.packet_index import SPAN, PacketIndex, hashes_of
from callprint.core.packets import PACKET, PacketKind

WAYS = ("src_hi", "src_lo", "dst_hi", "dst_lo", "src_port", "dst_port")
few = st.integers(0, 2)
packet_rows = st.tuples(*[few] * 6, st.integers(-3, 30), st.sampled_from(list(PacketKind)))
span_rows = st.tuples(*[few] * 6, st.integers(-3, 30), st.integers(-3, 30), st.integers(0, (1 << 23) - 1))


def is_wanted(packet, span):
    names = WAYS[:4] if packet["kind"] == PacketKind.FRAGMENT else WAYS
    portless = packet["kind"] != PacketKind.FRAGMENT or (span["src_port"] == span["dst_port"] == 0)
    return (
        portless
        and all(packet[name] == span[name] for name in names)
        and span["since_ns"] <= packet["time_ns"] <= span["until_ns"]
        and bool(int(span["kinds"]) >> int(packet["kind"]) & 1)
    )


@given(st.lists(packet_rows, min_size=1, max_size=40), st.lists(span_rows, max_size=12))
def test_it_finds_what_a_look_at_each_packet_finds(rows, spans):
    packets = np.zeros(len(rows), PACKET)
    for row, (*way, time_ns, kind) in enumerate(rows):
        packets[row]["time_ns"], packets[row]["kind"] = time_ns, kind
        for name, value in zip(WAYS, way, strict=True):
            packets[row][name] = value
    spans = np.array(spans, SPAN)
    found = sorted(
        zip(*map(np.ndarray.tolist, PacketIndex.of(packets).find(spans, hashes_of(spans))), strict=True)
    )
    assert found == [
        (i, row)
        for i, span in enumerate(spans)
        for row, packet in enumerate(packets)
        if is_wanted(packet, span)
    ]
