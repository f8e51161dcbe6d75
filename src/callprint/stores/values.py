"""Values as they come out of a store: checked, since a damaged or forged one may hold anything anywhere.

Each reader returns the value or raises TypeError or ValueError, which the store turns into StoreError.
"""

import ipaddress
import json
import math
from collections.abc import Callable, Sequence
from enum import StrEnum
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any, TypeVar

from callprint.core.ground.fields import NamedField
from callprint.core.verdict import FlowKey

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)
Reader = Callable[[object], Any]


def time(value: object) -> int:
    """Any integer."""
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is no integer")
    return value


def count(value: object) -> int:
    """An integer of at least 0."""
    if time(value) < 0:
        raise ValueError(f"{value!r} is negative")
    return time(value)


def flag(value: object) -> bool:
    """0 or 1 (any positive integer) as a truth value."""
    return bool(count(value))


def number(value: object) -> float:
    """A finite number of at least 0."""
    if not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise TypeError(f"{value!r} is no finite number of at least 0")
    return float(value)


def number_up_to(maximum: float) -> Callable[[object], float]:
    """A number from 0 to `maximum`."""

    def read(value: object) -> float:
        found = number(value)
        if found > maximum:
            raise ValueError(f"{found} is not between 0 and {maximum}")
        return found

    return read


def text(value: object) -> str:
    """A text."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def blob(value: object) -> bytes:
    """Bytes."""
    if not isinstance(value, bytes):
        raise TypeError(f"{value!r} is no bytes")
    return value


def optional(read: Callable[[object], T]) -> Callable[[object], T | None]:
    """What `read` takes, or NULL."""
    return lambda value: None if value is None else read(value)


def member(kind: type[E]) -> Callable[[object], E]:
    """The value of a member of the enumeration `kind`."""
    return lambda value: kind(text(value))


def flow_key(values: Sequence[object]) -> FlowKey:
    """The columns of a flow key: addresses of one IP version, ports and SSRC within their range."""
    src_ip, src_port, dst_ip, dst_port, ssrc, first_seen_ns = values
    if ipaddress.ip_address(text(src_ip)).version != ipaddress.ip_address(text(dst_ip)).version:
        raise ValueError(f"{src_ip} and {dst_ip} are of different IP versions")
    if not (count(src_port) <= 0xFFFF and count(dst_port) <= 0xFFFF):
        raise ValueError(f"ports {src_port} and {dst_port} are out of range")
    if count(ssrc) > 0xFFFFFFFF:
        raise ValueError(f"SSRC {ssrc} is out of range")
    return FlowKey(
        *(text(src_ip), count(src_port), text(dst_ip), count(dst_port)), count(ssrc), time(first_seen_ns)
    )


def flow_keys(value: object) -> tuple[FlowKey, ...]:
    """A JSON list of flow keys."""
    return tuple(flow_key(flow) for flow in json.loads(text(value)))


def numbers(value: object) -> tuple[float, ...]:
    """A JSON list of finite numbers; null stands for NaN."""
    return tuple(math.nan if each is None else _finite(each) for each in json.loads(text(value)))


def _finite(value: object) -> float:
    # JSON as Python reads it also holds texts, lists, NaN and Infinity.
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError(f"{value!r} is no finite number")
    return float(value)


_encode = json.JSONEncoder(allow_nan=False).encode


def numbers_text(values: Sequence[float]) -> str:
    """Return the JSON list that `numbers` reads. Raises ValueError for infinity."""
    try:
        text = ", ".join(
            ["null" if value != value else float.__repr__(value) for value in values]  # noqa: PLR0124 - most are NaN
        )
    except TypeError:  # a whole number
        return _encode([None if math.isnan(value) else value for value in values])
    if "inf" in text:
        raise ValueError("infinity is not JSON")
    return f"[{text}]"


def flow_keys_text(flows: Sequence[FlowKey]) -> str:
    """Return the JSON list that `flow_keys` reads."""
    return f"[{', '.join(map(_flow_key_text, flows))}]" if flows else "[]"


def _flow_key_text(flow: FlowKey) -> str:
    """Return what a JSON encoder would give, which takes four times as long: a call has a list or two of these."""
    src_ip, src_port, dst_ip, dst_port, ssrc, first_seen_ns = flow
    return f"[{_quoted(src_ip)}, {src_port}, {_quoted(dst_ip)}, {dst_port}, {ssrc}, {first_seen_ns}]"


READERS: dict[Any, Reader] = {
    str: text,
    bool: flag,
    bytes: blob,
    tuple[FlowKey, ...]: flow_keys,
    tuple[float, ...]: numbers,
}
"""How a value is read, by the type of its field; `reader_of` adds numbers and enumerations."""

WRITERS: dict[Any, Callable[[Any], object]] = {
    tuple[FlowKey, ...]: flow_keys_text,
    tuple[float, ...]: numbers_text,
}
"""How a value that no column can hold is written."""


def reader_of(field: NamedField) -> Reader:
    """Return what reads a field's value."""
    if field.type is int:
        read: Reader = time if field.is_time else count
    elif field.type is float:
        maximum = field.limits.get("maximum")
        read = number if maximum is None else number_up_to(maximum)
    else:
        read = READERS.get(field.type) or member(field.type)
    return optional(read) if field.optional else read
