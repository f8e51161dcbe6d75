"""The compiled half of histories.py: the bounded tables and the arithmetic of the features. Internal.

Compiled, since a million calls must be turned into vectors in seconds; the same code serves one live call.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import Row, compiled
from callprint.core.ground.sets import WAYS, first_of_set
from callprint.core.spam.features import Feature

PEERS = 32  # last peers that a row remembers
DAY_S = 86_400.0
HOUR_S = 3_600.0
GAP_WEIGHT = 0.2  # weight of the newest gap in the running mean and deviation
SHORT_CALL_S = 6.0
PSEUDO_CALLS = 2.0

# Columns of `Table.sums`.
HOURLY, DAILY, NEW_CALLEE, NEW_CALLER, FINISHED, ANSWERED, SHORT, CANCELLED, UNASSIGNED, REFUSED = range(10)
CALLEE_HUNG_UP, TALK_S, INCOMING, GAP_MEAN, GAP_SQUARE = range(10, 15)
SUMS = 15
FADING = GAP_MEAN  # columns before it fade by the day, except HOURLY

# Columns of `Table.times`.
FIRST_SEEN, LAST_CALL, FADED_AT = range(3)

# Steps of a call: it begins; it is over, which counts; more is known of a call that is over.
BEGIN, FINISH, FILL = range(3)


class Table(NamedTuple):
    """The rows of one history, as separate arrays."""

    keys: NDArray[np.uint64]  # (rows,) 0: free
    times: NDArray[np.int64]  # (rows, 3) ns
    sums: NDArray[np.float64]  # (rows, SUMS)
    peers: NDArray[np.uint64]  # (rows, PEERS) ring
    peer_at: NDArray[np.int64]  # (rows,) where the ring is written next
    numbers: NDArray[np.int64]  # (rows,) last callee's number, -1 not known
    evicted: NDArray[np.int64]  # (1,)


def new_table(rows: int) -> Table:
    """Return an empty table; `rows` is a power of two, at least `WAYS`."""
    return Table(
        np.zeros(rows, np.uint64),
        np.zeros((rows, 3), np.int64),
        np.zeros((rows, SUMS)),
        np.zeros((rows, PEERS), np.uint64),
        np.zeros(rows, np.int64),
        np.full(rows, -1, np.int64),
        np.zeros(1, np.int64),
    )


@compiled
def _first_row(table: Table, key: int) -> int:
    mixed = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(29)
    return first_of_set(table.keys.size, mixed >> np.uint64(3))


@compiled
def _find(table: Table, key: int) -> int:
    """Return the row of the key, or -1."""
    first = _first_row(table, key)
    for row in range(first, first + WAYS):
        if table.keys[row] == key:
            return row
    return -1


@compiled
def _claim(table: Table, key: int, now_ns: int) -> int:
    """Return the row of the key, a new one if need be; in a full set the quietest row makes room."""
    first = _first_row(table, key)
    quietest = first
    for row in range(first, first + WAYS):
        if table.keys[row] == key:
            return row
        if table.keys[row] == 0:
            quietest = row
            break
        if table.times[row, FADED_AT] < table.times[quietest, FADED_AT]:
            quietest = row
    row = quietest
    if table.keys[row] != 0:
        table.evicted[0] += 1
    table.keys[row] = key
    table.times[row, FIRST_SEEN] = now_ns
    table.times[row, LAST_CALL] = 0
    table.times[row, FADED_AT] = now_ns
    table.sums[row] = 0.0
    table.peers[row] = 0
    table.peer_at[row] = 0
    table.numbers[row] = -1
    return row


@compiled
def _fade(table: Table, row: int, now_ns: int) -> None:
    """Let the sums of a row fade for the time since they last did."""
    age_s = (now_ns - table.times[row, FADED_AT]) * 1e-9
    if age_s <= 0.0:
        return
    day = np.exp(-age_s / DAY_S)
    table.sums[row, HOURLY] *= np.exp(-age_s / HOUR_S)
    for column in range(DAILY, FADING):
        table.sums[row, column] *= day
    table.times[row, FADED_AT] = now_ns


@compiled
def _knows(table: Table, row: int, peer: int) -> bool:
    for known in table.peers[row]:  # noqa: SIM110 - compiled code has no generators
        if known == peer:
            return True
    return False


@compiled
def _remember(table: Table, row: int, peer: int) -> None:
    if not _knows(table, row, peer):
        table.peers[row, table.peer_at[row]] = peer
        table.peer_at[row] = (table.peer_at[row] + 1) % PEERS


@compiled
def _ratio(part: float, whole: float, neutral: float) -> float:
    """Return part / whole, drawn towards the neutral value; NaN (not known) when there is next to nothing to divide."""
    if whole < 0.01:  # the last call was several days ago
        return np.nan
    return (part + PSEUDO_CALLS * neutral) / (whole + PSEUDO_CALLS)


@compiled
def _shared_prefix(one: int, other: int) -> float:
    """Return the share of leading digits that two numbers have in common, NaN when one of them is not known."""
    if one <= 0 or other <= 0:
        return np.nan
    digits_one = int(np.floor(np.log10(one))) + 1
    digits_other = int(np.floor(np.log10(other))) + 1
    if digits_one > digits_other:
        one //= 10 ** (digits_one - digits_other)
    else:
        other //= 10 ** (digits_other - digits_one)
    shared = min(digits_one, digits_other)
    while one != other:
        one //= 10
        other //= 10
        shared -= 1
    return shared / max(digits_one, digits_other)


@compiled
def begin(
    callers: Table, campaigns: Table, call: Row, utc_offset_s: int, vector: NDArray[np.float64]
) -> None:
    """Fill the SETUP columns of `vector` and count the call in the histories."""
    now_ns = call.started_ns
    angle = 2.0 * np.pi * ((now_ns // 1_000_000_000 + utc_offset_s) % 86_400) / DAY_S
    vector[Feature.HOUR_COS] = np.cos(angle)
    vector[Feature.HOUR_SIN] = np.sin(angle)
    vector[Feature.SHARED_PREFIX] = _shared_prefix(call.caller_number, call.callee_number)
    if call.attestation != 0:
        vector[Feature.ATTESTATION] = (3 - call.attestation) / 2.0
    if call.callee != 0 and call.caller != 0:
        callee_row = _find(callers, call.callee)
        vector[Feature.CALLEE_CALLED_CALLER] = 0.0
        if callee_row >= 0 and _knows(callers, callee_row, call.caller):
            vector[Feature.CALLEE_CALLED_CALLER] = 1.0
    new_callee = True
    step = np.nan
    if call.caller != 0:
        row = _claim(callers, call.caller, now_ns)
        _fade(callers, row, now_ns)
        new_callee = call.callee == 0 or not _knows(callers, row, call.callee)
        _caller_columns(callers, row, now_ns, new_callee, vector)
        if callers.numbers[row] >= 0 and call.callee_number >= 0:
            step = abs(float(call.callee_number - callers.numbers[row]))
        _count_beginning(callers, row, call, new_callee, call.callee)
    if call.campaign != 0:
        row = _claim(campaigns, call.campaign, now_ns)
        _fade(campaigns, row, now_ns)
        new_caller = call.caller == 0 or not _knows(campaigns, row, call.caller)
        if campaigns.numbers[row] >= 0 and call.callee_number >= 0:
            other = abs(float(call.callee_number - campaigns.numbers[row]))
            step = other if np.isnan(step) else min(step, other)
        campaigns.sums[row, NEW_CALLER] += 1.0 if new_caller else 0.0
        _campaign_columns(campaigns, row, new_callee, vector)
        _count_beginning(campaigns, row, call, new_callee, call.caller)
    vector[Feature.CALLEE_STEP] = step


@compiled
def _caller_columns(
    table: Table, row: int, now_ns: int, new_callee: bool, vector: NDArray[np.float64]
) -> None:
    sums = table.sums[row]
    last_ns = table.times[row, LAST_CALL]
    vector[Feature.CALL_FREQUENCY] = sums[HOURLY]
    vector[Feature.CALLS_PER_DAY] = sums[DAILY]
    vector[Feature.KNOWN_FOR] = (now_ns - table.times[row, FIRST_SEEN]) * 1e-9
    if last_ns > 0:
        vector[Feature.SINCE_LAST_CALL] = (now_ns - last_ns) * 1e-9
        vector[Feature.CALLED_BEFORE] = 0.0 if new_callee else 1.0
        fresh = sums[NEW_CALLEE] + (1.0 if new_callee else 0.0)
        vector[Feature.NEW_CALLEE_RATIO] = _ratio(fresh, sums[DAILY] + 1.0, 0.5)
    if sums[GAP_MEAN] > 0.0:
        spread = max(sums[GAP_SQUARE] - sums[GAP_MEAN] ** 2, 0.0)
        vector[Feature.GAP_VARIATION] = np.sqrt(spread) / sums[GAP_MEAN]
    vector[Feature.ANSWER_RATIO] = _ratio(sums[ANSWERED], sums[FINISHED], 0.6)
    vector[Feature.CANCELLED_RATIO] = _ratio(sums[CANCELLED], sums[FINISHED], 0.1)
    vector[Feature.UNASSIGNED_RATIO] = _ratio(sums[UNASSIGNED], sums[FINISHED], 0.02)
    vector[Feature.REFUSED_RATIO] = _ratio(sums[REFUSED], sums[FINISHED], 0.1)
    vector[Feature.SHORT_CALL_RATIO] = _ratio(sums[SHORT], sums[ANSWERED], 0.1)
    vector[Feature.CALLEE_HANGUP_RATIO] = _ratio(sums[CALLEE_HUNG_UP], sums[ANSWERED], 0.5)
    if sums[ANSWERED] >= 0.01:
        vector[Feature.MEAN_TALK] = sums[TALK_S] / sums[ANSWERED]
    vector[Feature.INCOMING_SHARE] = _ratio(sums[INCOMING], sums[INCOMING] + sums[DAILY], 0.3)


@compiled
def _campaign_columns(table: Table, row: int, new_callee: bool, vector: NDArray[np.float64]) -> None:
    sums = table.sums[row]
    vector[Feature.CAMPAIGN_FREQUENCY] = sums[HOURLY]
    if table.times[row, LAST_CALL] > 0:
        fresh = sums[NEW_CALLEE] + (1.0 if new_callee else 0.0)
        vector[Feature.CAMPAIGN_NEW_CALLEE_RATIO] = _ratio(fresh, sums[DAILY] + 1.0, 0.5)
        vector[Feature.CAMPAIGN_NEW_CALLER_RATIO] = _ratio(sums[NEW_CALLER], sums[DAILY] + 1.0, 0.5)
    vector[Feature.CAMPAIGN_ANSWER_RATIO] = _ratio(sums[ANSWERED], sums[FINISHED], 0.6)
    vector[Feature.CAMPAIGN_SHORT_CALL_RATIO] = _ratio(sums[SHORT], sums[ANSWERED], 0.1)
    vector[Feature.CAMPAIGN_CALLEE_HANGUP_RATIO] = _ratio(sums[CALLEE_HUNG_UP], sums[ANSWERED], 0.5)
    vector[Feature.CAMPAIGN_UNASSIGNED_RATIO] = _ratio(sums[UNASSIGNED], sums[FINISHED], 0.02)


@compiled
def _count_beginning(table: Table, row: int, call: Row, new_callee: bool, peer: int) -> None:
    sums = table.sums[row]
    now_ns = call.started_ns
    last_ns = table.times[row, LAST_CALL]
    if last_ns > 0:
        gap_s = (now_ns - last_ns) * 1e-9
        weight = GAP_WEIGHT if sums[GAP_MEAN] > 0.0 else 1.0
        sums[GAP_MEAN] += weight * (gap_s - sums[GAP_MEAN])
        sums[GAP_SQUARE] += weight * (gap_s * gap_s - sums[GAP_SQUARE])
    sums[HOURLY] += 1.0
    sums[DAILY] += 1.0
    if new_callee:
        sums[NEW_CALLEE] += 1.0
    table.times[row, LAST_CALL] = now_ns
    table.numbers[row] = call.callee_number
    if peer != 0:
        _remember(table, row, peer)


@compiled
def fill_end(call: Row, vector: NDArray[np.float64]) -> None:
    """Fill the END columns of `vector`; what is not known of the call stays NaN."""
    if call.answered_ns > 0:
        talk_s = max((call.ended_ns - call.answered_ns) * 1e-9, 0.0)
        vector[Feature.ANSWERED] = 1.0
        vector[Feature.RING] = max((call.answered_ns - call.started_ns) * 1e-9, 0.0)
        vector[Feature.TALK] = talk_s
        if call.caller_packets + call.callee_packets > 0:
            rate_s = max(talk_s, 1.0)
            vector[Feature.CALLER_PACKET_RATE] = call.caller_packets / rate_s
            vector[Feature.CALLEE_PACKET_RATE] = call.callee_packets / rate_s
    elif call.status != 0:
        vector[Feature.ANSWERED] = 0.0
        vector[Feature.RING] = max((call.ended_ns - call.started_ns) * 1e-9, 0.0)
    both = call.caller_bytes + call.callee_bytes
    if both > 0:
        vector[Feature.CALLER_MEDIA_SHARE] = call.caller_bytes / both
    vector[Feature.CALLER_JITTER] = call.caller_jitter_ms
    if call.ended_by != 0:
        vector[Feature.CALLER_HUNG_UP] = 1.0 if call.ended_by == 1 else 0.0
    if call.status != 0:
        vector[Feature.CANCELLED] = 1.0 if call.status == 487 else 0.0
        vector[Feature.REFUSED] = 1.0 if call.status >= 400 and call.status != 487 else 0.0


@compiled
def finish(callers: Table, campaigns: Table, call: Row) -> None:
    """Count the outcome of a call that is over."""
    if call.caller != 0:
        row = _find(callers, call.caller)
        if row >= 0:
            _count_outcome(callers, row, call)
    if call.campaign != 0:
        row = _find(campaigns, call.campaign)
        if row >= 0:
            _count_outcome(campaigns, row, call)
    # Only an answered call makes a row for its callee, so that numbers dialled at random do not fill the table.
    if call.answered_ns > 0 and call.callee != 0:
        row = _claim(callers, call.callee, call.ended_ns)
        _fade(callers, row, call.ended_ns)
        callers.sums[row, INCOMING] += 1.0


@compiled
def _count_outcome(table: Table, row: int, call: Row) -> None:
    _fade(table, row, call.ended_ns)
    sums = table.sums[row]
    sums[FINISHED] += 1.0
    if call.answered_ns > 0:
        talk_s = max((call.ended_ns - call.answered_ns) * 1e-9, 0.0)
        sums[ANSWERED] += 1.0
        sums[TALK_S] += talk_s
        if talk_s < SHORT_CALL_S:
            sums[SHORT] += 1.0
        if call.ended_by == 2:
            sums[CALLEE_HUNG_UP] += 1.0
    elif call.status == 487:
        sums[CANCELLED] += 1.0
    elif call.status in (404, 410, 484, 604):
        sums[UNASSIGNED] += 1.0
    elif call.status >= 400:
        sums[REFUSED] += 1.0


@compiled
def play(
    callers: Table,
    campaigns: Table,
    calls: Array,
    steps: NDArray[np.int64],
    before: NDArray[np.int64],
    utc_offset_s: int,
    vectors: NDArray[np.float64],
) -> None:
    """Take steps of calls, in their order, and fill `vectors`, (n, FEATURE_COUNT).

    calls: (n,) CALL; steps: (n,) BEGIN, FINISH or FILL; before: (n,) the row of the vector that a step goes on with, -1
    where that stands in its own row already.
    """
    for at in range(steps.size):
        call = calls[at]
        if before[at] >= 0:
            for column in range(vectors.shape[1]):
                vectors[at, column] = vectors[before[at], column]
        if steps[at] == BEGIN:
            begin(callers, campaigns, call, utc_offset_s, vectors[at])
        else:
            fill_end(call, vectors[at])
        if steps[at] == FINISH:
            finish(callers, campaigns, call)
