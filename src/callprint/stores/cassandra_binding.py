"""Rows as bound statements: what several rows have in common is serialised once.

The rows of one verdict or call hold the same cells, and the driver would serialise them for each table anew, which was
half of a writer's work.
"""

import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from cassandra.query import BoundStatement

from callprint.stores.cassandra_rows import Row
from callprint.stores.columns import insert_statement


class Bound(NamedTuple):
    """A statement and the bytes of its values."""

    statement: Any
    bytes: int


class _Insert(NamedTuple):
    """A prepared statement and how its values are serialised: first those that other rows may hold, too."""

    prepared: Any
    shared: tuple[Any, ...]
    apart: tuple[Any, ...]


class Binder:
    """Binds the rows of one write, which it must not outlive.

    `prepare` prepares a statement; `using` says what follows it, the same for all rows of a table.
    """

    def __init__(self, prepare: Callable[[str], Any], using: Callable[[Row], str]) -> None:
        self._prepare = prepare
        self._using = using
        self._inserts: dict[tuple[str, tuple[str, ...]], _Insert] = {}
        self._types: dict[tuple[Any, ...], tuple[Any, ...]] = {}  # one tuple for all that are equal
        self._serialised: dict[tuple[int, int], tuple[list[bytes | None], int]] = {}

    def bind(self, row: Row) -> Bound:
        """Return the statement that inserts a row. Raises TypeError or ValueError for what no column holds."""
        insert = self._inserts.get((row.table, row.columns)) or self._insert(row)
        version = insert.prepared.protocol_version
        # The rows that hold the cells are in the hands of the caller, so no other tuple gets their identity.
        key = id(row.cells), id(insert.shared)
        found = self._serialised.get(key)
        try:
            if found is None:
                cells = _serialised(insert.shared, row.cells, version)
                found = self._serialised[key] = cells, sum(map(len, filter(None, cells)))
            apart = _serialised(insert.apart, row.apart, version)
        except struct.error:
            return Bound(insert.prepared.bind(row.values), 0)  # raises what says which column it is
        statement = BoundStatement(insert.prepared)
        statement.values = found[0] + apart
        return Bound(statement, found[1] + sum(map(len, filter(None, apart))))

    def _insert(self, row: Row) -> _Insert:
        prepared = self._prepare(insert_statement(row.table, row.columns) + self._using(row))
        types = tuple(column.type for column in prepared.column_metadata)
        shared = types[: len(row.cells)]
        insert = _Insert(prepared, self._types.setdefault(shared, shared), types[len(row.cells) :])
        self._inserts[row.table, row.columns] = insert
        return insert


def _serialised(types: tuple[Any, ...], values: tuple[object, ...], version: int) -> list[bytes | None]:
    return [
        None if value is None else kind.serialize(value, version)
        for kind, value in zip(types, values, strict=True)
    ]
