"""SQLite files of every released version are brought up to date and read; released migrations never change."""

import hashlib
import json
from importlib.resources import files

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from released_files import assert_holds, golden, golden_json, golden_lines
from released_stores import TABLES_SINCE, check

from callprint.output.call_json import call_object
from callprint.output.json_lines import flow_object
from callprint.stores import CallQuery, VerdictQuery, open_store
from callprint.stores.cassandra_schema import SchemaSettings, migrations, statements
from callprint.stores.sqlite_schema import MIGRATIONS

NEWEST = 4
RELEASED_CQL = (1, 2)


def opened(tmp_path, version: int):
    """A copy of the file of a version, opened by the code of today."""
    path = tmp_path / "store.sqlite"
    path.write_bytes(golden(f"sqlite/version-{version}.sqlite.gz"))
    return open_store(str(path))


@pytest.mark.parametrize("version", range(1, NEWEST + 1))
def test_a_file_of_a_released_version_holds_what_was_put_in(tmp_path, version):
    with opened(tmp_path, version) as store:
        check(store, {name for name, since in TABLES_SINCE.items() if since > version})
    with open_store(str(tmp_path / "store.sqlite"), create=False) as store:
        assert_holds(golden_json("expected/store.json")["allowed"], list(store.allowed()))


def test_what_came_later_is_not_known_of_a_released_file(tmp_path):
    with opened(tmp_path, NEWEST) as store:
        summaries = [stored.summary for stored in store.verdicts(VerdictQuery()) if stored.summary]
        assert summaries
        assert {(each.announced_codec, each.announced_clock_rate_hz) for each in summaries} == {(None, None)}


def test_a_released_migration_of_sqlite_never_changes():
    digests = [hashlib.sha256(";\n".join(migration).encode()).hexdigest() for migration in MIGRATIONS]
    released = golden_json("expected/sqlite-sha256.json")
    assert digests[: len(released)] == released


@pytest.mark.parametrize("version", RELEASED_CQL)
def test_a_released_migration_of_cassandra_never_changes(version):
    """Filled in: also a list of columns that goes into it must stay as it was."""
    released = [part.strip() for part in golden(f"cassandra/version-{version}.cql").decode().split(";")]
    assert list(statements(dict(migrations())[version], SchemaSettings())) == released[:-1]


@pytest.mark.parametrize("kind", ["flow", "call"])
def test_json_lines_keep_their_promise(tmp_path, kind):
    """Every key of then is there, with the value of then; lines of then are valid but for keys that came later."""
    schema = json.loads((files("callprint") / "schemas" / f"{kind}.schema.json").read_text())
    validator = Draft202012Validator(schema, format_checker=FormatChecker())
    lines = golden_lines(f"output/{kind}s.jsonl")
    with opened(tmp_path, NEWEST) as store:
        if kind == "flow":
            found = [flow_object(stored) for stored in store.verdicts(VerdictQuery(last_only=False))]
        else:
            found = [call_object(call) for call in store.calls(CallQuery(last_only=False))]
    for each in found:
        validator.validate(each)
    for line in lines:
        wrong = [error.message for error in validator.iter_errors(line) if error.validator != "required"]
        assert not wrong
    assert_holds(lines, found)
