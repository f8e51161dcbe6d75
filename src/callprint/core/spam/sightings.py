"""What was seen of callers and campaigns lately, in plain numbers: the facts behind the reasons in words.

The histories (histories.py) fade and are drawn to neutral values, because detectors work better that way, but nobody
can check such numbers by counting. Here the last `RING` calls of each key are kept as they were. Memory is fixed: of
more than `capacity` keys the one that called longest ago leaves, and is counted.
"""

from collections import OrderedDict
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from callprint.core.ground.compiled import compiled
from callprint.core.ground.errors import ConfigError
from callprint.core.ground.snapshot import Snapshot
from callprint.core.spam.compiled_histories import SHORT_CALL_S

RING = 64  # last calls of a key that are kept
HOUR_NS = 3_600_000_000_000
DAY_NS = 24 * HOUR_NS
ENTRY = np.dtype(
    [
        ("started_ns", "<i8"),
        ("caller", "<u8"),
        ("callee", "<u8"),
        ("talk_s", "<f4"),  # negative: not answered, or not over yet
        ("status", "<u2"),  # final SIP status, 0: not over yet
        ("ended_by", "u1"),
        ("over", "u1"),
    ]
)


@dataclass(frozen=True, slots=True)
class Seen:
    """Calls of one key within the hour before its last call; within the day when they were fewer than two."""

    calls: int = 0
    span_s: float = 0.0  # from the beginning of the first of them to that of the last
    callees: int = 0  # different ones
    callers: int = 0  # different ones
    over: int = 0  # calls that have ended; the numbers below are of these
    answered: int = 0
    short: int = 0  # answered, and less than 6 s
    callee_hung_up: int = 0  # answered, and ended by the callee
    cancelled: int = 0
    unassigned: int = 0
    refused: int = 0
    talk_s: float = 0.0  # of all answered ones


NOTHING_SEEN = Seen()
COUNTS = tuple(field.name for field in fields(Seen) if field.name not in ("span_s", "talk_s"))


class Sightings:
    """The last calls of each key, which is that of a caller or of a campaign in a CALL row (calls/facts.py)."""

    def __init__(self, capacity: int = 16_384) -> None:
        """`capacity`: keys remembered, two kilobytes each once they have called."""
        self.capacity = capacity
        self.evicted = 0
        self._rows: OrderedDict[int, int] = OrderedDict()  # key -> row, the quietest first
        self._entries = np.zeros((capacity, RING), ENTRY)
        self._counts = np.zeros(capacity, np.int64)  # calls ever written to a row

    def begin(self, call: Any) -> None:
        """Take in a call that begins."""
        for key in _keys(call):
            row = self._row(key)
            entry = self._entries[row, self._counts[row] % RING]
            for name in ("started_ns", "caller", "callee"):
                entry[name] = call[name]
            entry["talk_s"], entry["status"], entry["ended_by"], entry["over"] = -1.0, 0, 0, 0
            self._counts[row] += 1

    def end(self, call: Any) -> None:
        """Take in how a call ended; nothing happens when its beginning was forgotten."""
        answered = call["answered_ns"] > 0
        talk_s = max((int(call["ended_ns"]) - int(call["answered_ns"])) * 1e-9, 0.0) if answered else -1.0
        for key in _keys(call):
            row = self._rows.get(key)
            if row is not None:
                at = _position(self._entries[row], call["started_ns"], call["caller"], call["callee"])
                if at >= 0:
                    entry = self._entries[row, at]
                    entry["talk_s"], entry["status"] = talk_s, call["status"]
                    entry["ended_by"], entry["over"] = call["ended_by"], 1

    def seen(self, key: int) -> Seen:
        """Return what was seen of a caller or a campaign lately."""
        row = self._rows.get(key)
        if row is None:
            return NOTHING_SEEN
        filled = min(int(self._counts[row]), RING)
        counts = np.zeros(len(COUNTS), np.int64)
        span_s, talk_s = _summed(self._entries[row, :filled], counts)
        named = dict(zip(COUNTS, counts.tolist(), strict=True))
        return Seen(span_s=span_s, talk_s=talk_s, **named)

    def snapshot(self) -> Snapshot:
        """Return everything, for `restore`."""
        rows = np.array(list(self._rows.values()), np.int64)
        filled = np.minimum(self._counts[rows], RING)
        parts = [self._entries[row, :count] for row, count in zip(rows, filled, strict=True)]
        entries = np.concatenate(parts) if parts else np.zeros(0, ENTRY)
        return Snapshot(
            {"capacity": self.capacity, "evicted": self.evicted},
            {
                "keys": np.array(list(self._rows), np.uint64),
                "counts": self._counts[rows],
                **{name: np.ascontiguousarray(entries[name]) for name in ENTRY.names or ()},
            },
        )

    @classmethod
    def restore(cls, state: Snapshot) -> "Sightings":
        """Rebuild from a `snapshot`. Raises ConfigError when it is damaged."""
        try:
            sightings = cls(int(state.plain["capacity"]))
            sightings.evicted = int(state.plain["evicted"])
            keys, counts = state.arrays["keys"], state.arrays["counts"]
            filled = np.minimum(counts, RING)
            if len(keys) != len(counts) or len(keys) > sightings.capacity or (counts < 1).any():
                raise ValueError("keys and counts do not fit")
            entries = np.zeros(int(filled.sum()), ENTRY)
            for name in ENTRY.names or ():
                entries[name] = state.arrays[name]
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"the snapshot of the sightings is damaged ({error}); start anew") from None
        starts = np.concatenate([[0], np.cumsum(filled)])
        for row, key in enumerate(keys.tolist()):
            sightings._rows[key] = row
            sightings._counts[row] = counts[row]
            sightings._entries[row, : filled[row]] = entries[starts[row] : starts[row + 1]]
        return sightings

    def _row(self, key: int) -> int:
        row = self._rows.get(key)
        if row is None:
            if len(self._rows) < self.capacity:
                row = len(self._rows)
            else:
                _, row = self._rows.popitem(last=False)
                self.evicted += 1
            self._counts[row] = 0
            self._rows[key] = row
        self._rows.move_to_end(key)
        return row


def _keys(call: Any) -> list[int]:
    return [key for key in (int(call["caller"]), int(call["campaign"])) if key]


@compiled
def _position(entries: Any, started_ns: int, caller: int, callee: int) -> int:
    """Return where in a ring a call stands that is not over, -1 when it is not there.

    Else it is the one that began at that time: it was refused and went on, or it reached another callee.
    """
    found = -1
    for at in range(entries.size):
        entry = entries[at]
        if entry.started_ns == started_ns and entry.caller == caller:
            if entry.callee == callee and entry.over == 0:
                return at
            if found < 0 or entry.callee == callee:
                found = at
    return found


@compiled
def _summed(entries: Any, counts: NDArray[np.int64]) -> tuple[float, float]:
    """Add up `COUNTS` of the calls in a ring; return span_s and talk_s."""
    last_ns = entries[0].started_ns
    for entry in entries:
        last_ns = max(last_ns, entry.started_ns)
    within_hour = 0
    for entry in entries:
        within_hour += entry.started_ns > last_ns - HOUR_NS
    from_ns = last_ns - (HOUR_NS if within_hour > 1 else DAY_NS)
    first_ns, talk_s = last_ns, 0.0
    for at in range(entries.size):
        entry = entries[at]
        if entry.started_ns <= from_ns:
            continue
        counts[0] += 1
        first_ns = min(first_ns, entry.started_ns)
        new_callee, new_caller = entry.callee != 0, entry.caller != 0
        for earlier in range(at):
            other = entries[earlier]
            if other.started_ns > from_ns:
                new_callee = new_callee and other.callee != entry.callee
                new_caller = new_caller and other.caller != entry.caller
        counts[1] += new_callee
        counts[2] += new_caller
        if entry.over == 0:
            continue
        counts[3] += 1
        if entry.talk_s >= 0.0:
            counts[4] += 1
            talk_s += entry.talk_s
            counts[5] += entry.talk_s < SHORT_CALL_S
            counts[6] += entry.ended_by == 2
        elif entry.status == 487:
            counts[7] += 1
        elif entry.status in (404, 410, 484, 604):
            counts[8] += 1
        elif entry.status >= 400:
            counts[9] += 1
    return (last_ns - first_ns) * 1e-9, talk_s
