"""RTP statistics of one source: loss, duplicates, reordering and jitter (RFC 3550 A.1, A.3, A.8)."""

import numpy as np

from callprint.core.flow.layout import FLOW, Tables
from callprint.core.ground.compiled import Array, compiled

MAXIMUM_DROPOUT = 3000  # a jump further ahead is a restart, not loss (RFC 3550 A.1)
MAXIMUM_MISORDER = 100  # a jump further back is a restart, not reordering
ESTIMATE_AFTER_PACKETS = 32  # packets before the clock rate of a dynamic payload type is estimated
_CLOCK_RATES_HZ = np.array([8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000, 90000], dtype=np.float64)

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


@compiled
def begin(
    tables: Tables, row: int, sequence: int, timestamp: int, payload_type: int, arrival_ns: int
) -> None:
    """Start the statistics of a source with its first packet."""
    flow = tables.flows[row]
    flow.base_sequence = sequence
    flow.maximum_sequence = sequence
    flow.seen_mask = np.uint64(1)
    flow.restart_sequence = -1
    flow.received = 1
    flow.first_timestamp = timestamp
    flow.last_timestamp = timestamp
    flow.last_arrival_ns = arrival_ns
    flow.payload_type = payload_type
    flow.clock_rate_hz = _STATIC_HZ[payload_type]


@compiled
def _restart(tables: Tables, row: int, sequence: int) -> None:
    """The source has restarted its sequence numbers: keep what was expected so far, count on from here."""
    flow = tables.flows[row]
    flow.expected_before += flow.maximum_sequence - flow.base_sequence + 1
    flow.base_sequence = sequence
    flow.maximum_sequence = sequence
    flow.seen_mask = np.uint64(1)
    flow.restart_sequence = -1


@compiled
def update(tables: Tables, row: int, sequence: int, timestamp: int, arrival_ns: int) -> None:
    """Take one further packet of the source into account.

    A jump that is neither loss nor reordering restarts the count once the next number follows it. Until then the
    jumping packet counts as received but not as expected, so that each such jump hides at most one lost packet.
    """
    flow = tables.flows[row]
    flow.received += 1
    ahead = (sequence - flow.maximum_sequence) & 0xFFFF
    if 0 < ahead < MAXIMUM_DROPOUT:
        flow.maximum_sequence += ahead
        flow.seen_mask = (flow.seen_mask << np.uint64(ahead)) | np.uint64(1) if ahead < 64 else np.uint64(1)
        flow.restart_sequence = -1
    elif ahead == 0 or ahead > 65536 - MAXIMUM_MISORDER:
        behind = (65536 - ahead) & 0xFFFF
        if behind >= 64:
            flow.reordered += 1
        elif (flow.seen_mask >> np.uint64(behind)) & np.uint64(1):
            flow.duplicates += 1
        else:
            flow.seen_mask |= np.uint64(1) << np.uint64(behind)
            flow.reordered += 1
            # A packet older than the first one seen was sent too: expect it, so that it does not offset a loss.
            flow.base_sequence = min(flow.base_sequence, flow.maximum_sequence - behind)
        return
    elif sequence == flow.restart_sequence:
        _restart(tables, row, (sequence - 1) & 0xFFFF)
        flow.maximum_sequence += 1
        flow.seen_mask = np.uint64(3)
    else:
        flow.restart_sequence = (sequence + 1) & 0xFFFF
        return
    _update_jitter(tables, row, timestamp, arrival_ns)


@compiled
def _update_jitter(tables: Tables, row: int, timestamp: int, arrival_ns: int) -> None:
    flow = tables.flows[row]
    if flow.clock_rate_hz == 0 and flow.received == ESTIMATE_AFTER_PACKETS:
        flow.clock_rate_hz = estimated_clock_rate_hz(
            (timestamp - flow.first_timestamp) & 0xFFFFFFFF, arrival_ns - flow.first_seen_ns
        )
    if flow.clock_rate_hz != 0:
        step = (timestamp - flow.last_timestamp) & 0xFFFFFFFF
        if step >= 0x80000000:
            step -= 0x100000000
        difference = abs((arrival_ns - flow.last_arrival_ns) * 1e-9 * flow.clock_rate_hz - step)
        # A step of ten seconds is a new time base, not jitter.
        if difference < 10.0 * flow.clock_rate_hz:
            flow.jitter += (difference - flow.jitter) / 16.0
    flow.last_timestamp = timestamp
    flow.last_arrival_ns = arrival_ns


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


def expected_packets(flows: Array) -> Array:
    """Return how many packets the sequence numbers of FLOW rows say were sent (RFC 3550 A.3), (n,) int64."""
    assert flows.dtype == FLOW
    return np.asarray(flows["expected_before"] + flows["maximum_sequence"] - flows["base_sequence"] + 1)
