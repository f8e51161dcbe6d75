"""The compiled heart of the flow engine: what each packet does to the tables.

For every packet exactly one outcome counter rises, now or (for a packet in probation) later.
All decisions about a flow depend on its own media session alone, never on the batch size or on other
flows, as long as nothing has to be evicted: that is why two hosts of the core agree.
"""

import numpy as np

from callprint.core.evidence import EVIDENCE_RTCP, EVIDENCE_RTP
from callprint.core.flow import candidates, evidence_pool, handshakes, rtp_statistics, table
from callprint.core.flow.hashing import half_session_hash
from callprint.core.flow.layout import (
    COLLECTING,
    DECIDED,
    ENDED_CAPTURE_END,
    ENDED_EVICTED,
    ENDED_IDLE,
    EVENT_CHECKPOINT,
    EVENT_END,
    EVENT_HORIZON,
    GROUP,
    HELD,
    NEVER_NS,
    NO_APPLICATION,
    WAITING,
    Tables,
)
from callprint.core.ground.compiled import Array, Row, compiled
from callprint.core.packets import Outcome, PacketKind

_RTCP = int(PacketKind.RTCP)
_STUN = int(PacketKind.STUN)
_DTLS = int(PacketKind.DTLS)
_RTP_LONG = int(PacketKind.RTP_LONG)
_ACCEPTED_RTP = int(Outcome.ACCEPTED_RTP)
_ACCEPTED_RTCP = int(Outcome.ACCEPTED_RTCP)
_ACCEPTED_RTP_LONG = int(Outcome.ACCEPTED_RTP_LONG)
_UNCONFIRMED = int(Outcome.UNCONFIRMED)
_ORPHAN_RTCP = int(Outcome.ORPHAN_RTCP)

SWEEP_EVERY_NS = 1_000_000_000
# A sweep leaves this much room for packets that come late, so that it is the flow's own packets that decide.
SWEEP_SLACK_NS = 2_000_000_000
# A flow whose first packet comes within this time of the capture's start may have been running before.
RUNNING_AT_START_NS = 40_000_000
EVENTS_PER_PACKET = 4  # more than one packet can cause: an eviction, an end, a checkpoint, a horizon
_MIDFLOW_MARGIN = 25  # packets that a sender report may be ahead of what was seen: half a second


@compiled
def _has_room(tables: Tables) -> bool:
    state = tables.state[0]
    return bool(
        state.events + EVENTS_PER_PACKET <= tables.events.shape[0]
        and state.evidence_used + EVENTS_PER_PACKET * state.longest_log <= tables.evidence.shape[0]
    )


@compiled
def _emit(tables: Tables, row: int, kind: int, ended: int, time_ns: int, with_evidence: bool) -> None:
    state = tables.state[0]
    flow = tables.flows[row]
    event = tables.events[state.events]
    event.start = state.evidence_used
    event.end = evidence_pool.gather(tables, row) if with_evidence else state.evidence_used
    event.row = row
    event.packet = state.packet
    event.k = min(flow.packets, state.horizon_packets) if with_evidence else 0
    event.kind = kind
    event.ended = ended
    event.time_ns = time_ns
    tables.event_flows[state.events] = tables.flows[row]
    state.events += 1


@compiled
def _close_evidence(tables: Tables, row: int) -> None:
    """Free the evidence of a flow whose final verdict has been asked for."""
    evidence_pool.release(tables, row)
    tables.flows[row].evidence_state = DECIDED


@compiled
def _end_flow(tables: Tables, row: int, why: int) -> None:
    flow = tables.flows[row]
    _emit(tables, row, EVENT_END, why, flow.last_active_ns, flow.evidence_state != DECIDED)
    _close_evidence(tables, row)
    table.remove(tables, row)


@compiled
def _accept_rtp(tables: Tables, row: int, data: Array, offset: int, length: int, time_ns: int) -> None:
    """Count an RTP packet that passed the filter, and keep it while the flow collects evidence."""
    state = tables.state[0]
    flow = tables.flows[row]
    tables.outcomes[_ACCEPTED_RTP] += 1
    flow.packets += 1
    flow.bytes += length
    if flow.application != NO_APPLICATION:
        state.verdict_hits += 1
    if flow.evidence_state != COLLECTING:
        return
    if time_ns > flow.horizon_ns:
        # The flow was too slow for H packets in the time: it is judged by what it had then.
        flow.packets -= 1
        _emit(tables, row, EVENT_HORIZON, 0, flow.horizon_ns, True)
        flow.packets += 1
        _close_evidence(tables, row)
        return
    if not evidence_pool.append(tables, row, data, offset, length, time_ns, EVIDENCE_RTP):
        # The pool is full: judge this flow by what it has rather than push out another one.
        state.evidence_exhausted += 1
        flow.packets -= 1
        _emit(tables, row, EVENT_HORIZON, 0, flow.last_active_ns, True)
        flow.packets += 1
        _close_evidence(tables, row)
        return
    flow.evidence_last_ns = time_ns
    if flow.packets == 1:
        flow.horizon_ns = time_ns + state.horizon_at_latest_ns
        tables.due_ns[row] = min(tables.due_ns[row], flow.horizon_ns)
    if (
        flow.next_checkpoint < tables.checkpoints.shape[0]
        and flow.packets == tables.checkpoints[flow.next_checkpoint]
    ):
        flow.next_checkpoint += 1
        if flow.sure_k == 0:
            _emit(tables, row, EVENT_CHECKPOINT, 0, time_ns, True)
    if flow.packets == state.horizon_packets:
        flow.evidence_state = WAITING
        flow.horizon_ns = min(flow.horizon_ns, time_ns + state.horizon_after_ns)
        tables.due_ns[row] = min(tables.due_ns[row], flow.horizon_ns)


@compiled
def _accept_rtcp(tables: Tables, row: int, data: Array, offset: int, length: int, time_ns: int) -> None:
    """Count an RTCP packet of the flow's sender, and keep it while it is evidence."""
    state = tables.state[0]
    flow = tables.flows[row]
    tables.outcomes[_ACCEPTED_RTCP] += 1
    flow.rtcp_packets += 1
    if length >= 28 and data[offset + 1] == 200:
        _look_at_sender_report(tables, row, data, offset)
    if flow.evidence_rtcp >= state.horizon_rtcp_packets or flow.evidence_state == DECIDED:
        return
    if time_ns > flow.horizon_ns:
        return
    if evidence_pool.append(tables, row, data, offset, length, time_ns, EVIDENCE_RTCP):
        flow.evidence_rtcp += 1
    else:
        state.evidence_exhausted += 1


@compiled
def _u32(data: Array, at: int) -> int:
    value = (np.int64(data[at]) << 24) | (np.int64(data[at + 1]) << 16)
    return int(value | (np.int64(data[at + 2]) << 8) | np.int64(data[at + 3]))


@compiled
def _look_at_sender_report(tables: Tables, row: int, data: Array, offset: int) -> None:
    """A sender that reports many more packets than were seen was running before, others were not (RFC 3550 6.4.1).

    In SRTCP the sender information is encrypted (RFC 3711 3.4), so it must first look like one: our SSRC, an
    RTP time stamp near the flow's, and a plausible number of octets for each packet.
    """
    flow = tables.flows[row]
    timestamp_step = (_u32(data, offset + 16) - np.int64(flow.last_timestamp)) & 0xFFFFFFFF
    near = timestamp_step < 0x100000 or timestamp_step > 0xFFF00000
    sent = _u32(data, offset + 20)
    octets = _u32(data, offset + 24)
    if _u32(data, offset + 4) != flow.ssrc or not near or sent > 0x1000000 or octets > sent * 1500:
        return
    seen = flow.expected_before + flow.maximum_sequence - flow.base_sequence + 1
    if sent > 0 and octets >= sent:
        flow.started_midflow = 1 if sent > seen + _MIDFLOW_MARGIN else 0


@compiled
def _promote(tables: Tables, way: int, key_hash: np.uint32, packet: Row) -> int:
    """Make a flow of a confirmed candidate; its held packets become the first evidence. Return the row."""
    state = tables.state[0]
    if table.is_full(tables):
        state.flows_evicted += 1
        _end_flow(tables, table.eviction_victim(tables), ENDED_EVICTED)
    row = table.insert(tables, key_hash)
    flow = tables.flows[row]
    entry = tables.candidates[way]
    rtp = way * HELD
    flow.src_hi = packet.src_hi
    flow.src_lo = packet.src_lo
    flow.dst_hi = packet.dst_hi
    flow.dst_lo = packet.dst_lo
    flow.src_port = packet.src_port
    flow.dst_port = packet.dst_port
    flow.ssrc = entry.ssrc
    time_ns = entry.rtp_time_ns
    flow.first_seen_ns = time_ns
    flow.last_rtp_ns = time_ns
    flow.last_active_ns = time_ns
    flow.horizon_ns = NEVER_NS
    tables.due_ns[row] = time_ns + state.idle_timeout_ns
    second = int(tables.held_rtp[rtp + 1])
    rtp_statistics.begin(tables, row, entry.sequence, _u32(tables.held_rtp, rtp + 4), second & 0x7F, time_ns)
    marker = second >> 7
    if time_ns - state.source_start_ns < RUNNING_AT_START_NS and not marker and entry.sequence > 1:
        flow.started_midflow = 1
    handshakes.recall(tables, row)
    rtcp_first = entry.rtcp_length != 0 and entry.rtcp_time_ns <= time_ns
    if rtcp_first:
        _accept_rtcp(tables, row, tables.held_rtcp, way * HELD, entry.rtcp_length, entry.rtcp_time_ns)
    if entry.rtp_length != 0:
        _accept_rtp(tables, row, tables.held_rtp, rtp, entry.rtp_length, time_ns)
    else:
        flow.long_packets += 1
        tables.outcomes[_ACCEPTED_RTP_LONG] += 1
    if entry.rtcp_length != 0 and not rtcp_first:
        _accept_rtcp(tables, row, tables.held_rtcp, way * HELD, entry.rtcp_length, entry.rtcp_time_ns)
    state.held -= 2 if entry.rtcp_length != 0 else 1
    candidates.release(tables, way)
    return row


@compiled
def _take_known_rtp(tables: Tables, row: int, data: Array, packet: Row, sequence: int) -> None:
    """An RTP packet of the source that holds the flow."""
    flow = tables.flows[row]
    time_ns = packet.time_ns
    rtp_statistics.update(tables, row, sequence, _u32(data, packet.offset + 4), time_ns)
    flow.last_rtp_ns = max(flow.last_rtp_ns, time_ns)
    flow.last_active_ns = max(flow.last_active_ns, time_ns)
    if packet.kind == _RTP_LONG:
        flow.long_packets += 1
        tables.outcomes[_ACCEPTED_RTP_LONG] += 1
    else:
        _accept_rtp(tables, row, data, packet.offset, packet.length, time_ns)


@compiled
def _live(tables: Tables, row: int, time_ns: int) -> int:
    """Return `row`, or -1 after ending a flow that this packet finds idle for too long."""
    if row >= 0 and abs(time_ns - tables.flows[row].last_active_ns) > tables.state[0].idle_timeout_ns:
        _end_flow(tables, row, ENDED_IDLE)
        return -1
    return row


@compiled
def _fresh_candidate(tables: Tables, key_hash: np.uint32, packet: Row, ssrc: np.uint32, is_rtp: bool) -> int:
    """Return the candidate entry of this packet: its own one, emptied when it is stale, or a new one."""
    way = candidates.find(tables, key_hash, packet, ssrc, is_rtp)
    timeout_ns = tables.state[0].idle_timeout_ns
    if way < 0:
        return candidates.claim(tables, key_hash, packet, packet.time_ns - timeout_ns)
    if abs(packet.time_ns - tables.candidates[way].time_ns) > timeout_ns:
        candidates.drop_rtp(tables, way, _UNCONFIRMED)
        candidates.drop_rtcp(tables, way, _ORPHAN_RTCP)
    return way


@compiled
def _take_rtp(tables: Tables, data: Array, packet: Row, key_hash: np.uint32) -> None:
    at = packet.offset
    sequence = (int(data[at + 2]) << 8) | int(data[at + 3])
    ssrc = np.uint32(_u32(data, at + 8))
    row = _live(tables, table.find_rtp(tables, key_hash, packet, ssrc), packet.time_ns)
    if row < 0:
        way = _fresh_candidate(tables, key_hash, packet, ssrc, True)
        entry = tables.candidates[way]
        if not entry.has_rtp or sequence != ((entry.sequence + 1) & 0xFFFF):
            candidates.drop_rtp(tables, way, _UNCONFIRMED)
            candidates.hold_rtp(tables, way, data, packet, ssrc, sequence, packet.kind == _RTP_LONG)
            return
        row = _promote(tables, way, key_hash, packet)
    _take_known_rtp(tables, row, data, packet, sequence)


@compiled
def _take_rtcp(tables: Tables, data: Array, packet: Row, key_hash: np.uint32) -> None:
    time_ns = packet.time_ns
    # The SSRC of the reporter; a packet of only a header (a BYE of nobody) has none.
    ssrc = np.uint32(_u32(data, packet.offset + 4)) if packet.length >= 8 else np.uint32(0)
    row = table.find_rtcp(tables, key_hash, packet, ssrc)
    if row >= 0:
        flow = tables.flows[row]
        flow.last_active_ns = max(flow.last_active_ns, time_ns)
        _accept_rtcp(tables, row, data, packet.offset, packet.length, time_ns)
        return
    way = _fresh_candidate(tables, key_hash, packet, ssrc, False)
    candidates.drop_rtcp(tables, way, _ORPHAN_RTCP)
    candidates.hold_rtcp(tables, way, data, packet)


@compiled
def sweep(tables: Tables) -> bool:
    """End idle flows and complete evidence whose RTCP time has passed; False when the buffers are full.

    `due_ns` is a lower bound for each row, so that a packet need not touch it; here it is made true again.
    """
    state = tables.state[0]
    if state.sweep_row < 0:
        state.sweep_row = 0
        state.next_sweep_ns = state.clock_ns + SWEEP_EVERY_NS
    due_before_ns = state.clock_ns - SWEEP_SLACK_NS
    while state.sweep_row < state.fresh_row:
        row = state.sweep_row
        due_ns = tables.due_ns[row]
        if due_ns != NEVER_NS and (due_ns < due_before_ns or state.sweep_all):
            if not _has_room(tables):
                return False
            flow = tables.flows[row]
            if state.sweep_all:
                _end_flow(tables, row, ENDED_CAPTURE_END)
            elif flow.last_active_ns + state.idle_timeout_ns < due_before_ns:
                _end_flow(tables, row, ENDED_IDLE)
            else:
                if flow.evidence_state != DECIDED and flow.horizon_ns < due_before_ns:
                    _emit(tables, row, EVENT_HORIZON, 0, flow.horizon_ns, True)
                    _close_evidence(tables, row)
                due_ns = flow.last_active_ns + state.idle_timeout_ns
                if flow.evidence_state != DECIDED:
                    due_ns = min(due_ns, flow.horizon_ns)
                tables.due_ns[row] = due_ns
        state.sweep_row += 1
    state.sweep_row = -1
    return True


@compiled
def _key_hash(packet: Row) -> np.uint32:
    return half_session_hash(
        packet.src_hi,
        packet.src_lo,
        packet.dst_hi,
        packet.dst_lo,
        np.uint64(packet.src_port),
        np.uint64(packet.dst_port),
    )


@compiled
def process(tables: Tables, data: Array, packets: Array, start: int) -> int:
    """Take packets[start:] in; return the index of the first one not taken because the buffers are full.

    data: (bytes,) uint8; packets: (n,) PACKET. Call again with what is returned after draining the events.
    """
    state = tables.state[0]
    count = packets.shape[0]
    for i in range(start, count):
        place = (i - start) % GROUP
        if place == 0:
            _prefetch_group(tables, packets, i, min(i + GROUP, count))
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
        if kind > _RTP_LONG:
            tables.outcomes[kind] += 1
            if kind == _STUN:
                handshakes.note_stun(tables, data, packet, _key_hash(packet))
            elif kind == _DTLS:
                handshakes.note_dtls(tables, data, packet, _key_hash(packet))
            continue
        if not _has_room(tables):
            return i
        if kind == _RTCP:
            _take_rtcp(tables, data, packet, tables.group_hash[place])
        else:
            _take_rtp(tables, data, packet, tables.group_hash[place])
    return int(count)


@compiled
def _prefetch_group(tables: Tables, packets: Array, first: int, end: int) -> None:
    """Hash the next packets and ask for their flows' memory, so that the misses of a group overlap."""
    for i in range(first, end):
        if packets[i].kind <= _RTP_LONG:
            key_hash = _key_hash(packets[i])
            tables.group_hash[i - first] = key_hash
            table.prefetch_slot(tables, key_hash)
    for i in range(first, end):
        if packets[i].kind <= _RTP_LONG:
            table.prefetch_row(tables, tables.group_hash[i - first])


@compiled
def lookup(tables: Tables, data: Array, packets: Array, rows: Array) -> None:
    """Look the flows of RTP packets up in the verdict map: rows[i] = row of packets[i], -1 for none."""
    for i in range(packets.shape[0]):
        packet = packets[i]
        ssrc = np.uint32(_u32(data, packet.offset + 8))
        rows[i] = table.find_rtp(tables, _key_hash(packet), packet, ssrc)
