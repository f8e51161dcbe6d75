"""Flows by addresses and SSRC, for RTCP on ports that say nothing of the session: odd RTP ports, `a=rtcp`.

A table of sets without deletion: an entry counts only if the row that it names still holds such a flow. It is bounded,
and spread together with the index of flows. A flow that is pushed out of a full set only loses RTCP on foreign ports.
"""

import numpy as np

from callprint.core.flow.hashing import answering_source_hash, source_hash
from callprint.core.flow.layout import NEVER_NS, Tables
from callprint.core.ground.compiled import Row, compiled
from callprint.core.ground.mixing import mix
from callprint.core.ground.sets import WAYS, first_of_set

_HASH_SHIFT = np.uint64(32)
_ROW_MASK = np.uint64(0xFFFFFFFF)


@compiled
def enter(tables: Tables, row: int) -> None:
    """Enter a flow: in place of an empty entry or that of an ended flow, else of a drawn one."""
    state = tables.state[0]
    flow = tables.flows[row]
    key_hash = source_hash(flow, flow.ssrc)
    first = first_of_set(state.slot_mask + 1, key_hash)
    chosen = int(first + np.int64(mix(np.uint64(state.flows_created)) & np.uint64(WAYS - 1)))
    for way in range(first, first + WAYS):
        entry = tables.sources[way]
        if entry == 0 or tables.due_ns[np.int64(entry & _ROW_MASK) - 1] == NEVER_NS:
            chosen = way
            break
    tables.sources[chosen] = (np.uint64(key_hash) << _HASH_SHIFT) | np.uint64(row + 1)


@compiled
def spread(tables: Tables) -> None:
    """Enter every flow anew, for a larger number of sets."""
    state = tables.state[0]
    for slot in range(state.slot_mask + 1):
        tables.sources[slot] = 0
    for row in range(state.fresh_row):
        if tables.due_ns[row] != NEVER_NS:
            enter(tables, row)


@compiled
def find(tables: Tables, packet: Row, ssrc: np.uint32) -> int:
    """Return the row of the flow of this SSRC between the addresses of a packet, -1 when there is none.

    Of several, on ports that the source has moved between, the one that was active last counts.
    """
    return _find(
        tables,
        source_hash(packet, ssrc),
        ssrc,
        packet.src_hi,
        packet.src_lo,
        packet.dst_hi,
        packet.dst_lo,
        packet.time_ns,
    )


@compiled
def find_answered(tables: Tables, packet: Row, ssrc: np.uint32) -> int:
    """Return the row of the flow of this SSRC from the destination of a packet to its source, as `find` does."""
    return _find(
        tables,
        answering_source_hash(packet, ssrc),
        ssrc,
        packet.dst_hi,
        packet.dst_lo,
        packet.src_hi,
        packet.src_lo,
        packet.time_ns,
    )


@compiled
def _find(
    tables: Tables,
    key_hash: np.uint32,
    ssrc: np.uint32,
    src_hi: np.uint64,
    src_lo: np.uint64,
    dst_hi: np.uint64,
    dst_lo: np.uint64,
    time_ns: int,
) -> int:
    state = tables.state[0]
    first = first_of_set(state.slot_mask + 1, key_hash)
    best = -1
    for way in range(first, first + WAYS):
        entry = tables.sources[way]
        if entry == 0 or entry >> _HASH_SHIFT != key_hash:
            continue
        row = np.int64(entry & _ROW_MASK) - 1
        flow = tables.flows[row]
        if (
            tables.due_ns[row] != NEVER_NS
            and flow.ssrc == ssrc
            and flow.src_lo == src_lo
            and flow.dst_lo == dst_lo
            and flow.src_hi == src_hi
            and flow.dst_hi == dst_hi
            and abs(time_ns - flow.last_active_ns) <= state.idle_timeout_ns
            and (best < 0 or flow.last_active_ns > tables.flows[best].last_active_ns)
        ):
            best = int(row)
    return best
