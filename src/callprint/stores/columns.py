"""Columns of the tables, derived from the fields of what their rows hold (core/ground/fields.py)."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, Generic, TypeVar

from callprint.core.call import AllowEntry, CallRecord, Vote
from callprint.core.ground.fields import fields_of
from callprint.core.verdict import FlowKey, FlowSummary, Verdict
from callprint.stores.base import RegisteredModel, UnknownEvidence
from callprint.stores.values import WRITERS, flow_key, reader_of

T = TypeVar("T")

KEY_COLUMNS: tuple[str, ...] = FlowKey._fields
"""The columns of a flow key; they come first in a row about a flow."""


class Columns(Generic[T]):
    """The columns of one kind of value: their names, and values as rows and back."""

    def __init__(self, kind: type[T]) -> None:
        fields = fields_of(kind)
        self.names = tuple(field.name for field in fields)
        self.optional = frozenset(field.name for field in fields if field.optional)
        self.optional_texts = frozenset(
            field.name for field in fields if field.optional and field.type is str
        )
        self._kind = kind
        self._key = len(KEY_COLUMNS) if self.names[: len(KEY_COLUMNS)] == KEY_COLUMNS else 0
        own = fields[self._key :]
        self._readers = tuple(map(reader_of, own))
        self._writers = tuple(
            (i, WRITERS[field.type]) for i, field in enumerate(own) if field.type in WRITERS
        )
        self._cells: Callable[[Any], tuple[Any, ...]] = attrgetter(*(field.name for field in own))

    def row(self, value: T) -> tuple[object, ...]:
        """Return a value as a row of these columns. Raises TypeError or ValueError for what no column can hold."""
        cells: Any = self._cells(value)
        if self._writers:
            cells = list(cells)
            for i, write in self._writers:
                cells[i] = write(cells[i])
        return (*value.flow, *cells) if self._key else tuple(cells)

    def value(self, row: Sequence[object]) -> T:
        """Return the value of a row of these columns.

        A store is data from outside: raises TypeError or ValueError when a cell holds what no such value has.
        """
        cells = [read(cell) for read, cell in zip(self._readers, row[self._key :], strict=True)]
        return self._kind(flow_key(row[: self._key]), *cells) if self._key else self._kind(*cells)

    def selected(self, alias: str = "") -> str:
        """Return the names for a SELECT, each with the alias of its table if one is given."""
        return ", ".join(f"{alias}.{name}" if alias else name for name in self.names)


VERDICT = Columns(Verdict)
SUMMARY = Columns(FlowSummary)
CALL = Columns(CallRecord)
VOTE = Columns(Vote)
ALLOW_ENTRY = Columns(AllowEntry)
EVIDENCE = Columns(UnknownEvidence)
MODEL = Columns(RegisteredModel)


def insert_statement(table: str, columns: Sequence[str]) -> str:
    """Return the statement, the same in SQL and CQL, that inserts a row of these columns."""
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
