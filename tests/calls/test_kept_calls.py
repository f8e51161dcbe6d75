"""What is kept beside the packets of a call: written and read again, and any damage named."""

import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callprint.core.calls.kept import BLOCK_TYPE, KeptCall, block_of, kept_in
from callprint.core.ground.errors import DecodeError
from callprint.core.verdicts.looks import ROW_BYTES, JudgedLook, Look
from tests.verdict_samples import verdict

SECTION = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
ROW = np.arange(ROW_BYTES // 4, dtype="<f4").tobytes()
KEPT = KeptCall(
    [JudgedLook(verdict(), Look(ROW, True)), JudgedLook(verdict(), None)],
    '{"name": "compact"}',
    {"state": "completed", "reason": "ünusual"},
    complete=False,
    ports=(5060, 5066),
    pseudonyms=True,
)


def test_it_is_read_as_it_was_written():
    assert KeptCall.from_text(KEPT.as_text()) == KEPT
    assert kept_in(SECTION + block_of(KEPT)) == KEPT


def test_a_capture_without_it_has_none():
    assert kept_in(SECTION) is None
    assert kept_in(b"") is None


@given(st.binary(max_size=60), st.integers(0, len(block_of(KEPT))), st.integers(0, 60))
def test_any_bytes_give_what_is_kept_or_nothing_or_an_error(noise, at, cut):
    """Any file gives a KeptCall whose rows of features have their length, None, or a DecodeError; nothing else."""
    block = block_of(KEPT)
    read(SECTION + block[:at] + noise + block[at + cut :])
    read(noise)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from([*json.loads(KEPT.as_text()), "more"]), VALUES)
def test_any_value_in_any_place_is_read_or_refused(name, value):
    plain = json.loads(KEPT.as_text()) | {name: value}
    text = json.dumps(plain).encode()
    padded = text + bytes(-len(text) % 4)
    size = struct.pack("<I", 16 + len(padded))
    read(SECTION + struct.pack("<I", BLOCK_TYPE) + size + struct.pack("<I", len(text)) + padded + size)


def read(data):
    try:
        kept = kept_in(data)
    except DecodeError:
        return
    if kept is not None:
        assert all(each.look is None or len(each.look.row) == ROW_BYTES for each in kept.judged)
        assert isinstance(kept.card, str)
        assert isinstance(kept.call, dict)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 2}', "[" * 100_000])
def test_what_is_none_is_refused(text):
    with pytest.raises(DecodeError):
        KeptCall.from_text(text)


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_features_are_numbers(number):
    row = np.full(ROW_BYTES // 4, number, "<f4").tobytes()
    with pytest.raises(DecodeError):
        KeptCall.from_text(KeptCall([JudgedLook(verdict(), Look(row, False))]).as_text())
