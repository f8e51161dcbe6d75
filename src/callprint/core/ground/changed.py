"""Values of dataclasses with some fields changed, for what every flow and call goes through."""

from collections.abc import Callable
from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar, cast

Value = TypeVar("Value")


def changed(value: Value, **changes: Any) -> Value:
    """Return what dataclasses.replace does, for a dataclass of more than one field, in half the time.

    All its fields must be arguments of `__init__`, by position. Raises KeyError for a field that it has not.
    """
    places, read = _fields(cast(Any, type(value)))
    values = list(read(value))
    for name, new in changes.items():
        values[places[name]] = new
    return type(value)(*values)


@cache
def _fields(kind: Any) -> tuple[dict[str, int], Callable[[Any], tuple[Any, ...]]]:
    names = [field.name for field in fields(kind)]
    return {name: at for at, name in enumerate(names)}, attrgetter(*names)
