"""The windows of a flow as text, which every store and program can keep, and their sums.

    1 10 500,500,499,812,100,1900,31 500,497,496,1020,90,5600,60,0,3,2

First the version, then how many seconds a window covers (0: all of a flow that got no room for more), then the
windows: counters in the order of `Interval`, without the zeros at the end.

Invariant: any text either gives windows whose counters are whole numbers from 0 on, or raises DecodeError.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from callprint.core.flow.window_layout import WINDOW, WINDOWS_KEPT
from callprint.core.ground.arrays import Array
from callprint.core.ground.errors import DecodeError

VERSION = 1
_MOST_COUNTED = 1 << 53


class Interval(NamedTuple):
    """What happened to a flow in one window, or in several together. Packets, unless the name has a unit."""

    expected: int = 0  # sent, by their sequence numbers
    received: int = 0  # without duplicates
    jitter_packets: int = 0  # that gave a jitter
    jitter_mean_us: int = 0
    jitter_min_us: int = 0
    jitter_max_us: int = 0
    longest_gap_ms: int = 0  # without any packet
    late: int = 0  # too late for the jitter buffer
    missing: int = 0  # lost or late, as far as settled
    runs: int = 0  # of missing packets in a row
    bursts: int = 0  # RFC 3611 4.7.2
    burst_packets: int = 0  # sent while a burst lasted
    burst_missing: int = 0
    reordered: int = 0
    duplicates: int = 0
    pause_ms: int = 0  # time stamps that passed without packets
    listened: int = 0  # packets of G.711 that were listened to
    quiet: int = 0  # of these, packets that begin with silence

    @property
    def lost(self) -> int:
        """Expected minus received, at least 0 (RFC 3550 A.3)."""
        return max(0, self.expected - self.received)

    @property
    def missing_percent(self) -> float:
        """What a jitter buffer would not have played, of what was sent: Ppl of G.107."""
        return min(100.0, 100 * self.missing / self.expected) if self.expected else 0.0

    @property
    def burst_ratio(self) -> float:
        """How much longer runs of missing packets are than with independent loss, at least 1: BurstR of G.107."""
        if not self.runs or self.missing >= self.expected:
            return 1.0
        return max(1.0, self.missing / self.runs * (1 - self.missing / self.expected))


_COUNTERS = tuple(name for name in Interval._fields if name in (WINDOW.names or ()))
_PEAKS = frozenset({"jitter_min_us", "jitter_max_us", "jitter_mean_us", "longest_gap_ms"})


def intervals(windows: Array) -> Array:
    """Return WINDOW rows, (n,), with the counters of `Interval`: (n, counters) int64."""
    packets = np.maximum(windows["jitter_packets"], 1)
    columns = {
        **{name: windows[name] for name in _COUNTERS},
        "jitter_mean_us": _whole(windows["jitter_sum"] / packets, 1e3),
        "jitter_min_us": _whole(windows["jitter_min"], 1e3),
        "jitter_max_us": _whole(windows["jitter_max"], 1e3),
        "longest_gap_ms": _whole(windows["longest_gap_ns"], 1e-6),
        "pause_ms": _whole(windows["pause"], 1.0),
    }
    found = np.empty((len(windows), len(Interval._fields)), np.int64)
    for at, name in enumerate(Interval._fields):
        found[:, at] = columns[name]
    return found


def of_flows(every: Array, counts: Array) -> Array:
    """Return the windows of each flow as one; every: (m, counters), as `intervals` gives them; counts: (n,) int, > 0.

    The result is (n, counters) int64.
    """
    ends = np.cumsum(counts)
    sums: Array = every[ends - counts]
    for at in np.flatnonzero(counts > 1).tolist():
        parts = every[ends[at] - counts[at] : ends[at]].tolist()
        sums[at] = merged(list(map(Interval._make, parts)))
    return sums


def _whole(values: Array, factor: float) -> Array:
    """Return values in another unit, as whole numbers that every reader takes; 0 for what only a forged batch has."""
    kept = np.clip(np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0), 0, _MOST_COUNTED / 1e3)
    whole: Array = np.rint(kept * factor).astype(np.int64)
    return whole


def merged(parts: Sequence[Interval]) -> Interval:
    """Return windows as one."""
    if len(parts) == 1:
        return parts[0]
    columns = dict(zip(Interval._fields, zip(*parts, strict=True), strict=True)) if parts else {}
    with_jitter = [part for part in parts if part.jitter_packets]
    packets = sum(part.jitter_packets for part in with_jitter)
    return Interval(
        **{name: sum(column) for name, column in columns.items() if name not in _PEAKS},
        jitter_mean_us=round(sum(part.jitter_mean_us * part.jitter_packets for part in with_jitter) / packets)
        if packets
        else 0,
        jitter_min_us=min((part.jitter_min_us for part in with_jitter), default=0),
        jitter_max_us=max((part.jitter_max_us for part in with_jitter), default=0),
        longest_gap_ms=max((part.longest_gap_ms for part in parts), default=0),
    )


def windows_texts(spans_s: Sequence[int], every: Array, counts: Array) -> list[str]:
    """Return the windows of each flow as text.

    spans_s: (n,) that each of its windows covers; every: (m, counters) int64, as `intervals` gives them; counts: (n,).
    """
    given = every != 0
    given[:, 0] = True
    lengths = given.shape[1] - np.argmax(given[:, ::-1], axis=1)
    parts = [
        str(row[:length])[1:-1].replace(" ", "")
        for row, length in zip(every.tolist(), lengths.tolist(), strict=True)
    ]
    ends = np.cumsum(counts).tolist()
    return [
        f"{VERSION} {span_s} {' '.join(parts[end - count : end])}"
        for span_s, end, count in zip(spans_s, ends, counts.tolist(), strict=True)
    ]


def read_windows(text: str) -> tuple[int, list[Interval]]:
    """Return how many seconds each window of a text covers, and the windows. Raises DecodeError."""
    version, *rest = text.split(" ")
    if version != str(VERSION):
        raise DecodeError(f"windows of version {version!r:.20}; this callprint reads version {VERSION}")
    if not 2 <= len(rest) <= WINDOWS_KEPT + 2:
        raise DecodeError(f"windows of a flow need 2 to {WINDOWS_KEPT + 2} parts, these have {len(rest)}")
    span, *parts = ([_number(digits) for digits in part.split(",")] for part in rest)
    if len(span) != 1 or max(map(len, parts)) > len(Interval._fields):
        raise DecodeError("a window of a flow has too many counters")
    return span[0], [Interval(*part) for part in parts]


def _number(digits: str) -> int:
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 16):
        raise DecodeError(f"a counter of a window is no number: {digits!r:.20}")
    return min(int(digits), _MOST_COUNTED)
