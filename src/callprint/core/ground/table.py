"""Values as columns, for what every flow and call goes through: an object is made when somebody looks at one."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from itertools import chain, count, repeat
from operator import attrgetter, eq
from typing import Any, Generic, NamedTuple, TypeVar, Union, cast, overload

Value = TypeVar("Value")


class Same(NamedTuple):
    """A column of which every cell is the same."""

    value: Any


Column = Union[Sequence[Any], Same, "ValueTable[Any]"]
"""The cells of a field; those of a field that is itself a dataclass may be a table."""


@dataclass(frozen=True, slots=True)
class ValueTable(Generic[Value]):
    """Values of a dataclass, as columns by the names of its fields."""

    kind: type[Value]
    columns: Mapping[str, "Column"]
    length: int

    def __len__(self) -> int:
        """Return the number of values."""
        return self.length

    def __iter__(self) -> Iterator[Value]:
        """Make the values."""
        kind: Any = self.kind
        return map(kind, *(self.cells(name) for name in names_of(kind)))

    def __getitem__(self, at: int) -> Value:
        """Make one value."""
        kind: Any = self.kind
        return cast(Value, kind(*(self.cell(name, at) for name in names_of(kind))))

    def cell(self, name: str, at: int) -> Any:
        """Return one cell."""
        column = self.columns[name]
        return column.value if isinstance(column, Same) else column[at]

    def of(self, name: str, places: Sequence[int]) -> Column:
        """Return the cells of a column in these places."""
        column = self.columns[name]
        if isinstance(column, ValueTable):
            return column.chosen(places)
        return column if isinstance(column, Same) else list(map(column.__getitem__, places))

    def gathered(self, name: str, places: Sequence[int]) -> Iterable[Any]:
        """Return the cells of a column in these places, one after the other."""
        column = self.of(name, places)
        return repeat(column.value, len(places)) if isinstance(column, Same) else column

    def chosen(self, places: Sequence[int]) -> "ValueTable[Value]":
        """Return the values in these places."""
        if len(places) == self.length and all(map(eq, places, count())):
            return self
        return ValueTable(self.kind, {name: self.of(name, places) for name in self.columns}, len(places))

    def changed(self, values: Mapping[int, Value]) -> "ValueTable[Value]":
        """Return these values with others in some places."""
        if not values:
            return self
        kind: Any = self.kind
        columns = dict(self.columns)
        for name in names_of(kind):
            new = {
                at: cell
                for at, value in values.items()
                if (cell := getattr(value, name)) is not self.cell(name, at)
            }
            if new:
                columns[name] = [new.get(at, old) for at, old in enumerate(self.cells(name))]
        return ValueTable(self.kind, columns, self.length)

    def cells(self, name: str) -> Iterable[Any]:
        """Return the cells of a column."""
        column = self.columns[name]
        return repeat(column.value, self.length) if isinstance(column, Same) else column


@cache
def names_of(kind: Any) -> tuple[str, ...]:
    """Return the names of the fields of a dataclass, in their order."""
    return tuple(field.name for field in fields(kind))


class Rows(Sequence[Value]):
    """Values in their order, some of them as columns."""

    __slots__ = ("parts",)

    def __init__(self, values: Iterable[Value] = ()) -> None:
        """Begin with some values."""
        self.parts: list[list[Value] | ValueTable[Value]] = []
        self.extend(values)

    def extend(self, values: Iterable[Value]) -> None:
        """Put values at the end; what is a ValueTable, or in one, stays in it."""
        if isinstance(values, Rows):
            for part in values.parts:
                self.extend(part)
        elif isinstance(values, ValueTable):
            self.parts += [values] if len(values) else []
        elif self.parts and isinstance(self.parts[-1], list):
            self.parts[-1] += values
        elif found := list(values):
            self.parts.append(found)

    def cells(self, name: str) -> Iterator[Any]:
        """Return the cells of a column, over all values."""
        get = attrgetter(name)
        return chain.from_iterable(
            part.cells(name) if isinstance(part, ValueTable) else map(get, part) for part in self.parts
        )

    def clear(self) -> None:
        """Let go of all values."""
        self.parts.clear()

    def __len__(self) -> int:
        """Return the number of values."""
        return sum(map(len, self.parts))

    def __iter__(self) -> Iterator[Value]:
        """Give the values, made as they are needed."""
        return chain.from_iterable(self.parts)

    @overload
    def __getitem__(self, at: int) -> Value: ...

    @overload
    def __getitem__(self, at: slice) -> list[Value]: ...

    def __getitem__(self, at: int | slice) -> Value | list[Value]:
        """Make all values and return some."""
        return list(self)[at]

    def __eq__(self, other: object) -> bool:
        """Compare with any other sequence of values."""
        return isinstance(other, Sequence) and list(self) == list(other)

    def __add__(self, others: Iterable[Value]) -> list[Value]:
        """Return these values, then the others."""
        return [*self, *others]

    def __radd__(self, others: Iterable[Value]) -> list[Value]:
        """Return the others, then these values."""
        return [*others, *self]

    def __hash__(self) -> int:
        """Raise TypeError: this can grow."""
        raise TypeError("rows have no hash")
