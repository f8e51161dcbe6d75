"""RTP traffic as packet columns, for tests of the relay: several calls, RTCP, reuse of ports."""

import struct
from dataclasses import dataclass

import numpy as np

from callprint.core.packets import MAXIMUM_PAYLOAD, PACKET, PacketKind


@dataclass(frozen=True)
class Stream:
    """One sender: `packets` RTP packets of 20 ms each from `start_ms` on, and a report every `rtcp_every` packets."""

    host: int
    port: int
    packets: int
    start_ms: int = 0
    ssrc: int = 7
    payload: int = 20
    rtcp_every: int = 0
    cut: int = 0  # packets at the start that the capture has cut
    missing: int = 100  # bytes, of each of these


def traffic(streams: list[Stream]) -> tuple[np.ndarray, np.ndarray]:
    """Return data (bytes,) uint8 and packets (n,) PACKET of all streams, in the order of their times."""
    rows: list[tuple[int, Stream, int, bytes, int]] = []
    for stream in streams:
        for number in range(stream.packets):
            time_ns = (stream.start_ms + 20 * number) * 1_000_000
            header = struct.pack(">BBHII", 0x80, 0, 100 + number, 160 * number, stream.ssrc)
            missing = stream.missing if number < stream.cut else 0
            rows.append((time_ns, stream, 0, header + bytes([number & 255]) * stream.payload, missing))
            if stream.rtcp_every and number % stream.rtcp_every == stream.rtcp_every - 1:
                report = struct.pack(">BBHI", 0x80, 201, 1, stream.ssrc)
                rows.append((time_ns + 1000, stream, 1, report, 0))
    rows.sort(key=lambda row: row[0])
    packets = np.zeros(len(rows), dtype=PACKET)
    data = bytearray()
    for i, (time_ns, stream, rtcp, payload, missing) in enumerate(rows):
        packet = packets[i]
        packet["time_ns"] = time_ns
        packet["src_lo"] = 0xFFFF0A000000 + stream.host
        packet["dst_lo"] = 0xFFFF0A0000FE
        packet["src_port"] = stream.port + rtcp
        packet["dst_port"] = 6000 + rtcp
        packet["offset"] = len(data)
        packet["length"], packet["missing"] = len(payload), missing
        whole = PacketKind.RTP if len(payload) <= MAXIMUM_PAYLOAD else PacketKind.RTP_LONG
        packet["kind"] = PacketKind.RTCP if rtcp else PacketKind.RTP_CUT if missing else whole
        packet["transport"] = 17
        data += payload
    return np.frombuffer(bytes(data), dtype=np.uint8), packets


CALLS = [
    Stream(1, 4000, 150, rtcp_every=40),
    Stream(2, 4000, 7, start_ms=300),
    Stream(3, 4002, 45, start_ms=500, payload=160),
    Stream(1, 4000, 30, start_ms=6000, ssrc=9),  # the port is used again by another call
    Stream(4, 4002, 400, start_ms=100, payload=33, rtcp_every=100),
    Stream(5, 4002, 2, start_ms=1000),
    Stream(6, 4004, 150, start_ms=200, payload=400, rtcp_every=40),
    Stream(7, 4004, 60, start_ms=400, cut=60),
    Stream(8, 4006, 130, start_ms=700, cut=15),
    Stream(9, 4006, 24, start_ms=900, cut=15),
]
"""A long call, short ones, one that ends at k = 45, a reused port; packets that are too long, and that are cut, all or
the first ones.
"""
