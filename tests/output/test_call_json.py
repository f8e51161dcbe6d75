"""The JSON promise for calls: every object is valid against the packaged schema, and the schema is strict."""

import csv
import io
import json
import math
from dataclasses import replace
from importlib.resources import files

import pytest
from call_player import CallPlayer
from call_samples import at_setup, call
from jsonschema import Draft202012Validator, FormatChecker
from rich.console import Console
from sip_scenario import Talk, at, flow, play, sdp

from callprint.core.call import Action, CallRecord, CallState, EndedBy
from callprint.core.spam.features import FEATURES, NAMES
from callprint.output.call_json import SCALARS, call_object, write_calls_csv, write_calls_json_lines
from callprint.output.call_report import say_call
from callprint.output.call_table import call_table

PROMISED = [
    *("type", "call_id", "caller", "callee", "started_ns", "answered_ns", "ended_ns", "state"),
    *("caller_application", "callee_application", "spam_score", "spam", "action", "reason", "phase"),
]


@pytest.fixture(scope="module")
def schema():
    return json.loads((files("callprint") / "schemas" / "call.schema.json").read_text())


@pytest.fixture(scope="module")
def validator(schema):
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=FormatChecker())


def some_calls() -> list[CallRecord]:
    """Rows that a capture really gave: set up and over, answered and not, with media and without signalling."""
    talk, refused = Talk(), Talk("refused@x", from_tag="")
    engine = CallPlayer()
    engine.add_flows([flow(("10.0.0.1", 4000), ("10.0.0.2", 5000), 3, 9)])
    engine.add_flows([flow(("2001:db8::1", 4000), ("2001:db8::2", 5000), 3, 9)])
    return play(
        engine,
        [
            (0, talk.request("INVITE", sdp=sdp("10.0.0.1", 4000), headers="User-Agent: \x1b[31m\r\n")),
            (3, talk.response(200, sdp=sdp("10.0.0.2", 5000))),
            (4, refused.request("INVITE")),
            (5, refused.response(404)),
            (9, talk.request("BYE", cseq=2, to_tag="tag-b")),
        ],
    )


def test_every_row_of_a_capture_is_valid(validator):
    stream = io.StringIO()
    calls = some_calls()
    assert write_calls_json_lines(calls, stream) == len(calls) == 5
    objects = [json.loads(line) for line in stream.getvalue().splitlines()]
    for each in objects:
        validator.validate(each)
        assert each.keys() >= set(PROMISED)
        assert list(each) == list(objects[0]), "the order of the keys never changes"
    assert objects[0]["features"]["since_last_call_s"] is None
    media_only = [each for each in objects if each["ended_by"] == "media"]
    assert media_only[0]["caller_flows"][0]["src_ip"] == "2001:db8::1"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"state": "lost"}, "state"),
        ({"ended_ns": None}, "ended_ns"),
        ({"spam_score": 1.2}, "spam_score"),
        ({"spam": None}, "spam"),
        ({"action": "shoot"}, "action"),
        ({"reason": ""}, "reason"),
        ({"surprise": 1}, "surprise"),
        ({"caller_flows": [{"src_ip": "host", "src_port": 1}]}, "caller_flows"),
    ],
)
def test_the_schema_refuses_what_is_not_promised(validator, changes, field):
    good = call_object(call(campaign="00ff00ff00ff00ff"))
    validator.validate(good)
    errors = list(validator.iter_errors({**good, **changes}))
    assert errors
    assert any(field in str(error.absolute_path) or field in error.message for error in errors)


def test_the_schema_names_every_feature_in_its_order(schema):
    features = schema["properties"]["features"]["properties"]
    assert list(features) == list(NAMES)
    assert [feature["description"] for feature in features.values()] == [spec.definition for spec in FEATURES]


def test_features_of_another_version_are_withheld():
    assert call_object(call(features=(1.0, math.nan)))["features"] is None


def test_csv_says_the_same(validator):
    stream = io.StringIO()
    calls = [call(reason='"no", he said'), at_setup(spam=None)]
    assert write_calls_csv(calls, stream) == 2
    rows = list(csv.DictReader(io.StringIO(stream.getvalue())))
    assert list(rows[0]) == list(SCALARS)
    assert (rows[0]["reason"], rows[0]["spam"], rows[1]["spam"]) == ('"no", he said', "false", "")
    assert rows[0]["started_ns"] == str(calls[0].started_ns)


def table_text(width: int, *calls: CallRecord) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(call_table(console, calls))
    return console.export_text()


@pytest.mark.parametrize("width", [40, 80, 300])
def test_the_table_shows_everything_at_any_width(width):
    blocked = call(spam=True, spam_score=0.97, action=Action.BLOCK, reason="41 calls in 10 minutes")
    text = "".join(table_text(width, blocked, *some_calls()).split())
    for word in (
        "+4915112345678",
        "block97%",
        "41callsin10minutes",
        "linphone",
        "talked30.0s,endedbythecaller",
    ):
        assert word in text
    for word in ("beingsetup", "refusedwith404", "mediaonly,6.0s", blocked.call_id):
        assert word in text


def test_what_happened_in_words():
    def words(**changes) -> str:
        return table_text(300, call(**changes))

    assert "cancelled by the caller" in words(answered_ns=None, state=CallState.CANCELLED)
    assert "ended by the callee, answer not seen" in words(answered_ns=None, ended_by=EndedBy.CALLEE)
    assert "end not seen" in words(state=CallState.EXPIRED, ended_by=EndedBy.TIMEOUT)
    assert "2:05 min" in words(ended_ns=call().answered_ns + at(125) - at(0))


def test_hostile_text_does_not_reach_the_terminal():
    text = table_text(300, replace(call(), caller="\x1b[2J", reason="a\u202eb"))
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_a_live_run_says_what_is_over_and_what_is_suspicious_at_once():
    def said(row: CallRecord) -> str:
        console = Console(width=300, record=True, file=io.StringIO())
        say_call(console, row)
        return console.export_text()

    calls = some_calls()
    setup = calls[0]
    (media_only,) = [row for row in calls if row.ended_by is EndedBy.MEDIA]
    suspicious = replace(setup, action=Action.CHALLENGE, spam_score=0.93, reason="a robot")
    assert said(setup) == said(media_only) == ""
    assert "being set up  challenge 93%  a robot" in said(suspicious)
    assert said(call()).startswith(
        "08:53:54  +4915112345678 → +493012345  talked 30.0 s, ended by the caller"
    )
