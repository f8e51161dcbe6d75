"""pcapng: sections of typed blocks, each with its length at both ends (draft-ietf-opsawg-pcapng).

A compiled walker goes through the packet blocks. It stops at section headers, interface descriptions and
statistics, which are rare and read in Python. Blocks of every other type are skipped.
"""

import contextlib
import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from callprint.core.capture.pcap import AHEAD, MAXIMUM_FRAME
from callprint.core.ground.compiled import compiled, prefetch
from callprint.core.ground.errors import CaptureError
from callprint.core.ground.loads import load16, load32

SECTION_HEADER = 0x0A0D0D0A  # a palindrome: reads the same in both byte orders
INTERFACE_DESCRIPTION = 1
OBSOLETE_PACKET = 2
SIMPLE_PACKET = 3
INTERFACE_STATISTICS = 5
ENHANCED_PACKET = 6

MAXIMUM_BLOCK = 1 << 20
"""Longest section, interface or packet block that is read; blocks of other types are skipped at any length."""

STOPPED_END = 0  # the rest of the buffer holds no whole block
STOPPED_FULL = 1  # the output has no room for another record
STOPPED_AT_HEADER = 2  # a block that Python reads starts here; of statistics it is whole
STOPPED_SKIP = 3  # a long block that nobody needs starts here, to be skipped as it comes
STOPPED_LENGTH = 4  # the block length is impossible
STOPPED_TRAILER = 5  # the two block lengths differ
STOPPED_INTERFACE = 6  # the packet names an interface that was not described
STOPPED_FRAME = 7  # the frame does not fit into its block

DEFECTS = {
    STOPPED_LENGTH: "the block's length is impossible",
    STOPPED_TRAILER: "the lengths before and after the block differ",
    STOPPED_INTERFACE: "the packet names an interface that was not described",
    STOPPED_FRAME: "the packet is longer than the block that holds it",
}

_DROPPED_OPTIONS = (5, 7)  # isb_ifdrop, isb_osdrop

TICKS_MULTIPLY = 0  # nanoseconds = ticks * value
TICKS_DIVIDE = 1  # nanoseconds = ticks // value
TICKS_BINARY = 2  # a tick is 2 ** -value seconds

LATEST_NS = 2**62 - 1
EARLIEST_NS = -(2**62)
"""The years 2116 and 1823. The difference of any two times, and any time plus a time-out, fits in 64 bits."""

INTERFACE = np.dtype(
    [
        ("offset_s", "<i8"),  # if_tsoffset
        ("value", "<u8"),  # see TICKS_
        ("link_type", "<u4"),
        ("snapshot", "<u4"),  # bytes; 0: no limit
        ("mode", "u1"),  # a TICKS_
    ]
)
"""One interface description, in the form that the walker needs."""


class Section(NamedTuple):
    """A section header block."""

    big_endian: bool
    block_length: int


def parse_section_header(head: bytes) -> Section:
    """Read the first 16 bytes of a section header block.

    Raises CaptureError when the byte-order magic, the version or the length is wrong.
    """
    if head[8:12] == b"\x1a\x2b\x3c\x4d":
        order = ">"
    elif head[8:12] == b"\x4d\x3c\x2b\x1a":
        order = "<"
    else:
        raise CaptureError("the section header has no byte-order magic", offset=8)
    (length,) = struct.unpack(order + "I", head[4:8])
    major, minor = struct.unpack(order + "HH", head[12:16])
    if major != 1:
        raise CaptureError(f"pcapng version {major}.{minor} is not supported (1.x is)", offset=12)
    if length < 28 or length % 4 or length > MAXIMUM_BLOCK:
        raise CaptureError(f"the section header has the impossible length {length}", offset=4)
    return Section(order == ">", length)


def parse_interface(block: bytes, big_endian: bool) -> np.ndarray:
    """Read a whole interface description block into one INTERFACE row.

    Raises CaptureError when the block or its time-stamp options are too short.
    """
    order = ">" if big_endian else "<"
    if len(block) < 20:
        raise CaptureError("the interface description is shorter than its fixed part")
    link_type, _reserved, snapshot = struct.unpack(order + "HHI", block[8:16])
    row = np.zeros((), INTERFACE)
    row["link_type"], row["snapshot"] = link_type, snapshot
    row["mode"], row["value"] = TICKS_MULTIPLY, 1000  # without if_tsresol a tick is a microsecond
    for code, value in _options(block, 16, order):
        if code == 9 and value:
            row["mode"], row["value"] = _resolution(value[0])
        elif code == 14 and len(value) >= 8:
            (row["offset_s"],) = struct.unpack(order + "q", value[:8])
    return row


def parse_statistics(block: bytes, big_endian: bool) -> tuple[int, int]:
    """Read a whole interface statistics block of any contents.

    Returns the number of the interface, and how many packets it and its system say to have dropped since the capture
    began: 0 where the block says nothing, or nothing that can be read, because packets do not depend on it.
    """
    order = ">" if big_endian else "<"
    (number,) = struct.unpack(order + "I", block[8:12])
    dropped = 0
    with contextlib.suppress(CaptureError):
        for code, value in _options(block, 20, order):
            if code in _DROPPED_OPTIONS and len(value) == 8:
                # Each says who dropped them, and some writers say the same number twice.
                dropped = max(dropped, *struct.unpack(order + "Q", value))
    return number, dropped


def _options(block: bytes, at: int, order: str) -> Iterator[tuple[int, bytes]]:
    """Yield code and value of the options of a block from `at` on."""
    end = len(block) - 4
    while at + 4 <= end:
        code, length = struct.unpack(order + "HH", block[at : at + 4])
        if code == 0:  # opt_endofopt
            break
        if at + 4 + length > end:
            raise CaptureError("an option of the interface reaches beyond its block")
        yield code, block[at + 4 : at + 4 + length]
        at += 4 + length + (-length % 4)


def _resolution(option: int) -> tuple[int, int]:
    """Return the TICKS_ mode and value of an if_tsresol byte; its top bit means a power of two."""
    exponent = option & 0x7F
    if option & 0x80:
        return TICKS_BINARY, exponent
    if exponent <= 9:
        return TICKS_MULTIPLY, 10 ** (9 - exponent)
    return TICKS_DIVIDE, 10 ** min(exponent - 9, 19)  # finer still, and 64 bits of ticks are below 1 ns


@compiled
def ticks_to_ns(ticks: np.uint64, mode: int, value: np.uint64, offset_s: int) -> int:
    """Convert a 64-bit time stamp to nanoseconds since the epoch, from EARLIEST_NS to LATEST_NS.

    Damaged files may hold any number here, so the conversion saturates instead of wrapping around.
    """
    latest = np.uint64(2**63 - 1)
    if mode == TICKS_MULTIPLY:
        nanoseconds = latest if ticks > latest // value else ticks * value
    elif mode == TICKS_DIVIDE:
        nanoseconds = min(ticks // value, latest)
    else:
        seconds, fraction = np.uint64(0), ticks
        if value < np.uint64(64):  # otherwise 64 bits of ticks are below one second
            seconds = ticks >> value
            fraction = ticks & ((np.uint64(1) << value) - np.uint64(1))
        if value > np.uint64(34):  # 34 bits times 1e9 is the most that 64 bits hold
            fraction >>= min(value - np.uint64(34), np.uint64(63))
            value = np.uint64(34)
        if seconds > np.uint64(9_223_372_035):
            nanoseconds = latest
        else:
            nanoseconds = seconds * np.uint64(1_000_000_000) + (
                (fraction * np.uint64(1_000_000_000)) >> value
            )
    result: int = np.int64(nanoseconds)  # type: ignore[assignment]  # compiled code has one integer type
    if offset_s > 9_223_372_035 - result // 1_000_000_000:
        return LATEST_NS
    if offset_s < -9_223_372_035:
        return EARLIEST_NS
    return min(max(result + offset_s * 1_000_000_000, EARLIEST_NS), LATEST_NS)


@compiled
def walk_pcapng(
    data: np.ndarray,  # (n,) uint8
    big_endian: bool,
    interfaces: np.ndarray,  # (i,) INTERFACE
    known: int,  # how many rows of `interfaces` are described
    last_ns: int,  # time of the last packet, for simple packet blocks, which have none of their own
    records: np.ndarray,  # (m,) RECORD, written
) -> tuple[int, int, int, int]:
    """Write the packets of the whole blocks at the start of `data`.

    Returns (how many, bytes the blocks took, STOPPED_ reason, time of the last packet).
    """
    at = 0
    count = 0
    size = data.shape[0]
    while at + 12 <= size:
        kind = load32(data, at, big_endian)
        if kind in (SECTION_HEADER, INTERFACE_DESCRIPTION):
            return count, at, STOPPED_AT_HEADER, last_ns
        length = load32(data, at + 4, big_endian)
        if length < 12 or length % 4 != 0:
            return count, at, STOPPED_LENGTH, last_ns
        is_packet = kind in (ENHANCED_PACKET, SIMPLE_PACKET, OBSOLETE_PACKET)
        if length > MAXIMUM_BLOCK:
            return count, at, STOPPED_LENGTH if is_packet else STOPPED_SKIP, last_ns
        if at + length > size:
            break
        prefetch(data, at + AHEAD * length)  # see pcap.py
        if load32(data, at + length - 4, big_endian) != length:
            return count, at, STOPPED_TRAILER, last_ns
        if kind == INTERFACE_STATISTICS:
            return count, at, STOPPED_AT_HEADER, last_ns
        if is_packet:
            if count == records.shape[0]:
                return count, at, STOPPED_FULL, last_ns
            if length < (16 if kind == SIMPLE_PACKET else 32):
                return count, at, STOPPED_LENGTH, last_ns
            interface = 0
            if kind == ENHANCED_PACKET:
                interface = load32(data, at + 8, big_endian)
            elif kind == OBSOLETE_PACKET:
                interface = load16(data, at + 8, big_endian)
            if interface >= known:
                return count, at, STOPPED_INTERFACE, last_ns
            described = interfaces[interface]
            if kind == SIMPLE_PACKET:
                frame = at + 12
                original = load32(data, at + 8, big_endian)
                captured = min(original, described.snapshot) if described.snapshot else original
            else:
                frame = at + 28
                captured = load32(data, at + 20, big_endian)
                original = load32(data, at + 24, big_endian)
                ticks = (np.uint64(load32(data, at + 12, big_endian)) << np.uint64(32)) | np.uint64(
                    load32(data, at + 16, big_endian)
                )
                last_ns = ticks_to_ns(ticks, described.mode, described.value, described.offset_s)
            if captured > at + length - 4 - frame or captured > MAXIMUM_FRAME:
                return count, at, STOPPED_FRAME, last_ns
            row = records[count]
            row.time_ns = last_ns
            row.offset = frame
            row.captured = captured
            row.original = original
            row.link_type = described.link_type
            count += 1
        at += length
    return count, at, STOPPED_END, last_ns
