"""The keyspace and its migrations: `cql/NNN_*.cql` brings a keyspace from version NNN - 1 to NNN.

The files are those of 0.1.0 and never change; migrations.py goes on from there.
"""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from callprint.core.ground.errors import StoreError
from callprint.stores.base import CALL_STATE_DAYS
from callprint.stores.migrations import SINCE_0_1_0

DAY_S = 86_400
HOUR_S = 3600
WINDOWS = 30  # of compaction, in the life of a verdict: about one more is on disk
RELEASED = 2  # versions of 0.1.0
LOCK_S = 120  # a process that takes longer to migrate is taken for dead
_KEYSPACE = re.compile(r"[a-z][a-z0-9_]{0,47}")
_ADDED_COLUMN = re.compile(r"ALTER TABLE (\w+) ADD (\w+) \w+")


@dataclass(frozen=True, slots=True)
class SchemaSettings:
    """What an operator decides before the keyspace is made."""

    replication: str = "{'class': 'SimpleStrategy', 'replication_factor': 1}"  # as in CREATE KEYSPACE
    verdict_ttl_s: int = 400 * DAY_S
    call_ttl_s: int = 400 * DAY_S
    evidence_ttl_s: int = 7 * DAY_S


def checked_keyspace(name: str) -> str:
    """Return `name`. Raises StoreError unless it can stand in CQL without quotes."""
    if not _KEYSPACE.fullmatch(name):
        raise StoreError(f"{name!r} is no keyspace name: up to 48 letters a-z, digits and underscores")
    return name


def migrations() -> list[tuple[int, str]]:
    """Return the migrations, (version, CQL text with braces to fill in), in order."""
    entries = files("callprint.stores").joinpath("cql").iterdir()
    released = sorted(
        (int(entry.name[:3]), entry.read_text()) for entry in entries if entry.name.endswith(".cql")
    )
    later = (";\n".join(migration.cassandra) for migration in SINCE_0_1_0)
    return [*released, *enumerate(later, RELEASED + 1)]


def statements(text: str, settings: SchemaSettings) -> Iterator[str]:
    """Yield the statements of one migration, with settings filled in and comments removed."""
    filled = text.format(
        verdict_ttl_s=settings.verdict_ttl_s,
        verdict_window_h=max(1, settings.verdict_ttl_s // WINDOWS // HOUR_S),
        call_ttl_s=settings.call_ttl_s,
        evidence_ttl_s=settings.evidence_ttl_s,
        call_state_ttl_s=CALL_STATE_DAYS * DAY_S,
    )
    bare = "\n".join(line for line in filled.splitlines() if not line.startswith("--"))
    for statement in bare.split(";"):
        if statement.strip():
            yield statement.strip()


def version(session: Any, keyspace: str) -> int | None:
    """Return the version of the keyspace, None when there is no callprint keyspace of that name."""
    known = session.execute(
        "SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s AND table_name = 'schema_version'",
        (keyspace,),
    )
    if known.one() is None:
        return None
    row = session.execute(f"SELECT version FROM {keyspace}.schema_version WHERE one = 1").one()
    return 0 if row is None or row.version is None else int(row.version)


def migrate(session: Any, keyspace: str, settings: SchemaSettings) -> None:
    """Make the keyspace and its tables, or bring them up to date; several processes may do so at once.

    Raises StoreError when the keyspace was made by a newer callprint.
    """
    newest = migrations()[-1][0]
    found = version(session, keyspace)
    if found is not None and found > newest:
        raise StoreError(
            f"the keyspace {keyspace} is of version {found}, this callprint knows up to {newest}"
        )
    if found == newest:
        return
    session.execute(f"CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = {settings.replication}")
    session.execute(
        f"CREATE TABLE IF NOT EXISTS {keyspace}.schema_version (one int PRIMARY KEY, version int, owner timeuuid)"
    )
    _with_lock(session, keyspace, settings)


def _with_lock(session: Any, keyspace: str, settings: SchemaSettings) -> None:
    table = f"{keyspace}.schema_version"
    # A lightweight transaction on a row that expires: one process migrates, the others wait for it.
    take = f"INSERT INTO {table} (one, owner) VALUES (0, now()) IF NOT EXISTS USING TTL {LOCK_S}"
    deadline = time.monotonic() + LOCK_S
    while not session.execute(take).one().applied:
        if time.monotonic() > deadline:
            raise StoreError(f"another process holds the migration lock of {keyspace} for over {LOCK_S} s")
        time.sleep(0.5)
    try:
        done = version(session, keyspace) or 0
        for number, text in migrations():
            if number <= done:
                continue
            for statement in statements(text, settings):
                _apply(session, keyspace, statement)
            _list_earlier_days(session, keyspace, number)
            session.execute(f"INSERT INTO {table} (one, version) VALUES (1, {number})")
    finally:
        session.execute(f"DELETE FROM {table} WHERE one = 0 IF EXISTS")


def _list_earlier_days(session: Any, keyspace: str, number: int) -> None:
    """List the days whose rows were written before the tables of this version, as a kind of their own."""
    later = dict(enumerate(SINCE_0_1_0, RELEASED + 1))
    kinds = later[number].cassandra_earlier if number in later else None
    if kinds is None:
        return
    known, earlier = kinds
    for row in list(session.execute(f"SELECT day FROM {keyspace}.day WHERE kind = %s", (known,))):
        session.execute(f"INSERT INTO {keyspace}.day (kind, day) VALUES (%s, %s)", (earlier, row.day))


def _apply(session: Any, keyspace: str, statement: str) -> None:
    """Run a statement of a migration, which may have died half-way and left some of its tables and columns."""
    added = _ADDED_COLUMN.fullmatch(statement)
    if added is not None:
        where = "keyspace_name = %s AND table_name = %s AND column_name = %s"
        query = f"SELECT type FROM system_schema.columns WHERE {where}"
        if session.execute(query, (keyspace, *added.groups())).one() is not None:
            return
    again = statement.replace("CREATE TABLE ", f"CREATE TABLE IF NOT EXISTS {keyspace}.", 1)
    session.execute(again.replace("ALTER TABLE ", f"ALTER TABLE {keyspace}.", 1))
