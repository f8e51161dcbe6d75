"""The flow table: an open-addressing index from the half-session hash to flow rows.

Flows and their RTCP share a hash (the lowest port bits do not count), so one probe sequence finds
the flow of an RTP packet and, for an RTCP packet, the flow whose sender reports.
"""

from typing import Any

import numpy as np

from callprint.core.flow import free_list, sources
from callprint.core.flow.layout import BLOCK, COLLECTING, DECIDED, FLOW, NEVER_NS, NO_APPLICATION, Tables
from callprint.core.flow.window_layout import OPEN
from callprint.core.ground.arrays import CACHE_LINE
from callprint.core.ground.compiled import Row, compiled, compiled_apart, prefetch
from callprint.core.ground.endpoints import same_endpoints, same_port_pairs
from callprint.core.verdict import REASON_TOO_SHORT, REASONS

FLOW_BYTES = FLOW.itemsize
OPEN_BYTES = OPEN.itemsize
BYTES_OF_PACKET = 2 * CACHE_LINE  # of either, what a packet of a decided flow touches
_TOO_SHORT = REASONS.index(REASON_TOO_SHORT)
_HASH_SHIFT = np.uint64(32)
_ROW_MASK = np.uint64(0xFFFFFFFF)
EVICTION_SAMPLE = 16  # rows compared for the longest silence when the table is full
MOST_SOURCES = 1024
"""Most flows in one direction of a media session. They have one hash, so a packet may look at all of them; conferences
have dozens. Whoever made up a source for every two packets would cost the square of their number."""


@compiled
def _slot_of(tables: Tables, key_hash: np.unsignedinteger[Any]) -> int:
    """Return where in the index a look-up begins.

    The multiplier is the engine's own: who knew it could choose endpoints whose flows lie in one long run.
    """
    state = tables.state[0]
    return int(np.int64((np.uint64(key_hash) * state.index_key) >> _HASH_SHIFT) & state.slot_mask)


@compiled
def find_rtp(tables: Tables, key_hash: np.uint32, packet: Row, ssrc: np.uint32) -> int:
    """Return the row of the flow with exactly this quad-tuple and source, -1 when there is none."""
    mask = tables.state[0].slot_mask
    slot = _slot_of(tables, key_hash)
    while tables.slots[slot] != 0:
        if tables.slots[slot] >> _HASH_SHIFT == key_hash:
            row = np.int64(tables.slots[slot] & _ROW_MASK) - 1
            flow = tables.flows[row]
            if flow.ssrc == ssrc and same_endpoints(flow, packet):
                return int(row)
        slot = (slot + 1) & mask
    return -1


@compiled
def find_rtcp(tables: Tables, key_hash: np.uint32, packet: Row, ssrc: np.uint32) -> int:
    """Return the row of the flow whose sender sent this RTCP packet, -1 when there is none.

    The flow of the reporting SSRC comes first, then one on the same ports (RFC 5761 multiplexing), then one
    on the port pair of RFC 3550 section 11: a receiver may report under an SSRC that it does not send with.
    Flows that have been idle for too long do not count, whether or not a sweep has ended them yet.
    """
    mask = tables.state[0].slot_mask
    slot = _slot_of(tables, key_hash)
    best = -1
    best_rank = 0
    while tables.slots[slot] != 0:
        if tables.slots[slot] >> _HASH_SHIFT == key_hash:
            row = np.int64(tables.slots[slot] & _ROW_MASK) - 1
            flow = tables.flows[row]
            if same_port_pairs(flow, packet):
                same_ports = flow.src_port == packet.src_port and flow.dst_port == packet.dst_port
                rank = 3 if flow.ssrc == ssrc else (2 if same_ports else 1)
                if abs(packet.time_ns - flow.last_active_ns) > tables.state[0].idle_timeout_ns:
                    rank = 0
                if rank > best_rank:
                    best, best_rank = int(row), rank
        slot = (slot + 1) & mask
    return best


@compiled
def is_full(tables: Tables) -> bool:
    """Return whether a new flow needs another one to go."""
    state = tables.state[0]
    return bool(state.free_rows == 0 and state.fresh_row == tables.flows.shape[0])


@compiled
def eviction_victim(tables: Tables) -> int:
    """Return the row to evict from a full table: the longest silent one of the next few in turn.

    Live flows are never silent for long, so what a flood left behind goes before they do.
    """
    state = tables.state[0]
    rows = tables.flows.shape[0]
    victim = state.eviction_row
    for step in range(1, min(EVICTION_SAMPLE, rows)):
        row = (state.eviction_row + step) % rows
        if tables.flows[row].last_active_ns < tables.flows[victim].last_active_ns:
            victim = row
    state.eviction_row = (state.eviction_row + EVICTION_SAMPLE) % rows
    return int(victim)


@compiled_apart
def source_victim(tables: Tables, key_hash: np.uint32) -> int:
    """Return the row to evict before one direction of a session gets another source: the longest silent one.

    -1 as long as it has fewer than MOST_SOURCES.
    """
    mask = tables.state[0].slot_mask
    slot = _slot_of(tables, key_hash)
    victim = -1
    sources_of_it = 0
    while tables.slots[slot] != 0:
        if tables.slots[slot] >> _HASH_SHIFT == key_hash:
            row = np.int64(tables.slots[slot] & _ROW_MASK) - 1
            sources_of_it += 1
            if victim < 0 or tables.flows[row].last_active_ns < tables.flows[victim].last_active_ns:
                victim = int(row)
        slot = (slot + 1) & mask
    return victim if sources_of_it >= MOST_SOURCES else -1


@compiled
def _enter(tables: Tables, row: int) -> None:
    """Enter a row into the index under its hash."""
    mask = tables.state[0].slot_mask
    key_hash = tables.flows[row].hash
    slot = _slot_of(tables, key_hash)
    while tables.slots[slot] != 0:
        slot = (slot + 1) & mask
    tables.slots[slot] = (np.uint64(key_hash) << _HASH_SHIFT) | np.uint64(row + 1)


@compiled
def _double_index(tables: Tables) -> None:
    """Spread both indices over twice the slots. It begins small, because a small index stays in the caches."""
    state = tables.state[0]
    used = state.slot_mask + 1
    state.slot_mask = 2 * used - 1
    for slot in range(2 * used):
        tables.slots[slot] = 0
    for row in range(state.fresh_row):
        if tables.due_ns[row] != NEVER_NS:
            _enter(tables, row)
    sources.spread(tables)


@compiled
def prefetch_slot(tables: Tables, key_hash: np.uint32) -> None:
    """Ask for the cache line of the index that a look-up of `key_hash` will read first."""
    prefetch(tables.slots, _slot_of(tables, key_hash) * 8)


@compiled
def _first_row(tables: Tables, key_hash: np.uint32) -> int:
    """Return the row that a look-up of `key_hash` will compare first, -1 when there is none."""
    return int(np.int64(tables.slots[_slot_of(tables, key_hash)] & _ROW_MASK) - 1)


@compiled
def prefetch_row(tables: Tables, key_hash: np.uint32) -> None:
    """Ask for what a packet touches of the flow that a look-up of `key_hash` will compare first."""
    row = _first_row(tables, key_hash)
    if row >= 0:
        for line in range(0, BYTES_OF_PACKET, CACHE_LINE):
            prefetch(tables.flows, row * FLOW_BYTES + line)
            prefetch(tables.open, row * OPEN_BYTES + line)


@compiled
def prefetch_evidence(tables: Tables, key_hash: np.uint32) -> None:
    """Ask for the rest of that flow, and for the end of its evidence, if it collects any."""
    row = _first_row(tables, key_hash)
    if row < 0 or tables.flows[row].evidence_state != COLLECTING:
        return
    for line in range(BYTES_OF_PACKET, FLOW_BYTES, CACHE_LINE):
        prefetch(tables.flows, row * FLOW_BYTES + line)
    flow = tables.flows[row]
    if flow.tail_block >= 0:
        at = flow.tail_block * BLOCK
        for line in range(flow.tail_used & ~(CACHE_LINE - 1), BLOCK, CACHE_LINE):
            prefetch(tables.blocks, at + line)
        prefetch(tables.next_block, flow.tail_block * 4)


@compiled
def insert(tables: Tables, key_hash: np.uint32) -> int:
    """Return a cleared row, entered into the index under `key_hash`. The table must not be full."""
    state = tables.state[0]
    row, state.free_rows, state.fresh_row = free_list.take(tables.free_rows, state.free_rows, state.fresh_row)
    flow = tables.flows[row]
    flow.generation += np.uint32(1)
    flow.hash = key_hash
    flow.expected_before = 0
    flow.duplicates = 0
    flow.reordered = 0
    flow.jitter = 0.0
    flow.packets = 0
    flow.bytes = 0
    flow.long_packets = 0
    flow.rtcp_packets = 0
    flow.head_block = -1
    flow.tail_block = -1
    flow.tail_used = 0
    flow.evidence_bytes = 0
    flow.evidence_rtcp = 0
    flow.evidence_whole = 0
    flow.evidence_headers = 0
    flow.evidence_last_ns = 0
    flow.next_checkpoint = 0
    flow.evidence_state = 0
    flow.started_midflow = 0
    flow.sure_k = 0
    flow.final = 0
    flow.reason = _TOO_SHORT
    flow.application = NO_APPLICATION
    flow.verdict_k = 0
    flow.confidence = 0
    flow.engine = NO_APPLICATION
    flow.engine_confidence = 0
    flow.decided_at_ns = 0
    flow.horizon_ns = 0
    if 2 * state.flows > state.slot_mask:
        _double_index(tables)
    _enter(tables, row)
    state.flows += 1
    state.flows_created += 1
    return row


@compiled
def remove(tables: Tables, row: int) -> None:
    """Take a flow out of the index and free its row, by backward-shift deletion, so that no tombstones pile up."""
    state = tables.state[0]
    mask = state.slot_mask
    hole = _slot_of(tables, tables.flows[row].hash)
    while np.int64(tables.slots[hole] & _ROW_MASK) != row + 1:
        hole = (hole + 1) & mask
    slot = (hole + 1) & mask
    while tables.slots[slot] != 0:
        wanted = _slot_of(tables, tables.slots[slot] >> _HASH_SHIFT)
        if ((slot - wanted) & mask) >= ((slot - hole) & mask):
            tables.slots[hole] = tables.slots[slot]
            hole = slot
        slot = (slot + 1) & mask
    tables.slots[hole] = 0
    tables.due_ns[row] = NEVER_NS
    tables.flows[row].evidence_state = DECIDED
    tables.free_rows[state.free_rows] = row
    state.free_rows += 1
    state.flows -= 1
