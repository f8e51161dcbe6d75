"""Writes packets as pcapng (draft-ietf-opsawg-pcapng): bytes and link types as they were, times in nanoseconds."""

import struct
from typing import BinaryIO

import numpy as np

_SECTION = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
_NANOSECONDS = struct.pack("<HHB3xHH", 9, 1, 9, 0, 0)  # option if_tsresol = 9; the end of options


class PcapngWriter:
    """Writes to a binary stream that its caller opens and closes."""

    def __init__(self, stream: BinaryIO, comment: str = "") -> None:
        """Write the head of the file; `comment`: for people who look at it with other programs."""
        self.packets = 0
        self._stream = stream
        self._interfaces: dict[int, int] = {}  # link type -> number of its interface
        stream.write(_section(comment.encode("utf-8")))

    def write(self, data: np.ndarray, records: np.ndarray) -> None:
        """Write frames; data: (bytes,) uint8, records: (n,) RECORD."""
        for time_ns, offset, captured, original, link_type in records.tolist():
            interface = self._interface(link_type)
            frame = data[offset : offset + captured].tobytes()
            padded = frame + bytes(-captured % 4)
            length = 32 + len(padded)
            head = struct.pack("<III", 6, length, interface)
            stamp = struct.pack("<II", time_ns >> 32 & 0xFFFFFFFF, time_ns & 0xFFFFFFFF)
            sizes = struct.pack("<II", captured, original)
            self._stream.write(head + stamp + sizes + padded + struct.pack("<I", length))
            self.packets += 1

    def _interface(self, link_type: int) -> int:
        number = self._interfaces.get(link_type)
        if number is None:
            number = self._interfaces[link_type] = len(self._interfaces)
            length = 20 + len(_NANOSECONDS)
            block = (
                struct.pack("<IIHHI", 1, length, link_type, 0, 0) + _NANOSECONDS + struct.pack("<I", length)
            )
            self._stream.write(block)
        return number


def _section(comment: bytes) -> bytes:
    options = b""
    if comment:
        padded = comment + bytes(-len(comment) % 4)
        options = struct.pack("<HH", 1, len(comment)) + padded + bytes(4)  # opt_comment; the end of options
    length = 28 + len(options)
    head = struct.pack("<IIIHHq", 0x0A0D0D0A, length, 0x1A2B3C4D, 1, 0, -1)
    return head + options + struct.pack("<I", length)
