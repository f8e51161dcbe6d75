"""The incremental decoder: the same stream gives the same records, however it is cut into chunks.

States: DETECT (magic not seen yet) -> PCAP or PCAPNG -> BROKEN (a defect; nothing after it is decoded).
There is no I/O here: the caller keeps what `feed` did not consume and puts it in front of the next chunk.
"""

from typing import Literal

import numpy as np

from callprint.core.capture import pcap, pcapng
from callprint.core.ground.errors import CaptureError
from callprint.core.packets import RECORD

BATCH_RECORDS = 16384
"""Most records of one `feed`: it bounds the memory of everything behind it."""

ROOM_RECORDS = 1024
"""Rows in front of those: for packets of the last batch that wait for their turn (packet_order.py)."""

MAXIMUM_INTERFACES = 65_536
"""Interfaces of one pcapng section that are remembered; more is damage, not a capture."""

SUPPORTED = "pcap and pcapng in either byte order, also compressed by gzip or zstd"

_PCAPNG_MAGIC = b"\x0a\x0d\x0d\x0a"


class CaptureDecoder:
    """Turns the bytes of a pcap or pcapng stream into RECORD rows.

    `format` is None until the magic has been seen, then "pcap" or "pcapng". `position` is the stream offset of
    the next byte to decode. `packets` counts the records so far. `error` is set at the first defect: every whole
    packet before it has been returned, nothing after it will be.
    """

    def __init__(self) -> None:
        self.format: str | None = None
        self.position = 0
        self.packets = 0
        self.error: CaptureError | None = None
        self.rows = np.empty(0, RECORD)  # what the last records are the end of; the rows before them are free
        self._skip = 0  # bytes of a long unneeded pcapng block that are still to come
        self._skip_from = 0  # where that block began
        self._pcap: pcap.PcapHeader | None = None
        self._big_endian = False
        self._interfaces = np.zeros(8, pcapng.INTERFACE)
        self._known = 0
        self._last_ns = 0
        self._dropped: dict[int, int] = {}  # by the interfaces of this section
        self._dropped_before = 0  # in the sections before it

    def feed(self, data: np.ndarray) -> tuple[np.ndarray, int]:
        """Decode from the start of `data` ((n,) uint8, the unconsumed rest of the stream).

        Returns the RECORD rows found, at most BATCH_RECORDS, their offsets counted from the start of
        `data`, and how many bytes are done with. Call again with the rest until both are zero; then more bytes
        are needed. Raises CaptureError when the stream is no capture at all.
        """
        if self.error is not None:
            return np.empty(0, RECORD), len(data)
        if self._skip:
            skipped = self._skip_some(len(data))
            self.position += skipped
            return np.empty(0, RECORD), skipped
        if self.format is None and not self._detect(data):
            return np.empty(0, RECORD), 0
        try:
            records, consumed = self._feed_pcap(data) if self.format == "pcap" else self._feed_pcapng(data)
        except CaptureError as defect:
            # The offset in the exception counts from `position`; make it one in the stream.
            self._break(str(defect), self.position + defect.offset)
            return np.empty(0, RECORD), len(data)
        self.position += consumed
        self.packets += len(records)
        self.rows = self.rows[: ROOM_RECORDS + len(records)]
        return records, consumed

    @property
    def dropped(self) -> int:
        """Packets that the capture says it has lost so far, on all its interfaces."""
        return self._dropped_before + sum(self._dropped.values())

    def finish(self, rest: np.ndarray) -> CaptureError | None:
        """End the stream, with `rest` unconsumed; return the defect of the stream, None if it has none.

        Raises CaptureError when the stream was too short to be a capture.
        """
        if self.format is None:
            raise _no_capture(rest[:4].tobytes())
        if self.error is None and (len(rest) or self._skip):
            where = "inside the file header" if self.position == 0 else "in the middle of a packet or block"
            offset = self._skip_from if self._skip else self.position
            self._break(f"the {self.format} stream is cut off {where}", offset)
        return self.error

    def _fresh_rows(self) -> np.ndarray:
        self.rows = np.empty(ROOM_RECORDS + BATCH_RECORDS, RECORD)
        return self.rows[ROOM_RECORDS:]

    def _skip_some(self, available: int) -> int:
        """Skip what is there of a long unneeded block; return how many bytes that is."""
        skipped = min(self._skip, available)
        self._skip -= skipped
        return skipped

    def _detect(self, data: np.ndarray) -> bool:
        if len(data) < 4:
            return False
        magic = data[:4].tobytes()
        if pcap.is_pcap(magic):
            self.format = "pcap"
        elif magic == _PCAPNG_MAGIC:
            self.format = "pcapng"
        else:
            raise _no_capture(magic)
        return True

    def _break(self, what: str, offset: int, found: int = 0) -> None:
        """Note the defect; `found` packets before it are not in `packets` yet."""
        before = "packets before it were read" if self.packets + found else "there is no packet before it"
        self.error = CaptureError(f"{what} (at byte {offset:,}); {before}", offset)

    def _feed_pcap(self, data: np.ndarray) -> tuple[np.ndarray, int]:
        if self._pcap is None:
            if len(data) < pcap.FILE_HEADER:
                return np.empty(0, RECORD), 0
            self._pcap = pcap.parse_file_header(data[: pcap.FILE_HEADER].tobytes())
            return np.empty(0, RECORD), pcap.FILE_HEADER
        records = self._fresh_rows()
        count, consumed, stopped = pcap.walk_pcap(data, *self._pcap, records)
        if stopped == pcap.STOPPED_TOO_LONG:
            self._break(
                f"a packet claims to be longer than {pcap.MAXIMUM_FRAME:,} bytes, so the file is damaged",
                self.position + consumed,
                count,
            )
            consumed = len(data)
        return records[:count], consumed

    def _feed_pcapng(self, data: np.ndarray) -> tuple[np.ndarray, int]:
        records = self._fresh_rows()
        count, consumed, stopped, self._last_ns = pcapng.walk_pcapng(
            data, self._big_endian, self._interfaces, self._known, self._last_ns, records
        )
        if stopped in pcapng.DEFECTS:
            self._break(pcapng.DEFECTS[stopped], self.position + consumed, count)
            consumed = len(data)
        elif stopped == pcapng.STOPPED_SKIP:
            length = data[consumed + 4 : consumed + 8].tobytes()
            self._skip = int.from_bytes(length, "big" if self._big_endian else "little")
            self._skip_from = self.position + consumed
            consumed += self._skip_some(len(data) - consumed)
        elif stopped == pcapng.STOPPED_AT_HEADER and count == 0:
            # Packets before the header are returned first, so that an error in it cannot lose them.
            consumed += self._header_block(data[consumed : consumed + pcapng.MAXIMUM_BLOCK], consumed)
        return records[:count], consumed

    def _header_block(self, data: np.ndarray, skipped: int) -> int:
        """Read the section header, interface description or statistics at the start of `data`; return its length or 0.

        `skipped` bytes lie between `position` and it.
        """
        try:
            return self._read_block(data)
        except CaptureError as defect:
            raise CaptureError(str(defect), defect.offset + skipped) from None

    def _read_block(self, data: np.ndarray) -> int:
        order: Literal["big", "little"] = "big" if self._big_endian else "little"
        if int.from_bytes(data[:4].tobytes(), order) == pcapng.INTERFACE_STATISTICS:
            length = int.from_bytes(data[4:8].tobytes(), order)
            number, dropped = pcapng.parse_statistics(data[:length].tobytes(), self._big_endian)
            if number < self._known:
                self._dropped[number] = dropped
            return length
        if len(data) < 16:
            return 0
        if data[:4].tobytes() == _PCAPNG_MAGIC:
            section = pcapng.parse_section_header(data[:16].tobytes())
            if section.block_length > len(data):
                return 0
            self._require_trailer(data, section.block_length, section.big_endian)
            self._big_endian = section.big_endian
            self._known = 0  # interfaces are numbered anew in each section
            self._dropped_before, self._dropped = self.dropped, {}
            return section.block_length
        length = int.from_bytes(data[4:8].tobytes(), order)
        if length < 20 or length % 4 or length > pcapng.MAXIMUM_BLOCK:
            raise CaptureError(f"the interface description has the impossible length {length}")
        if length > len(data):
            return 0
        self._require_trailer(data, length, self._big_endian)
        if self._known == MAXIMUM_INTERFACES:
            raise CaptureError(f"more than {MAXIMUM_INTERFACES:,} interfaces in one section")
        if self._known == len(self._interfaces):
            self._interfaces = np.concatenate([self._interfaces, np.zeros_like(self._interfaces)])
        self._interfaces[self._known] = pcapng.parse_interface(data[:length].tobytes(), self._big_endian)
        self._known += 1
        return length

    @staticmethod
    def _require_trailer(data: np.ndarray, length: int, big_endian: bool) -> None:
        trailer = data[length - 4 : length].tobytes()
        if int.from_bytes(trailer, "big" if big_endian else "little") != length:
            raise CaptureError(pcapng.DEFECTS[pcapng.STOPPED_TRAILER])


def _no_capture(magic: bytes) -> CaptureError:
    found = f"it begins with {magic.hex(' ')}" if magic else "it is empty"
    return CaptureError(f"not a packet capture: {found}; supported are {SUPPORTED}")
