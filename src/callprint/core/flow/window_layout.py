"""The rows in which the quality of a flow is measured: windows of ten seconds, the open one, and what RTCP reports.

They lie beside the FLOW rows, because a look-up does not need them.
"""

import numpy as np

WINDOW_NS = 10_000_000_000
"""How long a window is, in packet time from the flow's first packet on."""

WINDOWS_KEPT = 64
"""Closed windows of one flow. When they are full, neighbours merge in pairs, so that each covers twice the time."""

LATE_AFTER_S = 0.060
"""The jitter buffer that a flow is measured with: a packet this much later than the fastest one is not played."""

LATE_IN_A_ROW = 16
"""After so many late packets in a row the buffer starts anew with the fastest of them, as every player's does."""

LEAST_GAP = 16
"""Gmin of RFC 3611 4.7.2: so many packets in a row that are played end a burst of loss."""

DROP_MOMENTS = 64
"""Moments at which the capture lost packets that are remembered."""

WINDOW = np.dtype(
    [
        # What every packet may touch.
        ("jitter_packets", "<u4"),  # packets that gave a jitter
        ("late", "<u4"),  # later than LATE_AFTER_S
        ("jitter_sum", "<f8"),  # over `jitter_packets`, ms
        ("jitter_min", "<f8"),  # ms
        ("jitter_max", "<f8"),  # ms
        ("longest_gap_ns", "<i8"),  # without any packet
        ("pause", "<f8"),  # time stamps that passed without packets, ms: silence that was not sent
        ("listened", "<u4"),  # packets of G.711 whose first samples were looked at: every eighth
        ("quiet", "<u4"),  # of these, packets that begin with silence
        # The rest.
        ("expected", "<u4"),  # packets sent, by their sequence numbers
        ("received", "<u4"),  # without duplicates
        ("duplicates", "<u4"),
        ("reordered", "<u4"),
        # What a jitter buffer would not have played, lost or late, in the order of the sequence. A packet is given up
        # once 64 further ones were sent, so these may be those of a second ago.
        ("missing", "<u4"),
        ("runs", "<u4"),  # of missing packets in a row
        ("bursts", "<u4"),  # RFC 3611 4.7.2 with Gmin of LEAST_GAP
        ("burst_packets", "<u4"),  # sent while a burst lasted
        ("burst_missing", "<u4"),  # of these not played
    ],
    align=True,
)
"""What happened to a flow in one window. Zeros where nothing came."""

OPEN = np.dtype(
    [
        # What every packet touches.
        ("played", "<u8"),  # bit i: sequence number maximum_sequence - i was received in time
        ("ends_ns", "<i8"),
        # In ticks of the time stamps, like the jitter until the window is closed.
        ("transit", "<f8"),  # of the newest packet, from an arbitrary zero
        ("fastest", "<f8"),  # the least transit in this window and the one before
        ("least", "<f8"),  # the least in this window
        ("late_after", "<f8"),  # LATE_AFTER_S; infinite where the clock rate is not known
        ("frame_ticks", "<u4"),  # time stamps from packet to packet, of most packets; 0: not known
        ("frame_votes", "<i2"),
        ("late_in_a_row", "u1"),
        ("in_order", "u1"),  # whether the packet before was the newest of its sequence
        ("closed", "u1"),  # windows that are kept
        ("window", WINDOW),
        # What is touched when a packet is missing, and at the end of a window.
        ("least_late", "<f8"),  # the least transit of the late packets in a row
        ("last_missing", "<i8"),  # extended sequence number
        ("in_burst", "<u4"),  # missing packets since the last gap
        ("level", "<u4"),  # a window covers 2 ** level times WINDOW_NS
        ("slot", "<i4"),  # where the closed windows are; -1: nowhere yet
        ("expected_at", "<i8"),  # the counters of the flow when the window began
        ("received_at", "<i8"),
        ("duplicates_at", "<i8"),
        ("reordered_at", "<i8"),
        ("cut_at", "<i8"),  # packets of the capture that were cut before the flow began
        ("_to_whole_lines", "<u8", (3,)),  # 256 bytes: what packets touch is in the first two cache lines
    ],
    align=True,
)
"""The window of a flow that is still open, and what the next packet is compared with."""

DOUBT_DROPS = 1  # the capture lost packets while the flow went on
DOUBT_CUT = 2  # packets of the capture were cut, more than a hundredth of what the flow has

REPORTED = np.dtype(
    [
        ("packet_ms", "<f4"),  # time between packets by their time stamps; 0: not known
        ("span_s", "<u4"),  # that each window covers
        ("doubts", "u1"),  # DOUBT_ bits
        # From RTCP of the receiver (RFC 3550 6.4.1), about this flow.
        ("reports", "<u4"),
        ("first_lost", "<i4"),  # cumulative loss where counting begins
        ("first_highest", "<u4"),
        ("lost", "<i4"),  # cumulative loss by the newest report
        ("highest", "<u4"),  # extended sequence number that it had received
        ("jitter_sum_ms", "<f8"),  # over `jitter_reports`
        ("jitter_reports", "<u4"),
        # Round trips from the capture to an end and back (LSR and DLSR); 0: not known.
        ("receiver_round_trip_ms", "<f4"),
        ("sender_round_trip_ms", "<f4"),
        # The newest sender report, which the receiver will quote.
        ("sender_report", "<u4"),  # the middle of its NTP time stamp; 0: none yet
        ("sender_report_ns", "<i8"),
        # From RTCP XR of the receiver (RFC 3611 4.7); 0: not known.
        ("far_r", "u1"),
        ("far_mos_tenths", "u1"),  # 127: not known (RFC 3611 4.7.5)
        ("far_delay_ms", "<u2"),  # of the far end's buffers
        ("far_discard", "u1"),  # in 256ths
    ],
    align=True,
)
"""What is known of a flow's quality beside its windows, most of it from RTCP."""
