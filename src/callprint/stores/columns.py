"""Columns of the tables, derived from the fields of what their rows hold (core/ground/fields.py)."""

import re
import zlib
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from itertools import chain, repeat
from operator import attrgetter
from typing import Any, Generic, TypeVar

from callprint.core.call import AllowEntry, CallRecord, Vote
from callprint.core.ground.fields import NamedField, fields_of
from callprint.core.ground.table import Rows, Same, ValueTable
from callprint.core.verdict import FlowKey, FlowSummary, Verdict
from callprint.stores.base import RegisteredModel, UnknownEvidence
from callprint.stores.values import WRITERS, flow_key, reader_of, text

T = TypeVar("T")

KEY_COLUMNS: tuple[str, ...] = FlowKey._fields
"""The columns of a flow key; they come first in a row about a flow."""


SEQUENCE = "sequence"
"""A column that stores add to judgements: it rises, and of judgements of the same thing the highest counts."""

_MARK = re.compile(r" #[0-9a-f]{8}\Z")


class Columns(Generic[T]):
    """The columns of one kind of value: their names, and values as rows and back.

    `judge` names the column of a judgement that says who judged. Its cell is part of the primary key, and ends with a
    digest of the row: "compact 5 #0a1b2c3d". So another judgement of the same thing is another row, whatever made it
    differ. Rows that 0.1.0 wrote have no digest.
    """

    def __init__(self, kind: type[T], judge: str = "") -> None:
        fields = fields_of(kind)
        self.names = tuple(field.name for field in fields)
        self.optional = frozenset(field.name for field in fields if field.optional)
        self.flags = frozenset(field.name for field in fields if field.type is bool)
        self.optional_texts = frozenset(
            field.name for field in fields if field.optional and field.type is str
        )
        self._kind = kind
        self._fields = fields
        self._key = len(KEY_COLUMNS) if self.names[: len(KEY_COLUMNS)] == KEY_COLUMNS else 0
        self._readers = tuple(map(reader_of, fields[self._key :]))
        self._writers = tuple(
            (i, WRITERS[field.type]) for i, field in enumerate(fields) if field.type in WRITERS
        )
        self._cells: Callable[[T], tuple[object, ...]] = attrgetter(*(field.path for field in fields))
        self._judge = self.names.index(judge) if judge else None

    def row(self, value: T) -> tuple[object, ...]:
        """Return a value as a row of these columns. Raises TypeError or ValueError for what no column can hold."""
        cells = self._cells(value)
        if not self._writers and self._judge is None:
            return cells
        written = list(cells)
        for i, write in self._writers:
            written[i] = write(written[i])
        if self._judge is not None and isinstance(written[self._judge], str):
            # A flow's key is in the primary key anyway.
            written[self._judge] = _marked(written[self._judge], repr(written[self._key :]))
        return tuple(written)

    def cells(self, values: Iterable[T]) -> list[Sequence[Any]]:
        """Return values as columns, with the cells of `row`; those that are columns are no objects on the way."""
        parts = values.parts if isinstance(values, Rows) else [values]
        found = [
            self._of_table(part) if isinstance(part, ValueTable) else self._of_values(part) for part in parts
        ]
        if len(found) < 2:
            return found[0] if found else [()] * len(self.names)
        return [list(chain.from_iterable(of_name)) for of_name in zip(*found, strict=True)]

    def _of_values(self, values: Iterable[T]) -> list[Sequence[Any]]:
        columns = list(zip(*map(self._cells, values), strict=True)) or [()] * len(self.names)
        return self._written(columns, len(columns[0]))

    def _of_table(self, table: ValueTable[T]) -> list[Sequence[Any]]:
        keys: list[Any] = [*zip(*table.cells("flow"), strict=True)] if self._key else []
        return self._written([*keys, *(table.columns[name] for name in self.names[len(keys) :])], len(table))

    def _written(self, columns: Sequence[Sequence[Any] | Same], count: int) -> list[Sequence[Any]]:
        """Return columns as a store takes them, each of so many cells."""
        cells: list[Sequence[Any]] = []
        texts = []
        for field, column in zip(self._fields, columns, strict=True):
            of_each = [column.value] if isinstance(column, Same) else column
            written = _written(field, of_each)
            cells.append([*written] * count if isinstance(column, Same) else written)
            # A flow's key is in the primary key anyway.
            if self._judge is not None and len(cells) > self._key:
                text = _texts(field, of_each, written)
                texts.append(repeat(*text, count) if isinstance(column, Same) else text)
        if self._judge is not None:
            rows = map(", ".join, zip(*texts, strict=False))
            cells[self._judge] = [
                _marked(judge, f"[{row}]") if isinstance(judge, str) else judge
                for judge, row in zip(cells[self._judge], rows, strict=False)
            ]
        return cells

    def value(self, row: Sequence[object], flow: FlowKey | None = None) -> T:
        """Return the value of a row of these columns; `flow` is its key, where that has been read before.

        A store is data from outside: raises TypeError or ValueError when a cell holds what no such value has.
        """
        if self._judge is not None:
            row = list(row)
            row[self._judge] = _MARK.sub("", text(row[self._judge]))
        cells = [read(cell) for read, cell in zip(self._readers, row[self._key :], strict=True)]
        if not self._key:
            return self._kind(*cells)
        return self._kind(flow or flow_key(row[: self._key]), *cells)

    def selected(self, alias: str = "") -> str:
        """Return the names for a SELECT, each with the alias of its table if one is given."""
        return ", ".join(f"{alias}.{name}" if alias else name for name in self.names)


def _marked(judge: object, row: str) -> str:
    return f"{judge} #{zlib.crc32(row.encode('ascii', 'backslashreplace')):08x}"


def _written(field: NamedField, column: Sequence[Any]) -> Sequence[Any]:
    """Return cells as a store takes them."""
    if _is_enumeration(field):
        # Slow, and of few values.
        texts = {value: None if value is None else value.value for value in set(column)}
        return list(map(texts.__getitem__, column))
    return column if field.type not in WRITERS else list(map(WRITERS[field.type], column))


def _texts(field: NamedField, column: Sequence[Any], written: Sequence[Any]) -> Iterable[str]:
    """Return cells as `repr` gives them in a row."""
    if _is_enumeration(field):
        texts = {value: repr(value) for value in set(column)}
        return map(texts.__getitem__, column)
    if is_empty(column):
        return repeat(repr(None), len(column))
    return map(repr, written)


def is_empty(column: Sequence[Any]) -> bool:
    """Tell whether no cell of a column holds anything."""
    return column.count(None) == len(column)


def _is_enumeration(field: NamedField) -> bool:
    return isinstance(field.type, type) and issubclass(field.type, StrEnum)


VERDICT = Columns(Verdict, judge="model")
SUMMARY = Columns(FlowSummary)
CALL = Columns(CallRecord, judge="detector")
VOTE = Columns(Vote)
ALLOW_ENTRY = Columns(AllowEntry)
EVIDENCE = Columns(UnknownEvidence)
MODEL = Columns(RegisteredModel)


def insert_statement(table: str, columns: Sequence[str]) -> str:
    """Return the statement, the same in SQL and CQL, that inserts a row of these columns."""
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
