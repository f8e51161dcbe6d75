"""Judgements in the SQLite store: verdicts and calls, and how many of them fell into each minute.

A judgement that is given again is the latest again, and counts once. Counting by triggers cost as much as the rows
and their indexes together, since SQLite then guards each row by itself.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from callprint.stores.base import MINUTE_NS
from callprint.stores.columns import CALL, KEY_COLUMNS, SEQUENCE, VERDICT, Columns
from callprint.stores.sqlite_insert import insert

Row = tuple[Any, ...]

NEXT_SEQUENCE = "UPDATE last_sequence SET number = number + 1 RETURNING number"
_COUNT = (
    "INSERT INTO activity VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET number = number + excluded.number"
)


_ENDING = "ON CONFLICT DO NOTHING"
"""Rather than INSERT OR IGNORE, which would also skip a row that breaks a NOT NULL or a CHECK: lost in silence."""


class Counting(NamedTuple):
    """What counts as activity (base.py)."""

    kind: str
    time: str  # the column that gives the minute
    name: str  # the column that gives the name
    which: tuple[str, object]  # the column and its value in rows that count


class Judgements:
    """One table of judgements."""

    def __init__(self, table: str, columns: Columns[Any], key: Sequence[str], counting: Counting) -> None:
        """`key`: the columns of the primary key."""
        names = columns.names
        self._table, self._columns = table, columns
        of_key = " AND ".join(f"{column} = ?" for column in key)
        self._is_new = f"SELECT {SEQUENCE} = ? FROM {table} WHERE {of_key}"
        self._give_again = f"UPDATE {table} SET {SEQUENCE} = ? WHERE {of_key}"
        self._key = [names.index(column) for column in key]
        self._kind = counting.kind
        self._time, self._name = names.index(counting.time), names.index(counting.name)
        column, self._counted = counting.which
        self._which = names.index(column)

    def put(self, connection: sqlite3.Connection, values: Iterable[Any], *, keep_place: bool = False) -> None:
        """Store values within a transaction; with `keep_place` those that are there stay as they are."""
        cells = self._columns.cells(values)
        count = len(cells[0])
        ((sequence,),) = connection.execute(NEXT_SEQUENCE).fetchall()
        stored = insert(
            connection,
            self._table,
            (*self._columns.names, SEQUENCE),
            (*cells, [sequence] * count),
            _ENDING,
            self._columns.flags,
        )
        if stored == count:
            self._count(connection, cells)
            return
        rows = list(zip(*cells, strict=True))
        new = self._new(connection, rows, sequence) if stored else {}
        self._count(connection, list(zip(*new.values(), strict=True)))
        if not keep_place:
            again = ((sequence, *key) for row in rows if (key := self._key_of(row)) not in new)
            connection.executemany(self._give_again, again)

    def _new(self, connection: sqlite3.Connection, rows: list[Row], sequence: int) -> dict[Row, Row]:
        """Return the rows of a batch that were not there before it, by their keys."""
        found = {}
        for row in rows:
            key = self._key_of(row)
            if connection.execute(self._is_new, (sequence, *key)).fetchone() == (1,):
                found.setdefault(key, row)
        return found

    def _key_of(self, row: Row) -> Row:
        return tuple(row[at] for at in self._key)

    def _count(self, connection: sqlite3.Connection, cells: Sequence[Sequence[Any]]) -> None:
        if not cells:
            return
        columns = zip(cells[self._time], cells[self._name], cells[self._which], strict=True)
        counts = Counter(
            (time_ns // MINUTE_NS, str(name)) for time_ns, name, which in columns if which == self._counted
        )
        connection.executemany(
            _COUNT, [(self._kind, minute, name, number) for (minute, name), number in counts.items()]
        )


VERDICTS = Judgements(
    "verdict",
    VERDICT,
    (*KEY_COLUMNS, "k", "final", "model"),
    Counting("flow", "decided_at_ns", "application", ("final", True)),
)
CALLS = Judgements(
    "call",
    CALL,
    ("call_id", "from_tag", "started_ns", "phase", "judged_at_ns", "detector"),
    Counting("call", "started_ns", "action", ("phase", "end")),
)
