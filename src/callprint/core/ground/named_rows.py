"""Rows of a dataclass or named tuple as plain values, together with the names of their fields.

    {"version": 2, "fields": ["flow.src_ip", ..., "application", ...], "rows": [[...], ...]}

Names let a row outlive the list of fields that it was written with: a field that the rows lack gets its default,
which means "not known", and a field that this version does not know is passed over. Version 1, written by callprint
0.1.0, is a bare list of rows without names; no rows at all are written as an empty list to this day.

Invariant: whatever is read either gives rows whose values have the types of their fields, or raises DecodeError.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import MISSING, fields, is_dataclass
from operator import attrgetter, itemgetter
from types import NoneType, UnionType
from typing import Any, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

from callprint.core.ground.errors import DecodeError

VERSION = 2
_PLAIN = (str, int, float, bool, NoneType)
_MOST_SIGNATURES = 256
_MOST_SHARED = 1 << 16
_LONGEST_SHARED = 64  # characters: addresses, names, versions

Item = TypeVar("Item")
Pick = Callable[[Sequence[Any]], Sequence[Any]]


def plain_types(annotation: Any) -> frozenset[type]:
    """Return the types of which a value of this annotation may be. Raises TypeError where JSON would change a value."""
    if get_origin(annotation) in (UnionType, Union):
        return frozenset().union(*map(plain_types, get_args(annotation)))
    if annotation is float:
        return frozenset((float, int))
    if annotation not in _PLAIN:
        raise TypeError(f"rows of plain values cannot hold {annotation}")
    return frozenset((annotation,))


class NamedRows(Generic[Item]):
    """Turns objects of one kind into rows and back. The first field may be a named tuple; the others are plain."""

    def __init__(self, kind: type[Item], released: Sequence[str]) -> None:
        """`released`: the fields of version 1 in their order; those of a named tuple as "field.its field"."""
        described = _fields_of(kind)
        first, annotation, _ = described[0]
        self._nested = annotation if hasattr(annotation, "_fields") else None
        self._nested_length = 0
        if self._nested is not None:
            inner = _fields_of(self._nested)
            self._nested_length = len(inner)
            described = [(f"{first}.{name}", *rest) for name, *rest in inner] + described[1:]
        self._kind: Callable[..., Item] = kind
        self._released = tuple(released)
        self._names = [name for name, _, _ in described]
        self._types = [plain_types(annotation) for _, annotation, _ in described]
        self._defaults = {name: default for name, _, default in described if default is not MISSING}
        self._texts = [column for column, types in enumerate(self._types) if str in types]
        self._shared: dict[str, str] = {}
        self._values = attrgetter(*self._names)
        self._known: set[tuple[type, ...]] = set()  # the types of rows that were checked before
        self._encode = json.JSONEncoder(separators=(",", ":")).encode
        self._head = self._encode({"version": VERSION, "fields": self._names})[:-1] + ',"rows":'

    def plain(self, items: Iterable[Item]) -> Any:
        """Return items as values that JSON can hold."""
        rows = [self._values(item) for item in items]
        return {"version": VERSION, "fields": self._names, "rows": rows} if rows else rows

    def text(self, items: Iterable[Item]) -> str:
        """Return `plain(items)` as JSON, which writes a float so that the same float is read back."""
        rows = [self._values(item) for item in items]
        return f"{self._head}{self._encode(rows)}}}" if rows else "[]"

    def read(self, plain: Any) -> list[Item]:
        """Return the items of `plain`, of this version or another. Raises DecodeError that names the defect."""
        if isinstance(plain, dict):
            version, names, rows = (plain.get(name) for name in ("version", "fields", "rows"))
            if type(version) is not int or version != VERSION:
                raise DecodeError(
                    f"rows of version {version!r:.20}; this callprint reads versions up to {VERSION}"
                )
            return self._items(rows, names)
        if self._nested is not None and isinstance(plain, list):
            plain = [_flat(row) for row in plain]
        return self._items(plain, self._released)

    def read_text(self, text: str) -> list[Item]:
        """Return the items of `text`. Raises DecodeError that names the defect."""
        ours = text.startswith(self._head) and text.endswith("}")
        try:
            found = json.loads(text[len(self._head) : -1] if ours else text)
        except (ValueError, RecursionError) as error:
            raise DecodeError(f"rows that are not JSON: {error}") from error
        return self._items(found, self._names) if ours else self.read(found)

    def _items(self, rows: Any, names: Any) -> list[Item]:
        if not isinstance(rows, list) or not {*map(type, rows)} <= {list, tuple}:
            raise DecodeError(f"no rows of {self._kind.__name__}")
        if names != self._names:
            pick, length = self._picker(names), len(names)
            if any(len(row) != length for row in rows):
                raise DecodeError(f"a row of {self._kind.__name__} has more or fewer values than its names")
            rows = [pick(row) for row in rows]
        rows = [row if type(row) is list else [*row] for row in rows]
        if len(self._shared) > _MOST_SHARED:
            self._shared.clear()
        share = self._shared.setdefault
        signature = None
        for row in rows:
            if (
                found := tuple(map(type, row))
            ) != signature:  # cheaper than a look-up, and most rows are alike
                if found not in self._known:
                    self._check(row)
                signature = found
            for column in self._texts:
                text = row[column]
                if text is not None and len(text) <= _LONGEST_SHARED:
                    row[column] = share(text, text)  # rows that wait for long have it once
        kind, nested, length = self._kind, self._nested, self._nested_length
        if nested is None:
            return [kind(*row) for row in rows]
        new = tuple.__new__  # what the named tuple's own constructor calls
        return [kind(new(nested, row[:length]), *row[length:]) for row in rows]

    def _picker(self, names: Any) -> Pick:
        """Return what brings a row with these names into the order of ours, with defaults where it lacks a field."""
        if not isinstance(names, list | tuple) or any(type(name) is not str for name in names):
            raise DecodeError(f"rows of {self._kind.__name__} whose fields have no names")
        columns = {name: column for column, name in enumerate(names)}
        if len(columns) != len(names):
            raise DecodeError(f"rows of {self._kind.__name__} that name a field twice")
        defaults: list[Any] = []
        order = []
        for name in self._names:
            if name in columns:
                order.append(columns[name])
            elif name in self._defaults:
                order.append(len(names) + len(defaults))
                defaults.append(self._defaults[name])
            else:
                raise DecodeError(f"rows of {self._kind.__name__} lack {name}")
        pick = itemgetter(*order)
        return lambda row: pick([*row, *defaults])

    def _check(self, row: Sequence[Any]) -> None:
        if len(row) != len(self._names):
            raise DecodeError(f"a row of {self._kind.__name__} has more or fewer values than its names")
        for name, types, value in zip(self._names, self._types, row, strict=True):
            if type(value) not in types:
                raise DecodeError(f"{name} of a {self._kind.__name__} cannot be a {type(value).__name__}")
        if len(self._known) < _MOST_SIGNATURES:
            self._known.add(tuple(map(type, row)))


def _fields_of(kind: Any) -> list[tuple[str, Any, Any]]:
    """Return name, annotation and default (MISSING where there is none) of each field."""
    annotations = get_type_hints(kind)
    if is_dataclass(kind):
        return [(field.name, annotations[field.name], field.default) for field in fields(kind)]
    return [(name, annotations[name], kind._field_defaults.get(name, MISSING)) for name in kind._fields]


def _flat(row: Any) -> Any:
    """Return a row of version 1, whose first value is the list of a named tuple's fields, as one list."""
    if isinstance(row, list) and row and isinstance(row[0], list):
        return [*row[0], *row[1:]]
    return None
