"""The frame around every batch: magic, version, type, layout, length, checksum, then tables column by column.

    0   4  magic "CPRT"
    4   1  version, 1
    5   1  type of the batch (BatchType)
    6   2  layout: which columns the tables have, a number into `TableFormat.layouts`
    8   4  CRC-32 (IEEE 802.3, as in zlib) of everything from byte 12 on
    12  4  length of the whole frame in bytes
    16  8  source: which run of which agent made it
    24  8  sequence: its number among the batches that this source sent to this partition, from 0
    32  8  clock: the largest packet time that the source had seen, signed nanoseconds since the epoch
    40  4  rows of the first table
    44  4  rows of the second table
    48  4  payload bytes at the end
    52  4  zero

All numbers are little-endian. After the header come the first table's columns, each as one array, then the
second table's, then the payload.

A new column makes a new layout. A reader knows every released layout, so it reads what older agents and spools
hold; a layout that it does not know is refused. So readers are upgraded first (docs/how/wire.md).
"""

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np

from callprint.core.ground.arrays import Array
from callprint.core.ground.errors import DecodeError

MAGIC = b"CPRT"
VERSION = 1
HEADER = struct.Struct("<4sBBHIIQQqIIII")
CHECKED_FROM = 12  # the checksum covers the frame from here on
MAXIMUM_FRAME_BYTES = 64 << 20  # no honest batch comes near it; it bounds what a forged length can ask for

MOST_SEQUENCE = (1 << 63) - 1
"""Of a batch: Storm's tuples, in which the number travels on, have no larger one."""


class BatchType(IntEnum):
    """What the tables of a frame hold."""

    MEDIA = 1
    SIGNALLING = 2
    PROGRESS = 3
    PACKETS = 4


@dataclass(frozen=True, slots=True)
class TableFormat:
    """The columns of one table in every layout that was ever released.

    A released layout never changes: a new column goes into a copy at the end of `layouts`. `not_known` has the value
    that stands for such a column where a batch of an older layout lacks it.
    """

    layouts: tuple[np.dtype[Any], ...]
    not_known: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise ValueError when a column of the latest layout would be undefined in a batch of an older one."""
        for older in self.layouts[:-1]:
            undefined = set(self.columns) - set(older.names or ()) - set(self.not_known)
            if undefined:
                raise ValueError(f"nothing says what stands for {sorted(undefined)} in older batches")

    @property
    def latest(self) -> np.dtype[Any]:
        """What is written, and what a batch of any layout is read as."""
        return self.layouts[-1]

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns of the latest layout."""
        return self.latest.names or ()

    def decode(self, layout: int, rows: int, data: bytes, at: int) -> tuple[Array, int]:
        """Return the table, as the latest layout has it, and where it ends in `data`."""
        written = self.layouts[layout]
        table = np.empty(rows, dtype=self.latest)
        kept = table.dtype.fields or {}
        for name in written.names or ():
            column = written[name]
            if name in kept:  # a later layout may have dropped it
                table[name] = np.frombuffer(data, dtype=column, count=rows, offset=at)
            at += rows * column.itemsize
        if written is not self.latest:
            for name in set(self.columns) - set(written.names or ()):
                table[name] = self.not_known[name]
        return table, at


@dataclass(frozen=True, slots=True)
class Origin:
    """Which agent run made a batch, when in packet time, and its number among that run's batches."""

    source: int  # uint64
    sequence: int  # uint64, for each partition
    clock_ns: int


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame taken apart; the tables are copies, so they outlive the bytes."""

    origin: Origin
    first: Array  # (n,) of the latest layout of the first table
    second: Array  # (m,) of the latest layout of the second table
    payload: Array  # (bytes,) uint8


@dataclass(frozen=True, slots=True)
class BatchFormat:
    """How a type of batch lies on the wire. A layout is one of both tables, even where only one has changed."""

    kind: BatchType
    first: TableFormat
    second: TableFormat

    def __post_init__(self) -> None:
        """Raise ValueError when a layout lacks one of its tables."""
        if len(self.first.layouts) != len(self.second.layouts):
            raise ValueError(f"the tables of a {self.kind.name} batch differ in their number of layouts")

    @property
    def layouts(self) -> int:
        """How many layouts are known."""
        return len(self.first.layouts)

    def encode(self, origin: Origin, first: Array, second: Array, payload: Array) -> bytes:
        """Return the frame of two tables of the latest layout and a payload (bytes,) uint8."""
        body = _columns(self.first, first) + _columns(self.second, second) + payload.tobytes()
        length = HEADER.size + len(body)
        header = HEADER.pack(
            *(MAGIC, VERSION, self.kind, self.layouts - 1, 0, length),
            *(origin.source, origin.sequence, origin.clock_ns),
            *(len(first), len(second), len(payload), 0),
        )
        checksum = zlib.crc32(body, zlib.crc32(header[CHECKED_FROM:]))
        return header[:8] + checksum.to_bytes(4, "little") + header[CHECKED_FROM:] + body

    def decode(self, data: bytes) -> Frame:
        """Take a frame apart; its tables come in the latest layout. Raises DecodeError that names the defect."""
        found = frame_type(data)
        if found is not self.kind:
            raise DecodeError(
                f"a {found.name.lower()} batch where a {self.kind.name.lower()} batch was expected"
            )
        fields = HEADER.unpack_from(data)
        _, _, _, layout, checksum, length, source, sequence, clock_ns, rows, more_rows, payload, zero = fields
        if length != len(data) or length > MAXIMUM_FRAME_BYTES:
            raise DecodeError(f"the batch says it has {length} bytes, it has {len(data)}")
        if checksum != zlib.crc32(memoryview(data)[CHECKED_FROM:]):
            raise DecodeError("the checksum of the batch does not match its bytes")
        if layout >= self.layouts:
            raise DecodeError(
                f"a {found.name.lower()} batch of layout {layout}; this callprint reads layouts up to "
                f"{self.layouts - 1}: upgrade the topology before the agents"
            )
        if zero:
            raise DecodeError("reserved bytes of the batch header are not zero")
        if sequence > MOST_SEQUENCE:
            raise DecodeError(f"the batch has the number {sequence}, more than {MOST_SEQUENCE}")
        first, second = self.first.layouts[layout], self.second.layouts[layout]
        wanted = HEADER.size + rows * _row_bytes(first) + more_rows * _row_bytes(second) + payload
        if wanted != length:
            raise DecodeError(f"the tables of the batch need {wanted} bytes, it has {length}")
        first_table, at = self.first.decode(layout, rows, data, HEADER.size)
        second_table, at = self.second.decode(layout, more_rows, data, at)
        rest = np.frombuffer(data, dtype=np.uint8, offset=at)
        return Frame(Origin(source, sequence, clock_ns), first_table, second_table, rest)


def with_columns(released: np.dtype[Any], more: list[tuple[str, str]]) -> np.dtype[Any]:
    """Return a released layout with further columns at its end."""
    columns = [(name, released[name].str) for name in released.names or ()]
    return np.dtype([*columns, *more], align=True)


NO_TABLE = np.dtype([("unused", "u1")])
"""The layout of a table that is always empty."""


def _columns(described: TableFormat, table: Array) -> bytes:
    return b"".join(np.ascontiguousarray(table[name]).tobytes() for name in described.columns)


def _row_bytes(dtype: np.dtype[Any]) -> int:
    """Bytes of a row on the wire: without the gaps that align it in memory."""
    return sum(dtype[name].itemsize for name in dtype.names or ())


def frame_type(data: bytes) -> BatchType:
    """Return the type that a frame says it has. Raises DecodeError when the bytes are no frame."""
    if len(data) < HEADER.size:
        raise DecodeError(f"a batch of {len(data)} bytes is shorter than its header of {HEADER.size} bytes")
    if data[:4] != MAGIC:
        raise DecodeError("no callprint batch: the first four bytes are not CPRT")
    if data[4] != VERSION:
        raise DecodeError(f"a batch of version {data[4]}; this callprint reads version {VERSION}")
    try:
        return BatchType(data[5])
    except ValueError as error:
        raise DecodeError(f"a batch of unknown type {data[5]}") from error


def frame_source(data: bytes) -> int:
    """Return the source of a frame that was decoded before."""
    return int(HEADER.unpack_from(data)[6])
