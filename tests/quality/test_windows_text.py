"""Windows as text: what is written is read back, and anything else is refused by name."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from window_values import values_of, windows_text

from callprint.core.flow.window_layout import REPORTED, WINDOW, WINDOWS_KEPT
from callprint.core.ground.errors import DecodeError
from callprint.core.quality.measures import FIELDS, _Reported
from callprint.core.quality.windows import Interval, merged, read_windows
from callprint.core.verdict import FlowSummary

counts = st.integers(0, 1 << 32)
parts = st.builds(Interval, *[counts for _ in Interval._fields])


@given(st.integers(0, 10 << 40), st.lists(parts, min_size=1, max_size=WINDOWS_KEPT + 1))
def test_what_is_written_is_read_back(span_s, windows):
    assert read_windows(windows_text(span_s, windows)) == (span_s, windows)


@given(st.text(alphabet="01, -x.9", max_size=60))
def test_any_text_gives_counters_or_the_one_error(text):
    try:
        span_s, windows = read_windows(text)
    except DecodeError:
        return
    assert span_s >= 0
    assert all(value >= 0 for window in windows for value in window)


@pytest.mark.parametrize(
    "text",
    ["", "1", "1 10", "2 10 5", "1 10 " + "1 " * 80, "1 10 1,-2", "1 1,2 3", "1 10 " + "1," * 20 + "1"],
)
def test_defects_are_named(text):
    with pytest.raises(DecodeError):
        read_windows(text)


@given(st.binary(min_size=WINDOW.itemsize, max_size=WINDOW.itemsize))
def test_a_forged_row_gives_numbers_in_range(data):
    (window,) = values_of(np.frombuffer(data, WINDOW))
    assert all(0 <= value <= 1 << 53 for value in window)
    read_windows(windows_text(10, [window]))


@given(st.lists(parts, min_size=2, max_size=8), st.integers(1, 7))
def test_windows_may_be_merged_in_any_grouping(windows, at):
    at = min(at, len(windows) - 1)
    grouped = merged([merged(windows[:at]), merged(windows[at:])])
    whole = merged(windows)
    assert grouped._replace(jitter_mean_us=0) == whole._replace(jitter_mean_us=0)
    assert grouped.jitter_mean_us == pytest.approx(whole.jitter_mean_us, abs=2)


def test_names_agree_with_the_rows_of_the_engine():
    assert _Reported._fields == REPORTED.names
    assert FlowSummary.__match_args__[-len(FIELDS) :] == FIELDS
