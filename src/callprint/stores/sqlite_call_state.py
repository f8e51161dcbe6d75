"""The snapshot and journal of a site's calls in SQLite: what `base.VerdictStore` promises of them, as statements."""

import sqlite3
from collections.abc import Iterator

from callprint.core.ground.errors import StoreError
from callprint.stores.base import CALL_STATE_DAYS, another_writer
from callprint.stores.sqlite_evidence import DAY_NS

_PUT = (
    "INSERT INTO call_state (site, number, state, written_at_ns) VALUES (?, ?, ?, ?) ON CONFLICT (site) DO UPDATE"
    " SET number = excluded.number, state = excluded.state, written_at_ns = excluded.written_at_ns"
    " WHERE excluded.number >= call_state.number"
)


def put_state(connection: sqlite3.Connection, site: int, number: int, state: bytes, now_ns: int) -> None:
    """Keep a snapshot, and delete what it makes superfluous; inside a transaction."""
    connection.execute(_PUT, (site, number, state, now_ns))
    connection.execute("DELETE FROM call_journal WHERE site = ? AND number < ?", (site, number))
    oldest_ns = now_ns - CALL_STATE_DAYS * DAY_NS
    connection.execute("DELETE FROM call_state WHERE written_at_ns < ?", (oldest_ns,))


def state_of(connection: sqlite3.Connection, site: int) -> tuple[int, bytes] | None:
    """Return the snapshot of a site. Raises TypeError when the row holds something else."""
    row = connection.execute("SELECT number, state FROM call_state WHERE site = ?", (site,)).fetchone()
    return None if row is None else _entry(row)


def append(connection: sqlite3.Connection, site: int, number: int, entry: bytes) -> None:
    """Append an entry; inside a transaction. Raises StoreError when the number holds another one."""
    connection.execute(
        "INSERT INTO call_journal VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (site, number, entry)
    )
    query = "SELECT entry FROM call_journal WHERE site = ? AND number = ?"
    (found,) = connection.execute(query, (site, number)).fetchone()
    if found != entry:
        raise StoreError(another_writer(site, number))


def journal(connection: sqlite3.Connection, site: int, since: int) -> Iterator[tuple[int, bytes]]:
    """Give the entries from `since` on."""
    query = "SELECT number, entry FROM call_journal WHERE site = ? AND number >= ? ORDER BY number"
    return map(_entry, connection.execute(query, (site, since)))


def _entry(row: tuple[object, ...]) -> tuple[int, bytes]:
    number, data = row
    if not isinstance(number, int) or not isinstance(data, bytes):
        raise TypeError("a snapshot or an entry of the journal is no bytes")
    return number, data
