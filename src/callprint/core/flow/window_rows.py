"""Rows of windows: emptied, and added to one another."""

import numpy as np

from callprint.core.ground.compiled import Row, compiled

NO_JITTER = np.inf
"""`jitter_min` of an open window in which no packet gave a jitter yet."""


@compiled
def clear(window: Row) -> None:
    """Empty an open window."""
    window.expected = 0
    window.received = 0
    window.duplicates = 0
    window.reordered = 0
    window.late = 0
    window.missing = 0
    window.runs = 0
    window.bursts = 0
    window.burst_packets = 0
    window.burst_missing = 0
    window.quiet = 0
    window.listened = 0
    window.jitter_packets = 0
    window.jitter_min = NO_JITTER
    window.jitter_max = 0.0
    window.longest_gap_ns = 0
    window.jitter_sum = 0.0
    window.pause = 0.0


@compiled
def clear_reported(reported: Row) -> None:
    """Forget what was reported of the flow that had this row of REPORTED before."""
    reported.packet_ms = 0.0
    reported.span_s = 0
    reported.doubts = 0
    reported.reports = 0
    reported.jitter_sum_ms = 0.0
    reported.jitter_reports = 0
    reported.receiver_round_trip_ms = 0.0
    reported.sender_round_trip_ms = 0.0
    reported.sender_report = 0
    reported.far_r = 0
    reported.far_mos_tenths = 0
    reported.far_delay_ms = 0
    reported.far_discard = 0


@compiled
def merge(into: Row, other: Row) -> None:
    """Add a window to the one before it."""
    if other.jitter_packets > 0:
        if into.jitter_packets == 0 or other.jitter_min < into.jitter_min:
            into.jitter_min = other.jitter_min
        into.jitter_max = max(into.jitter_max, other.jitter_max)
    into.longest_gap_ns = max(into.longest_gap_ns, other.longest_gap_ns)
    into.expected += other.expected
    into.received += other.received
    into.duplicates += other.duplicates
    into.reordered += other.reordered
    into.late += other.late
    into.missing += other.missing
    into.runs += other.runs
    into.bursts += other.bursts
    into.burst_packets += other.burst_packets
    into.burst_missing += other.burst_missing
    into.quiet += other.quiet
    into.listened += other.listened
    into.jitter_packets += other.jitter_packets
    into.jitter_sum += other.jitter_sum
    into.pause += other.pause
