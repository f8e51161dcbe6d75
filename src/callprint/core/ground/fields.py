"""Fields described where they are defined: JSON, CSV, schemas, store columns and the tables in docs derive from this.

    k: Annotated[int, Field(9, Known.VERDICT, "RTP packets that the verdict is based on.")]

A field added after 0.1.0 has a type `... | None` and the default None: "not known", as in rows of older versions.
"""

import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from operator import attrgetter
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin, get_type_hints


class Limits:
    """What the values of a type are limited to, in keywords of JSON Schema."""

    def __init__(self, **keywords: Any) -> None:
        self.keywords = keywords


Name = Annotated[str, Limits(minLength=1)]
Address = Annotated[str, Limits(anyOf=[{"format": "ipv4"}, {"format": "ipv6"}])]
Port = Annotated[int, Limits(maximum=0xFFFF)]
Probability = Annotated[float, Limits(maximum=1)]
Digest = Annotated[str, Limits(pattern="^[0-9a-f]{16}$")]


class Known(StrEnum):
    """From when on a field has its value."""

    FIRST_PACKET = "first packet"  # of the flow
    VERDICT = "verdict"  # each verdict on a flow has its own
    SETUP = "setup"  # of a call: at its first INVITE
    END = "end"  # of a flow or a call


@dataclass(frozen=True, slots=True)
class Field:
    """What there is to know about a field besides its name and type."""

    number: int  # its place in JSON and CSV; a new field takes the next number, so that no other field moves
    known: Known
    meaning: str  # one sentence; code in backticks
    absent: str | int | None = None  # what stands for "not known" where None does not
    decimals: int | None = None  # JSON and CSV round to so many


class NamedField(NamedTuple):
    """A field of a value class."""

    name: str
    path: str  # the attribute, with a dot for a field of a field
    type: Any  # str, int, float, bool, bytes, an enumeration or a tuple; never with None
    optional: bool  # None stands for "not known"
    limits: dict[str, Any]  # keywords of JSON Schema, beyond the type
    about: Field

    @property
    def unit(self) -> str:
        """The unit, as the end of the name gives it; "" for a plain number or text."""
        return UNITS.get(self.name.rpartition("_")[2], "")

    @property
    def is_time(self) -> bool:
        """Whether it is a point in time; any other integer is never negative."""
        return self.name.endswith("_ns")


UNITS = {"ns": "ns since 1970", "ms": "ms", "hz": "Hz", "bytes": "bytes"}
"""Units by the last word of a name."""

UNDESCRIBED = Field(0, Known.FIRST_PACKET, "")
"""Stands for the description of a field that only stores see."""


@cache
def fields_of(kind: type) -> tuple[NamedField, ...]:
    """Return the fields of a dataclass or named tuple in their order.

    A field that is itself a named tuple, as a flow's key is, is replaced by its fields.
    """
    found: list[NamedField] = []
    for name, hint in get_type_hints(kind, include_extras=True).items():
        outer, described = _unwrapped(hint)
        options = get_args(outer) if get_origin(outer) in (Union, types.UnionType) else (outer,)
        (one,) = (option for option in options if option is not types.NoneType)
        plain, narrowed = _unwrapped(one)
        if hasattr(plain, "_fields"):
            found += (field._replace(path=f"{name}.{field.path}") for field in fields_of(plain))
            continue
        extras = (*narrowed, *described)
        about = next((extra for extra in extras if isinstance(extra, Field)), UNDESCRIBED)
        limits = next((extra.keywords for extra in extras if isinstance(extra, Limits)), {})
        found.append(NamedField(name, name, plain, len(options) > 1, limits, about))
    return tuple(found)


def _unwrapped(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return the type inside an Annotated, and its metadata."""
    return (hint.__origin__, hint.__metadata__) if get_origin(hint) is Annotated else (hint, ())


def in_order(fields: Iterable[NamedField]) -> tuple[NamedField, ...]:
    """Return fields by their numbers, each name once: of two fields of one name the one given later."""
    return tuple(sorted({each.name: each for each in fields}.values(), key=lambda each: each.about.number))


@cache
def _getter(kind: type) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    fields = fields_of(kind)
    return tuple(field.name for field in fields), attrgetter(*(field.path for field in fields))


def values_of(value: Any) -> dict[str, Any]:
    """Return what the fields of a value hold, by name, as `fields_of` lists them."""
    kind: type = type(value)
    names, get = _getter(kind)
    return dict(zip(names, get(value), strict=True))
