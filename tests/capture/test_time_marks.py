"""Marks are passed between the same packets, whatever the batches."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from callprint.core.capture.time_marks import TimeMarks

EVERY = 60


def marks_of(times, cuts=()):
    marks, found = TimeMarks(EVERY), []
    for begins, ends in zip([0, *cuts], [*cuts, len(times)], strict=True):
        part = np.array(times[begins:ends], np.int64)
        found += [(begins + at, mark) for at, mark in marks.passed(part)]
    return found


def test_of_several_marks_in_a_silence_the_first_counts():
    assert marks_of([5, 59, 60, 61, 400, 419, 421]) == [(2, 60), (4, 120), (6, 420)]


def test_marks_begin_anew_with_an_earlier_capture():
    assert marks_of([1000, 1030, 10, 50, 70], cuts=[2]) == [(1, 1020), (4, 60)]


@given(st.lists(st.integers(-50, 500), max_size=30), st.data())
def test_batches_do_not_matter(steps, data):
    times = np.maximum.accumulate(np.cumsum(steps, dtype=np.int64)).tolist() if steps else []
    cuts = sorted(data.draw(st.lists(st.integers(0, len(times)), max_size=5)))
    found = marks_of(times)
    assert marks_of(times, cuts) == found
    for at, mark in found:
        assert mark % EVERY == 0
        assert times[at - 1] < mark <= times[at]
