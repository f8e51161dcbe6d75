"""The frame around every batch: magic, version, type, length, checksum, then tables column by column.

    0   4  magic "CPRT"
    4   1  version, 1
    5   1  type of the batch (BatchType)
    6   2  zero
    8   4  CRC-32 (IEEE 802.3, as zlib) of everything from byte 12 on
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
"""

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from callprint.core.ground.errors import DecodeError

Array = np.ndarray[Any, Any]

MAGIC = b"CPRT"
VERSION = 1
HEADER = struct.Struct("<4sBBHIIQQqIIII")
CHECKED_FROM = 12  # the checksum covers the frame from here on
MAXIMUM_FRAME_BYTES = 64 << 20  # no honest batch comes near it; it bounds what a forged length can ask for


class BatchType(IntEnum):
    """What the tables of a frame hold."""

    MEDIA = 1
    SIGNALLING = 2
    PROGRESS = 3
    PACKETS = 4


@dataclass(frozen=True, slots=True)
class Origin:
    """Which agent run made a batch, when in packet time, and its number among that run's batches."""

    source: int  # uint64
    sequence: int  # uint64, for each partition
    clock_ns: int


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame taken apart; the arrays are copies, so they outlive the bytes."""

    origin: Origin
    first: Array  # (n,) of the first table's dtype
    second: Array  # (m,) of the second table's dtype
    payload: Array  # (bytes,) uint8


def _columns(table: Array) -> bytes:
    return b"".join(np.ascontiguousarray(table[name]).tobytes() for name in table.dtype.names or ())


def encode_frame(kind: BatchType, origin: Origin, first: Array, second: Array, payload: Array) -> bytes:
    """Return the frame of two structured tables and a payload (bytes,) uint8."""
    body = _columns(first) + _columns(second) + payload.tobytes()
    length = HEADER.size + len(body)
    header = HEADER.pack(
        *(MAGIC, VERSION, kind, 0, 0, length),
        *(origin.source, origin.sequence, origin.clock_ns),
        *(len(first), len(second), len(payload), 0),
    )
    checksum = zlib.crc32(body, zlib.crc32(header[CHECKED_FROM:]))
    return header[:8] + checksum.to_bytes(4, "little") + header[CHECKED_FROM:] + body


def _row_bytes(dtype: np.dtype[Any]) -> int:
    """Bytes of a row on the wire: without the gaps that align it in memory."""
    return sum(dtype[name].itemsize for name in dtype.names or ())


def _table(dtype: np.dtype[Any], rows: int, data: bytes, at: int) -> tuple[Array, int]:
    table = np.empty(rows, dtype=dtype)
    for name in dtype.names or ():
        column = dtype[name]
        table[name] = np.frombuffer(data, dtype=column, count=rows, offset=at)
        at += rows * column.itemsize
    return table, at


def frame_type(data: bytes) -> BatchType:
    """Return the type that a frame says it has. Raises DecodeError when it is none."""
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


def decode_frame(data: bytes, kind: BatchType, first: np.dtype[Any], second: np.dtype[Any]) -> Frame:
    """Take a frame of type `kind` apart. Raises DecodeError that names the defect."""
    found = frame_type(data)
    if found is not kind:
        raise DecodeError(f"a {found.name.lower()} batch where a {kind.name.lower()} batch was expected")
    fields = HEADER.unpack_from(data)
    _, _, _, reserved, checksum, length, source, sequence, clock_ns, rows, more_rows, payload, zero = fields
    if length != len(data) or length > MAXIMUM_FRAME_BYTES:
        raise DecodeError(f"the batch says it has {length} bytes, it has {len(data)}")
    if checksum != zlib.crc32(memoryview(data)[CHECKED_FROM:]):
        raise DecodeError("the checksum of the batch does not match its bytes")
    if reserved or zero:
        raise DecodeError("reserved bytes of the batch header are not zero")
    wanted = HEADER.size + rows * _row_bytes(first) + more_rows * _row_bytes(second) + payload
    if wanted != length:
        raise DecodeError(f"the tables of the batch need {wanted} bytes, it has {length}")
    first_table, at = _table(first, rows, data, HEADER.size)
    second_table, at = _table(second, more_rows, data, at)
    rest = np.frombuffer(data, dtype=np.uint8, offset=at)
    return Frame(Origin(source, sequence, clock_ns), first_table, second_table, rest)
