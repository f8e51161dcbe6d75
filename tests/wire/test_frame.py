"""Any bytes either decode or raise DecodeError; what decodes encodes again to the same bytes. See test_layouts.py."""

import numpy as np
import pytest
from frame_samples import damaged, media_sample, resealed
from hypothesis import given, settings
from hypothesis import strategies as st

from callprint.core.ground.errors import DecodeError
from callprint.core.wire.frame import BatchType, Origin
from callprint.core.wire.media import PART, SHIPPED_PACKET, MediaBatch, decode_media, encode_media

NOTHING = MediaBatch(
    Origin(1, 2, 3), np.zeros(0, dtype=PART), np.zeros(0, dtype=SHIPPED_PACKET), np.zeros(0, dtype=np.uint8)
)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_decode_or_raise(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_media(data)


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_a_damaged_batch_decodes_or_raises(data) -> None:
    whole = damaged(data, media_sample())
    try:
        batch = decode_media(whole)
    except DecodeError:
        return
    assert encode_media(batch) == whole


def test_a_flipped_bit_is_noticed() -> None:
    data = bytearray(media_sample())
    data[-1] ^= 1
    with pytest.raises(DecodeError, match="checksum"):
        decode_media(bytes(data))


def test_a_batch_comes_back_as_it_was() -> None:
    assert encode_media(decode_media(media_sample())) == media_sample()
    assert encode_media(decode_media(encode_media(NOTHING))) == encode_media(NOTHING)


@pytest.mark.parametrize(
    ("at", "value", "says"),
    [
        (0, b"X", "CPRT"),
        (4, b"\x02", "version 2"),
        (5, b"\x09", "unknown type 9"),
        (5, bytes([BatchType.SIGNALLING]), "signalling batch"),
        (6, b"\x04", "layout 4; this callprint reads layouts up to 3"),
        (31, b"\x80", "has the number 9223372036854775"),
        (52, b"\x01", "reserved"),
        (12, b"\x00", "says it has"),
        (40, b"\xff\xff\xff\xff", "need"),
        (48, b"\x00", "need"),
    ],
)
def test_a_defect_is_named(at: int, value: bytes, says: str) -> None:
    data = media_sample()
    with pytest.raises(DecodeError, match=says):
        decode_media(resealed(data[:at] + value + data[at + len(value) :]))
