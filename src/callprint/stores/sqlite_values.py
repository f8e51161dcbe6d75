"""Values as they come out of an SQLite file: checked, for a damaged or forged one holds anything anywhere.

Each function returns the value or raises TypeError or ValueError, which the store turns into StoreError.
"""

import ipaddress
import math
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import TypeVar

from callprint.core.verdict import FlowKey

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)


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


def text(value: object) -> str:
    """A text."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def optional(read: Callable[[object], T]) -> Callable[[object], T | None]:
    """What `read` takes, or NULL."""
    return lambda value: None if value is None else read(value)


def member(kind: type[E]) -> Callable[[object], E]:
    """The value of a member of the enumeration `kind`."""
    return lambda value: kind(text(value))


def flow_key(values: Sequence[object]) -> FlowKey:
    """The six columns of a flow key: addresses of one IP version, ports and SSRC within their range."""
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


def insert_statement(table: str, columns: Sequence[str]) -> str:
    """Return the statement that inserts a row of these columns."""
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
