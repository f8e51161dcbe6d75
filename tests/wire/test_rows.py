"""Rows as text: any text gives rows with values of the right types or raises DecodeError; names decide, not places."""

import json
from dataclasses import dataclass, fields, replace
from typing import get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from verdict_samples import LINPHONE, summary, unsure, verdict

from callprint.core.ground.errors import DecodeError
from callprint.core.ground.named_rows import NamedRows
from callprint.core.verdict import FlowKey, FlowSummary, Verdict
from callprint.core.verdicts.rows import _KEY, SUMMARIES, VERDICTS
from callprint.core.wire.rows import rows_to_text, text_to_summaries, text_to_verdicts

FORMS = {
    Verdict: (VERDICTS, text_to_verdicts, verdict()),
    FlowSummary: (SUMMARIES, text_to_summaries, summary()),
}
kinds = pytest.mark.parametrize("kind", FORMS, ids=lambda kind: kind.__name__)

RELEASED_VERDICT = [list(LINPHONE), "linphone", "linphone", 0.5, 100, True, "compact-1", False, 7, 8, None]
RELEASED_SUMMARY = [list(LINPHONE), 0, "PCMU", 8000, 498, 9, 0, 4, 500, 2, 1, 3, 1.625, 7, "idle"]
RELEASED = {Verdict: RELEASED_VERDICT, FlowSummary: RELEASED_SUMMARY}


@dataclass(frozen=True, slots=True)
class LaterSummary(FlowSummary):
    """A summary as a later version may have it."""

    skew_ppm: str | None = None


KEY_HINTS = get_type_hints(FlowKey)
LATER = NamedRows(LaterSummary, released=SUMMARIES._released)


def of_right_types(row):
    """Whether every value has the type of its field."""
    hints = get_type_hints(type(row))
    for field in fields(row):
        value, hint = getattr(row, field.name), hints[field.name]
        if hint is FlowKey:
            assert all(type(part) is KEY_HINTS[name] for name, part in value._asdict().items())
        else:
            assert isinstance(value, hint | int if hint in (float, float | None) else hint)
            assert hint is bool or type(value) is not bool
    return True


@kinds
@settings(max_examples=100, deadline=None)
@given(st.data())
def test_rows_come_back_as_they_were(kind, data):
    rows = data.draw(st.lists(st.from_type(kind), max_size=4))
    text = rows_to_text(rows)
    found = FORMS[kind][1](text)
    assert list(map(repr, found)) == list(map(repr, rows))  # NaN is not equal to itself
    assert all(map(of_right_types, found))
    assert rows_to_text(found) == text


@kinds
def test_rows_of_0_1_0_have_no_names(kind):
    _, read, _ = FORMS[kind]
    row = RELEASED[kind]
    (found,) = read(json.dumps([row]))
    names = [field.name for field in fields(kind)][: len(row)]
    assert [getattr(found, name) for name in names] == [LINPHONE, *row[1:]]
    assert read("[]") == []


def test_a_field_more_costs_nothing():
    """What 0.1.0 and today's version wrote is read, and what is new in it is not known."""
    today = [summary(), summary(packets=7)]
    for text in (rows_to_text(today), json.dumps([RELEASED_SUMMARY] * 2)):
        read = LATER.read_text(text)
        assert [row.skew_ppm for row in read] == [None, None]
        assert rows_to_text(read) == rows_to_text(text_to_summaries(text))


def test_what_a_later_version_adds_is_passed_over():
    today = summary()
    later = LaterSummary(*(getattr(today, field.name) for field in fields(today)), skew_ppm="12")
    assert text_to_summaries(LATER.text([later])) == [today]
    assert LATER.read_text(LATER.text([later])) == [later]


def test_fields_may_come_in_any_order():
    found = json.loads(rows_to_text([verdict(), unsure()]))
    turned = {**found, "fields": found["fields"][::-1], "rows": [row[::-1] for row in found["rows"]]}
    assert text_to_verdicts(json.dumps(turned)) == [verdict(), unsure()]


@kinds
def test_a_field_without_a_default_may_not_be_absent(kind):
    form, read, sample = FORMS[kind]
    found = json.loads(form.text([sample]))
    for place, name in enumerate(found["fields"]):
        cut = {**found, "fields": found["fields"][:], "rows": [found["rows"][0][:]]}
        del cut["fields"][place], cut["rows"][0][place]
        if name in form._defaults:
            assert read(json.dumps(cut)) == [replace(sample, **{name: form._defaults[name]})]
        else:
            with pytest.raises(DecodeError, match=f"lack {name}"):
                read(json.dumps(cut))


@kinds
def test_a_value_of_another_type_is_refused(kind):
    form, read, sample = FORMS[kind]
    found = json.loads(form.text([sample]))
    for place, (name, types) in enumerate(zip(form._names, form._types, strict=True)):
        for value in (None, True, 1, 1.5, "text", [], {}):
            forged = {**found, "rows": [found["rows"][0], [*found["rows"][0]]]}
            forged["rows"][1][place] = value
            if type(value) in types:
                assert all(map(of_right_types, read(json.dumps(forged))))
            else:
                with pytest.raises(DecodeError, match=name):
                    read(json.dumps(forged))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"version": 3}, "version 3"),
        ({"version": None}, "version None"),
        ({"version": True}, "version True"),
        ({"fields": None}, "no names"),
        ({"fields": [1] * 16}, "no names"),
        ({"fields": ["flow.ssrc"] * 16}, "twice"),
        ({"rows": None}, "no rows"),
        ({"rows": ["0123456789abcdef"]}, "no rows"),
        ({"rows": [[1]]}, "more or fewer"),
        ({"rows": [{}]}, "no rows"),
    ],
)
def test_a_defect_is_named(change, says):
    found = json.loads(rows_to_text([verdict()])) | change
    with pytest.raises(DecodeError, match=says):
        text_to_verdicts(json.dumps(found))


def test_nothing_nests_too_deep():
    with pytest.raises(DecodeError):
        text_to_verdicts("[" * 100_000)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
JSON = st.recursive(
    scalars | st.sampled_from(["version", "fields", "rows", *_KEY]),
    lambda inner: (
        st.lists(inner, max_size=16)
        | st.dictionaries(st.sampled_from(["version", "fields", "rows"]), inner, max_size=3)
    ),
    max_leaves=30,
)


@kinds
@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=200) | JSON.map(json.dumps))
def test_any_text_reads_or_raises(kind, text):
    check_that_it_reads_or_raises(kind, text)


def check_that_it_reads_or_raises(kind, text):
    try:
        found = FORMS[kind][1](text)
    except DecodeError:
        return
    assert all(map(of_right_types, found))


@kinds
@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_text_reads_or_raises(kind, data):
    form, _, sample = FORMS[kind]
    whole = data.draw(st.sampled_from([form.text([sample] * 2), json.dumps([RELEASED[kind]])]))
    at = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(at, min(len(whole), at + 8)))
    instead = data.draw(st.text(st.characters(codec="ascii"), max_size=6))
    check_that_it_reads_or_raises(kind, whole[:at] + instead + whole[end:])


@kinds
@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_forged_row_reads_or_raises(kind, data):
    form, read, sample = FORMS[kind]
    found = json.loads(form.text([sample]))
    row = found["rows"][0]
    for _ in range(data.draw(st.integers(1, 3))):
        row[data.draw(st.integers(0, len(row) - 1))] = data.draw(JSON)
    if data.draw(st.booleans()):
        found["fields"][data.draw(st.integers(0, len(row) - 1))] = data.draw(st.text(max_size=5))
    try:
        rows = read(json.dumps(found))
    except DecodeError:
        return
    assert all(map(of_right_types, rows))


def test_a_kind_that_rows_cannot_hold_is_refused_when_it_is_declared():
    @dataclass
    class Nested:
        first: str
        second: list[str]

    with pytest.raises(TypeError, match="list"):
        NamedRows(Nested, released=())
