"""The memory of the flow engine: a few flat arrays, allocated once, so that its size is known and bounded.

Compiled functions get them together as one `Tables` tuple. Rows are reused; `generation` tells one tenant of a
row from the next.
"""

from typing import NamedTuple

import numpy as np

from callprint.core.ground.arrays import Array

# The state of a flow's evidence: COLLECTING -> WAITING at the H-th packet -> DECIDED when the time for RTCP after
# it has passed. A flow that ends earlier, or is too slow for H packets, is judged by what it has.
COLLECTING = 0
WAITING = 1
DECIDED = 2

# Kinds of event.
EVENT_CHECKPOINT = 0  # evidence after exactly k packets, for a provisional verdict
EVENT_HORIZON = 1  # the evidence is complete: final verdict
EVENT_END = 2  # the flow has ended; with evidence when no final verdict was asked for before

# Why a flow ended: index into ENDED_NAMES of core/verdict.py.
ENDED_IDLE = 0
ENDED_EVICTED = 1
ENDED_CAPTURE_END = 2

NO_APPLICATION = -1  # `application` of a flow without a verdict; a verdict that names none sets `unknown`


FLOW = np.dtype(
    [
        # The first two cache lines are all that a packet of a decided flow touches.
        # The key, which a look-up compares.
        ("src_hi", "<u8"),
        ("src_lo", "<u8"),
        ("dst_hi", "<u8"),
        ("dst_lo", "<u8"),
        ("src_port", "<u2"),
        ("dst_port", "<u2"),
        ("ssrc", "<u4"),
        ("last_active_ns", "<i8"),  # RTP or RTCP of the sender
        ("last_rtp_ns", "<i8"),
        # Sequence statistics, RFC 3550 A.1 and A.3.
        ("seen_mask", "<u8"),  # bit i: sequence number maximum_sequence - i was received
        ("maximum_sequence", "<i8"),  # highest extended sequence number
        ("received", "<i8"),  # RTP packets of the source, long ones and duplicates included
        # Interarrival jitter of `payload_type`, RFC 3550 A.8, in time-stamp units.
        ("last_arrival_ns", "<i8"),
        ("jitter", "<f8"),
        ("last_timestamp", "<u4"),
        ("clock_rate_hz", "<u4"),  # 0: not yet known
        ("packets", "<i8"),  # RTP packets accepted by the filter, those that the capture has cut included
        ("bytes", "<i8"),  # UDP payload of these and of long packets
        ("application", "<i2"),  # of the verdict, see below
        ("evidence_state", "u1"),
        ("payload_type", "u1"),  # that of most packets; what others there are, `Tables.types` holds
        ("clock_votes", "u1"),  # windows that agree on `clock_rate_hz`; CLOCK_SETTLED: no more are asked
        ("jumped", "u1"),  # whether `restart_sequence` would prove a restart
        ("restart_sequence", "<u2"),
        # What is touched once, or rarely.
        ("hash", "<u4"),
        ("generation", "<u4"),
        ("first_seen_ns", "<i8"),
        ("expected_before", "<i8"),  # packets expected up to the last restart of the sequence
        ("base_sequence", "<i8"),  # extended sequence number of the first packet since that restart
        ("duplicates", "<i8"),
        ("reordered", "<i8"),
        ("long_packets", "<i8"),
        ("rtcp_packets", "<i8"),
        ("window_timestamp", "<u4"),  # where the current estimate of the clock rate began
        # Evidence.
        ("evidence_bytes", "<i4"),
        ("horizon_ns", "<i8"),  # no later packet is evidence; set at the first RTP packet, nearer at the H-th
        ("evidence_last_ns", "<i8"),  # the last RTP packet in the evidence
        ("head_block", "<i4"),
        ("tail_block", "<i4"),
        ("tail_used", "<u2"),
        ("evidence_rtcp", "<u2"),
        ("evidence_whole", "<u2"),  # whole RTP packets
        ("evidence_headers", "<u2"),  # headers of others; 0 once there are enough whole ones
        ("next_checkpoint", "u1"),  # index into `Tables.checkpoints`
        ("started_midflow", "u1"),
        # The verdict, as in the paper's map database.
        ("final", "u1"),
        ("reason", "u1"),  # why the application is unknown, 0 where it is not (REASONS)
        ("engine_confidence", "u1"),  # in hundredths, rounded down
        ("verdict_k", "<u2"),
        ("sure_k", "<u2"),  # k of the first sure verdict, 0 for none yet: no further checkpoint is needed
        ("engine", "<i2"),  # a class of the engine that is sure
        ("capture", "<u2"),  # number of the capture in which its source was confirmed; 0: not known
        ("confidence", "<u2"),  # in parts of CONFIDENCE_UNIT, to which it is rounded
        ("decided_at_ns", "<i8"),
    ],
    align=True,
)
"""One flow: its key, statistics, evidence chain and verdict."""

TYPES_OF_FLOW = 4
"""Rows of TYPE for each flow: one about its own payload type, and one each for three others."""

TYPE = np.dtype(
    [
        ("jitter", "<f8"),
        ("last_arrival_ns", "<i8"),
        ("window_ns", "<i8"),  # arrival of the packet with `window_timestamp`
        ("packets", "<i8"),  # of this type; in a flow's first row: all that do not count for its own type
        ("clock_rate_hz", "<u4"),
        ("last_timestamp", "<u4"),
        ("window_timestamp", "<u4"),
        ("generation", "<u4"),  # in a flow's first row: the tenant whose rows these are
        ("payload_type", "u1"),
        ("clock_votes", "u1"),
    ],
    align=True,
)
"""The statistics of a payload type that is not the main one of its flow: its time stamps may run by another clock.

They are swapped with those in the FLOW row once the type has more packets. Of a flow's first row only `packets`,
`window_ns` and `generation` are used. A flow of one type whose clock rate is known never touches these rows.
"""

CONFIDENCE_UNIT = 10_000
"""Confidences have four decimals (identify/decision.py); a FLOW row holds them as whole numbers of this part."""

MAP_FIELDS = (
    *("sure_k", "final", "reason"),
    *("application", "verdict_k", "confidence", "decided_at_ns", "engine", "engine_confidence"),
)
"""The fields of a FLOW row that are its entry in the verdict map."""

HELD_BYTES = 256  # kept of a held packet: more than the filter accepts

CANDIDATE = np.dtype(
    [
        ("src_hi", "<u8"),
        ("src_lo", "<u8"),
        ("dst_hi", "<u8"),
        ("dst_lo", "<u8"),
        ("time_ns", "<i8"),  # of the newest packet
        ("rtp_time_ns", "<i8"),
        ("rtcp_time_ns", "<i8"),
        ("hash", "<u4"),
        ("ssrc", "<u4"),
        ("src_port", "<u2"),  # of the RTP packet, or of the RTCP packet while there is none
        ("dst_port", "<u2"),
        ("sequence", "<u2"),
        ("rtp_length", "<u2"),
        ("rtp_kept", "<u2"),  # bytes held of it: of a long or cut packet the header alone
        ("rtcp_length", "<u2"),  # 0: no RTCP held
        ("rtp_kind", "u1"),  # RTP, RTP_LONG or RTP_CUT of PacketKind
        ("has_rtp", "u1"),
        ("used", "u1"),
    ],
    align=True,
)
"""A source in probation: the last packet that could have been its first (RFC 3550 A.1), and an RTCP packet.

Their bytes lie in `Tables.held_rtp` and `Tables.held_rtcp`, HELD_BYTES for each.
"""

HANDSHAKE = np.dtype(
    [
        ("src_hi", "<u8"),
        ("src_lo", "<u8"),
        ("dst_hi", "<u8"),
        ("dst_lo", "<u8"),
        ("time_ns", "<i8"),  # of the newest packet that counts
        ("handshake_time_ns", "<i8"),  # of the newest STUN request or DTLS hello
        ("stun_time_ns", "<i8"),
        ("dtls_time_ns", "<i8"),
        ("name_time_ns", "<i8"),
        ("doubt_time_ns", "<i8"),
        ("hash", "<u4"),
        ("src_port", "<u2"),
        ("dst_port", "<u2"),
        ("stun_length", "<u2"),  # 0: none kept
        ("dtls_length", "<u2"),
        ("name_length", "<u2"),
        ("whose", "u1"),  # whose notes these are: of the two endpoints, or of more (handshakes.py)
        ("doubtful", "u1"),  # another maker spoke at doubt_time_ns
        ("used", "u1"),
    ],
    align=True,
)
"""What one endpoint sent another before its media: the first STUN request and DTLS hello, the last that names it.

Their bytes lie in `Tables.held_stun`, `held_dtls` and `held_name`, HELD_BYTES for each.
"""

EVENT = np.dtype(
    [
        ("time_ns", "<i8"),  # packet time at which the evidence was complete, or the flow's last sign of life
        ("start", "<i8"),  # the evidence log in the evidence buffer; start == end: none
        ("end", "<i8"),
        ("first_window", "<i4"),  # in the buffer of windows
        ("windows", "<i4"),  # how many; 0 as long as the flow goes on
        ("row", "<i4"),
        ("packet", "<i4"),  # index in the batch of the packet that caused it; -1 at the end of a capture
        ("k", "<u2"),  # RTP packets in the evidence
        ("kind", "u1"),
        ("ended", "u1"),
    ],
    align=True,
)
"""One event; the flow as it stood then is in the array of flows beside it."""

STATE = np.dtype(
    [
        ("clock_ns", "<i8"),  # largest packet time seen
        ("packet", "<i8"),  # index in the batch of the packet being taken in
        ("next_sweep_ns", "<i8"),
        ("sweep_row", "<i8"),  # -1: no sweep under way
        ("sweep_all", "<i8"),  # 1: the sweep ends every flow (end of the capture)
        ("capture", "<i8"),  # number of the capture that the batch is from; 0: not known
        ("source_start_ns", "<i8"),  # when the capture began
        ("fresh_row", "<i8"),  # rows from here on were never used
        ("free_rows", "<i8"),
        ("fresh_block", "<i8"),
        ("free_blocks", "<i8"),
        ("eviction_row", "<i8"),
        ("slot_mask", "<i8"),  # the index has slot_mask + 1 slots in use, a power of two
        ("index_key", "<u8"),  # an odd number, which chooses the slots of a hash
        ("set_key", "<u8"),  # chooses the sets of candidates and handshakes
        ("verdict_hits", "<i8"),  # RTP packets that found a verdict in the map
        ("flows", "<i8"),
        ("flows_created", "<i8"),
        ("flows_evicted", "<i8"),
        ("evidence_exhausted", "<i8"),
        ("held", "<i8"),  # packets in the candidate table: read, not yet in a counter
        ("claims", "<i8"),  # candidate and handshake entries claimed: draws the victim in a full set
        ("handshakes_evicted", "<i8"),
        ("events", "<i8"),
        ("evidence_used", "<i8"),
        ("whole_enough", "<i8"),
        ("longest_log", "<i8"),  # bytes that one evidence log can have at most
        ("windows_used", "<i8"),  # of the buffer of windows
        ("free_window_slots", "<i8"),
        ("fresh_window_slot", "<i8"),
        ("windows_exhausted", "<i8"),  # flows that got no room for more than one window
        ("drop_moments", "<i8"),  # times at which the capture said that it had lost packets
        # Settings that compiled code reads.
        ("idle_timeout_ns", "<i8"),
        ("horizon_packets", "<i8"),
        ("horizon_rtcp_packets", "<i8"),
        ("horizon_after_ns", "<i8"),
        ("horizon_at_latest_ns", "<i8"),
    ],
    align=True,
)
"""The engine's scalars, as one record."""


class Tables(NamedTuple):
    """All arrays of one engine. The types are what compiled code sees."""

    flows: Array  # (maximum_flows,) FLOW
    due_ns: Array  # (maximum_flows,) int64: nothing to do for the row before then; NEVER_NS when free
    free_rows: Array  # (maximum_flows,) int32, a stack
    types: Array  # (TYPES_OF_FLOW * maximum_flows,) TYPE
    open: Array  # (maximum_flows,) OPEN (window_layout.py)
    reported: Array  # (maximum_flows,) REPORTED
    windows: Array  # (slots * WINDOWS_KEPT,) WINDOW: the closed windows of flows
    free_window_slots: Array  # (slots,) int32, a stack
    drop_moments_ns: Array  # (DROP_MOMENTS,) int64
    slots: Array  # (>= 2 * maximum_flows,) uint64: hash << 32 | row + 1, 0 for empty; `slot_mask` + 1 in use
    sources: Array  # like `slots`, by addresses and SSRC (sources.py)
    hashes: Array  # (HASHES,) uint32: of the packets that are worked on, and of the next ones
    candidates: Array  # (sets * WAYS,) CANDIDATE
    held_rtp: Array  # (sets * WAYS * HELD_BYTES,) uint8
    held_rtcp: Array  # (sets * WAYS * HELD_BYTES,) uint8
    handshakes: Array  # (sets * WAYS,) HANDSHAKE
    held_stun: Array  # (sets * WAYS * HELD_BYTES,) uint8
    held_dtls: Array  # (sets * WAYS * HELD_BYTES,) uint8
    held_name: Array  # (sets * WAYS * HELD_BYTES,) uint8
    blocks: Array  # (maximum_blocks * BLOCK,) uint8
    next_block: Array  # (maximum_blocks,) int32
    free_blocks: Array  # (maximum_blocks,) int32, a stack
    events: Array  # (maximum_events,) EVENT
    event_flows: Array  # (maximum_events,) FLOW
    event_windows: Array  # (n,) WINDOW: of the flows that have ended
    event_reported: Array  # (maximum_events,) REPORTED, of the same
    evidence: Array  # (evidence_buffer,) uint8
    scratch: Array  # (EVIDENCE_HEADER + HEADER_LENGTH,) uint8: the beginning of a record while it is written
    outcomes: Array  # (OUTCOMES,) int64
    checkpoints: Array  # (n,) int64, rising
    state: Array  # (1,) STATE


NEVER_NS = np.iinfo(np.int64).max
BLOCK = 256  # bytes of an evidence block: a G.711 packet of 20 ms fills three quarters
GROUP = 16  # packets whose memory is asked for together, a power of two
HASHES = 4 * GROUP
LEAST_SLOTS = 1 << 10
