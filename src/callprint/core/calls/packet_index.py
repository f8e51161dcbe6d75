"""Finds packets by who sent them to whom, when, and what they are: those of many calls in one look at a batch."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from callprint.core.ground.addresses import Endpoint, address_numbers
from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import compiled
from callprint.core.packets import PacketKind

SPAN = np.dtype(
    [
        ("src_hi", "<u8"),
        ("src_lo", "<u8"),
        ("dst_hi", "<u8"),
        ("dst_lo", "<u8"),
        ("src_port", "<u2"),
        ("dst_port", "<u2"),
        ("since_ns", "<i8"),
        ("until_ns", "<i8"),  # inclusive
        ("kinds", "<u8"),  # one bit for each PacketKind
    ]
)
"""Which packets are wanted: on one way between endpoints, within a time, of some kinds. Fragments have no ports: 0."""

_FRAGMENT = int(PacketKind.FRAGMENT)
_ADDRESSES = ("src_hi", "src_lo", "dst_hi", "dst_lo")
_MULTIPLIERS = np.array(
    [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x27D4EB2F165667C5, 0xFF51AFD7ED558CCD],
    np.uint64,
)


def way_row(source: Endpoint, target: Endpoint) -> tuple[int, ...]:
    """Return the first six fields of a SPAN."""
    return (*address_numbers(source[0]), *address_numbers(target[0]), source[1], target[1])


def kinds_of(*kinds: PacketKind) -> int:
    """Return the field `kinds` of a SPAN."""
    return sum(1 << kind for kind in kinds)


ALL_KINDS = kinds_of(*PacketKind)


def hashes_of(spans: Array) -> Array:
    """Return the hash of the way of each span, (s,) uint64, as PacketIndex.find takes it."""
    return _way_hashes(spans, spans["src_port"], spans["dst_port"])


class PacketIndex(NamedTuple):
    """The packets of a batch in the order of their ways, and on each way in the order of time."""

    packets: Array  # (n,) PACKET
    ways: Array  # (n,) uint64: the hash of each way, sorted
    order: Array  # (n,) int64: the packet of each
    times: Array  # (n,) int64: and its time
    oldest_ns: int
    newest_ns: int

    @classmethod
    def of(cls, packets: Array) -> "PacketIndex":
        """Return the index of at least one packet."""
        whole = packets["kind"] != PacketKind.FRAGMENT
        hashes = _way_hashes(packets, packets["src_port"] * whole, packets["dst_port"] * whole)
        times = packets["time_ns"]
        order = np.lexsort((times, hashes))
        return cls(packets, hashes[order], order, times[order], int(times.min()), int(times.max()))

    def find(self, spans: Array, hashes: Array) -> tuple[Array, Array]:
        """Return which span each packet found is of, (f,) int64, and which packet that is, (f,) int64.

        spans: (s,) SPAN, hashes: (s,) uint64. A packet may be found by several spans.
        """
        near = np.flatnonzero((spans["since_ns"] <= self.newest_ns) & (spans["until_ns"] >= self.oldest_ns))
        begins, ends = (np.searchsorted(self.ways, hashes[near], side) for side in ("left", "right"))
        on_way = ends > begins
        near, begins, ends = near[on_way], begins[on_way], ends[on_way]
        first = self._since(begins, ends, spans["since_ns"][near])
        last = self._since(first, ends, spans["until_ns"][near] + 1)
        counts = last - first
        span = np.repeat(near, counts)
        row = self.order[np.arange(len(span)) + np.repeat(first - (np.cumsum(counts) - counts), counts)]
        right = np.empty(len(row), np.bool_)
        _compare(self.packets, row, spans, span, right)
        return span[right], row[right]

    def _since(self, begins: Array, ends: Array, time_ns: Array) -> Array:
        """Return the first of each range of `times` that is not before a time."""
        begins, ends = begins.copy(), ends.copy()
        while (open_ := begins < ends).any():
            middle = (begins + ends) >> 1
            earlier = self.times[np.minimum(middle, len(self.times) - 1)] < time_ns
            begins[open_ & earlier] = middle[open_ & earlier] + 1
            ends[open_ & ~earlier] = middle[open_ & ~earlier]
        return begins


@compiled
def _compare(packets: Array, rows: Array, spans: Array, of_span: Array, right: Array) -> None:
    """Tell which packets are what their span wants: on its way (two may share a hash), and of its kinds."""
    for i in range(len(rows)):
        packet, span = packets[rows[i]], spans[of_span[i]]
        right[i] = (
            (span.kinds >> np.uint64(packet.kind)) & np.uint64(1) != 0
            and packet.src_lo == span.src_lo
            and packet.dst_lo == span.dst_lo
            and packet.src_hi == span.src_hi
            and packet.dst_hi == span.dst_hi
            and (
                packet.kind == _FRAGMENT
                or (packet.src_port == span.src_port and packet.dst_port == span.dst_port)
            )
        )


def spans_from(rows: Iterable[tuple[int, ...]]) -> Array:
    """Return rows as (s,) SPAN."""
    return np.array(list(rows), SPAN)


def _way_hashes(addresses: Array, source: Array, target: Array) -> Array:
    """Return a number for each way from endpoint to endpoint, (n,) uint64; ways that share one do no harm."""
    ports = source.astype(np.uint64) << np.uint64(16) | target.astype(np.uint64)
    hashes = np.zeros(len(ports), np.uint64)
    for column, multiplier in zip(
        (*(addresses[name] for name in _ADDRESSES), ports), _MULTIPLIERS, strict=True
    ):
        hashes = (hashes ^ column) * multiplier
        hashes ^= hashes >> np.uint64(29)
    return hashes
