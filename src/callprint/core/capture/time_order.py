"""Compiled: which time of a packet can be believed, and the order of packets by it.

A time that is more than JUMP_NS from what went before is judged by the FOLLOWING packets after it:

    ahead, and most that follow are there, too -> believed: nothing was sent for a while
    back,  and most that follow are there, too -> the clock was set back: later times are shifted, so that time goes on
                                                  (more than MOST_SET_BACK_NS: an earlier capture begins)
    neither                                    -> misdated: the packet gets the time of the newest one

Until enough packets have followed it waits, so one packet from the future changes nothing for the others. Where the
order of packets is right, no time changes, and all that is decided depends on the packets alone, not on how they are
cut into batches.
"""

import numpy as np

from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import Row, compiled, copy_bytes

JUMP_NS = 1_000_000_000
FOLLOWING = 16
MOST_SET_BACK_NS = 3600_000_000_000
MOST_SILENCE_NS = 86_400_000_000_000
"""How far ahead the very last packet may be: nothing follows that could confirm its time."""
LONG_AGO_NS, LATEST_NS = -(1 << 62), (1 << 62) - 1

_TOLERANCE_NS = JUMP_NS // 2  # how much earlier a packet may be that confirms a time

TIME_STATE = np.dtype(
    [
        ("started", "<i8"),  # 0: no packet has come yet
        ("newest_ns", "<i8"),  # largest believed time
        ("shift_ns", "<i8"),  # how far the clock has been set back in all
        ("given_ns", "<i8"),  # largest time that was given out
        ("front", "<i8"),  # of the queue: what is before it is given out
        ("back", "<i8"),  # of the queue: where the next packet goes, unless it is earlier
        ("bytes", "<i8"),  # of the packets between them
        ("cuts", "<i8"),
        ("in_order", "<i8"),  # 1: the queue is that of the packets as they came
        ("late", "<i8"),
        ("misdated", "<i8"),
        ("set_back", "<i8"),
        ("set_back_ns", "<i8"),
        ("begun_anew", "<i8"),
        # Settings.
        ("window_ns", "<i8"),
        ("most_packets", "<i8"),
        ("most_bytes", "<i8"),
    ],
    align=True,
)
"""What is kept between batches, as one record; the counters are those of PacketOrder."""


@compiled
def put_in_order(
    records: Array,
    held: int,
    waiting: int,
    moved_by: int,
    final: bool,
    queue: Array,
    cuts: Array,
    states: Array,
) -> tuple[int, int, int, int, bool]:
    """Queue packets by their times; return how many could be judged: the rest waits for what follows.

    After that number come `front`, `back`, `cuts` and `in_order` of the state, because reading them there costs more.

    records: (n,) RECORD, of which the first `held` have believed times and are in order; the times of the others
    become so. The offsets of those from `waiting` on are increased by `moved_by`. queue: (n,) int64, packet numbers:
    `state.front` of them are to be given out, those up to `state.back` held; not filled while `state.in_order`. cuts:
    (n,) int64, places in the queue at which an earlier capture begins. `final`: nothing follows.
    """
    state = states[0]
    state.front, state.back, state.bytes = 0, held, 0
    state.cuts, state.in_order = 0, 1
    for i in range(held):
        state.bytes += records[i].captured
    for i in range(held, waiting):
        records[i].offset -= moved_by  # like all that come now, these are moved when they are queued
    count = records.shape[0]
    i = _enter_in_order(records, held, moved_by, queue, state)
    while i < count:
        if not state.started and not _start(records, i, final, state):
            break
        time_ns = min(records[i].time_ns, LATEST_NS - state.shift_ns) + state.shift_ns
        if abs(time_ns - state.newest_ns) > JUMP_NS:
            if i + FOLLOWING >= count and not final:
                break
            if time_ns > state.newest_ns:
                time_ns = _after_jump_ahead(records, i, time_ns, state)
            else:
                time_ns = _after_step_back(records, i, time_ns, cuts, state)
        records[i].time_ns = time_ns
        records[i].offset += moved_by
        state.newest_ns = max(state.newest_ns, time_ns)
        state.late += time_ns < state.given_ns
        _enter(records, i, queue, state)
        _give_out(records, queue, state)
        i = _enter_in_order(records, i + 1, moved_by, queue, state)
    for j in range(i, count):
        records[j].offset += moved_by
    if final and state.front < state.back:
        state.front = state.back
        state.given_ns = max(state.given_ns, state.newest_ns)
    return int(i), int(state.front), int(state.back), int(state.cuts), state.in_order != 0


@compiled
def _enter_in_order(records: Array, i: int, moved_by: int, queue: Array, state: Row) -> int:
    """Queue packets from packet i on for as long as each is a little later than the last; return the next one.

    Most packets are dealt with here, at a nanosecond or two each.
    """
    if not state.started:
        return i
    begin = i
    shift_ns, newest_ns = state.shift_ns, state.newest_ns - state.shift_ns
    latest_ns = LATEST_NS - shift_ns
    while i < records.shape[0]:
        step_ns = records[i].time_ns - newest_ns
        if step_ns < 0 or step_ns > JUMP_NS or records[i].time_ns > latest_ns:
            break
        newest_ns += step_ns
        records[i].offset += moved_by
        i += 1
    if i == begin:
        return i
    state.newest_ns = newest_ns + shift_ns
    if shift_ns:
        for j in range(begin, i):
            records[j].time_ns += shift_ns
    if state.in_order:
        state.back += i - begin
        _give_out_in_order(records, state)
    else:
        for j in range(begin, i):
            queue[state.back] = j
            state.back += 1
            state.bytes += records[j].captured
        _give_out(records, queue, state)
    return i


@compiled
def _give_out_in_order(records: Array, state: Row) -> None:
    """Do what `_give_out` does where packet and place in the queue are the same: what is held is at the end."""
    until_ns = max(state.newest_ns - state.window_ns, state.given_ns)
    front, size = state.back, 0
    while front > state.front and records[front - 1].time_ns > until_ns:
        size += records[front - 1].captured
        if size > state.most_bytes or state.back - (front - 1) > state.most_packets:
            break
        front -= 1
    if front > state.front:
        state.given_ns = max(state.given_ns, records[front - 1].time_ns)
    while front < state.back and records[front].time_ns <= state.given_ns:
        front += 1
    state.front, state.bytes = front, 0
    for j in range(front, state.back):
        state.bytes += records[j].captured


@compiled
def _give_out(records: Array, queue: Array, state: Row) -> None:
    """Let packets go for which nothing earlier is waited for any more, or for which there is no room."""
    until_ns = max(state.newest_ns - state.window_ns, state.given_ns)
    front, back, size = state.front, state.back, state.bytes
    while front < back:
        first = records[front if state.in_order else queue[front]]
        if first.time_ns > until_ns and back - front <= state.most_packets and size <= state.most_bytes:
            break
        until_ns = max(until_ns, first.time_ns)
        state.given_ns = max(state.given_ns, first.time_ns)
        size -= first.captured
        front += 1
    state.front, state.bytes = front, size


@compiled
def _enter(records: Array, i: int, queue: Array, state: Row) -> None:
    """Put packet i behind all that are not later."""
    at = state.back
    if state.in_order and at > state.front and records[at - 1].time_ns > records[i].time_ns:
        for j in range(at):
            queue[j] = j
        state.in_order = 0
    if not state.in_order:
        while at > state.front and records[queue[at - 1]].time_ns > records[i].time_ns:
            queue[at] = queue[at - 1]
            at -= 1
        queue[at] = i
    state.back += 1
    state.bytes += records[i].captured


@compiled
def _most_follow(records: Array, i: int, from_ns: int, before_ns: int) -> bool:
    """Return whether most of the packets that follow packet i have capture times in this range; of none: True."""
    end = min(i + 1 + FOLLOWING, records.shape[0])
    there = 0
    for j in range(i + 1, end):
        there += from_ns <= records[j].time_ns < before_ns
    return bool(there * 2 > end - (i + 1) or i + 1 == end)


@compiled
def _start(records: Array, i: int, final: bool, state: Row) -> bool:
    """Begin with the first packet whose time those that follow confirm; False while too few have come."""
    count = records.shape[0]
    confirmed = _most_follow(records, i, records[i].time_ns - _TOLERANCE_NS, LATEST_NS + 1)
    if not final and (i + FOLLOWING >= count or (i + 2 * FOLLOWING >= count and not confirmed)):
        return False
    first = i
    for j in range(i, min(i + FOLLOWING, count)):
        if _most_follow(records, j, records[j].time_ns - _TOLERANCE_NS, LATEST_NS + 1):
            first = j
            break
    for j in range(i, first):
        records[j].time_ns = records[first].time_ns
        state.misdated += 1
    state.started = 1
    state.newest_ns = records[first].time_ns
    return True


@compiled
def _after_jump_ahead(records: Array, i: int, time_ns: int, state: Row) -> int:
    alone = i + 1 == records.shape[0]
    from_ns = time_ns - state.shift_ns - _TOLERANCE_NS
    if not _most_follow(records, i, from_ns, LATEST_NS + 1) or (
        alone and time_ns - state.newest_ns > MOST_SILENCE_NS
    ):
        state.misdated += 1
        return int(state.newest_ns)
    if state.shift_ns and records[i].time_ns >= state.newest_ns - _TOLERANCE_NS:
        state.shift_ns = 0  # the clock, set back before, was set right again
        return int(max(records[i].time_ns, state.newest_ns))
    return int(time_ns)


@compiled
def _after_step_back(records: Array, i: int, time_ns: int, cuts: Array, state: Row) -> int:
    from_ns = time_ns - state.shift_ns - _TOLERANCE_NS
    before_ns = state.newest_ns - state.shift_ns
    if i + 1 == records.shape[0] or not _most_follow(records, i, from_ns, before_ns):
        state.misdated += 1
        return int(state.newest_ns)
    step_ns = state.newest_ns - time_ns
    if step_ns <= MOST_SET_BACK_NS:
        state.set_back += 1
        state.set_back_ns += step_ns
        state.shift_ns += step_ns
        return int(state.newest_ns)
    cuts[state.cuts] = state.front = state.back
    state.cuts += 1
    state.begun_anew += 1
    state.bytes = state.shift_ns = 0
    state.newest_ns, state.given_ns = records[i].time_ns, LONG_AGO_NS
    return int(records[i].time_ns)


@compiled
def gather(data: Array, records: Array, target: Array, copied: Array) -> None:
    """Copy frames one behind the other. records, copied: (n,) RECORD, the latter written."""
    at = 0
    for i in range(records.shape[0]):
        record = records[i]
        copy_bytes(target, at, data, record.offset, record.captured)
        copied[i] = record
        copied[i].offset = at
        at += record.captured
