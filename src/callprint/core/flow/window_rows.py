"""Rows of windows: emptied, and added to one another."""

import numpy as np

from callprint.core.ground.compiled import Row, compiled

NO_JITTER = np.inf
"""`jitter_min` of an open window in which no packet gave a jitter yet."""


@compiled
def clear(window: Row) -> None:
    """Empty an open window."""
    window.expected = window.received = window.duplicates = window.reordered = window.late = 0
    window.missing = window.runs = window.bursts = window.burst_packets = window.burst_missing = 0
    window.quiet = window.listened = window.jitter_packets = window.longest_gap_ns = 0
    window.jitter_min = NO_JITTER
    window.jitter_max = window.jitter_sum = window.pause = 0.0


@compiled
def clear_reported(reported: Row) -> None:
    """Forget what was reported of the flow that had this row of REPORTED before."""
    reported.packet_ms = reported.jitter_sum_ms = 0.0
    reported.receiver_round_trip_ms = reported.sender_round_trip_ms = 0.0
    reported.span_s = reported.doubts = reported.reports = reported.jitter_reports = 0
    reported.sender_report = reported.far_r = reported.far_mos_tenths = 0
    reported.far_delay_ms = reported.far_discard = 0


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
