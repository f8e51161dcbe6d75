"""Writes packets as pcapng (draft-ietf-opsawg-pcapng): bytes and link types as they were, times in nanoseconds."""

import struct
from typing import BinaryIO

import numpy as np

from callprint.core.ground.pieces import copy_pieces

_NANOSECONDS = struct.pack("<HHB3xHH", 9, 1, 9, 0, 0)  # option if_tsresol = 9; the end of options
_PACKET_HEAD, _PACKET_BLOCK = 28, 32
"""Bytes of an enhanced packet block before the frame, and all besides the frame."""


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
        if not len(records):
            return
        interfaces = np.zeros(len(records), "<u4")
        for link_type in dict.fromkeys(records["link_type"].tolist()):
            interfaces[records["link_type"] == link_type] = self._interface(link_type)
        captured = records["captured"].astype(np.int64)
        lengths = _PACKET_BLOCK + captured + -captured % 4
        ends = np.cumsum(lengths)
        words = np.zeros(int(ends[-1]) // 4, "<u4")
        begins = (ends - lengths) // 4
        times = records["time_ns"].astype(np.int64)
        head = (
            6,
            lengths,
            interfaces,
            times >> 32 & 0xFFFFFFFF,
            times & 0xFFFFFFFF,
            captured,
            records["original"],
        )
        for number, column in enumerate(head):
            words[begins + number] = column
        words[ends // 4 - 1] = lengths
        octets = words.view(np.uint8)
        copy_pieces(octets, 4 * begins + _PACKET_HEAD, data, records["offset"], captured)
        self._stream.write(octets.tobytes())
        self.packets += len(records)

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
