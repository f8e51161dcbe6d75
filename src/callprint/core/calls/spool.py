"""Packets of all calls in bounded memory, until it is known which calls are kept.

What is kept of a packet is its frame; of an RTP packet, unless voice is asked for, the frame up to the end of the RTP
header. Packets lie in blocks, each with an index of the ways between endpoints, so that to find the packets of a call
means to look at those on its ways. When memory is full the oldest block goes: what it held of calls is lost to them.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from callprint.core.calls.packets_of_call import CallPackets, Places
from callprint.core.ground.addresses import Endpoint, address_numbers
from callprint.core.ground.arrays import Array
from callprint.core.packets import PACKET, RECORD, PacketKind
from callprint.core.verdict import FlowReport

_RTP = (PacketKind.RTP, PacketKind.RTP_LONG, PacketKind.RTP_CUT)
_KEPT = (
    *_RTP,
    *(PacketKind.SIP_UDP, PacketKind.SIP_TCP, PacketKind.FRAGMENT),
    *(PacketKind.RTCP, PacketKind.RTCP_LONG, PacketKind.STUN, PacketKind.DTLS),
)
_BLOCK_PACKETS = 8192
_BEFORE_NS = 60_000_000_000  # what belongs to a call comes at most so long before its first message or media
_INDEX_BYTES = RECORD.itemsize + PACKET.itemsize + 16  # of a packet, besides its frame
_MULTIPLIERS = np.array(
    [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x27D4EB2F165667C5, 0xFF51AFD7ED558CCD],
    np.uint64,
)

Frames = tuple[Array, Array]
"""Frames, (bytes,) uint8, and where they lie in it, (n,) RECORD."""


class CallFrames(NamedTuple):
    """The frames of a call that are still there."""

    frames: list[Frames]  # in the order of packet time
    packets: int
    complete: bool  # False: older ones had to go


class _Block(NamedTuple):
    data: Array  # (bytes,) uint8
    records: Array  # (n,) RECORD
    packets: Array  # (n,) PACKET
    ways: Array  # (n,) uint64, sorted
    order: Array  # (n,) int64: the packet of each way
    fragments: Array  # (f,) int64
    newest_ns: int

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

    def frames_of(self, places: Places, flows: Iterable[FlowReport]) -> CallFrames:
        """Return the frames of a call by the places of its messages and its flows."""
        reports = list(flows)
        chosen = CallPackets(places, reports)
        ways = _ways_of_call(places, reports)
        begin_ns = min(
            [report.verdict.flow.first_seen_ns for report in reports]
            + [until_ns for spans in places.values() for _, until_ns in spans],
            default=0,
        )
        found: list[Frames] = []
        count = 0
        for block in (*self._blocks, *([_block_of(self._waiting)] if self._waiting else ())):
            if block.newest_ns < begin_ns - _BEFORE_NS:
                continue
            begins, ends = (np.searchsorted(block.ways, ways, side) for side in ("left", "right"))
            near = [block.order[a:b] for a, b in zip(begins.tolist(), ends.tolist(), strict=True) if b > a]
            if places:
                near.append(block.fragments)
            rows = np.unique(np.concatenate(near)) if near else np.empty(0, np.int64)
            rows = rows[chosen.chosen(block.packets[rows])]
            if len(rows):
                found.append((block.data, block.records[rows]))
                count += len(rows)
        return CallFrames(found, count, begin_ns > self._lost_until_ns)

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
            self._lost_until_ns = max(self._lost_until_ns, oldest.newest_ns)


def _block_of(batches: list[tuple[Array, Array, Array]]) -> _Block:
    data = np.concatenate([data for data, _, _ in batches])
    packets = np.concatenate([packets for _, _, packets in batches])
    records = np.concatenate([records for _, records, _ in batches])
    begins = np.cumsum([0, *(len(data) for data, _, _ in batches)])[:-1]
    records["offset"] += np.repeat(begins, [len(each) for _, each, _ in batches])
    addresses = [packets[name] for name in ("src_hi", "src_lo", "dst_hi", "dst_lo")]
    hashes = _way_hashes(addresses, packets["src_port"], packets["dst_port"])
    order = np.argsort(hashes, kind="stable")
    fragments = np.flatnonzero(packets["kind"] == PacketKind.FRAGMENT)
    newest_ns = int(packets["time_ns"].max())
    return _Block(data, records, packets, hashes[order], order, fragments, newest_ns)


def _frames(data: Array, records: Array, sizes: Array) -> Frames:
    """Return the first `sizes` bytes of each frame, (n,) int64, one behind the other."""
    begins = np.cumsum(sizes) - sizes
    index = np.arange(int(sizes.sum())) + np.repeat(records["offset"] - begins, sizes)
    kept = records.copy()
    kept["offset"], kept["captured"] = begins, sizes
    return data[index], kept


def _way_hashes(addresses: Sequence[Array], source: Array, target: Array) -> Array:
    """Return a number for each way from endpoint to endpoint, (n,) uint64; ways that share one do no harm."""
    ports = source.astype(np.uint64) << np.uint64(16) | target.astype(np.uint64)
    hashes = np.zeros(len(ports), np.uint64)
    for column, multiplier in zip((*addresses, ports), _MULTIPLIERS, strict=True):
        hashes = (hashes ^ column.astype(np.uint64)) * multiplier
        hashes ^= hashes >> np.uint64(29)
    return hashes


def _ways_of_call(places: Places, reports: list[FlowReport]) -> Array:
    """Return the hashes of the ways of a call's messages, media and RTCP."""
    ways: dict[tuple[Endpoint, Endpoint], None] = dict.fromkeys(places)
    for report in reports:
        flow = report.verdict.flow
        for more in (0, 1):
            ways[(flow.src_ip, flow.src_port + more), (flow.dst_ip, flow.dst_port + more)] = None
    rows = [
        (*address_numbers(source), *address_numbers(target), source_port, target_port)
        for (source, source_port), (target, target_port) in ways
    ]
    columns = np.array(rows, np.uint64).reshape(-1, 6).T
    return np.unique(_way_hashes(list(columns[:4]), columns[4], columns[5]))
