"""Classic pcap: a 24-byte file header, then records of a 16-byte header and the captured bytes.

Layout after draft-ietf-opsawg-pcap: magic (which gives byte order and time unit), version, time zone,
accuracy, snapshot length, link type. The walker is compiled because it runs through every packet; the file
header is read once, in Python.
"""

import struct
from typing import NamedTuple

import numpy as np

from callprint.core.ground.compiled import compiled, prefetch
from callprint.core.ground.errors import CaptureError
from callprint.core.ground.loads import load32

FILE_HEADER = 24  # bytes
RECORD_HEADER = 16  # bytes
MODIFIED_RECORD_HEADER = 24  # bytes; Kuznetzov's patch of 1999 appends interface, protocol and packet type

MAXIMUM_FRAME = 262_144
"""Longest captured frame that is credible, as in libpcap and Wireshark: a longer one is damage, not data."""

AHEAD = 8  # records whose memory is asked for before they are read

STOPPED_END = 0  # the rest of the buffer holds no whole record
STOPPED_FULL = 1  # the output has no room for another record
STOPPED_TOO_LONG = 2  # the record here claims more than MAXIMUM_FRAME bytes

_MAGICS = {
    b"\xd4\xc3\xb2\xa1": (False, 1000, RECORD_HEADER),
    b"\xa1\xb2\xc3\xd4": (True, 1000, RECORD_HEADER),
    b"\x4d\x3c\xb2\xa1": (False, 1, RECORD_HEADER),
    b"\xa1\xb2\x3c\x4d": (True, 1, RECORD_HEADER),
    b"\x34\xcd\xb2\xa1": (False, 1000, MODIFIED_RECORD_HEADER),
    b"\xa1\xb2\xcd\x34": (True, 1000, MODIFIED_RECORD_HEADER),
}


class PcapHeader(NamedTuple):
    """What the walker needs from the file header."""

    big_endian: bool
    fraction_ns: int  # nanoseconds in one unit of the second time-stamp word
    record_header: int  # bytes before each frame
    lengths_swapped: bool  # versions before 2.3 wrote the original length before the captured one
    link_type: int


def is_pcap(magic: bytes) -> bool:
    """Return whether the first four bytes of a stream announce a pcap file."""
    return magic in _MAGICS


def parse_file_header(header: bytes) -> PcapHeader:
    """Read the 24 bytes of a pcap file header whose magic `is_pcap` knows.

    Raises CaptureError on a version other than 2.x (and 543.0, which DG/UX wrote).
    """
    big_endian, fraction_ns, record_header = _MAGICS[header[:4]]
    order = ">" if big_endian else "<"
    major, minor, _zone, _accuracy, _snapshot, link = struct.unpack(order + "HHiIII", header[4:FILE_HEADER])
    if major not in (2, 543):
        raise CaptureError(f"pcap version {major}.{minor} is not supported (2.0 to 2.4 are)", offset=4)
    # The upper half of the link-type word describes a check sequence behind each frame; IP lengths exclude it.
    return PcapHeader(big_endian, fraction_ns, record_header, major == 543 or minor < 3, link & 0xFFFF)


@compiled
def walk_pcap(
    data: np.ndarray,  # (n,) uint8
    big_endian: bool,
    fraction_ns: int,
    record_header: int,
    lengths_swapped: bool,
    link_type: int,
    records: np.ndarray,  # (m,) RECORD, written
) -> tuple[int, int, int]:
    """Write the whole records at the start of `data`; return (how many, bytes they took, STOPPED_ reason)."""
    at = 0
    count = 0
    size = data.shape[0]
    while at + record_header <= size:
        if count == records.shape[0]:
            return count, at, STOPPED_FULL
        captured = load32(data, at + 8, big_endian)
        original = load32(data, at + 12, big_endian)
        if lengths_swapped:
            captured, original = original, captured
        if captured > MAXIMUM_FRAME:
            return count, at, STOPPED_TOO_LONG
        frame = at + record_header
        if frame + captured > size:
            break
        # Each record says where the next one is, so without help every one of them waits for memory. Those of a stream
        # are about as long as each other.
        prefetch(data, at + AHEAD * (record_header + captured))
        row = records[count]
        row.time_ns = (
            load32(data, at, big_endian) * 1_000_000_000 + load32(data, at + 4, big_endian) * fraction_ns
        )
        row.offset = frame
        row.captured = captured
        row.original = original
        row.link_type = link_type
        count += 1
        at = frame + captured
    return count, at, STOPPED_END
