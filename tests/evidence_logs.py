"""Evidence logs written byte by byte, for tests."""

import struct

import numpy as np

from callprint.core.evidence import EVIDENCE_RTCP, EVIDENCE_RTP, EVIDENCE_RTP_HEADER, split

MILLISECOND = 1_000_000


def record(time_ns: int, payload: bytes, kind: int = EVIDENCE_RTP) -> bytes:
    return struct.pack("<qHBB", time_ns, len(payload), kind, 0) + payload


def header_record(time_ns: int, packet: bytes, kept: int = 12, length: int | None = None) -> bytes:
    length = len(packet) if length is None else length
    return record(time_ns, length.to_bytes(2, "little") + packet[:kept], EVIDENCE_RTP_HEADER)


def headers_of(log: bytes, kept: int = 12) -> bytes:
    """A log with the headers of its RTP packets in place of these."""
    return b"".join(
        header_record(time_ns, payload, kept) if kind == EVIDENCE_RTP else record(time_ns, payload, kind)
        for time_ns, kind, payload in split(np.frombuffer(log, np.uint8))
    )


def rtp(sequence, timestamp, payload=b"\xff" * 160, *, first=0x80, kind=0, ssrc=0x11223344, ext=b""):
    header = struct.pack("!BBHII", first, kind, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc)
    return header + ext + payload


def steady_flow(
    packets: int, *, start_ns=1_700_000_000_000_000_000, sequence=0, timestamp=0, **header
) -> bytes:
    """G.711 in 20 ms packets, each exactly on time."""
    return b"".join(
        record(start_ns + i * 20 * MILLISECOND, rtp(sequence + i, timestamp + 160 * i, **header))
        for i in range(packets)
    )


def sender_report(
    time_ns: int, timestamp: int, packets: int, *, ssrc=0x11223344, cname: bytes = b"a@b"
) -> bytes:
    ntp_s, ntp_fraction = divmod(time_ns, 10**9)
    report = struct.pack(
        "!BBHIIIIII",
        0x80,
        200,
        6,
        ssrc,
        ntp_s + 2208988800,
        (ntp_fraction << 32) // 10**9,
        timestamp,
        packets,
        160 * packets,
    )
    items = bytes([1, len(cname)]) + cname + b"\0"
    items += b"\0" * (-len(items) % 4)
    sdes = struct.pack("!BBHI", 0x81, 202, 1 + len(items) // 4, ssrc) + items
    return record(time_ns, report + sdes, EVIDENCE_RTCP)


def pack(logs: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """Return (buffer, spans) of several logs."""
    ends = np.cumsum([len(log) for log in logs])
    starts = ends - [len(log) for log in logs]
    return np.frombuffer(b"".join(logs), np.uint8), np.column_stack([starts, ends]).astype(np.int64)
