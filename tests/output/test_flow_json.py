"""The JSON promise: every object is valid against the packaged schema, and the schema is strict."""

import csv
import io
import json
from dataclasses import replace
from importlib.resources import files

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from verdict_samples import LINPHONE, provisional, reports, summary, unsure, verdict

from callprint.core.verdict import FlowReport
from callprint.output.csv_table import COLUMNS, write_csv
from callprint.output.json_lines import STATISTICS, flow_object, write_json_lines
from callprint.stores import StoredVerdict

PROMISED = [
    *("type", "src_ip", "src_port", "dst_ip", "dst_port", "ssrc"),
    *("application", "best_application", "confidence", "k", "packets", "final", "model"),
    *("started_midflow", "first_seen_ns", "last_seen_ns", "decided_at_ns", "community_id"),
]


@pytest.fixture(scope="module")
def validator():
    schema = json.loads((files("callprint") / "schemas" / "flow.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=FormatChecker())


def lines(given) -> list[dict]:
    stream = io.StringIO()
    assert write_json_lines(given, stream) == stream.getvalue().count("\n")
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_one_valid_object_for_each_flow(validator):
    objects = lines(reports())
    assert len(objects) == len(reports())
    for each in objects:
        validator.validate(each)
        assert each.keys() >= set(PROMISED)
        assert list(each) == list(objects[0]), "the order of the keys never changes"


def test_a_sure_flow():
    assert (
        lines(reports())[0].items()
        >= {
            "type": "flow",
            "src_ip": "192.0.2.10",
            "src_port": 16384,
            "dst_ip": "198.51.100.20",
            "dst_port": 7078,
            "ssrc": 0x1A2B3C4D,
            "application": "linphone",
            "best_application": "linphone",
            "confidence": 0.9875,
            "k": 100,
            "packets": 498,
            "final": True,
            "reason": None,
            "model": "compact-1",
            "started_midflow": False,
            "first_seen_ns": 1760000000123456789,
            "last_seen_ns": 1760000010123456789,
            "decided_at_ns": 1760000002123456789,
            "community_id": "1:eto0Q1fqquTBRhg0JgFFW3jwpoQ=",
            "payload_type": 0,
            "codec": "PCMU",
            "clock_rate_hz": 8000,
            "bytes": 85656,
            "long_packets": 0,
            "rtcp_packets": 4,
            "expected": 500,
            "lost": 2,
            "duplicates": 1,
            "reordered": 3,
            "jitter_ms": 1.625,
            "ended": "capture_end",
        }.items()
    )


def test_unknown_says_why_and_what_it_might_be():
    _, unsure_flow, _, short_flow = lines(reports())
    assert (unsure_flow["application"], unsure_flow["best_application"]) == ("unknown", "pjsua")
    assert (unsure_flow["reason"], unsure_flow["confidence"]) == ("low_confidence", 0.52)
    assert (short_flow["application"], short_flow["best_application"]) == ("unknown", None)
    assert (short_flow["reason"], short_flow["k"], short_flow["packets"]) == ("too_short", 3, 3)


def test_both_directions_share_the_community_id():
    there, back = lines(reports())[:2]
    assert there["community_id"] == back["community_id"]


def test_a_flow_that_goes_on_has_no_statistics_yet(validator):
    (running,) = lines([StoredVerdict(provisional(k=10), None)])
    validator.validate(running)
    assert {running[name] for name in STATISTICS} == {None}
    assert running["ended"] == "running"
    assert running["packets"] == 10
    assert running["last_seen_ns"] == provisional(k=10).last_seen_ns


def test_a_flow_that_goes_on_may_have_statistics_so_far(validator):
    (running,) = lines([FlowReport(provisional(k=10), summary(ended="running"))])
    validator.validate(running)
    assert running["packets"] == 498


def test_hostile_names_stay_inside_their_line(validator):
    name = 'a"\n{"type": "flow"}\u2028\x1b[31m\ud800'
    stream = io.StringIO()
    write_json_lines([FlowReport(verdict(application=name), summary())], stream)
    assert stream.getvalue().isascii()
    assert stream.getvalue().count("\n") == 1
    assert json.loads(stream.getvalue())["application"] == name


def test_a_number_that_json_lacks_is_never_written():
    stream = io.StringIO()
    with pytest.raises(ValueError, match="JSON"):
        write_json_lines([FlowReport(verdict(confidence=float("nan")), summary())], stream)
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    "change",
    [
        {"type": "call"},
        {"src_ip": "10.0.0.256"},
        {"src_port": 65536},
        {"ssrc": 2**32},
        {"confidence": 1.01},
        {"k": -1},
        {"packets": None},
        {"final": 1},
        {"first_seen_ns": 1.5},
        {"community_id": "1:short="},
        {"reason": "low_confidence"},
        {"best_application": None},
        {"application": "unknown"},
        {"payload_type": 128},
        {"lost": None},
        {"ended": None},
        {"ended": "later"},
        {"ended": "idle", "jitter_ms": None},
        {"colour": "red"},
    ],
)
def test_the_schema_is_strict(validator, change):
    good = flow_object(reports()[0])
    assert validator.is_valid(good)
    assert not validator.is_valid({**good, **change})


def test_the_schema_asks_for_every_field(validator):
    good = flow_object(reports()[0])
    for name in good:
        assert not validator.is_valid({key: value for key, value in good.items() if key != name})
    assert set(validator.schema["properties"]) == set(good)


def test_csv_holds_the_fields_of_the_json_objects():
    stream = io.StringIO()
    assert write_csv([*reports(), StoredVerdict(provisional(), None)], stream) == 5
    rows = list(csv.DictReader(io.StringIO(stream.getvalue())))
    assert tuple(rows[0]) == COLUMNS == tuple(flow_object(reports()[0]))[1:]
    for row, report in zip(rows, reports(), strict=False):
        for name, value in flow_object(report).items():
            if name != "type":
                assert row[name] == ("" if value is None else json.dumps(value).strip('"'))
    assert rows[-1]["lost"] == ""


def test_csv_quotes_hostile_names():
    name = 'a,"b"\nc'
    stream = io.StringIO()
    write_csv([FlowReport(replace(unsure(LINPHONE), best_application=name), summary())], stream)
    (row,) = csv.DictReader(io.StringIO(stream.getvalue()))
    assert row["best_application"] == name
