"""The one list of fields: what derives from it is up to date, and what was added to it can be read from old stores."""

import runpy
from dataclasses import fields
from pathlib import Path

import pytest
from released_files import golden_json

from callprint.core.call import CallRecord
from callprint.core.ground.fields import fields_of
from callprint.core.verdict import FlowKey, FlowSummary, Verdict
from callprint.output import call_json, json_lines

ROOT = Path(__file__).resolve().parents[2]


def test_schemas_and_tables_are_up_to_date():
    for path, text in runpy.run_path(str(ROOT / "tools" / "field_lists.py"))["generated"]().items():
        assert path.read_text() == text, f"{path.relative_to(ROOT)}: run tools/field_lists.py"


@pytest.mark.parametrize("module", [json_lines, call_json])
def test_every_field_has_a_place_of_its_own_and_a_meaning(module):
    assert [field.about.number for field in module.FIELDS] == list(range(1, len(module.FIELDS) + 1))
    for field in module.FIELDS:
        assert field.about.meaning.endswith("."), field.name


def test_two_fields_of_one_name_share_their_place():
    for name in {field.name for field in fields_of(Verdict)} & {
        field.name for field in fields_of(FlowSummary)
    }:
        places = {
            field.about.number
            for field in (*fields_of(Verdict), *fields_of(FlowSummary))
            if field.name == name
        }
        assert len(places) == 1, name


@pytest.mark.parametrize("kind", [Verdict, FlowSummary, CallRecord])
def test_a_field_of_a_later_version_is_not_known_of_old_rows(kind):
    stored = golden_json("expected/store.json")
    released = {
        Verdict: stored["verdicts"][0]["verdict"],
        FlowSummary: stored["verdicts"][0]["summary"],
        CallRecord: stored["calls"][0],
    }[kind]
    optional = {field.name for field in fields_of(kind) if field.optional}
    later = [field for field in fields(kind) if field.name not in released]
    assert len(fields(kind)) - len(later) == len(released)
    for field in later:
        assert field.name in optional
        assert field.default is None


def test_a_flow_key_never_changes():
    assert FlowKey._fields == ("src_ip", "src_port", "dst_ip", "dst_port", "ssrc", "first_seen_ns")
