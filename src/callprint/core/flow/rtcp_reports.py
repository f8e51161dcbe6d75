"""What clear RTCP says of flows: loss and jitter at their receivers, round trips, and the metrics of RTCP XR.

A report block is about the flow in the other direction, between the same addresses. In SRTCP the blocks are encrypted
(RFC 3711 3.4): their SSRC then fits a flow by chance only, once in billions.

    sender's report --M-->          capture          --M--> receiver           M: middle of the NTP time stamp
                                    capture <--(M, D)-- receiver's report      D: how long the receiver held it

The time from the one to the other, less D, is the round trip from the capture to the receiver (RFC 3550 6.4.1).
"""

import numpy as np

from callprint.core.flow import sources
from callprint.core.flow.layout import Tables
from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import Row, compiled, compiled_apart
from callprint.core.ground.loads import be16, be32, load8

_SENDER_REPORT = 200
_RECEIVER_REPORT = 201
_EXTENDED_REPORT = 207
_VOIP_METRICS = 7  # RFC 3611 4.7
_BLOCK_BYTES = 24
_LONGEST_ROUND_TRIP_MS = 10_000.0  # beyond: the report quotes another sender report with the same middle
_HIGHEST_R = 100
_HIGHEST_MOS = 50  # in tenths


@compiled_apart
def take(tables: Tables, data: Array, packet: Row) -> None:
    """Take every report in a compound RTCP packet into account; each length is checked before it is believed."""
    at: int = np.int64(packet.offset)  # type: ignore[assignment]  # compiled code has one integer type
    end = at + packet.length
    while at + 8 <= end:
        first = load8(data, at)
        length = 4 * (be16(data, at + 2) + 1)
        if first >> 6 != 2 or at + length > end:
            return
        kind = load8(data, at + 1)
        ssrc = np.uint32(be32(data, at + 4))
        if kind == _SENDER_REPORT and length >= 28:
            sender = sources.find(tables, packet, ssrc)
            if sender >= 0:
                reported = tables.reported[sender]
                reported.sender_report = (be16(data, at + 10) << 16) | be16(data, at + 12)
                reported.sender_report_ns = packet.time_ns
            _take_blocks(
                tables, data, packet, at + 28, min(at + length, at + 28 + _BLOCK_BYTES * (first & 31)), sender
            )
        elif kind == _RECEIVER_REPORT:
            sender = sources.find(tables, packet, ssrc)
            _take_blocks(
                tables, data, packet, at + 8, min(at + length, at + 8 + _BLOCK_BYTES * (first & 31)), sender
            )
        elif kind == _EXTENDED_REPORT:
            _take_extended(tables, data, packet, at + 8, at + length)
        at += length


@compiled
def _take_blocks(tables: Tables, data: Array, packet: Row, at: int, end: int, sender: int) -> None:
    """Take report blocks; sender: the row of a flow that the reporter sends itself, -1 for none."""
    while at + _BLOCK_BYTES <= end:
        row = sources.find_answered(tables, packet, np.uint32(be32(data, at)))
        if row >= 0:
            _take_block(tables, data, at, row)
            held = be32(data, at + 20)
            reported = tables.reported[row]
            if be32(data, at + 16) != 0 and be32(data, at + 16) == reported.sender_report:
                trip_ms = (packet.time_ns - reported.sender_report_ns) * 1e-6 - held * (1e3 / 65536)
                if 0 <= trip_ms < _LONGEST_ROUND_TRIP_MS:
                    reported.receiver_round_trip_ms = trip_ms
                    if sender >= 0:
                        tables.reported[sender].sender_round_trip_ms = trip_ms
        at += _BLOCK_BYTES


@compiled
def _take_block(tables: Tables, data: Array, at: int, row: int) -> None:
    """Take the loss and jitter of a flow at its receiver."""
    flow = tables.flows[row]
    reported = tables.reported[row]
    lost = be32(data, at + 4) & 0xFFFFFF
    if lost >= 0x800000:
        lost -= 0x1000000
    highest = be32(data, at + 8)
    if reported.reports == 0:
        reported.first_lost = lost
        reported.first_highest = highest
        if not flow.started_midflow:
            # Seen from the start: everything up to now is part of what was seen.
            reported.first_lost = 0
            reported.first_highest = highest - ((highest - flow.base_sequence) & 0xFFFF) - 1
    reported.reports += 1
    reported.lost = lost
    reported.highest = highest
    if flow.clock_rate_hz != 0:
        jitter_ms = be32(data, at + 12) * (1e3 / flow.clock_rate_hz)
        if jitter_ms < _LONGEST_ROUND_TRIP_MS:
            reported.jitter_sum_ms += jitter_ms
            reported.jitter_reports += 1


@compiled
def _take_extended(tables: Tables, data: Array, packet: Row, at: int, end: int) -> None:
    """Take the VoIP metrics of an extended report (RFC 3611 4.7)."""
    while at + 4 <= end:
        length = 4 * (be16(data, at + 2) + 1)
        if at + length > end:
            return
        if load8(data, at) == _VOIP_METRICS and length >= 36:
            row = sources.find_answered(tables, packet, np.uint32(be32(data, at + 4)))
            if row >= 0:
                reported = tables.reported[row]
                reported.far_discard = load8(data, at + 9)
                reported.far_delay_ms = be16(data, at + 18)
                if load8(data, at + 24) <= _HIGHEST_R:
                    reported.far_r = load8(data, at + 24)
                if load8(data, at + 26) <= _HIGHEST_MOS:
                    reported.far_mos_tenths = load8(data, at + 26)
        at += length
