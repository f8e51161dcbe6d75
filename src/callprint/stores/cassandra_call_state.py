"""The snapshot and journal of a site's calls in Cassandra: what `base.VerdictStore` promises of them."""

from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any

from callprint.core.ground.errors import StoreError
from callprint.stores.base import another_writer

PIECE_BYTES = 512 << 10  # in one cell; mutations of more than some megabytes are refused

Run = Callable[[str, tuple[object, ...]], Any]
"""Runs a statement on a majority of the replicas and returns its rows."""


class CallStates:
    """Statements on the tables of cql/002."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def put(self, site: int, number: int, state: bytes) -> None:
        """Write all pieces before anything earlier is deleted."""
        pieces = [state[at : at + PIECE_BYTES] for at in range(0, len(state), PIECE_BYTES)] or [b""]
        insert = "INSERT INTO call_state (site, number, part, parts, piece) VALUES (?, ?, ?, ?, ?)"
        for part, piece in enumerate(pieces):
            self._run(insert, (site, number, part, len(pieces), piece))
        self._run("DELETE FROM call_state WHERE site = ? AND number < ?", (site, number))
        self._run("DELETE FROM call_journal WHERE site = ? AND number < ?", (site, number))

    def get(self, site: int) -> tuple[int, bytes] | None:
        """Give the highest snapshot that is complete: a process may have died while it wrote a later one."""
        query = "SELECT number, part, parts, piece FROM call_state WHERE site = ?"
        for number, rows in groupby(self._run(query, (site,)), key=lambda row: row.number):
            pieces = list(rows)
            # Of an earlier snapshot with this number, which nobody could read, there may be pieces behind ours.
            pieces = pieces[: pieces[0].parts]
            if all(row.parts == len(pieces) for row in pieces):
                return number, b"".join(row.piece for row in pieces)
        return None

    def append(self, site: int, number: int, entry: bytes) -> None:
        """Append an entry. Raises StoreError when the number holds another one."""
        insert = "INSERT INTO call_journal (site, number, entry) VALUES (?, ?, ?) IF NOT EXISTS"
        row = self._run(insert, (site, number, entry)).one()
        if not row.applied and row.entry != entry:  # not a repeat after a time-out
            raise StoreError(another_writer(site, number))

    def journal(self, site: int, since: int) -> Iterator[tuple[int, bytes]]:
        """Give the entries from `since` on."""
        query = "SELECT number, entry FROM call_journal WHERE site = ? AND number >= ?"
        for row in self._run(query, (site, since)):
            yield row.number, row.entry
