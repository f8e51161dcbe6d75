"""Caller and campaign histories: from calls to feature vectors, in bounded memory, compiled.

A history is a table of rows, one for each key (a caller, or a campaign), in sets of `WAYS` rows
(core/ground/sets.py). When a set is full, the row that has been quiet longest makes room and is counted, so
that a flood of one-call keys displaces other quiet rows first. Everything in a row fades with
exp(-age / 1 day), the short-term frequency with exp(-age / 1 h).

Two steps for each call, both at the time of the packet:

    vector = history.setup(call)          # at the INVITE: fills the SETUP columns, counts the call
    vector = history.end(call, vector)    # at the end: fills the END columns, counts the outcome

The steps of all calls must come in order of time; the same calls in the same order give the same vectors.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from callprint.core.ground.errors import ConfigError
from callprint.core.ground.sets import WAYS
from callprint.core.spam import compiled_histories
from callprint.core.spam.compiled_histories import BEGIN, FINISH
from callprint.core.spam.features import FEATURE_COUNT

MAXIMUM_ROWS = 1 << 26  # of a table: the most that a forged snapshot can ask for

# The arrays and columns of 0.1.0, whose snapshots do not name the columns. They never change; later ones, added to
# `_COLUMNS` by the names that compiled_histories.py gives them, start at zero where a snapshot lacks them.
_ARRAYS_0_1_0 = frozenset(("keys", "times", "sums", "peers", "peer_at", "numbers", "evicted"))
_COLUMNS_0_1_0 = {
    "times": ("FIRST_SEEN", "LAST_CALL", "FADED_AT"),
    "sums": (
        *("HOURLY", "DAILY", "NEW_CALLEE", "NEW_CALLER", "FINISHED", "ANSWERED", "SHORT", "CANCELLED"),
        *("UNASSIGNED", "REFUSED", "CALLEE_HUNG_UP", "TALK_S", "INCOMING", "GAP_MEAN", "GAP_SQUARE"),
    ),
}
_COLUMNS = {
    field: sorted(names, key=lambda name: getattr(compiled_histories, name))
    for field, names in _COLUMNS_0_1_0.items()
}


class CallHistory:
    """Histories of all callers and campaigns of one partition.

    `capacity`: rows of each of the two tables (rounded up to a power of two); about 450 bytes a row.
    `utc_offset_s`: what to add to UTC for the local time of day.
    Raises ConfigError when the capacity is not positive.
    """

    def __init__(self, capacity: int = 65_536, utc_offset_s: int = 0) -> None:
        if capacity < 1:
            raise ConfigError(f"history capacity must be positive, not {capacity}")
        rows = max(WAYS, 1 << (capacity - 1).bit_length())
        self.utc_offset_s = utc_offset_s
        self._callers = compiled_histories.new_table(rows)
        self._campaigns = compiled_histories.new_table(rows)

    @property
    def evicted(self) -> int:
        """Rows that were displaced so far."""
        return int(self._callers.evicted[0] + self._campaigns.evicted[0])

    def setup(self, call: Any) -> NDArray[np.float64]:
        """Return the raw vector `(FEATURE_COUNT,)` of a `CALL` row that begins; END columns are NaN."""
        return self._step(BEGIN, call, np.full(FEATURE_COUNT, np.nan))

    def end(self, call: Any, setup_vector: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the raw vector of a `CALL` row that has ended: `setup_vector` plus its END columns."""
        return self._step(FINISH, call, setup_vector)

    def play(
        self,
        calls: NDArray[Any],
        steps: NDArray[np.int64],
        before: NDArray[np.int64],
        vectors: NDArray[np.float64],
    ) -> None:
        """Take steps of many calls; the arguments are those of compiled_histories.play."""
        compiled_histories.play(
            self._callers, self._campaigns, calls, steps, before, self.utc_offset_s, vectors
        )

    def _step(self, step: int, call: Any, vector: NDArray[np.float64]) -> NDArray[np.float64]:
        stepped = vector.copy()
        self.play(np.array([call]), np.array([step]), np.array([-1]), stepped[None])
        return stepped

    def replay(self, calls: NDArray[Any]) -> NDArray[np.float64]:
        """Return the raw vectors `(n, FEATURE_COUNT)` of whole `CALL` rows, each judged as if seen live.

        The rows may come in any order: beginnings and ends are played in the order of their times. SETUP columns
        hold what was known at the beginning, END columns what was known at the end.
        """
        begins = np.stack([calls["started_ns"], np.arange(len(calls)), np.ones(len(calls), np.int64)])
        over = np.flatnonzero(calls["ended_ns"] > 0)
        ends = np.stack([calls["ended_ns"][over], over, np.zeros(len(over), np.int64)])
        steps = np.concatenate([begins, ends], axis=1)  # (3, steps) time, call, is a beginning
        _, of, begins_now = steps[:, np.lexsort((steps[1], steps[2] == 0, steps[0]))]
        number = np.arange(len(of))
        first, last = np.full((2, len(calls)), -1)
        first[of[::-1]], last[of] = number[::-1], number
        before = np.where(first[of] < number, first[of], -1)
        vectors = np.full((len(of), FEATURE_COUNT), np.nan)
        self.play(calls[of], np.where(begins_now == 1, BEGIN, FINISH), before, vectors)
        whole: NDArray[np.float64] = vectors[last]
        return whole

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return named arrays (copies) for `restore`: the rows in use, and their places in the table."""
        state: dict[str, NDArray[Any]] = {f"{field}_columns": np.array(n) for field, n in _COLUMNS.items()}
        for name, table in (("callers", self._callers), ("campaigns", self._campaigns)):
            used = np.flatnonzero(table.keys)
            state[f"{name}_rows"] = used
            state[f"{name}_capacity"] = np.array([len(table.keys)])
            for field, array in table._asdict().items():
                state[f"{name}_{field}"] = array.copy() if field == "evicted" else array[used]
        return state

    @classmethod
    def restore(cls, state: dict[str, NDArray[Any]], utc_offset_s: int = 0) -> "CallHistory":
        """Rebuild a history from `snapshot`. Raises ConfigError when arrays are missing or do not fit."""
        history = cls(1, utc_offset_s)
        try:
            history._callers, history._campaigns = (
                _table_of(state, name) for name in ("callers", "campaigns")
            )
        except KeyError as error:
            raise ConfigError(f"history state lacks {error}; take a new snapshot") from None
        return history


def _table_of(state: dict[str, NDArray[Any]], name: str) -> compiled_histories.Table:
    used, capacity = state[f"{name}_rows"], state[f"{name}_capacity"]
    if used.ndim != 1 or used.dtype.kind != "i" or capacity.shape != (1,) or capacity.dtype.kind != "i":
        raise ConfigError("history state has arrays of another form; take a new snapshot")
    rows = int(capacity[0])
    inside = bool(((used >= 0) & (used < rows)).all())
    if rows < WAYS or rows & (rows - 1) or rows > MAXIMUM_ROWS or not inside:
        raise ConfigError("history state has tables of impossible lengths; take a new snapshot")
    table = compiled_histories.new_table(rows)
    for field, array in table._asdict().items():
        if f"{name}_{field}" not in state and field not in _ARRAYS_0_1_0:
            continue
        kept = state[f"{name}_{field}"]
        if field in _COLUMNS:
            kept = _columns_of_today(kept, state.get(f"{field}_columns"), field)
        expected = (1,) if field == "evicted" else (len(used), *array.shape[1:])
        if kept.shape != expected or kept.dtype != array.dtype:
            raise ConfigError("history state has arrays of another form; take a new snapshot")
        if field == "evicted":
            array[:] = kept
        else:
            array[used] = kept
    return table


def _columns_of_today(kept: NDArray[Any], named: NDArray[Any] | None, field: str) -> NDArray[Any]:
    """Return the columns of an array of a snapshot in today's order; one that it lacks is zero."""
    names = np.array(_COLUMNS_0_1_0[field]) if named is None else named
    if names.dtype.kind != "U" or names.ndim != 1 or kept.ndim != 2 or kept.shape[1] != len(names):
        raise ConfigError("history state has arrays of another form; take a new snapshot")
    ours = _COLUMNS[field]
    found = np.zeros((len(kept), len(ours)), kept.dtype)
    for column, name in enumerate(names.tolist()):
        if name in ours:
            found[:, ours.index(name)] = kept[:, column]
    return found
