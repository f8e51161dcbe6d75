"""Captures byte by byte: a writer for the tests, independent of the decoder."""

import struct

import numpy as np

from callprint.core.capture import CaptureDecoder
from callprint.core.ground.errors import CaptureError


def pcap(
    frames: list[bytes],
    order: str = "<",
    magic: int = 0xA1B2C3D4,
    link: int = 1,
    version: tuple[int, int] = (2, 4),
    seconds: int = 1_700_000_000,
) -> bytes:
    """A pcap file; packet i has the time `seconds` + i units."""
    parts = [struct.pack(order + "IHHiIII", magic, *version, 0, 0, 65535, link)]
    extra = bytes(8) if magic == 0xA1B2CD34 else b""
    for index, frame in enumerate(frames):
        parts += struct.pack(order + "IIII", seconds, index, len(frame), len(frame)), extra, frame
    return b"".join(parts)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack(order + "I", 12 + len(body))
    return struct.pack(order + "I", kind) + length + body + length


def section(order: str = "<", version: tuple[int, int] = (1, 0), options: bytes = b"") -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, *version, -1) + options, order)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def interface(order: str = "<", link: int = 1, snapshot: int = 0, options: bytes = b"") -> bytes:
    end = option(0, b"", order) if options else b""
    return block(1, struct.pack(order + "HHI", link, 0, snapshot) + options + end, order)


def enhanced(
    frame: bytes, ticks: int = 0, order: str = "<", number: int = 0, original: int | None = None
) -> bytes:
    lengths = (len(frame), len(frame) if original is None else original)
    head = struct.pack(order + "IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, *lengths)
    return block(6, head + frame, order)


def obsolete(frame: bytes, ticks: int = 0, order: str = "<", number: int = 0) -> bytes:
    head = struct.pack(order + "HHIIII", number, 0, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame))
    return block(2, head + frame, order)


def simple(frame: bytes, order: str = "<", original: int | None = None) -> bytes:
    return block(3, struct.pack(order + "I", len(frame) if original is None else original) + frame, order)


Decoded = list[tuple[int, bytes, int, int]]


def decode(stream: bytes, chunks: list[int] | None = None) -> tuple[Decoded, CaptureError | None]:
    """Feed `stream` in pieces of the given sizes (the last one repeats), as a source would.

    Returns the packets as (time_ns, frame, original length, link type) and the defect of the stream. Raises
    CaptureError when it is no capture.
    """
    decoder = CaptureDecoder()
    packets: Decoded = []
    kept = np.empty(0, np.uint8)
    at = 0
    sizes = iter(chunks or [len(stream) or 1])
    size = 1
    while at < len(stream):
        size = max(1, next(sizes, size))
        kept = np.concatenate([kept, np.frombuffer(stream[at : at + size], np.uint8)])
        at += size
        while True:
            records, consumed = decoder.feed(kept)
            assert consumed or not len(records)
            for row in records:
                frame = kept[row["offset"] : row["offset"] + row["captured"]].tobytes()
                assert len(frame) == row["captured"], "a record reaches out of the buffer"
                packets.append((int(row["time_ns"]), frame, int(row["original"]), int(row["link_type"])))
            kept = kept[consumed:]
            if not consumed:
                break
    return packets, decoder.finish(kept)
