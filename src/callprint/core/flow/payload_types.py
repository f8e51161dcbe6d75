"""The payload types of one source: which one is its codec, by what clock it runs, and its jitter (RFC 3550 A.8).

A source may change its payload type, and its clock rate with it (RFC 7160), or put comfort noise (RFC 3389) and
telephone events (RFC 4733) between its voice. So each type has its own time base, clock rate and jitter:

    packet is of                                  it counts                  its jitter goes to
    the flow's type (FLOW.payload_type)           for the flow's type        the FLOW row
    another type                                  for that type              its row of `Tables.types`
    static comfort noise, a telephone event       for none                   nothing

Time stamps go on from one type to the next, in ticks of whichever clock the source has then. So after packets by
another clock a type begins a new time base (RFC 7160 4); types of one clock go on as they were.

A type that has more packets than the flow's type takes its place, with its jitter. Comfort noise and events have the
place only as long as nothing else was sent. RTP alone does not say which dynamic type is for events; those
with digits are known by their form. Any other such type is kept out of the jitter because it is not the flow's type.
"""

import numpy as np

from callprint.core.flow import windows
from callprint.core.flow.layout import TYPES_OF_FLOW, Tables
from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import Row, compiled
from callprint.core.ground.loads import be16, be32, load8
from callprint.core.packets import MAXIMUM_PAYLOAD

WINDOW = 32
"""Packets of a source after which the clock rate of a dynamic payload type is estimated, time and again."""

CLOCK_SETTLED = 4
"""Votes for a clock rate that make it final."""

_WINDOW_NS = 250_000_000  # the least time that says anything: a video frame comes in one burst of packets
_GIVE_UP_AFTER = 64 * WINDOW  # packets: time stamps that fit no clock by then fit none
_CLOCK_RATES_HZ = np.array(
    [8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 90000], dtype=np.float64
)

# RFC 3551 tables 4 and 5; 0: dynamic or unassigned.
_STATIC_HZ = np.zeros(128, dtype=np.uint32)
for _payload_type, _rate in (
    (0, 8000), (3, 8000), (4, 8000), (5, 8000), (6, 16000), (7, 8000), (8, 8000), (9, 8000),
    (10, 44100), (11, 44100), (12, 8000), (13, 8000), (14, 90000), (15, 8000), (16, 11025),
    (17, 22050), (18, 8000), (25, 90000), (26, 90000), (28, 90000), (31, 90000), (32, 90000),
    (33, 90000), (34, 90000),
):  # fmt: skip
    _STATIC_HZ[_payload_type] = _rate

CODEC_NAMES = {
    0: "PCMU", 3: "GSM", 4: "G723", 5: "DVI4", 6: "DVI4/16000", 7: "LPC", 8: "PCMA", 9: "G722", 10: "L16/2",
    11: "L16", 12: "QCELP", 13: "CN", 14: "MPA", 15: "G728", 16: "DVI4/11025", 17: "DVI4/22050", 18: "G729",
    25: "CelB", 26: "JPEG", 28: "nv", 31: "H261", 32: "MPV", 33: "MP2T", 34: "H263",
}  # fmt: skip
"""Encoding names of the static payload types, RFC 3551 section 6."""

_INTERRUPTED_NS = -(1 << 61)
"""In place of the last arrival of a type, after packets by another clock: its next packet is a new time base."""

_COMFORT_NOISE = 13
_FIRST_DYNAMIC = 96
_LAST_EVENT = 16  # RFC 4733 table 3: the digits 0 to 9, *, #, A to D, and flash


@compiled
def start_clock(about: Row, payload_type: int, timestamp: int, arrival_ns: int) -> None:
    """Start the time base of a payload type with its first packet; about: a FLOW or TYPE row."""
    rate = _STATIC_HZ[payload_type]
    about.payload_type = payload_type
    about.clock_rate_hz = rate
    about.clock_votes = CLOCK_SETTLED if rate != 0 else 0
    about.jitter = 0.0
    about.last_timestamp = timestamp
    about.last_arrival_ns = arrival_ns
    about.window_timestamp = timestamp


@compiled
def is_event(data: Array, offset: int, length: int, payload_type: int) -> bool:
    """Return whether an RTP packet has the form of a telephone event: four bytes, a known event, a zero bit.

    Encrypted events have a longer payload, and only their type tells them from the voice.
    """
    if payload_type < _FIRST_DYNAMIC or not 16 <= length <= MAXIMUM_PAYLOAD:
        return False
    first = load8(data, offset)
    header = 12 + 4 * (first & 0x0F)
    if first & 0x10:
        if header + 4 > length:
            return False
        header += 4 + 4 * be16(data, offset + header + 2)
    if length - header != 4:
        return False
    return load8(data, offset + header) <= _LAST_EVENT and load8(data, offset + header + 1) & 0x40 == 0


@compiled
def update(
    tables: Tables, row: int, data: Array, offset: int, length: int, arrival_ns: int, ahead: int
) -> bool:
    """Take a packet of the source into account that `FLOW.received` counts already; return whether it is too late.

    ahead: how far it advances the sequence, or 0.
    """
    flow = tables.flows[row]
    payload_type = load8(data, offset + 1) & 0x7F
    timestamp = be32(data, offset + 4)
    if is_event(data, offset, length, payload_type):
        set_aside(tables, row)
        return False
    if payload_type != flow.payload_type:
        _take_other(tables, row, payload_type, timestamp, arrival_ns)
        return False
    if flow.clock_votes < CLOCK_SETTLED and flow.received % WINDOW == 0:
        about = tables.types[_first_type(tables, row)]
        rate = flow.clock_rate_hz
        if _window_ends(flow, timestamp, arrival_ns - about.window_ns, flow.received):
            about.window_ns = arrival_ns
        if flow.clock_rate_hz != rate:
            windows.new_clock(tables, row)
    step, moved = _update_jitter(flow, timestamp, arrival_ns)
    return windows.take_time(tables, row, step, moved, ahead)


@compiled
def set_aside(tables: Tables, row: int) -> None:
    """Count a packet that is for no payload type."""
    tables.types[_first_type(tables, row)].packets += 1


@compiled
def _first_type(tables: Tables, row: int) -> int:
    """Return the first TYPE row of a flow; what a former tenant left in its rows is cleared."""
    flow = tables.flows[row]
    first = TYPES_OF_FLOW * row
    about = tables.types[first]
    if about.generation != flow.generation:
        for i in range(first, first + TYPES_OF_FLOW):
            tables.types[i].packets = 0
        about.generation = flow.generation
        about.window_ns = flow.first_seen_ns
    return first


@compiled
def _take_other(tables: Tables, row: int, payload_type: int, timestamp: int, arrival_ns: int) -> None:
    """Take a packet into account that is not of the flow's type."""
    flow = tables.flows[row]
    first = _first_type(tables, row)
    about = tables.types[first]
    about.packets += 1
    if payload_type == _COMFORT_NOISE:
        return
    found = -1
    rarest = first + 1
    for i in range(first + 1, first + TYPES_OF_FLOW):
        if tables.types[i].packets > 0 and tables.types[i].payload_type == payload_type:
            found = i
        if tables.types[i].packets < tables.types[rarest].packets:
            rarest = i
    if found < 0:
        found = rarest
        other = tables.types[found]
        start_clock(other, payload_type, timestamp, arrival_ns)
        other.window_ns = arrival_ns
        other.packets = 1
    else:
        other = tables.types[found]
        other.packets += 1
        if (
            other.clock_votes < CLOCK_SETTLED
            and other.packets % WINDOW == 0
            and _window_ends(other, timestamp, arrival_ns - other.window_ns, other.packets)
        ):
            other.window_ns = arrival_ns
        if _by_other_clock(flow, other) and flow.last_arrival_ns != _INTERRUPTED_NS:
            other.last_arrival_ns = _INTERRUPTED_NS
        _update_jitter(other, timestamp, arrival_ns)
    if _by_other_clock(flow, other):
        flow.last_arrival_ns = _INTERRUPTED_NS
    if other.packets > flow.received - about.packets or flow.payload_type == _COMFORT_NOISE:
        _change_places(tables, row, found)


@compiled
def _by_other_clock(flow: Row, other: Row) -> bool:
    """Return whether the clock rates of two types are known to differ."""
    known = flow.clock_rate_hz != 0 and other.clock_rate_hz != 0
    return bool(known and flow.clock_rate_hz != other.clock_rate_hz)


@compiled
def _change_places(tables: Tables, row: int, other_type: int) -> None:
    """Make another type the flow's type; the former one becomes one of the others."""
    flow = tables.flows[row]
    about = tables.types[TYPES_OF_FLOW * row]
    other = tables.types[other_type]
    former = 0 if flow.payload_type == _COMFORT_NOISE else flow.received - about.packets
    about.packets = flow.received - other.packets
    other.packets = former
    flow.jitter, other.jitter = other.jitter, flow.jitter
    flow.last_arrival_ns, other.last_arrival_ns = other.last_arrival_ns, flow.last_arrival_ns
    about.window_ns, other.window_ns = other.window_ns, about.window_ns
    flow.clock_rate_hz, other.clock_rate_hz = other.clock_rate_hz, flow.clock_rate_hz
    flow.last_timestamp, other.last_timestamp = other.last_timestamp, flow.last_timestamp
    flow.window_timestamp, other.window_timestamp = other.window_timestamp, flow.window_timestamp
    flow.payload_type, other.payload_type = other.payload_type, flow.payload_type
    flow.clock_votes, other.clock_votes = other.clock_votes, flow.clock_votes
    windows.new_clock(tables, row)


@compiled
def _update_jitter(about: Row, timestamp: int, arrival_ns: int) -> tuple[int, float]:
    """Take the next packet of a payload type, in order of arrival, into its jitter; about: a FLOW or TYPE row.

    Returns the step of its time stamp, and by how many ticks more than that it came later: 0 without a clock rate,
    infinite for a new time base.
    """
    step = 0
    moved = 0.0
    if about.clock_rate_hz != 0:
        step = (timestamp - about.last_timestamp) & 0xFFFFFFFF
        if step >= 0x80000000:
            step -= 0x100000000
        moved = (arrival_ns - about.last_arrival_ns) * 1e-9 * about.clock_rate_hz - step
        difference = abs(moved)
        # A step of ten seconds is a new time base, not jitter.
        if difference < 10.0 * about.clock_rate_hz:
            about.jitter += (difference - about.jitter) / 16.0
        else:
            moved = np.inf
    about.last_timestamp = timestamp
    about.last_arrival_ns = arrival_ns
    return step, moved


@compiled
def _window_ends(about: Row, timestamp: int, elapsed_ns: int, packets: int) -> bool:
    """Let a window vote on the clock rate of a FLOW or TYPE row, unless it is too short; return whether it did.

    The rate of most windows so far stands (Boyer and Moore's majority vote), so neither a burst at the start nor one
    pause decides. Jitter in ticks of a wrong clock is worth nothing: it begins anew.
    """
    if packets >= _GIVE_UP_AFTER:
        about.clock_votes = CLOCK_SETTLED
    if 0 <= elapsed_ns < _WINDOW_NS:
        return False
    rate = estimated_clock_rate_hz((timestamp - about.window_timestamp) & 0xFFFFFFFF, elapsed_ns)
    about.window_timestamp = timestamp
    if rate == 0:
        return True
    if rate == about.clock_rate_hz:
        about.clock_votes += 1
    elif about.clock_votes > 1:
        about.clock_votes -= 1
    else:
        about.clock_rate_hz = rate
        about.clock_votes = 1
        about.jitter = 0.0
    return True


@compiled
def estimated_clock_rate_hz(ticks: int, elapsed_ns: int) -> int:
    """Return the usual RTP clock rate nearest to `ticks` in `elapsed_ns`; 0 when none is within 15 %."""
    if elapsed_ns <= 0 or ticks <= 0:
        return 0
    rate = ticks * 1e9 / elapsed_ns
    for usual in _CLOCK_RATES_HZ:
        if abs(rate - usual) < 0.15 * usual:
            best = usual
            for other in _CLOCK_RATES_HZ:
                if abs(rate - other) < abs(rate - best):
                    best = other
            return int(best)
    return 0
