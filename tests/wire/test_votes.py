"""The feedback topic: the decoder takes what the schema takes, and refuses everything else by name."""

import json
from dataclasses import replace
from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from callprint.core.call import WATCH, WITHDRAWN, AllowEntry, Vote
from callprint.core.ground.errors import DecodeError
from callprint.core.wire.votes import AHEAD_NS, MAXIMUM_BYTES, Disallow, decode_feedback, encode_feedback

NOW_NS = 1_700_000_000_000_000_000
SCHEMA = Draft202012Validator(
    json.loads((files("callprint") / "schemas" / "feedback.schema.json").read_text())
)
VOTE = Vote("a@b", "", "+4930111111", "ann", NOW_NS, True)
FEEDBACK = [
    VOTE,
    replace(VOTE, spam=False, kind=WATCH),
    replace(VOTE, spam=False, kind=WITHDRAWN),
    AllowEntry("+49", "bob", 0),
    Disallow("p:abc", "Zoë \U0001f4de", NOW_NS + AHEAD_NS),
]


@pytest.mark.parametrize("feedback", FEEDBACK)
def test_feedback_comes_back_and_fits_the_schema(feedback):
    record = encode_feedback(feedback)
    assert decode_feedback(record, NOW_NS) == feedback
    SCHEMA.validate(json.loads(record))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"type": "shout"}, "type"),
        ({"type": None}, "type"),
        ({"spam": 1}, "spam"),
        ({"spam": "true"}, "spam"),
        ({"given_at_ns": True}, "given_at_ns"),
        ({"given_at_ns": 1.5}, "given_at_ns"),
        ({"given_at_ns": -1}, "given_at_ns"),
        ({"given_at_ns": NOW_NS + AHEAD_NS + 1}, "future"),
        ({"user": ""}, "user"),
        ({"user": "u" * 129}, "user"),
        ({"user": "a\nb"}, "user"),
        ({"caller": ["+49"]}, "caller"),
        ({"call_id": "x" * 513}, "call_id"),
        ({"from_tag": None}, "from_tag"),
        ({"admin": True}, "admin"),
    ],
)
def test_a_wrong_value_is_refused_by_name(change, says):
    record = json.loads(encode_feedback(VOTE)) | change
    with pytest.raises(DecodeError, match=says):
        decode_feedback(json.dumps(record).encode(), NOW_NS)


@pytest.mark.parametrize("name", ["type", "call_id", "from_tag", "caller", "user", "given_at_ns", "spam"])
def test_a_missing_value_is_refused_by_name(name):
    record = json.loads(encode_feedback(VOTE))
    del record[name]
    with pytest.raises(DecodeError, match=name):
        decode_feedback(json.dumps(record).encode(), NOW_NS)


@pytest.mark.parametrize("data", [b"", b"\xff", b"[]", b"7", b"[" * 5000, b'"' + b"x" * MAXIMUM_BYTES])
def test_what_is_not_a_record_is_refused(data):
    with pytest.raises(DecodeError):
        decode_feedback(data, NOW_NS)


VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.lists(st.integers(), max_size=1)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["type", "call_id", "from_tag", "caller", "user", "x", "spam"]), VALUES)
    | st.fixed_dictionaries(
        {
            "type": st.sampled_from(["vote", "watch", "withdraw", "allow", "disallow"]),
            "caller": VALUES,
            "user": VALUES,
        },
        optional={"given_at_ns": VALUES, "spam": VALUES, "call_id": VALUES, "from_tag": VALUES},
    )
)
def test_any_object_is_feedback_that_the_schema_takes_or_raises(record):
    try:
        feedback = decode_feedback(json.dumps(record).encode(), NOW_NS)
    except DecodeError:
        return
    SCHEMA.validate(record)
    assert decode_feedback(encode_feedback(feedback), NOW_NS) == feedback
