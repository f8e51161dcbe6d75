"""Features of the sender's RTCP: when it reports, what it packs together, how it fills the fields. Compiled.

SRTCP (RFC 3711 3.4) leaves only the first 8 bytes and the trailing index readable; everything behind them
is read when the packet walks as clear compound RTCP (RFC 3550 6.1) to its last byte.
"""

import numpy as np

from callprint.core.ground.compiled import Array, compiled_allocating
from callprint.core.identify.evidence_records import OFFSET, TIME, TIMESTAMP, Whole, signed32

NTP_UNIX_OFFSET_S = 2208988800  # RFC 5905: the NTP era starts 70 years before the Unix epoch

RTCP_NAMES = (
    "rtcp_count",
    "rtcp_per_second",
    "rtcp_first_ms",  # from the first media packet on; negative when RTCP came first
    "rtcp_before_media",
    "rtcp_gap_mean_ms",
    "rtcp_gap_deviation",
    "rtcp_gap_minimum_ms",
    "rtcp_first_is_sr",
    "rtcp_first_is_rr",
    "rtcp_first_is_app",
    "rtcp_first_is_feedback",
    "rtcp_sr_fraction",
    "rtcp_rr_fraction",
    "rtcp_feedback_fraction",
    "rtcp_app_fraction",
    "rtcp_padding_fraction",
    "rtcp_report_blocks",
    "rtcp_feedback_format",  # 15 = transport-wide congestion control
    "rtcp_foreign_source",  # packets whose SSRC is not the media's
    "rtcp_foreign_rr",
    "rtcp_length_first",
    "rtcp_length_sr",
    "rtcp_length_rr",
    "rtcp_length_feedback",
    "rtcp_rr_after_sr_ms",
    "rtcp_sr_interval_ms",
    "rtcp_sr_interval_deviation",
    "rtcp_rr_interval_ms",
    "rtcp_clear_fraction",
    "rtcp_index_at_end",  # SRTCP index as the last four bytes (AEAD, RFC 7714)
    "rtcp_index_before_tag",  # the index in front of a 10 or 4 byte tag
    "rtcp_index_starts_at_zero",
    "rtcp_index_encrypted",  # the E flag
)
CLEAR_NAMES = (
    "rtcp_has_sdes",
    "rtcp_has_bye",
    "rtcp_has_xr",
    "rtcp_blocks",
    "rtcp_items",
    "rtcp_has_name",
    "rtcp_has_tool",
    "rtcp_has_other_item",
    "cname_length",
    "cname_at",
    "cname_digits",
    "cname_hex",
    "cname_dashes",
    "cname_dots",
    "cname_colon",
    "cname_brace",
    "cname_upper",
    "cname_spare_padding",  # zero bytes behind the items beyond what alignment needs
    "tool_length",
    "sr_ntp_offset_s",
    "sr_ntp_fraction_zeros",
    "sr_timestamp_is_last",  # the report repeats the last packet's timestamp instead of the time of sending
    "sr_timestamp_error_ms",
    "sr_packet_count_error",
    "sr_packet_count_zero",
    "sr_octets_for_packet",
    "block_fraction_lost",
    "block_lost_negative",
    "block_sequence_cycles",
    "block_jitter_zero",
    "block_lsr_zero",
    "block_dlsr_zero",
    "block_dlsr_without_lsr",
    "block_source_zero",
)


@compiled_allocating
def _u16(buffer: Array, at: Whole) -> Whole:
    return (np.int64(buffer[at]) << 8) | np.int64(buffer[at + 1])


@compiled_allocating
def _u32(buffer: Array, at: Whole) -> Whole:
    return (_u16(buffer, at) << 16) | _u16(buffer, at + 2)


@compiled_allocating
def _is_clear(buffer: Array, at: Whole, end: Whole) -> Whole:
    """Tell whether the bytes walk as compound RTCP exactly to their end, with SDES where there is more than one."""
    blocks = 0
    while at + 4 <= end:
        if buffer[at] >> 6 != 2 or not 192 <= buffer[at + 1] <= 223:
            return 0
        at += 4 * (_u16(buffer, at + 2) + 1)
        blocks += 1
    return blocks if at == end else 0


@compiled_allocating
def _log_ms(value_ms: float) -> float:
    return float(np.sign(value_ms) * np.log1p(abs(value_ms)))


@compiled_allocating
def write_rtcp(buffer: Array, rtp: Array, packets: Whole, rtcp: Array, reports: Whole, out: Array) -> None:
    """Write RTCP_NAMES: what shows of RTCP whether or not it is encrypted."""
    out[:] = 0.0
    if reports == 0 or packets == 0:
        return
    begin = rtp[0, TIME]
    media_source = _u32(buffer, rtp[0, OFFSET] + 8)
    out[0] = np.log2(1.0 + reports)
    span_s = max(rtcp[reports - 1, 0], rtp[packets - 1, TIME]) / 1e9 - begin / 1e9
    out[1] = np.log2(1.0 + reports / max(span_s, 0.02))
    out[2] = _log_ms((rtcp[0, 0] - begin) / 1e6)
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
        at = rtcp[i, 1]
        length = rtcp[i, 2]
        kind = buffer[at + 1]
        out[3] += rtcp[i, 0] < begin
        if i > 0:
            gap_ms = (rtcp[i, 0] - rtcp[i - 1, 0]) / 1e6
            out[4] += gap_ms
            gap_squares += gap_ms * gap_ms
            smallest = min(smallest, gap_ms)
        else:
            out[7] = kind == 200
            out[8] = kind == 201
            out[9] = kind == 204
            out[10] = kind in (205, 206)
            out[20] = length
        source = _u32(buffer, at + 4)
        out[18] += source != media_source
        out[15] += (buffer[at] >> 5) & 1
        if kind == 200:
            sr += 1
            out[16] += buffer[at] & 31
            out[21] += length
            if last_sr:
                gap_ms = (rtcp[i, 0] - last_sr) / 1e6
                out[25] += gap_ms
                sr_squares += gap_ms * gap_ms
                sr_gaps += 1
            last_sr = rtcp[i, 0]
        elif kind == 201:
            rr += 1
            out[19] += source != media_source
            out[16] += buffer[at] & 31
            out[22] += length
            if last_sr:
                out[24] += (rtcp[i, 0] - last_sr) / 1e6
                rr_after += 1
            if last_rr:
                out[27] += (rtcp[i, 0] - last_rr) / 1e6
                rr_gaps += 1
            last_rr = rtcp[i, 0]
        elif kind in (205, 206):
            feedback += 1
            feedback_length += length
            out[17] += buffer[at] & 31
        elif kind == 204:
            out[14] += 1
        if _is_clear(buffer, at, at + length):
            clear += 1
        else:
            for where in (
                4,
                14,
                8,
                20,
            ):  # from the end: AEAD or no tag, HMAC-SHA1-80, -32, AEAD with MKI unused
                if length < where + 8:
                    continue
                index = _u32(buffer, at + length - where)
                if index & 0x7FFFFFFF < 4096:
                    out[29] += where == 4
                    out[30] += where in (14, 8)
                    out[32] += index >> 31
                    if not indexed:
                        out[31] = (index & 0x7FFFFFFF) == 0
                        indexed = True
                    break
    if reports > 1:
        out[4] /= reports - 1
        deviation = np.sqrt(max(0.0, gap_squares / (reports - 1) - out[4] ** 2))
        out[5] = deviation / max(out[4], 1.0)
        out[4] = _log_ms(out[4])
        out[6] = _log_ms(smallest)
    out[3] /= reports
    out[11] = sr / reports
    out[12] = rr / reports
    out[13] = feedback / reports
    out[14] /= reports
    out[15] /= reports
    out[18] /= reports
    if sr + rr:
        out[16] /= sr + rr
    if sr:
        out[21] /= sr
    if rr:
        out[19] /= rr
        out[22] /= rr
    if feedback:
        out[17] /= feedback
        out[23] = feedback_length / feedback
    if rr_after:
        out[24] = _log_ms(out[24] / rr_after)
    if sr_gaps:
        mean = out[25] / sr_gaps
        out[26] = np.sqrt(max(0.0, sr_squares / sr_gaps - mean * mean)) / max(mean, 1.0)
        out[25] = _log_ms(mean)
    if rr_gaps:
        out[27] = _log_ms(out[27] / rr_gaps)
    out[28] = clear / reports
    for j in (29, 30, 32):
        out[j] /= reports


@compiled_allocating
def _write_cname(buffer: Array, at: Whole, size: Whole, out: Array) -> None:
    digits = 0
    hexadecimal = 0
    for j in range(at, at + size):
        code = buffer[j]
        digits += 48 <= code <= 57
        hexadecimal += 48 <= code <= 57 or 97 <= code <= 102 or 65 <= code <= 70
        out[9] += code == 64
        out[12] += code == 45
        out[13] += code == 46
        out[14] += code == 58
        out[15] += code in (123, 125)
        out[16] += 65 <= code <= 90
    if size:
        out[8] = size
        out[10] = digits / size
        out[11] = hexadecimal / size
        out[16] /= size


@compiled_allocating
def _write_items(buffer: Array, at: Whole, end: Whole, out: Array) -> None:
    """Describe the first SDES chunk (RFC 3550 6.5)."""
    at += 8
    items = 0
    while at + 2 <= end and buffer[at] != 0:
        kind = buffer[at]
        size = np.int64(buffer[at + 1])
        if at + 2 + size > end:
            break
        items += 1
        if kind == 1 and out[8] == 0.0:
            for j in range(9, 17):
                out[j] = 0.0
            _write_cname(buffer, at + 2, size, out)
        elif kind == 2:
            out[5] = 1
        elif kind == 6:
            out[6] = 1
            out[18] = size
        else:
            out[7] = 1
        at += 2 + size
    out[4] = max(out[4], items)
    out[17] = max(out[17], end - at - 4, 0)


@compiled_allocating
def _write_sender(
    buffer: Array,
    at: Whole,
    time_ns: Whole,
    rtp: Array,
    packets: Whole,
    rate: float,
    state: Array,
    out: Array,
) -> None:
    """Compare a sender report (RFC 3550 6.4.1) with the media that it reports on; `state` counts comparisons."""
    ntp_s = _u32(buffer, at + 8)
    fraction = _u32(buffer, at + 12)
    offset_s = ntp_s - NTP_UNIX_OFFSET_S + fraction / 4294967296.0 - time_ns / 1e9
    offset_s = min(max(offset_s, -1e6), 1e6)
    out[19] = np.sign(offset_s) * np.log1p(abs(offset_s) * 10.0)
    zeros = 0
    while zeros < 32 and (fraction >> zeros) & 1 == 0:
        zeros += 1
    out[20] = max(out[20], zeros)
    sent = _u32(buffer, at + 20)
    out[24] = max(out[24], 1.0 if sent == 0 else 0.0)
    if sent:
        out[25] = min(_u32(buffer, at + 24) / sent, 1500.0)
    last = -1
    for i in range(packets):
        if rtp[i, TIME] <= time_ns:
            last = i
    if last < 0 or (last == packets - 1 and time_ns - rtp[last, TIME] > 2_000_000_000):
        return  # the packets that the report is about are not part of the evidence
    timestamp = _u32(buffer, at + 16)
    beyond = signed32(timestamp - rtp[last, TIMESTAMP])
    elapsed_ms = (time_ns - rtp[last, TIME]) / 1e6
    out[21] += beyond == 0
    out[22] = _log_ms(min(max(beyond / rate * 1000.0 - elapsed_ms, -1e5), 1e5))
    if last < packets - 1 and sent:
        seen = last + 1
        out[23] = _log_ms(min(max(float(sent - seen), -1000.0), 1000.0))
    state[0] += 1


@compiled_allocating
def _write_block(buffer: Array, at: Whole, out: Array) -> None:
    """Describe one report block (RFC 3550 6.4.1)."""
    out[26] = max(out[26], buffer[at + 4] / 255.0)
    out[27] = max(out[27], 1.0 if buffer[at + 5] >= 128 else 0.0)
    out[28] = max(out[28], 1.0 if _u16(buffer, at + 8) > 0 else 0.0)
    out[29] += _u32(buffer, at + 12) == 0
    lsr = _u32(buffer, at + 16)
    dlsr = _u32(buffer, at + 20)
    out[30] += lsr == 0
    out[31] += dlsr == 0
    out[32] += lsr == 0 and dlsr != 0
    out[33] += _u32(buffer, at) == 0


@compiled_allocating
def write_clear(
    buffer: Array, rtp: Array, packets: Whole, rtcp: Array, reports: Whole, rate: float, out: Array
) -> None:
    """Write CLEAR_NAMES: what is inside RTCP that is not encrypted."""
    out[:] = 0.0
    if packets == 0:
        return
    clear = 0
    blocks = 0
    state = np.zeros(1, np.int64)
    for i in range(reports):
        at = rtcp[i, 1]
        end = at + rtcp[i, 2]
        parts = _is_clear(buffer, at, end)
        if parts == 0:
            continue
        clear += 1
        out[3] += parts
        while at + 4 <= end:
            size = 4 * (_u16(buffer, at + 2) + 1)
            kind = buffer[at + 1]
            first_block: Whole = np.int64(0)
            if kind == 200 and size >= 28:
                _write_sender(buffer, at, rtcp[i, 0], rtp, packets, rate, state, out)
                first_block = 28
            elif kind == 201:
                first_block = 8
            elif kind == 202 and size >= 8:
                out[0] += 1
                _write_items(buffer, at, at + size, out)
            elif kind == 203:
                out[1] = 1
            elif kind == 207:
                out[2] = 1
            if first_block and buffer[at] & 31 and first_block + 24 <= size:
                _write_block(buffer, at + first_block, out)
                blocks += 1
            at += size
    if clear:
        out[0] /= clear
        out[3] /= clear
    if state[0]:
        out[21] /= state[0]
    if blocks:
        for j in range(29, 34):
            out[j] /= blocks
