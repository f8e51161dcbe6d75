"""The tables that all migrations together make have the columns of the fields, so that nobody forgets one of them."""

import re
import sqlite3
from contextlib import closing

import pytest

from callprint.core.call import AllowEntry, CallRecord, Vote
from callprint.core.ground.fields import fields_of
from callprint.core.verdict import FlowSummary, Verdict
from callprint.stores.base import RegisteredModel, UnknownEvidence
from callprint.stores.cassandra_schema import SchemaSettings, migrations, statements
from callprint.stores.columns import SEQUENCE
from callprint.stores.sqlite import SqliteStore

SQLITE_TYPES = {int: "INTEGER", bool: "INTEGER", float: "REAL", bytes: "BLOB"}
CQL_TYPES = {int: "int", bool: "boolean", float: "double", bytes: "blob"}
"""Every other type is text."""

SQLITE_TABLES = {
    "verdict": (Verdict, {SEQUENCE}),
    "flow": (FlowSummary, set()),
    "call": (CallRecord, {SEQUENCE}),
    "feedback": (Vote, set()),
    "allowed": (AllowEntry, set()),
    "model": (RegisteredModel, set()),
    "unknown_evidence": (UnknownEvidence, {"expires_at_ns"}),
}
CASSANDRA_TABLES = {
    "verdict_by_flow": (Verdict, {SEQUENCE}),
    "verdict_by_host_day": (Verdict, {SEQUENCE, "host", "day", "bucket"}),
    "verdict_by_application_hour": (Verdict, {SEQUENCE, "hour", "bucket"}),
    "verdict_by_host_hour": (Verdict, {SEQUENCE, "host", "hour", "bucket"}),
    "flow_by_key": (FlowSummary, {"covered"}),
    "call_by_id": (CallRecord, {SEQUENCE}),
    "call_by_number_day": (CallRecord, {SEQUENCE, "number", "day", "bucket"}),
    "call_by_hour": (CallRecord, {SEQUENCE, "hour", "bucket"}),
    "feedback": (Vote, set()),
    "allowed": (AllowEntry, set()),
    "model": (RegisteredModel, set()),
    "unknown_evidence": (UnknownEvidence, {"day", "bucket"}),
}
"""What each table holds, and the columns that it has besides."""

COLUMN = re.compile(r"\b(\w+) (text|int|bigint|boolean|double|blob)\b")
OPTION = re.compile(r"ALTER TABLE \w+ WITH ")  # the same when repeated
ADDITION = re.compile(r"ALTER TABLE (\w+) ADD (\w+) (\w+)")


@pytest.mark.parametrize("table", SQLITE_TABLES)
def test_a_table_of_sqlite_has_a_column_for_each_field(tmp_path, table):
    SqliteStore(tmp_path / "store.sqlite").close()
    with closing(sqlite3.connect(tmp_path / "store.sqlite")) as connection:
        found = {
            name: (kind, bool(required))
            for _, name, kind, required, *_ in connection.execute(f"PRAGMA table_info({table})")
        }
    value, besides = SQLITE_TABLES[table]
    wanted = {
        field.name: (SQLITE_TYPES.get(field.type, "TEXT"), not field.optional) for field in fields_of(value)
    }
    assert {name: column for name, column in found.items() if name not in besides} == wanted


def cassandra_columns() -> dict[str, dict[str, str]]:
    """The columns of each table with their types, by the text of all migrations; bigint counts as int."""
    tables: dict[str, dict[str, str]] = {}
    for _, migration in migrations():
        for statement in statements(migration, SchemaSettings()):
            if statement.startswith("CREATE TABLE "):
                tables[statement.split()[2]] = {
                    name: kind.removeprefix("big") for name, kind in COLUMN.findall(statement)
                }
            elif not OPTION.match(statement):
                added = ADDITION.fullmatch(statement)
                assert added, "a migration must be repeatable, one column at a time: " + statement
                tables[added[1]][added[2]] = added[3].removeprefix("big")
    return tables


@pytest.mark.parametrize("table", CASSANDRA_TABLES)
def test_a_table_of_cassandra_has_a_column_for_each_field(table):
    value, besides = CASSANDRA_TABLES[table]
    found = {name: kind for name, kind in cassandra_columns()[table].items() if name not in besides}
    assert found == {field.name: CQL_TYPES.get(field.type, "text") for field in fields_of(value)}
