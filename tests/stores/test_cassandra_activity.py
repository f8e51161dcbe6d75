"""Counts that Cassandra keeps of an hour, and the marks that say when they are out of date."""

import json

from hypothesis import given
from hypothesis import strategies as st

from callprint.stores.base import MINUTE_NS
from callprint.stores.cassandra_activity import Hour, Minute, digest, marks, read_hour

NAMES = st.text(max_size=8)
MINUTES = st.builds(Minute, NAMES, st.dictionaries(NAMES, st.integers(0, 1 << 60), max_size=4))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(st.builds(Hour, NAMES, st.dictionaries(st.integers(0, 1 << 40), MINUTES, max_size=5)))
def test_what_is_kept_is_read_again(hour):
    assert read_hour(hour.text()) == hour


@given(st.text() | JSON.map(json.dumps) | st.lists(JSON, min_size=2, max_size=2).map(json.dumps))
def test_whatever_a_cell_holds_is_an_hour_or_counted_again(cell):
    found = read_hour(cell)
    assert found is None or read_hour(found.text()) == found


def test_a_deep_cell_is_counted_again():
    assert read_hour("[" * 100_000) is None


def test_marks_go_to_minutes_and_hours_of_their_days():
    minutes, hours = marks("verdict", [0, 5, MINUTE_NS * 61, MINUTE_NS * 1441], "w", 7)
    assert [row.values for row in minutes] == [
        ("verdict", 0, "minute", 0, "w", 7),
        ("verdict", 0, "minute", 61, "w", 7),
        ("verdict", 1, "minute", 1441, "w", 7),
    ]
    assert [row.values for row in hours] == [
        ("verdict", 0, "hour", 0, "w", 7),
        ("verdict", 0, "hour", 1, "w", 7),
        ("verdict", 1, "hour", 24, "w", 7),
    ]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), max_size=4, unique_by=lambda m: m[0]))
def test_a_digest_says_whether_marks_are_the_same(found):
    assert digest(found) == digest(reversed(found))
    assert (digest(found) == "") == (not found)
    for writer, mark in found:
        changed = [each for each in found if each[0] != writer] + [(writer, mark + 10)]
        assert digest(changed) != digest(found)
