"""Packets in the order of their times, between a source and all that looks at time: flow engine and call assembly.

Files and merged captures are not in time order, several interfaces and queues differ by milliseconds, clocks are set
back or jump (time_order.py judges times). What is younger than the reorder window is held back and given out sorted;
a capture in order comes out as it went in. Memory is bounded by the settings and some frames. Interfaces that are
captured at the same time are each put in order; between them the order of batches stays.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from callprint.core.capture.time_order import LONG_AGO_NS, TIME_STATE, gather, put_in_order
from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import read_only
from callprint.core.ground.errors import ConfigError
from callprint.core.packets import RECORD

MOST_HELD_BYTES = 512 << 10
_NO_DATA, _NO_RECORDS = np.empty(0, np.uint8), np.empty(0, RECORD)


@dataclass(frozen=True, slots=True)
class OrderSettings:
    """How long a packet may wait for earlier ones. Raises ConfigError for what cannot be."""

    reorder_window_ms: float = 20.0
    reorder_packets: int = 256  # that wait at most: on a fast link they are the window

    def __post_init__(self) -> None:
        """Check every value."""
        if not 0 <= self.reorder_window_ms <= 500:
            raise ConfigError(f"reorder_window_ms must be from 0 to 500, not {self.reorder_window_ms}")
        if not 1 <= self.reorder_packets <= 1 << 16:
            raise ConfigError(f"reorder_packets must be from 1 to 65536, not {self.reorder_packets}")


class OrderCounters(NamedTuple):
    """What was done about times. All zero: the capture was in order, or nearly."""

    late: int = 0  # packets that came too late to be put in their place
    misdated: int = 0  # packets with an impossible time, which got that of the newest packet before them
    set_back: int = 0  # how often a clock was set back
    set_back_ns: int = 0  # by how much, in all
    begun_anew: int = 0  # how often an earlier capture began within a capture


class OrderedBatch(NamedTuple):
    """Packets to be worked off. The data is valid until the next batch is taken in."""

    data: Array  # (bytes,) uint8
    records: Array  # (n,) RECORD
    capture: str | None
    begins_anew: bool = False  # an earlier capture begins here: all that came before has ended
    clock: int = 0  # the number of what dated the packets


class _Held(NamedTuple):
    """Frames of our own; the first `ordered` are in order, the times of the others are not judged yet."""

    data: Array = _NO_DATA
    records: Array = _NO_RECORDS
    ordered: int = 0


class PacketOrder:
    """Takes batches as they come, gives batches in the order of time. Every packet comes out exactly once."""

    def __init__(self, settings: OrderSettings | None = None) -> None:
        """Start with nothing held."""
        self._settings = settings or OrderSettings()
        self._states: dict[str | None, Array] = {}  # by capture: (1,) TIME_STATE
        self._counted = OrderCounters()  # by states that are gone
        self._held = _Held()
        self._own = [_NO_DATA, _NO_DATA]  # the memory of what is held, and of what was held before
        self._joint, self._records = _NO_DATA, _NO_RECORDS  # the memory of what is held and a batch together
        self._order = np.empty((2, 0), np.int64)  # of these records, and where an earlier capture begins
        self._capture: str | None = None
        self._clock = 0
        self._anew = False  # an earlier capture begins with the next packet that is given out

    @property
    def counters(self) -> OrderCounters:
        """What was done about times so far."""
        return OrderCounters(
            *(
                int(before + sum(state[name][0] for state in self._states.values()))
                for name, before in self._counted._asdict().items()
            )
        )

    def take(
        self,
        data: Array,
        records: Array,
        capture: str | None = None,
        clock: int = 0,
        buffer: Array | None = None,
        rows: Array | None = None,
    ) -> list[OrderedBatch]:
        """Take a batch in; return what can be worked off. data: (bytes,) uint8, records: (n,) RECORD.

        `capture`: the file or interface it is from. `clock`: a number for what dated it: another file, another clock.
        `buffer`, (bytes,) uint8, and `rows`, (n,) RECORD: arrays that end with `data` and `records`. In front of these
        they may be written to, and the records may be changed.
        """
        batches: list[OrderedBatch] = []
        if capture != self._capture or clock != self._clock:
            batches += self.flush()
            if clock != self._clock:
                self._counted = self.counters
                self._states.clear()
            self._capture, self._clock = capture, clock
        if len(records):
            batches += self._work(data, records, buffer, rows, final=False)
        return batches

    def flush(self) -> list[OrderedBatch]:
        """Return what is held: the capture has ended, or nothing more comes for the moment."""
        return self._work(_NO_DATA, _NO_RECORDS, None, None, final=True) if len(self._held.records) else []

    def _work(
        self, data: Array, records: Array, buffer: Array | None, rows: Array | None, *, final: bool
    ) -> list[OrderedBatch]:
        held = self._held
        state = self._states.get(self._capture)
        if state is None:
            state = self._states[self._capture] = self._fresh_state()
        data, records, moved_by = self._joined(data, records, buffer, rows)
        queue, cuts = self._order
        decided, front, back, cut_count, in_order = put_in_order(
            records, held.ordered, len(held.records), moved_by, final, queue, cuts, state
        )
        batches: list[OrderedBatch] = []
        bounds = [0, *(cuts[:cut_count].tolist() if cut_count else ()), front]
        for number, (begins, ends) in enumerate(pairwise(bounds)):
            self._anew |= number > 0
            if ends > begins:
                given = records[begins:ends] if in_order else records[queue[begins:ends]]
                batches.append(OrderedBatch(data, given, self._capture, self._anew, self._clock))
                self._anew = False
        size = int(state["bytes"][0]) if front < back else 0
        if decided < len(records):
            size += int(records["captured"][decided:].sum(dtype=np.int64))
        rest = (
            records[front:] if in_order else np.concatenate((records[queue[front:back]], records[decided:]))
        )
        self._held = self._kept(data, rest, back - front, size)
        return batches

    def _fresh_state(self) -> Array:
        state = np.zeros(1, TIME_STATE)
        state["window_ns"] = round(self._settings.reorder_window_ms * 1e6)
        state["most_packets"] = self._settings.reorder_packets
        state["most_bytes"] = MOST_HELD_BYTES
        state["given_ns"] = LONG_AGO_NS
        return state

    def _joined(
        self, data: Array, records: Array, buffer: Array | None, rows: Array | None
    ) -> tuple[Array, Array, int]:
        """Return data and records of what is held and of a batch in one piece: two runs of what follows cost more.

        The number is what has to be added to the offsets of the batch.
        """
        held, size = self._held, len(self._held.data)
        if not len(records):
            return held.data, held.records, 0
        joined = self._rows(records, rows)
        if not size:
            return data, joined, 0
        room = 0 if buffer is None else len(buffer) - len(data)
        if buffer is not None and room >= size:
            buffer[room - size : room] = held.data
            return buffer[room - size :], joined, size
        size_of_batch = int(records["captured"].sum(dtype=np.int64))
        together = self._joint = _of_size(self._joint, size + size_of_batch)
        together[:size] = held.data
        gather(read_only(data), records, together[size:], joined[len(held.records) :])
        return together, joined, size

    def _rows(self, records: Array, rows: Array | None) -> Array:
        """Return the records of what is held and then others."""
        waiting = len(self._held.records)
        count = waiting + len(records)
        if self._order.shape[1] < count:
            self._order = np.empty((2, 2 * count), np.int64)
        if rows is None or len(rows) < count or not _same_end(rows, records):
            if len(self._records) < count:
                self._records = np.empty(2 * count, RECORD)
            rows = self._records[:count]
            _copy_rows(records, rows[waiting:])
        joined = rows[len(rows) - count :]
        _copy_rows(self._held.records, joined[:waiting])
        return joined

    def _kept(self, data: Array, records: Array, ordered: int, size: int) -> _Held:
        """Return a copy of these frames. What was held before stays readable: it may be among what is given out."""
        if not len(records):
            return _Held()
        self._own.reverse()
        self._own[0] = _of_size(self._own[0], size)
        copied = np.empty(len(records), RECORD)
        gather(read_only(data), records, self._own[0], copied)
        return _Held(self._own[0][:size], copied, ordered)


def _same_end(rows: Array, records: Array) -> bool:
    """Return whether the last record is the last row itself, and not a copy of it."""
    return bool(rows[-1:].ctypes.data == records[-1:].ctypes.data)


def _copy_rows(records: Array, target: Array) -> None:
    """Copy RECORD rows as bytes: NumPy copies field by field, ten times slower."""
    target.view(np.uint8)[:] = np.ascontiguousarray(records).view(np.uint8)


def _of_size(buffer: Array, size: int) -> Array:
    """Return the buffer, or a new one when it is too small."""
    return buffer if len(buffer) >= size else np.empty(2 * size, np.uint8)
