"""What an accepted packet does to its flow: counters, evidence, checkpoints and the evidence horizon."""

import numpy as np

from callprint.core.evidence import EVIDENCE_RTCP, EVIDENCE_RTP
from callprint.core.flow import evidence_pool
from callprint.core.flow.events import ask_final, emit
from callprint.core.flow.headers import header_bytes
from callprint.core.flow.layout import (
    COLLECTING,
    DECIDED,
    EVENT_CHECKPOINT,
    NO_APPLICATION,
    WAITING,
    Tables,
)
from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import compiled
from callprint.core.ground.loads import be32
from callprint.core.packets import MAXIMUM_PAYLOAD, Outcome, PacketKind

_RTP_LONG = int(PacketKind.RTP_LONG)
_ACCEPTED_RTP = int(Outcome.ACCEPTED_RTP)
_ACCEPTED_RTP_LONG = int(Outcome.ACCEPTED_RTP_LONG)
_ACCEPTED_RTP_CUT = int(Outcome.ACCEPTED_RTP_CUT)
_ACCEPTED_RTCP = int(Outcome.ACCEPTED_RTCP)
_SENDER_REPORT = 200  # RTCP packet type
_SENDER_REPORT_BYTES = 28  # without report blocks
_MIDFLOW_MARGIN = 25  # packets that a sender report may be ahead of what was seen: half a second


@compiled
def accept_rtp(tables: Tables, row: int, data: Array, offset: int, length: int, time_ns: int) -> None:
    """Count a whole RTP packet that passed the filter, and keep it while the flow collects evidence."""
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
        _ask_without_newest(tables, row, flow.horizon_ns)
        return
    if not evidence_pool.append(tables, row, data, offset, length, time_ns, EVIDENCE_RTP):
        # The pool is full: judge this flow by what it has rather than push out another one.
        state.evidence_exhausted += 1
        _ask_without_newest(tables, row, flow.last_active_ns)
        return
    flow.evidence_whole += 1
    if flow.evidence_headers != 0 and flow.evidence_whole >= state.whole_enough:
        # From here on the flow is judged by its whole packets, as if no header had been kept.
        flow.evidence_headers = 0
        flow.next_checkpoint = 0
        while (
            flow.next_checkpoint < tables.checkpoints.shape[0]
            and tables.checkpoints[flow.next_checkpoint] < flow.evidence_whole
        ):
            flow.next_checkpoint += 1
    _note_evidence(tables, row, time_ns)


@compiled
def accept_header(
    tables: Tables, row: int, data: Array, offset: int, here: int, length: int, kind: int, time_ns: int
) -> None:
    """Count an RTP packet of `length` bytes that is long or cut; keep its header while whole packets are few.

    Of the packet, `here` bytes can be read at `offset`; `kind`: RTP_LONG or RTP_CUT of PacketKind.
    """
    state = tables.state[0]
    flow = tables.flows[row]
    is_evidence = False
    if flow.evidence_state == COLLECTING and flow.evidence_whole < state.whole_enough:
        kept = header_bytes(data, offset, here)
        if time_ns > flow.horizon_ns:
            ask_final(tables, row, flow.horizon_ns)
        elif evidence_pool.append_header(tables, row, data, offset, kept, length, time_ns):
            is_evidence = True
        else:
            state.evidence_exhausted += 1
            if flow.evidence_bytes != 0:
                ask_final(tables, row, flow.last_active_ns)
    tables.outcomes[_ACCEPTED_RTP_LONG if kind == _RTP_LONG else _ACCEPTED_RTP_CUT] += 1
    if length > MAXIMUM_PAYLOAD:
        flow.long_packets += 1
    else:
        flow.packets += 1
    flow.bytes += length
    if is_evidence:
        flow.evidence_headers += 1
        _note_evidence(tables, row, time_ns)


@compiled
def _note_evidence(tables: Tables, row: int, time_ns: int) -> None:
    """Ask for a verdict, or set when to ask for the last one, if one more RTP packet of the evidence calls for it."""
    state = tables.state[0]
    flow = tables.flows[row]
    k = flow.evidence_whole + flow.evidence_headers
    flow.evidence_last_ns = time_ns
    if k == 1:
        flow.horizon_ns = time_ns + state.horizon_at_latest_ns
        tables.due_ns[row] = min(tables.due_ns[row], flow.horizon_ns)
    if flow.next_checkpoint < tables.checkpoints.shape[0] and k == tables.checkpoints[flow.next_checkpoint]:
        flow.next_checkpoint += 1
        if flow.sure_k == 0:
            emit(tables, row, EVENT_CHECKPOINT, 0, time_ns, True)
    if k == state.horizon_packets:
        flow.evidence_state = WAITING
        flow.horizon_ns = min(flow.horizon_ns, time_ns + state.horizon_after_ns)
        tables.due_ns[row] = min(tables.due_ns[row], flow.horizon_ns)


@compiled
def _ask_without_newest(tables: Tables, row: int, time_ns: int) -> None:
    """Ask for the final verdict of a flow whose newest packet is counted, but is no evidence."""
    flow = tables.flows[row]
    flow.packets -= 1
    ask_final(tables, row, time_ns)
    flow.packets += 1


@compiled
def accept_rtcp(tables: Tables, row: int, data: Array, offset: int, length: int, time_ns: int) -> None:
    """Count an RTCP packet of the flow's sender, and keep it while it is evidence."""
    state = tables.state[0]
    flow = tables.flows[row]
    tables.outcomes[_ACCEPTED_RTCP] += 1
    flow.rtcp_packets += 1
    if length >= _SENDER_REPORT_BYTES and data[offset + 1] == _SENDER_REPORT:
        _read_sender_report(tables, row, data, offset)
    if flow.evidence_rtcp >= state.horizon_rtcp_packets or flow.evidence_state == DECIDED:
        return
    if time_ns > flow.horizon_ns:
        return
    if evidence_pool.append(tables, row, data, offset, length, time_ns, EVIDENCE_RTCP):
        flow.evidence_rtcp += 1
    else:
        state.evidence_exhausted += 1


@compiled
def _read_sender_report(tables: Tables, row: int, data: Array, offset: int) -> None:
    """Decide whether the flow began before the capture by how many packets its sender reports (RFC 3550 6.4.1).

    In SRTCP the sender information is encrypted (RFC 3711 3.4), so it must first look like one: our SSRC, an
    RTP time stamp near the flow's, and a plausible number of octets for each packet.
    """
    flow = tables.flows[row]
    timestamp_step = (be32(data, offset + 16) - np.int64(flow.last_timestamp)) & 0xFFFFFFFF
    near = timestamp_step < 0x100000 or timestamp_step > 0xFFF00000
    sent = be32(data, offset + 20)
    octets = be32(data, offset + 24)
    if be32(data, offset + 4) != flow.ssrc or not near or sent > 0x1000000 or octets > sent * 1500:
        return
    seen = flow.expected_before + flow.maximum_sequence - flow.base_sequence + 1
    if sent > 0 and octets >= sent:
        flow.started_midflow = 1 if sent > seen + _MIDFLOW_MARGIN else 0
