"""What was seen of callers and campaigns lately, in plain numbers: the facts behind the reasons in words.

The histories (histories.py) fade and are drawn to neutral values, because detectors work better that way, but nobody
can check such numbers by counting. Here the last `RING` calls of each key are kept as they were. Memory is fixed: of
more than `capacity` keys the one that called longest ago leaves, and is counted.
"""

from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import Row, compiled
from callprint.core.ground.errors import ConfigError
from callprint.core.ground.snapshot import Snapshot
from callprint.core.spam.compiled_histories import BEGIN, FINISH, SHORT_CALL_S

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


class Seen(NamedTuple):
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
SEEN = np.dtype([(name, "<f8" if name.endswith("_s") else "<i8") for name in Seen._fields])
SeenOfBoth = tuple[Seen, Seen]
"""What was seen lately of the caller and of the campaign of a call."""
NOT_KEPT = -1
"""In place of the row of a key that has none."""


class Sightings:
    """The last calls of each key, which is that of a caller or of a campaign in a CALL row (calls/facts.py)."""

    def __init__(self, capacity: int = 16_384) -> None:
        """`capacity`: keys remembered, two kilobytes each once they have called."""
        self.capacity = capacity
        self.evicted = 0
        self._rows: OrderedDict[int, int] = OrderedDict()  # key -> row, the quietest first
        self._entries = np.zeros((capacity, RING), ENTRY)
        self._counts = np.zeros(capacity, np.int64)  # calls ever written to a row

    def play(self, calls: Array, steps: NDArray[np.int64]) -> list[SeenOfBoth]:
        """Take steps of calls in their order; return what each found, of its caller and its campaign.

        calls: (n,) CALL; steps: (n,) BEGIN, FINISH or FILL (compiled_histories.py). A call that begins is taken in
        first; how a call ended is taken in unless its beginning was forgotten, and finds nothing.
        """
        keys = zip(calls["caller"].tolist(), calls["campaign"].tolist(), strict=True)
        places = [
            self._places(step, caller, campaign)
            for step, (caller, campaign) in zip(steps.tolist(), keys, strict=True)
        ]
        seen = np.zeros((len(calls), 2), SEEN)
        _play(self._entries, self._counts, calls, steps, np.array(places).reshape(-1, 3, 2), seen)
        return [(Seen._make(caller), Seen._make(campaign)) for caller, campaign in seen.tolist()]

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

    def _places(self, step: int, caller: int, campaign: int) -> tuple[int, ...]:
        """Return the rows that a step writes to, for both keys, whether they are new, and the rows it then looks at."""
        rows = self._rows
        if step != BEGIN:
            of_caller, of_campaign = rows.get(caller, NOT_KEPT), rows.get(campaign, NOT_KEPT)
            return of_caller, of_campaign, False, False, of_caller, of_campaign
        of_caller, new_caller = self._row(caller)
        of_campaign, new_campaign = self._row(campaign)
        # The campaign may have pushed the caller out.
        looked_at = rows.get(caller, NOT_KEPT), rows.get(campaign, NOT_KEPT)
        return of_caller, of_campaign, new_caller, new_campaign, *looked_at

    def _row(self, key: int) -> tuple[int, bool]:
        """Return the row of a key that calls now, and whether it is new; the key 0 has none."""
        if not key:
            return NOT_KEPT, False
        row = self._rows.get(key)
        new = row is None
        if row is None:
            if len(self._rows) < self.capacity:
                row = len(self._rows)
            else:
                _, row = self._rows.popitem(last=False)
                self.evicted += 1
            self._rows[key] = row
        self._rows.move_to_end(key)
        return row, new


@compiled
def _play(
    entries: Array,
    counts: NDArray[np.int64],
    calls: Array,
    steps: NDArray[np.int64],
    places: NDArray[np.int64],
    seen: Array,
) -> None:
    """Do what Sightings.play does; places: (n, 3, 2) of Sightings._places, seen: (n, 2) SEEN of zeros."""
    for at in range(steps.size):
        for which in range(2):
            row = places[at, 0, which]
            if row >= 0 and steps[at] == BEGIN:
                if places[at, 1, which] != 0:
                    counts[row] = 0
                _begin(entries[row, counts[row] % RING], calls[at])
                counts[row] += 1
            elif row >= 0 and steps[at] == FINISH:
                _end(entries[row], calls[at])
        if steps[at] != FINISH:
            for which in range(2):
                row = places[at, 2, which]
                if row >= 0:
                    _sum(entries[row, : min(counts[row], RING)], seen[at, which])


@compiled
def _begin(entry: Row, call: Row) -> None:
    entry.started_ns = call.started_ns
    entry.caller = call.caller
    entry.callee = call.callee
    entry.talk_s = -1.0
    entry.status = 0
    entry.ended_by = 0
    entry.over = 0


@compiled
def _end(entries: Array, call: Row) -> None:
    at = _position(entries, call.started_ns, call.caller, call.callee)
    if at >= 0:
        entry = entries[at]
        entry.talk_s = -1.0
        if call.answered_ns > 0:
            entry.talk_s = max((call.ended_ns - call.answered_ns) * 1e-9, 0.0)
        entry.status = call.status
        entry.ended_by = call.ended_by
        entry.over = 1


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
def _sum(entries: Array, seen: Row) -> None:
    """Fill a SEEN row of zeros for the calls in a ring, of which there is at least one."""
    last_ns = entries[0].started_ns
    for entry in entries:
        last_ns = max(last_ns, entry.started_ns)
    within_hour = 0
    for entry in entries:
        within_hour += entry.started_ns > last_ns - HOUR_NS
    from_ns = last_ns - (HOUR_NS if within_hour > 1 else DAY_NS)
    first_ns = last_ns
    for at in range(entries.size):
        entry = entries[at]
        if entry.started_ns <= from_ns:
            continue
        seen.calls += 1
        first_ns = min(first_ns, entry.started_ns)
        new_callee, new_caller = entry.callee != 0, entry.caller != 0
        for earlier in range(at):
            other = entries[earlier]
            if other.started_ns > from_ns:
                new_callee = new_callee and other.callee != entry.callee
                new_caller = new_caller and other.caller != entry.caller
        seen.callees += new_callee
        seen.callers += new_caller
        if entry.over == 0:
            continue
        seen.over += 1
        if entry.talk_s >= 0.0:
            seen.answered += 1
            seen.talk_s += entry.talk_s
            seen.short += entry.talk_s < SHORT_CALL_S
            seen.callee_hung_up += entry.ended_by == 2
        elif entry.status == 487:
            seen.cancelled += 1
        elif entry.status in (404, 410, 484, 604):
            seen.unassigned += 1
        elif entry.status >= 400:
            seen.refused += 1
    seen.span_s = (last_ns - first_ns) * 1e-9
