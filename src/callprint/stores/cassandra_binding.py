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
    """A prepared statement and how its values are serialised."""

    prepared: Any
    types: tuple[Any, ...]


class Binder:
    """Binds the rows of one write, which it must not outlive.

    `prepare` prepares a statement; `using` says what follows it, the same for all rows of a table.
    """

    def __init__(self, prepare: Callable[[str], Any], using: Callable[[Row], str]) -> None:
        self._prepare = prepare
        self._using = using
        self._inserts: dict[tuple[str, tuple[str, ...]], _Insert] = {}
        self._shared: dict[tuple[int, tuple[Any, ...]], tuple[list[bytes | None], int]] = {}

    def bind(self, row: Row) -> Bound:
        """Return the statement that inserts a row. Raises TypeError or ValueError for what no column holds."""
        key = row.table, row.columns
        insert = self._inserts.get(key)
        if insert is None:
            prepared = self._prepare(insert_statement(row.table, row.columns) + self._using(row))
            insert = self._inserts[key] = _Insert(prepared, tuple(c.type for c in prepared.column_metadata))
        try:
            cells, size = self._serialised(row.cells, insert)
            apart = [
                _cell(kind, value, insert.prepared.protocol_version)
                for kind, value in zip(insert.types[len(cells) :], row.apart, strict=True)
            ]
        except struct.error:
            return Bound(insert.prepared.bind(row.values), 0)  # raises what says which column it is
        statement = BoundStatement(insert.prepared)
        statement.values = cells + apart
        return Bound(statement, size + sum(map(len, filter(None, apart))))

    def _serialised(self, cells: tuple[object, ...], insert: _Insert) -> tuple[list[bytes | None], int]:
        # The rows that hold the cells are in the hands of the caller, so no other tuple gets their identity.
        types = insert.types[: len(cells)]
        key = id(cells), types
        found = self._shared.get(key)
        if found is None:
            version = insert.prepared.protocol_version
            written = [_cell(kind, value, version) for kind, value in zip(types, cells, strict=True)]
            found = self._shared[key] = written, sum(map(len, filter(None, written)))
        return found


def _cell(kind: Any, value: object, version: int) -> bytes | None:
    serialised: bytes | None = None if value is None else kind.serialize(value, version)
    return serialised
