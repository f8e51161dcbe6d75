"""Names of captures: any name goes into a column and comes back printable; any other bytes raise DecodeError."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callprint.core.capture.name import COLUMN, capture_name, decoded, encoded
from callprint.core.ground.errors import DecodeError


@given(st.text(min_size=1) | st.text("äa/", min_size=60))
def test_any_name_comes_back_as_it_is_shown(name):
    shown = capture_name(name)
    column = np.array([encoded(shown)], dtype=COLUMN)
    assert decoded(column.tolist()[0]) == shown
    assert shown == name or shown[0] == "…" or "\ufffd" in shown
    assert capture_name(shown) == shown


def test_of_a_long_name_the_end_is_kept():
    shown = capture_name("/srv/" + 200 * "x" + "/monday.pcap")
    assert shown.startswith("…xx")
    assert shown.endswith("x/monday.pcap")
    assert len(shown.encode()) == 128


def test_a_name_that_is_not_known_stays_so():
    assert decoded(encoded(None)) is None


def test_what_no_screen_should_get_is_replaced():
    assert capture_name("a\x1b[31m\udcff.pcap") == "a\ufffd[31m\ufffd.pcap"


@given(st.binary(max_size=128))
def test_any_bytes_decode_or_raise(data):
    try:
        name = decoded(data)
    except DecodeError:
        return
    assert encoded(name) == data


@pytest.mark.parametrize("data", [b"\xff", b"a\x1bb", "\u202e".encode()])
def test_hostile_names_are_refused(data):
    with pytest.raises(DecodeError):
        decoded(data)
