"""The compiled heart of the flow engine: what each packet does to the tables.

For every packet exactly one outcome counter rises, now or (for a packet in probation) later.
All decisions about a flow depend on its own media session alone, never on the batch size or on other
flows, as long as nothing has to be evicted: that is why two hosts of the core agree.
"""

import numpy as np

from callprint.core.flow import candidates, handshakes, rtcp_reports, rtp_statistics, sources, table
from callprint.core.flow.accept import accept_header, accept_rtcp, accept_rtp
from callprint.core.flow.events import end_flow, has_room
from callprint.core.flow.hashing import half_session_hash
from callprint.core.flow.layout import ENDED_EVICTED, ENDED_IDLE, GROUP, HASHES, HELD_BYTES, NEVER_NS, Tables
from callprint.core.flow.sweep import SWEEP_EVERY_NS, sweep
from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import Row, by_reference, compiled, compiled_apart, prefetch
from callprint.core.ground.endpoints import copy_endpoints
from callprint.core.ground.loads import be16, be32
from callprint.core.packets import Outcome, PacketKind

_RTP = int(PacketKind.RTP)
_RTCP = int(PacketKind.RTCP)
_STUN = int(PacketKind.STUN)
_DTLS = int(PacketKind.DTLS)
_RTP_LONG = int(PacketKind.RTP_LONG)
_RTP_CUT = int(PacketKind.RTP_CUT)
_H225 = int(PacketKind.H225)
_ACCEPTED_RTCP = int(Outcome.ACCEPTED_RTCP)
_UNCONFIRMED = int(Outcome.UNCONFIRMED)
_ORPHAN_RTCP = int(Outcome.ORPHAN_RTCP)

# A flow whose first packet comes within this time of the capture's start may have been running before.
_RUNNING_AT_START_NS = 40_000_000


@compiled
def process(tables: Tables, data: Array, packets: Array, start: int) -> int:
    """Take packets[start:] in; return the index of the first one not taken because the buffers are full.

    data: (bytes,) uint8; packets: (n,) PACKET. Call again with what is returned after draining the events.
    """
    tables = by_reference(tables)
    state = tables.state[0]
    count = packets.shape[0]
    _hash_group(tables, data, packets, start)
    _hash_group(tables, data, packets, start + GROUP)
    _ask_for_flows(tables, packets, start)
    for i in range(start, count):
        if (i - start) & (GROUP - 1) == 0:
            _hash_group(tables, data, packets, i + 2 * GROUP)
            _ask_for_flows(tables, packets, i + GROUP)
            _ask_for_evidence(tables, packets, i)
        packet = packets[i]
        state.packet = i
        time_ns = packet.time_ns
        if time_ns > state.clock_ns:
            state.clock_ns = time_ns
        elif time_ns < state.clock_ns - state.idle_timeout_ns:
            # An older capture follows a newer one: time begins anew.
            state.clock_ns = time_ns
            state.next_sweep_ns = time_ns + SWEEP_EVERY_NS
        if (state.clock_ns >= state.next_sweep_ns or state.sweep_row >= 0) and not sweep(tables):
            return i
        kind = packet.kind
        if not _is_media(kind):
            tables.outcomes[kind] += 1
            if kind == _STUN:
                handshakes.note_stun(tables, data, packet)
            elif kind == _DTLS:
                handshakes.note_dtls(tables, data, packet)
            elif kind == _H225:
                handshakes.note_h225(tables, data, packet)
            continue
        if not has_room(tables):
            return i
        if kind == _RTCP:
            _take_rtcp(tables, data, packet, tables.hashes[i & (HASHES - 1)])
        else:
            _take_rtp(tables, data, packet, tables.hashes[i & (HASHES - 1)])
    return int(count)


@compiled
def _is_media(kind: int) -> bool:
    """Return whether a PacketKind is RTP or RTCP that may belong to a flow."""
    return kind <= _RTP_LONG or kind == _RTP_CUT


# While a group of packets is worked on, the memory that the next two need is on its way: the index first, because it
# says where the flows are, then the flows, because they say where their evidence is.


@compiled
def _hash_group(tables: Tables, data: Array, packets: Array, first: int) -> None:
    """Hash a group of packets, and ask for their bytes and for their places in the index."""
    for i in range(first, min(first + GROUP, packets.shape[0])):
        if _is_media(packets[i].kind):
            prefetch(data, packets[i].offset)
            key_hash = half_session_hash(packets[i])
            tables.hashes[i & (HASHES - 1)] = key_hash
            table.prefetch_slot(tables, key_hash)


@compiled
def _ask_for_flows(tables: Tables, packets: Array, first: int) -> None:
    """Ask for the flows of a group of packets."""
    for i in range(first, min(first + GROUP, packets.shape[0])):
        if _is_media(packets[i].kind):
            table.prefetch_row(tables, tables.hashes[i & (HASHES - 1)])


@compiled
def _ask_for_evidence(tables: Tables, packets: Array, first: int) -> None:
    """Ask for the end of the evidence of flows that collect any."""
    for i in range(first, min(first + GROUP, packets.shape[0])):
        if _is_media(packets[i].kind):
            table.prefetch_evidence(tables, tables.hashes[i & (HASHES - 1)])


@compiled
def _take_rtp(tables: Tables, data: Array, packet: Row, key_hash: np.uint32) -> None:
    at = packet.offset
    sequence = be16(data, at + 2)
    ssrc = np.uint32(be32(data, at + 8))
    row = _live(tables, table.find_rtp(tables, key_hash, packet, ssrc), packet.time_ns)
    if row < 0:
        way = _candidate_of(tables, key_hash, packet, ssrc, True)
        entry = tables.candidates[way]
        if not entry.has_rtp or sequence != ((entry.sequence + 1) & 0xFFFF):
            candidates.drop_rtp(tables, way, _UNCONFIRMED)
            candidates.hold_rtp(tables, way, data, packet, ssrc, sequence)
            return
        row = _promote(tables, way, key_hash, packet)
    _take_known_rtp(tables, row, data, packet, sequence)


@compiled
def _live(tables: Tables, row: int, time_ns: int) -> int:
    """Return `row`, or -1 after ending a flow that this packet finds idle for too long."""
    if row >= 0 and abs(time_ns - tables.flows[row].last_active_ns) > tables.state[0].idle_timeout_ns:
        end_flow(tables, row, ENDED_IDLE)
        return -1
    return row


@compiled
def _take_known_rtp(tables: Tables, row: int, data: Array, packet: Row, sequence: int) -> None:
    """Take in an RTP packet of the source that holds the flow."""
    flow = tables.flows[row]
    time_ns = packet.time_ns
    rtp_statistics.update(tables, row, data, packet, sequence)
    flow.last_rtp_ns = max(flow.last_rtp_ns, time_ns)
    flow.last_active_ns = max(flow.last_active_ns, time_ns)
    if packet.kind == _RTP:
        accept_rtp(tables, row, data, packet.offset, packet.length, time_ns)
    else:
        length = packet.length + packet.missing
        accept_header(tables, row, data, packet.offset, packet.length, length, packet.kind, time_ns)


@compiled_apart
def _take_rtcp(tables: Tables, data: Array, packet: Row, key_hash: np.uint32) -> None:
    time_ns = packet.time_ns
    # The SSRC of the reporter; a packet of only a header (a BYE of nobody) has none.
    ssrc = np.uint32(be32(data, packet.offset + 4)) if packet.length >= 8 else np.uint32(0)
    rtcp_reports.take(tables, data, packet)
    row = table.find_rtcp(tables, key_hash, packet, ssrc)
    if row >= 0:
        flow = tables.flows[row]
        flow.last_active_ns = max(flow.last_active_ns, time_ns)
        accept_rtcp(tables, row, data, packet.offset, packet.length, time_ns)
        return
    way = candidates.find(tables, key_hash, packet, ssrc, False)
    if way < 0 or not tables.candidates[way].has_rtp:
        row = sources.find(tables, packet, ssrc)
        if row >= 0:
            # Neither evidence nor a sign of life: verdicts depend on the flow's own ports alone, because that is what
            # models have learnt from and what partitions are made by.
            tables.flows[row].rtcp_packets += 1
            tables.outcomes[_ACCEPTED_RTCP] += 1
            return
    way = _candidate_of(tables, key_hash, packet, ssrc, False)
    candidates.drop_rtcp(tables, way, _ORPHAN_RTCP)
    candidates.hold_rtcp(tables, way, data, packet)


@compiled
def _candidate_of(tables: Tables, key_hash: np.uint32, packet: Row, ssrc: np.uint32, is_rtp: bool) -> int:
    """Return the candidate entry of this packet: its own one, emptied when it is stale, or a new one."""
    way = candidates.find(tables, key_hash, packet, ssrc, is_rtp)
    timeout_ns = tables.state[0].idle_timeout_ns
    if way < 0:
        return candidates.claim(tables, key_hash, packet, packet.time_ns - timeout_ns)
    if abs(packet.time_ns - tables.candidates[way].time_ns) > timeout_ns:
        candidates.drop_rtp(tables, way, _UNCONFIRMED)
        candidates.drop_rtcp(tables, way, _ORPHAN_RTCP)
    return way


@compiled_apart
def _promote(tables: Tables, way: int, key_hash: np.uint32, packet: Row) -> int:
    """Make a flow of a confirmed candidate; its held packets become the first evidence. Return the row."""
    state = tables.state[0]
    victim = table.source_victim(tables, key_hash)
    if victim < 0 and table.is_full(tables):
        victim = table.eviction_victim(tables)
    if victim >= 0:
        state.flows_evicted += 1
        end_flow(tables, victim, ENDED_EVICTED)
    row = table.insert(tables, key_hash)
    flow = tables.flows[row]
    entry = tables.candidates[way]
    held = way * HELD_BYTES
    copy_endpoints(flow, packet)
    flow.ssrc = entry.ssrc
    flow.capture = state.capture
    time_ns = entry.rtp_time_ns
    flow.first_seen_ns = time_ns
    flow.last_rtp_ns = time_ns
    flow.last_active_ns = time_ns
    flow.horizon_ns = NEVER_NS
    tables.due_ns[row] = time_ns + state.idle_timeout_ns
    rtp_statistics.begin(tables, row, held, entry)
    sources.enter(tables, row)
    marker = tables.held_rtp[held + 1] >> 7
    if time_ns - state.source_start_ns < _RUNNING_AT_START_NS and not marker and entry.sequence > 1:
        flow.started_midflow = 1
    handshakes.recall(tables, row)
    rtcp_first = entry.rtcp_length != 0 and entry.rtcp_time_ns <= time_ns
    if rtcp_first:
        accept_rtcp(tables, row, tables.held_rtcp, held, entry.rtcp_length, entry.rtcp_time_ns)
    if entry.rtp_kind == _RTP:
        accept_rtp(tables, row, tables.held_rtp, held, entry.rtp_length, time_ns)
    else:
        accept_header(
            tables, row, tables.held_rtp, held, entry.rtp_kept, entry.rtp_length, entry.rtp_kind, time_ns
        )
    if entry.rtcp_length != 0 and not rtcp_first:
        accept_rtcp(tables, row, tables.held_rtcp, held, entry.rtcp_length, entry.rtcp_time_ns)
    state.held -= 2 if entry.rtcp_length != 0 else 1
    candidates.release(tables, way)
    return row


@compiled
def lookup(tables: Tables, data: Array, packets: Array, rows: Array) -> None:
    """Look the flows of RTP packets up in the verdict map: rows[i] = row of packets[i], -1 for none."""
    tables = by_reference(tables)
    for i in range(packets.shape[0]):
        packet = packets[i]
        ssrc = np.uint32(be32(data, packet.offset + 8))
        rows[i] = table.find_rtp(tables, half_session_hash(packet), packet, ssrc)
