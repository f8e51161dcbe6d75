"""Packets of all calls in bounded memory, until it is known which calls are kept.

What is kept of a packet is its frame; of an RTP packet, unless voice is asked for, the frame up to the end of the RTP
header. Packets lie in blocks, each with an index of the ways between endpoints, so that to find the packets of a call
means to look at those on its ways. When memory is full the oldest block goes: what it held of calls is lost to them.
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from callprint.core.calls.packet_index import PacketIndex, hashes_of
from callprint.core.ground.arrays import Array
from callprint.core.ground.pieces import copy_pieces
from callprint.core.packets import PACKET, RECORD, PacketKind

_RTP = (PacketKind.RTP, PacketKind.RTP_LONG, PacketKind.RTP_CUT)
_KEPT = (
    *_RTP,
    *(PacketKind.SIP_UDP, PacketKind.SIP_TCP, PacketKind.FRAGMENT),
    *(PacketKind.RTCP, PacketKind.RTCP_LONG, PacketKind.STUN, PacketKind.DTLS),
)
_BLOCK_PACKETS = 8192
_INDEX_BYTES = RECORD.itemsize + PACKET.itemsize + 24  # of a packet, besides its frame

Frames = tuple[Array, Array]
"""Frames, (bytes,) uint8, and where they lie in it, (n,) RECORD."""


class CallFrames(NamedTuple):
    """The frames of a call that are still there."""

    data: Array  # (bytes,) uint8
    records: Array  # (n,) RECORD, in the order of packet time
    complete: bool  # False: older ones had to go


class _Block(NamedTuple):
    data: Array  # (bytes,) uint8
    records: Array  # (n,) RECORD
    found_by: PacketIndex

    @property
    def size(self) -> int:
        return len(self.data) + _INDEX_BYTES * len(self.records)


class CallSpool:
    """Holds the newest packets; `maximum_bytes` of memory, and one batch more."""

    def __init__(self, maximum_bytes: int, *, voice: bool = False) -> None:
        """voice: keep RTP packets whole."""
        self._maximum = maximum_bytes
        self._voice = voice
        self._blocks: deque[_Block] = deque()
        self._waiting: list[tuple[Array, Array, Array]] = []
        self._waiting_packets = 0
        self._size = 0
        self._lost_until_ns = -(1 << 63)  # the newest packet that went
        self.given_up = 0  # packets that went

    def take(self, data: Array, packets: Array, records: Array) -> None:
        """Take a batch; data: (bytes,) uint8, packets: (n,) PACKET, records: (n,) RECORD."""
        wanted = np.flatnonzero(np.isin(packets["kind"], _KEPT))
        if not len(wanted):
            return
        packets, records = packets[wanted], records[wanted]
        self._waiting.append((*_frames(data, records, self._ends(data, packets, records)), packets))
        self._waiting_packets += len(packets)
        if self._waiting_packets >= _BLOCK_PACKETS:
            self._close_block()

    def frames_of(self, calls: Sequence[Array]) -> list[CallFrames]:
        """Return the frames of calls, each by the packets that it wants, (s,) SPAN.

        For many calls in one go memory is looked through once.
        """
        spans = np.concatenate(calls)
        sizes = [len(each) for each in calls]
        owner, hashes = np.repeat(np.arange(len(calls)), sizes), hashes_of(spans)
        found: list[tuple[Array, Array, Array]] = []  # of each block: calls, frames, records
        size = 0
        for block in (*self._blocks, *([_block_of(self._waiting)] if self._waiting else ())):
            span, row = block.found_by.find(spans, hashes)
            if not len(row):
                continue
            count = len(block.records)
            whose, row = np.divmod(np.unique(owner[span] * count + row), count)
            records = block.records[row]
            data, records = _frames(block.data, records, records["captured"].astype(np.int64))
            records["offset"] += size
            size += len(data)
            found.append((whose, data, records))
        if not found:
            found.append((np.empty(0, np.int64), np.empty(0, np.uint8), np.empty(0, RECORD)))
        whose, data, records = (np.concatenate(column) for column in zip(*found, strict=True))
        by_call = np.argsort(whose, kind="stable")
        bounds = np.searchsorted(whose[by_call], np.arange(len(calls) + 1))
        return [
            CallFrames(data, records[by_call[a:b]], self._is_complete(each))
            for a, b, each in zip(bounds[:-1], bounds[1:], calls, strict=True)
        ]

    def _is_complete(self, spans: Array) -> bool:
        """Return whether all that came since the beginning of a call is still here."""
        return not len(spans) or int(spans["until_ns"].min()) > self._lost_until_ns

    def _ends(self, data: Array, packets: Array, records: Array) -> Array:
        """Return how many bytes of each frame are kept, (n,) int64."""
        captured = records["captured"].astype(np.int64)
        if self._voice:
            return captured
        rtp = np.flatnonzero(np.isin(packets["kind"], _RTP))
        at, length = packets["offset"][rtp], packets["length"][rtp].astype(np.int64)
        header = 12 + 4 * (data[at] & 0x0F).astype(np.int64)  # RFC 3550 5.1: CSRC list, then the extension
        extended = ((data[at] & 0x10) != 0) & (header + 4 <= length)
        words = at[extended] + header[extended] + 2
        header[extended] += 4 + 4 * (data[words].astype(np.int64) << 8 | data[words + 1])
        captured[rtp] = np.minimum(captured[rtp], at - records["offset"][rtp] + np.minimum(header, length))
        return captured

    def _close_block(self) -> None:
        block = _block_of(self._waiting)
        self._waiting, self._waiting_packets = [], 0
        self._blocks.append(block)
        self._size += block.size
        while self._size > self._maximum and len(self._blocks) > 1:
            oldest = self._blocks.popleft()
            self._size -= oldest.size
            self.given_up += len(oldest.records)
            self._lost_until_ns = max(self._lost_until_ns, oldest.found_by.newest_ns)


def _block_of(batches: list[tuple[Array, Array, Array]]) -> _Block:
    data = np.concatenate([data for data, _, _ in batches])
    packets = np.concatenate([packets for _, _, packets in batches])
    records = np.concatenate([records for _, records, _ in batches])
    begins = np.cumsum([0, *(len(data) for data, _, _ in batches)])[:-1]
    records["offset"] += np.repeat(begins, [len(each) for _, each, _ in batches])
    return _Block(data, records, PacketIndex.of(packets))


def _frames(data: Array, records: Array, sizes: Array) -> Frames:
    """Return the first `sizes` bytes of each frame, (n,) int64, one behind the other."""
    begins = np.cumsum(sizes) - sizes
    frames = np.empty(int(sizes.sum()), np.uint8)
    copy_pieces(frames, begins, data, records["offset"], sizes)
    kept = records.copy()
    kept["offset"], kept["captured"] = begins, sizes
    return frames, kept
