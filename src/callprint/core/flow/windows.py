"""What each packet adds to the open window of its flow, and how windows close, merge and leave.

    begin  --packet of the flow-->  the open window  --every ten seconds-->  closed windows  --64 of them-->  32
                                                                     \\--no room left-->  the open one stays open

All that a packet costs is a few additions in one row; loss costs when it happens.
"""

import numpy as np

from callprint.core.flow import free_list, window_rows
from callprint.core.flow.layout import Tables
from callprint.core.flow.window_layout import (
    DOUBT_CUT,
    DOUBT_DROPS,
    LATE_AFTER_S,
    LATE_IN_A_ROW,
    LEAST_GAP,
    WINDOW_NS,
    WINDOWS_KEPT,
)
from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import Row, by_reference, compiled, compiled_apart
from callprint.core.ground.loads import be32, load8
from callprint.core.packets import Outcome

_NEVER_NS = np.iinfo(np.int64).max
_LONG_AGO = -(1 << 62)
_PLAYED_BITS = 64
_ALL_PLAYED = np.uint64(0xFFFFFFFFFFFFFFFF)
_MOST_FRAME_VOTES = 64
_TRUNCATED = int(Outcome.TRUNCATED)
_PCMU = 0
_PCMA = 8
_SOUND_BYTES = 8  # of a packet of G.711 that are listened to: a millisecond
_SECOND = 1_000_000_000


@compiled
def begin(tables: Tables, row: int) -> None:
    """Open the first window of a flow whose first packet is in its FLOW row."""
    flow = tables.flows[row]
    state = tables.open[row]
    state.played = np.uint64(1)
    state.ends_ns = flow.first_seen_ns + WINDOW_NS
    state.level = 0
    state.closed = 0
    state.in_order = 1
    state.last_missing = _LONG_AGO
    state.in_burst = 0
    state.slot = -1
    state.expected_at = 0
    state.received_at = 0
    state.duplicates_at = 0
    state.reordered_at = 0
    state.cut_at = tables.outcomes[_TRUNCATED]
    window_rows.clear(state.window)
    new_clock(tables, row)
    window_rows.clear_reported(tables.reported[row])


@compiled
def before_packet(tables: Tables, row: int, time_ns: int) -> None:
    """Close the windows that have ended by the time of a packet, before anything counts it."""
    state = tables.open[row]
    while time_ns >= state.ends_ns:
        _close(tables, row)
    gap_ns = time_ns - tables.flows[row].last_rtp_ns
    state.window.longest_gap_ns = max(state.window.longest_gap_ns, gap_ns)


@compiled_apart
def new_clock(tables: Tables, row: int) -> None:
    """Begin to measure time anew: the flow's payload type has changed, or what is known of its clock rate."""
    state = tables.open[row]
    window = state.window
    rate = tables.flows[row].clock_rate_hz
    state.late_after = LATE_AFTER_S * rate if rate != 0 else np.inf
    state.frame_ticks = 0
    state.frame_votes = 0
    state.transit = 0.0
    state.fastest = 0.0
    state.least = 0.0
    state.late_in_a_row = 0
    # They are in ticks of another clock; windows before this one have kept theirs.
    window.jitter_packets = 0
    window.jitter_sum = 0.0
    window.jitter_min = window_rows.NO_JITTER
    window.jitter_max = 0.0
    window.pause = 0.0


@compiled
def take_time(tables: Tables, row: int, step: int, moved: float, ahead: int) -> bool:
    """Take the time of a packet of the flow's payload type into account; return whether it came too late to be played.

    step: ticks since the packet of that type before it; moved: ticks by which it took longer on its way than that one,
    infinite for a new time base; ahead: how far it advances the sequence, or 0.
    """
    state = tables.open[row]
    window = state.window
    jitter = tables.flows[row].jitter
    window.jitter_packets += 1
    window.jitter_sum += jitter
    window.jitter_min = min(window.jitter_min, jitter)
    window.jitter_max = max(window.jitter_max, jitter)
    if step != state.frame_ticks:
        if ahead > 0 and step > 0 and state.in_order != 0:
            _take_frame(state, step, ahead)
    elif state.frame_votes < _MOST_FRAME_VOTES:
        state.frame_votes += 1
    transit = state.transit + moved
    if transit - state.fastest > state.late_after:
        return _late(state, transit)
    state.transit = transit
    if transit < state.least:
        state.least = transit
        state.fastest = min(state.fastest, transit)
    if state.late_in_a_row != 0:
        state.late_in_a_row = 0
    return False


@compiled_apart
def _late(state: Row, transit: float) -> bool:
    """Count a late packet; start the buffer anew once everything is late. False for a packet of a new time base."""
    if transit == np.inf:
        state.transit = 0.0
        state.fastest = 0.0
        state.least = 0.0
        state.late_in_a_row = 0
        return False
    state.transit = transit
    state.least_late = transit if state.late_in_a_row == 0 else min(state.least_late, transit)
    state.late_in_a_row += 1
    if state.late_in_a_row == LATE_IN_A_ROW:
        state.late_in_a_row = 0
        state.fastest = state.least_late
        state.least = state.least_late
    return True


@compiled_apart
def _take_frame(state: Row, step: int, ahead: int) -> None:
    """Learn how many ticks a packet is apart from the next; what passes beyond them without a packet is a pause.

    That of most packets counts (Boyer and Moore), and a shorter one soon, because pauses only make steps longer.
    """
    if ahead == 1 and state.frame_votes > 0:
        state.frame_votes -= 1 if step > state.frame_ticks else 8
    if ahead == 1 and state.frame_votes <= 0:
        state.frame_ticks = step
        state.frame_votes = 1
    elif step > ahead * state.frame_ticks + state.frame_ticks // 2:
        state.window.pause += step - ahead * state.frame_ticks


@compiled
def take(tables: Tables, row: int, data: Array, packet: Row, ahead: int, behind: int, late: bool) -> None:
    """Take a packet in that the FLOW row counts by now, and that is no duplicate.

    ahead: how far it advances the sequence, or 0; behind: how far it lies behind the newest one.
    """
    flow = tables.flows[row]
    state = tables.open[row]
    if flow.maximum_sequence & 7 == 0 and flow.payload_type in (_PCMU, _PCMA):
        _listen(state.window, data, packet, flow.payload_type)
    state.in_order = ahead > 0
    if ahead == 1:
        if np.int64(state.played) >= 0:  # the oldest bit is not set
            _missing(flow, state, flow.maximum_sequence - _PLAYED_BITS)
        state.played <<= np.uint64(1)
    elif ahead > 0:
        _jump(flow, state, ahead)
    if late:
        state.window.late += 1
    elif behind < _PLAYED_BITS:
        state.played |= np.uint64(1) << np.uint64(behind)


@compiled
def _listen(window: Row, data: Array, packet: Row, payload_type: int) -> None:
    """Listen to the first samples of a packet of G.711: below 1/64 of full scale they are quiet."""
    first = load8(data, packet.offset)
    if load8(data, packet.offset + 1) & 0x7F != payload_type:
        return
    at = packet.offset + 12 + 4 * (first & 0x0F)
    if first & 0x10 or at + _SOUND_BYTES > packet.offset + packet.length:
        return
    silence = 0xFFFFFFFF if payload_type == _PCMU else 0x55555555
    loud = ((be32(data, at) ^ silence) | (be32(data, at + 4) ^ silence)) & 0x60606060
    window.listened += 1
    if loud == 0:
        window.quiet += 1


@compiled_apart
def _jump(flow: Row, state: Row, ahead: int) -> None:
    """Move on by more than one sequence number; those that leave without having come are missing."""
    played = state.played
    oldest = flow.maximum_sequence - ahead - (_PLAYED_BITS - 1)
    for i in range(ahead):
        if i >= _PLAYED_BITS or (played >> np.uint64(63 - i)) & np.uint64(1) == 0:
            _missing(flow, state, oldest + i)
    state.played = played << np.uint64(ahead) if ahead < _PLAYED_BITS else np.uint64(0)


@compiled_apart
def _missing(flow: Row, state: Row, sequence: int) -> None:
    """Count a packet that a jitter buffer would not have played (RFC 3611 4.7.2)."""
    if sequence < flow.base_sequence:
        return  # it was sent before the flow was seen, if at all
    window = state.window
    apart = sequence - state.last_missing
    window.missing += 1
    if apart > 1:
        window.runs += 1
    if apart > LEAST_GAP:
        state.in_burst = 1
    else:
        if state.in_burst == 1:
            window.bursts += 1
            window.burst_packets += 1
            window.burst_missing += 1
        state.in_burst += 1
        window.burst_packets += apart
        window.burst_missing += 1
    state.last_missing = sequence


@compiled_apart
def restart(tables: Tables, row: int) -> None:
    """Settle what is missing before the source restarts its sequence numbers, or ends."""
    flow = tables.flows[row]
    state = tables.open[row]
    for behind in range(_PLAYED_BITS - 1, -1, -1):
        if (state.played >> np.uint64(behind)) & np.uint64(1) == 0:
            _missing(flow, state, flow.maximum_sequence - behind)
    state.played = _ALL_PLAYED
    state.last_missing = _LONG_AGO


@compiled_apart
def _close(tables: Tables, row: int) -> None:
    """Keep the open window and open the next one; without room it stays open until the flow ends."""
    state = tables.open[row]
    if state.slot < 0:
        scalars = tables.state[0]
        state.slot, scalars.free_window_slots, scalars.fresh_window_slot = free_list.take(
            tables.free_window_slots, scalars.free_window_slots, scalars.fresh_window_slot
        )
        if state.slot < 0:
            scalars.windows_exhausted += 1
            state.ends_ns = _NEVER_NS
            return
    if state.closed == WINDOWS_KEPT:
        first = state.slot * WINDOWS_KEPT
        for i in range(WINDOWS_KEPT // 2):
            window_rows.merge(tables.windows[first + 2 * i], tables.windows[first + 2 * i + 1])
            if i > 0:
                tables.windows[first + i] = tables.windows[first + 2 * i]
        state.closed = WINDOWS_KEPT // 2
        state.level += 1
        state.ends_ns += WINDOW_NS << (state.level - 1)
        return
    _copy_out(tables, row, tables.windows, state.slot * WINDOWS_KEPT + state.closed)
    state.closed += 1
    state.ends_ns += WINDOW_NS << state.level
    state.fastest = state.least
    state.least = state.transit
    flow = tables.flows[row]
    state.expected_at = flow.expected_before + flow.maximum_sequence - flow.base_sequence + 1
    state.received_at = flow.received
    state.duplicates_at = flow.duplicates
    state.reordered_at = flow.reordered
    window_rows.clear(state.window)


@compiled
def _copy_out(tables: Tables, row: int, windows: Array, at: int) -> None:
    """Copy the open window to `windows[at]`, with what the FLOW row has counted since it began, and in milliseconds."""
    flow = tables.flows[row]
    state = tables.open[row]
    windows[at] = state.window
    window = windows[at]
    tick_ms = 1e3 / flow.clock_rate_hz if flow.clock_rate_hz != 0 else 0.0
    if flow.clock_rate_hz == 0:
        window.jitter_packets = 0
    window.jitter_sum *= tick_ms
    window.jitter_min = window.jitter_min * tick_ms if window.jitter_packets > 0 else 0.0
    window.jitter_max *= tick_ms
    window.pause *= tick_ms
    expected = flow.expected_before + flow.maximum_sequence - flow.base_sequence + 1
    window.expected = max(0, expected - state.expected_at)
    duplicates = flow.duplicates - state.duplicates_at
    window.duplicates = duplicates
    window.received = flow.received - state.received_at - duplicates
    window.reordered = flow.reordered - state.reordered_at


@compiled_apart
def gather(tables: Tables, row: int, windows: Array, at: int, reported: Array, number: int) -> int:
    """Copy a flow's windows, the open one last, to `windows` from `at` on, and the rest to `reported[number]`.

    Returns how many windows these are: at least one, at most WINDOWS_KEPT + 1.
    """
    flow = tables.flows[row]
    state = tables.open[row]
    first = state.slot * WINDOWS_KEPT
    for i in range(state.closed):
        windows[at + i] = tables.windows[first + i]
    _copy_out(tables, row, windows, at + state.closed)
    about = tables.reported[row]
    about.packet_ms = state.frame_ticks * 1e3 / flow.clock_rate_hz if flow.clock_rate_hz != 0 else 0.0
    # 0: the last window has no end.
    about.span_s = 0 if state.ends_ns == _NEVER_NS else (WINDOW_NS // _SECOND) << state.level
    about.doubts = 0
    for moment_ns in tables.drop_moments_ns:
        if flow.first_seen_ns <= moment_ns <= flow.last_rtp_ns + _SECOND:
            about.doubts |= DOUBT_DROPS
    if 100 * (tables.outcomes[_TRUNCATED] - state.cut_at) > flow.received:
        about.doubts |= DOUBT_CUT
    reported[number] = about
    return int(state.closed + 1)


@compiled
def gather_all(tables: Tables, rows: Array, windows: Array, counts: Array, reported: Array) -> int:
    """Copy the windows of flows that go on, one flow after the other; return how many windows these are."""
    tables = by_reference(tables)
    at = 0
    for number in range(rows.shape[0]):
        counts[number] = gather(tables, rows[number], windows, at, reported, number)
        at += counts[number]
    return at


@compiled
def release(tables: Tables, row: int) -> None:
    """Give the place of a flow's closed windows back."""
    state = tables.open[row]
    scalars = tables.state[0]
    if state.slot >= 0:
        tables.free_window_slots[scalars.free_window_slots] = state.slot
        scalars.free_window_slots += 1
        state.slot = -1
