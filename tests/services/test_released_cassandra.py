"""Keyspaces of every released version (released/README.md) are brought up to date and read."""

import pytest
from released_files import golden, golden_lines
from released_stores import check

from callprint.services.layout import HOST
from callprint.stores import open_store

pytestmark = pytest.mark.services
THEN_US = 1_760_000_000_000_000
"""When the rows were written, in microseconds since the epoch."""


@pytest.fixture(scope="module")
def session(driver_session):
    """A plain session of the driver: the frozen statements must not go through the code of today."""
    return driver_session


def statements(name: str):
    """The statements of a golden file."""
    return [statement.strip() for statement in golden(f"cassandra/{name}.cql").decode().split(";")[:-1]]


def insert(session, keyspace: str, line) -> None:
    """Write a row as the store wrote it: of immutable rows the first write stays, by a falling timestamp."""
    row = {
        name: bytes.fromhex(value["hex"]) if isinstance(value, dict) else value
        for name, value in line["row"].items()
    }
    using = f" USING TIMESTAMP {-THEN_US}" if line["first_write_stays"] else ""
    values = ", ".join("?" * len(row))
    text = f"INSERT INTO {keyspace}.{line['table']} ({', '.join(row)}) VALUES ({values}){using}"
    session.execute(session.prepare(text), tuple(row.values()))


@pytest.mark.parametrize("version", [1, 2])
def test_a_keyspace_of_a_released_version_holds_what_was_put_in(session, layout, version):
    keyspace = f"callprint_released_{version}"
    session.execute(f"DROP KEYSPACE IF EXISTS {keyspace}")
    for statement in statements(f"keyspace-{version}"):
        named = statement.replace("EXISTS callprint", f"EXISTS {keyspace}")
        session.execute(named.replace("INTO callprint.", f"INTO {keyspace}."))
    for number in range(1, version + 1):
        for statement in statements(f"version-{number}"):
            session.execute(statement.replace("CREATE TABLE ", f"CREATE TABLE {keyspace}.", 1))
        for line in golden_lines(f"cassandra/rows-{number}.jsonl"):
            insert(session, keyspace, line)
    with open_store(f"cassandra://{HOST}:{layout.cassandra}/{keyspace}") as store:
        check(store, {"call_state", "call_journal"} if version == 1 else set())
    session.execute(f"DROP KEYSPACE {keyspace}")
