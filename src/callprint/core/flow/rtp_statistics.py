"""RTP statistics of one source: loss, duplicates and reordering (RFC 3550 A.1, A.3). Jitter: payload_types.py."""

import numpy as np

from callprint.core.flow import payload_types, windows
from callprint.core.flow.layout import FLOW, Tables
from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import Row, compiled
from callprint.core.ground.loads import be32, load8

MAXIMUM_DROPOUT = 3000  # a jump further ahead is a restart, not loss (RFC 3550 A.1)
MAXIMUM_MISORDER = 100  # a jump further back is a restart, not reordering


@compiled
def begin(tables: Tables, row: int, held: int, entry: Row) -> None:
    """Start the statistics of a source with its first packet: the one held at `held` for the CANDIDATE `entry`."""
    flow = tables.flows[row]
    flow.base_sequence = entry.sequence
    flow.maximum_sequence = entry.sequence
    flow.seen_mask = np.uint64(1)
    flow.jumped = 0
    flow.received = 1
    payload_type = load8(tables.held_rtp, held + 1) & 0x7F
    payload_types.start_clock(flow, payload_type, be32(tables.held_rtp, held + 4), entry.rtp_time_ns)
    if payload_types.is_event(tables.held_rtp, held, entry.rtp_kept, payload_type):
        payload_types.set_aside(tables, row)
    windows.begin(tables, row)


@compiled
def _restart(tables: Tables, row: int, sequence: int) -> None:
    """The source has restarted its sequence numbers: keep what was expected so far, count on from here."""
    windows.restart(tables, row)
    flow = tables.flows[row]
    flow.expected_before += flow.maximum_sequence - flow.base_sequence + 1
    flow.base_sequence = sequence
    flow.maximum_sequence = sequence
    flow.seen_mask = np.uint64(1)
    flow.jumped = 0


@compiled
def update(tables: Tables, row: int, data: Array, packet: Row, sequence: int) -> None:
    """Take one further packet of the source into account.

    A jump that is neither loss nor reordering restarts the count once the next number follows it. Until then the
    jumping packet counts as received but not as expected, so that each such jump hides at most one lost packet.
    Jitter is that of arrival, late packets included (RFC 3550 6.4.1); what came twice was not sent twice.
    """
    windows.before_packet(tables, row, packet.time_ns)
    flow = tables.flows[row]
    flow.received += 1
    behind = 0
    ahead = (sequence - flow.maximum_sequence) & 0xFFFF
    if 0 < ahead < MAXIMUM_DROPOUT:
        flow.maximum_sequence += ahead
        flow.seen_mask = (flow.seen_mask << np.uint64(ahead)) | np.uint64(1) if ahead < 64 else np.uint64(1)
        flow.jumped = 0
    elif ahead == 0 or ahead > 65536 - MAXIMUM_MISORDER:
        behind = (65536 - ahead) & 0xFFFF
        if behind >= 64:
            flow.reordered += 1
        elif (flow.seen_mask >> np.uint64(behind)) & np.uint64(1):
            flow.duplicates += 1
            return
        else:
            flow.seen_mask |= np.uint64(1) << np.uint64(behind)
            flow.reordered += 1
            # A packet older than the first one seen was sent too: expect it, so that it does not offset a loss.
            flow.base_sequence = min(flow.base_sequence, flow.maximum_sequence - behind)
    elif flow.jumped and sequence == flow.restart_sequence:
        _restart(tables, row, (sequence - 1) & 0xFFFF)
        flow.maximum_sequence += 1
        flow.seen_mask = np.uint64(3)
    else:
        flow.jumped = 1
        flow.restart_sequence = (sequence + 1) & 0xFFFF
        return
    # Of a packet that was cut nobody can see whether it is an event.
    whole = packet.length if packet.missing == 0 else 0
    advance = ahead if ahead < MAXIMUM_DROPOUT else 0
    late = payload_types.update(tables, row, data, packet.offset, whole, packet.time_ns, advance)
    windows.take(tables, row, data, packet, advance, behind, late)


def expected_packets(flows: Array) -> Array:
    """Return how many packets the sequence numbers of FLOW rows say were sent (RFC 3550 A.3), (n,) int64."""
    assert flows.dtype == FLOW
    return np.asarray(flows["expected_before"] + flows["maximum_sequence"] - flows["base_sequence"] + 1)
