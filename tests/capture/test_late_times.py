"""Captures may claim any time: what has read them does its work, and every packet is counted once."""

import struct

import numpy as np
import pytest
from capture_files import decode, enhanced, interface, section
from hypothesis import given, settings
from hypothesis import strategies as st

from callprint.core.capture import pcapng
from callprint.core.dissect import dissect
from callprint.core.flow import FlowEngine
from callprint.core.packets import RECORD

LATEST_TICKS = 2**64 - 1


def rtp_frame(number: int, ssrc: int = 7) -> bytes:
    """An Ethernet frame with an RTP packet."""
    rtp = struct.pack(">BBHII", 0x80, 0, number, number * 160, ssrc) + b"x" * 160
    udp = struct.pack(">HHHH", 4000, 4002, 8 + len(rtp), 0) + rtp
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, b"\n\0\0\1", b"\n\0\0\2")
    return b"\2\0\0\0\0\1\2\0\0\0\0\2\x08\0" + ip + udp


def counted(frames: list[bytes], times_ns: list[int]) -> int:
    """Run frames through dissector and engine; return how many packets their outcomes add up to."""
    records = np.zeros(len(frames), RECORD)
    records["captured"] = records["original"] = [len(frame) for frame in frames]
    records["offset"] = np.cumsum([0, *map(len, frames[:-1])])
    records["link_type"] = 1
    records["time_ns"] = times_ns
    data = np.frombuffer(b"".join(frames), np.uint8)
    engine = FlowEngine()
    for at in range(0, len(records), 7):
        part = slice(at, at + 7)
        for _ in engine.process(data, dissect(data, records[part])):
            pass
    for _ in engine.finish():
        pass
    return int(sum(engine.outcomes.values()))


@pytest.mark.parametrize("late_at", [0, 3])
def test_a_packet_at_the_latest_time_costs_no_packet_its_outcome(late_at):
    ticks = [LATEST_TICKS if i == late_at else 1_700_000_000_000_000 + i * 20_000 for i in range(20)]
    packets, _ = decode(
        section() + interface() + b"".join(enhanced(rtp_frame(i), t) for i, t in enumerate(ticks))
    )
    times = [packet[0] for packet in packets]
    assert times[late_at] == pcapng.LATEST_NS
    assert counted([rtp_frame(i) for i in range(20)], times) == 20


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.sampled_from([pcapng.EARLIEST_NS, pcapng.LATEST_NS, 0, 10**18])
        | st.integers(pcapng.EARLIEST_NS, pcapng.LATEST_NS),
        min_size=1,
        max_size=30,
    )
)
def test_any_times_in_any_order_are_counted(times):
    assert counted([rtp_frame(i, i % 3) for i in range(len(times))], times) == len(times)
