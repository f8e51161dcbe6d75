"""Features of the sender's RTCP: when it reports, what it puts into one packet, how it fills fields. Compiled.

SRTCP (RFC 3711 3.4) leaves only the first 8 bytes and the trailing index readable; the rest is read when the packet
parses as clear compound RTCP (RFC 3550 6.1) to its last byte.
"""

import numpy as np

from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import Row, compiled_allocating
from callprint.core.ground.loads import be16, be32
from callprint.core.identify.evidence_tables import Integer, signed32

NTP_UNIX_OFFSET_S = 2208988800  # RFC 5905: the NTP era starts 70 years before the Unix epoch
SR, RR, SDES, BYE, APP, RTPFB, PSFB, XR = range(
    200, 208
)  # packet types: RFC 3550 12.1, RFC 4585 6.1, RFC 3611 2
CNAME, NAME, TOOL = 1, 2, 6  # SDES items, RFC 3550 12.2


@compiled_allocating
def _clear_blocks(buffer: Array, at: Integer, end: Integer) -> Integer:
    """Return how many RTCP packets the bytes hold if they parse as compound RTCP exactly to their end, else 0."""
    blocks = 0
    while at + 4 <= end:
        if buffer[at] >> 6 != 2 or not 192 <= buffer[at + 1] <= 223:
            return 0
        at += 4 * (be16(buffer, at + 2) + 1)
        blocks += 1
    return blocks if at == end else 0


@compiled_allocating
def _log_ms(value_ms: float) -> float:
    return float(np.sign(value_ms) * np.log1p(abs(value_ms)))


@compiled_allocating
def _index_distance(buffer: Array, at: Integer, length: Integer) -> Integer:
    """Return how many bytes before the end an SRTCP index that can be true begins, 0 when there is none."""
    for distance in (4, 14, 8, 20):  # AEAD or no tag, HMAC-SHA1-80, HMAC-SHA1-32, AEAD with an MKI
        if length >= distance + 8 and be32(buffer, at + length - distance) & 0x7FFFFFFF < 4096:
            return distance
    return 0


@compiled_allocating
def write_rtcp(buffer: Array, rtp: Array, packets: Integer, rtcp: Array, reports: Integer, row: Row) -> None:
    """Fill the group `rtcp`: what shows of RTCP whether or not it is encrypted."""
    if reports == 0 or packets == 0:
        return
    begin = rtp[0].time_ns
    media_source = be32(buffer, rtp[0].offset + 8)
    row.rtcp_count = np.log2(1.0 + reports)
    span_s = max(rtcp[reports - 1].time_ns, rtp[packets - 1].time_ns) / 1e9 - begin / 1e9
    row.rtcp_per_second = np.log2(1.0 + reports / max(span_s, 0.02))
    row.rtcp_first_ms = _log_ms((rtcp[0].time_ns - begin) / 1e6)
    last_sr = np.int64(0)
    last_rr = np.int64(0)
    sr_gaps = 0
    rr_gaps = 0
    gap_squares = 0.0
    sr_squares = 0.0
    smallest = 1e9
    feedback_length = 0.0
    feedback = 0
    sr = 0
    rr = 0
    indexed = False
    clear = 0
    rr_after = 0
    for i in range(reports):
        at = rtcp[i].offset
        length = rtcp[i].length
        kind = buffer[at + 1]
        row.rtcp_before_media += rtcp[i].time_ns < begin
        if i > 0:
            gap_ms = (rtcp[i].time_ns - rtcp[i - 1].time_ns) / 1e6
            row.rtcp_gap_mean_ms += gap_ms
            gap_squares += gap_ms * gap_ms
            smallest = min(smallest, gap_ms)
        else:
            row.rtcp_first_is_sr = kind == SR
            row.rtcp_first_is_rr = kind == RR
            row.rtcp_first_is_app = kind == APP
            row.rtcp_first_is_feedback = kind in (RTPFB, PSFB)
            row.rtcp_length_first = length
        source = be32(buffer, at + 4)
        row.rtcp_foreign_source += source != media_source
        row.rtcp_padding_fraction += (buffer[at] >> 5) & 1
        if kind == SR:
            sr += 1
            row.rtcp_report_blocks += buffer[at] & 31
            row.rtcp_length_sr += length
            if last_sr:
                gap_ms = (rtcp[i].time_ns - last_sr) / 1e6
                row.rtcp_sr_interval_ms += gap_ms
                sr_squares += gap_ms * gap_ms
                sr_gaps += 1
            last_sr = rtcp[i].time_ns
        elif kind == RR:
            rr += 1
            row.rtcp_foreign_rr += source != media_source
            row.rtcp_report_blocks += buffer[at] & 31
            row.rtcp_length_rr += length
            if last_sr:
                row.rtcp_rr_after_sr_ms += (rtcp[i].time_ns - last_sr) / 1e6
                rr_after += 1
            if last_rr:
                row.rtcp_rr_interval_ms += (rtcp[i].time_ns - last_rr) / 1e6
                rr_gaps += 1
            last_rr = rtcp[i].time_ns
        elif kind in (RTPFB, PSFB):
            feedback += 1
            feedback_length += length
            row.rtcp_feedback_format += buffer[at] & 31
        elif kind == APP:
            row.rtcp_app_fraction += 1
        if _clear_blocks(buffer, at, at + length):
            clear += 1
        else:
            distance = _index_distance(buffer, at, length)
            if distance:
                index = be32(buffer, at + length - distance)
                row.rtcp_index_at_end += distance == 4
                row.rtcp_index_before_tag += distance in (14, 8)
                row.rtcp_index_encrypted += index >> 31
                if not indexed:
                    row.rtcp_index_starts_at_zero = (index & 0x7FFFFFFF) == 0
                    indexed = True
    if reports > 1:
        row.rtcp_gap_mean_ms /= reports - 1
        deviation = np.sqrt(max(0.0, gap_squares / (reports - 1) - row.rtcp_gap_mean_ms**2))
        row.rtcp_gap_deviation = deviation / max(row.rtcp_gap_mean_ms, 1.0)
        row.rtcp_gap_mean_ms = _log_ms(row.rtcp_gap_mean_ms)
        row.rtcp_gap_minimum_ms = _log_ms(smallest)
    row.rtcp_before_media /= reports
    row.rtcp_sr_fraction = sr / reports
    row.rtcp_rr_fraction = rr / reports
    row.rtcp_feedback_fraction = feedback / reports
    row.rtcp_app_fraction /= reports
    row.rtcp_padding_fraction /= reports
    row.rtcp_foreign_source /= reports
    if sr + rr:
        row.rtcp_report_blocks /= sr + rr
    if sr:
        row.rtcp_length_sr /= sr
    if rr:
        row.rtcp_foreign_rr /= rr
        row.rtcp_length_rr /= rr
    if feedback:
        row.rtcp_feedback_format /= feedback
        row.rtcp_length_feedback = feedback_length / feedback
    if rr_after:
        row.rtcp_rr_after_sr_ms = _log_ms(row.rtcp_rr_after_sr_ms / rr_after)
    if sr_gaps:
        mean = row.rtcp_sr_interval_ms / sr_gaps
        deviation = np.sqrt(max(0.0, sr_squares / sr_gaps - mean * mean))
        row.rtcp_sr_interval_deviation = deviation / max(mean, 1.0)
        row.rtcp_sr_interval_ms = _log_ms(mean)
    if rr_gaps:
        row.rtcp_rr_interval_ms = _log_ms(row.rtcp_rr_interval_ms / rr_gaps)
    row.rtcp_clear_fraction = clear / reports
    row.rtcp_index_at_end /= reports
    row.rtcp_index_before_tag /= reports
    row.rtcp_index_encrypted /= reports


@compiled_allocating
def _write_cname(buffer: Array, at: Integer, size: Integer, row: Row) -> None:
    digits = 0
    hexadecimal = 0
    for j in range(at, at + size):
        code = buffer[j]
        digits += 48 <= code <= 57
        hexadecimal += 48 <= code <= 57 or 97 <= code <= 102 or 65 <= code <= 70
        row.cname_at += code == 64
        row.cname_dashes += code == 45
        row.cname_dots += code == 46
        row.cname_colon += code == 58
        row.cname_brace += code in (123, 125)
        row.cname_upper += 65 <= code <= 90
    if size:
        row.cname_length = size
        row.cname_digits = digits / size
        row.cname_hex = hexadecimal / size
        row.cname_upper /= size


@compiled_allocating
def _write_items(buffer: Array, at: Integer, end: Integer, row: Row) -> None:
    """Describe the first SDES chunk (RFC 3550 6.5)."""
    at += 8
    items = 0
    while at + 2 <= end and buffer[at] != 0:
        kind = buffer[at]
        size = np.int64(buffer[at + 1])
        if at + 2 + size > end:
            break
        items += 1
        if kind == CNAME and row.cname_length == 0.0:
            _write_cname(buffer, at + 2, size, row)
        elif kind == NAME:
            row.rtcp_has_name = 1
        elif kind == TOOL:
            row.rtcp_has_tool = 1
            row.tool_length = size
        else:
            row.rtcp_has_other_item = 1
        at += 2 + size
    row.rtcp_items = max(row.rtcp_items, items)
    row.cname_spare_padding = max(row.cname_spare_padding, end - at - 4, 0)


@compiled_allocating
def _write_sender(
    buffer: Array,
    at: Integer,
    time_ns: Integer,
    rtp: Array,
    packets: Integer,
    rate: float,
    row: Row,
) -> bool:
    """Describe a sender report (RFC 3550 6.4.1); return whether it could be compared with the media it reports on."""
    ntp_s = be32(buffer, at + 8)
    fraction = be32(buffer, at + 12)
    offset_s = ntp_s - NTP_UNIX_OFFSET_S + fraction / 4294967296.0 - time_ns / 1e9
    offset_s = min(max(offset_s, -1e6), 1e6)
    row.sr_ntp_offset_s = np.sign(offset_s) * np.log1p(abs(offset_s) * 10.0)
    zeros = 0
    while zeros < 32 and (fraction >> zeros) & 1 == 0:
        zeros += 1
    row.sr_ntp_fraction_zeros = max(row.sr_ntp_fraction_zeros, zeros)
    sent = be32(buffer, at + 20)
    row.sr_packet_count_zero = max(row.sr_packet_count_zero, 1.0 if sent == 0 else 0.0)
    if sent:
        row.sr_octets_for_packet = min(be32(buffer, at + 24) / sent, 1500.0)
    last = -1
    for i in range(packets):
        if rtp[i].time_ns <= time_ns:
            last = i
    if last < 0 or (last == packets - 1 and time_ns - rtp[last].time_ns > 2_000_000_000):
        return False  # the packets that the report is about are not part of the evidence
    timestamp = be32(buffer, at + 16)
    beyond = signed32(timestamp - rtp[last].timestamp)
    elapsed_ms = (time_ns - rtp[last].time_ns) / 1e6
    row.sr_timestamp_is_last += beyond == 0
    row.sr_timestamp_error_ms = _log_ms(min(max(beyond / rate * 1000.0 - elapsed_ms, -1e5), 1e5))
    if last < packets - 1 and sent:
        seen = last + 1
        row.sr_packet_count_error = _log_ms(min(max(float(sent - seen), -1000.0), 1000.0))
    return True


@compiled_allocating
def _write_block(buffer: Array, at: Integer, row: Row) -> None:
    """Describe one report block (RFC 3550 6.4.1)."""
    row.block_fraction_lost = max(row.block_fraction_lost, buffer[at + 4] / 255.0)
    row.block_lost_negative = max(row.block_lost_negative, 1.0 if buffer[at + 5] >= 128 else 0.0)
    row.block_sequence_cycles = max(row.block_sequence_cycles, 1.0 if be16(buffer, at + 8) > 0 else 0.0)
    row.block_jitter_zero += be32(buffer, at + 12) == 0
    lsr = be32(buffer, at + 16)
    dlsr = be32(buffer, at + 20)
    row.block_lsr_zero += lsr == 0
    row.block_dlsr_zero += dlsr == 0
    row.block_dlsr_without_lsr += lsr == 0 and dlsr != 0
    row.block_source_zero += be32(buffer, at) == 0


@compiled_allocating
def write_clear(
    buffer: Array, rtp: Array, packets: Integer, rtcp: Array, reports: Integer, rate: float, row: Row
) -> None:
    """Fill the group `clear`: what is inside RTCP that is not encrypted."""
    if packets == 0:
        return
    clear = 0
    blocks = 0
    compared = 0
    for i in range(reports):
        at = rtcp[i].offset
        end = at + rtcp[i].length
        parts = _clear_blocks(buffer, at, end)
        if parts == 0:
            continue
        clear += 1
        row.rtcp_blocks += parts
        while at + 4 <= end:
            size = 4 * (be16(buffer, at + 2) + 1)
            kind = buffer[at + 1]
            first_block: Integer = np.int64(0)
            if kind == SR and size >= 28:
                compared += _write_sender(buffer, at, rtcp[i].time_ns, rtp, packets, rate, row)
                first_block = 28
            elif kind == RR:
                first_block = 8
            elif kind == SDES and size >= 8:
                row.rtcp_has_sdes += 1
                _write_items(buffer, at, at + size, row)
            elif kind == BYE:
                row.rtcp_has_bye = 1
            elif kind == XR:
                row.rtcp_has_xr = 1
            if first_block and buffer[at] & 31 and first_block + 24 <= size:
                _write_block(buffer, at + first_block, row)
                blocks += 1
            at += size
    if clear:
        row.rtcp_has_sdes /= clear
        row.rtcp_blocks /= clear
    if compared:
        row.sr_timestamp_is_last /= compared
    if blocks:
        row.block_jitter_zero /= blocks
        row.block_lsr_zero /= blocks
        row.block_dlsr_zero /= blocks
        row.block_dlsr_without_lsr /= blocks
        row.block_source_zero /= blocks
