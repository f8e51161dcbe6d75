"""A media batch as bytes, and what a hostile sender would make of bytes."""

import zlib

import numpy as np
from hypothesis import strategies as st

from callprint.core.wire.frame import CHECKED_FROM, HEADER, Origin
from callprint.core.wire.media import PART, SHIPPED_PACKET, MediaBatch, encode_media


def media_sample() -> bytes:
    """Two parts with three packets between them; numbers at the ends of their ranges."""
    parts = np.zeros(2, dtype=PART)
    parts["records"] = [1, 2]
    parts["src_lo"] = 0xFFFF0A000001
    packets = np.zeros(3, dtype=SHIPPED_PACKET)
    packets["length"] = [4, 0, 255]
    packets["time_ns"] = [5, -6, 7]
    payload = np.arange(259, dtype=np.int64).astype(np.uint8)
    return encode_media(MediaBatch(Origin(2**64 - 1, 9, -1), parts, packets, payload))


def damaged(data: st.DataObject, sample: bytes) -> bytes:
    """Return the sample with up to four other bytes, perhaps cut short, under a checksum that fits."""
    broken = bytearray(sample)
    for _ in range(data.draw(st.integers(0, 4))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    return resealed(bytes(broken[: data.draw(st.integers(HEADER.size, len(broken)))]))


def resealed(data: bytes) -> bytes:
    """Return the bytes with the checksum that fits them."""
    return data[:8] + zlib.crc32(data[CHECKED_FROM:]).to_bytes(4, "little") + data[CHECKED_FROM:]
