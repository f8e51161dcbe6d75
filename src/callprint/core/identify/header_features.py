"""Features of RTP headers: what a stack writes there by habit. Compiled; one log in, one row out.

Invariant to what the network and the peer may rewrite: absolute values of sequence, timestamp and SSRC
show only as the ranges that a stack draws them from; extension ids, which the offer chooses, are not
used at all, elements are recognised by their form (RFC 8285) and described by order and content.
"""

import numpy as np

from callprint.core.ground.compiled import Array, compiled_allocating
from callprint.core.identify.evidence_records import (
    EXTENSION,
    EXTENSION_LENGTH,
    FIRST,
    OFFSET,
    SECOND,
    SEQUENCE,
    TIMESTAMP,
    Whole,
    signed16,
    signed32,
)

START_NAMES = (
    "first_marker",
    "second_marker",
    "first_sequence_small",  # below 16: counted from 0 or 1
    "first_sequence_below_4096",
    "first_sequence_high_bit",
    "first_timestamp_zero",
    "first_timestamp_below_65536",
    "first_timestamp_high_bit",
    "first_timestamp_log2",
    "first_timestamp_is_increment",  # the clock was advanced before the first packet left
    "ssrc_below_65536",
    "ssrc_low_half_zero",
    "ssrc_high_bit",
    "first_increment_ratio",  # first timestamp step over the usual one
    "second_increment_ratio",
    "third_increment_ratio",
    "timestamp_follows_sequence",  # timestamp = sequence * increment: both started at 0 together
)
HEADER_NAMES = (
    "marker_fraction",
    "marker_after_first",
    "marker_with_jump",  # of the later markers, how many come with a timestamp jump (talk spurts)
    "padding_fraction",
    "csrc_fraction",
    "extension_fraction",
    "header_changes",  # how often the first byte differs from the packet before
    "payload_types",
)
EXTENSION_NAMES = (
    "extension_one_byte",
    "extension_two_byte",
    "extension_words_first",
    "extension_words_mean",
    "extension_words_changes",
    "extension_elements_first",
    "extension_elements_mean",
    "extension_padding_bytes",
    "extension_gap_padding",  # padding between elements, not only at the end
    "extension_send_time",  # rank (1 = first) of a 3-byte element that grows
    "extension_counter",  # rank of a 2-byte element that counts packets
    "extension_identifier",  # rank of an element that stays the same
    "extension_identifier_length",
    "extension_level",  # rank of a 1-byte element that varies
    "extension_level_mean",
    "extension_level_voice_fraction",
    "extension_level_floor_fraction",
    "extension_level_changes",
    "extension_ids_ascending",
    "extension_send_time_step",  # mean growth of the send time for each packet, ms
)
TYPE_NAMES = (
    "type_pcmu",
    "type_pcma",
    "type_gsm",
    "type_g722",
    "type_g729",
    "type_dynamic",
    "type_value",
    "type_comfort_noise",  # fraction of payload type 13 packets
    "type_event",  # fraction of short-lived other dynamic types
)


@compiled_allocating
def write_start(buffer: Array, rtp: Array, packets: Whole, increment: Whole, out: Array) -> None:
    """Write START_NAMES: what the first packets of what was seen look like."""
    out[:] = 0.0
    if packets == 0:
        return
    sequence = rtp[0, SEQUENCE]
    timestamp = rtp[0, TIMESTAMP]
    out[0] = rtp[0, SECOND] >> 7
    if packets > 1:
        out[1] = rtp[1, SECOND] >> 7
    out[2] = sequence < 16
    out[3] = sequence < 4096
    out[4] = sequence >> 15
    out[5] = timestamp == 0
    out[6] = timestamp < 65536
    out[7] = timestamp >> 31
    out[8] = np.log2(timestamp + 1.0) / 32.0
    out[9] = increment > 0 and timestamp == increment
    at = rtp[0, OFFSET] + 8
    ssrc_high = (np.int64(buffer[at]) << 8) | np.int64(buffer[at + 1])
    ssrc_low = (np.int64(buffer[at + 2]) << 8) | np.int64(buffer[at + 3])
    out[10] = ssrc_high == 0
    out[11] = ssrc_low == 0
    out[12] = ssrc_high >> 15
    if increment > 0:
        for i in range(min(3, packets - 1)):
            steps = signed16(rtp[i + 1, SEQUENCE] - rtp[i, SEQUENCE])
            if steps > 0:
                growth = signed32(rtp[i + 1, TIMESTAMP] - rtp[i, TIMESTAMP])
                excess = (growth - steps * increment) / increment
                out[13 + i] = np.sign(excess) * np.log1p(abs(excess))
        out[16] = abs(timestamp - sequence * increment) <= increment


@compiled_allocating
def write_header(rtp: Array, packets: Whole, increment: Whole, out: Array) -> None:
    """Write HEADER_NAMES: how often which header bit is set."""
    out[:] = 0.0
    if packets == 0:
        return
    later_markers = 0
    with_jump = 0
    for i in range(packets):
        first = rtp[i, FIRST]
        marker = rtp[i, SECOND] >> 7
        out[0] += marker
        out[3] += (first >> 5) & 1
        out[4] += (first & 15) > 0
        out[5] += (first >> 4) & 1
        if i > 0:
            out[6] += first != rtp[i - 1, FIRST]
            if marker:
                later_markers += 1
                steps = signed16(rtp[i, SEQUENCE] - rtp[i - 1, SEQUENCE])
                growth = signed32(rtp[i, TIMESTAMP] - rtp[i - 1, TIMESTAMP])
                with_jump += growth > steps * increment + increment // 2
    for i in (0, 3, 4, 5, 6):
        out[i] /= packets
    if packets > 1:
        out[1] = later_markers / (packets - 1)
    if later_markers:
        out[2] = with_jump / later_markers
    kinds = 0
    seen = np.zeros(128, np.uint8)
    for i in range(packets):
        kind = rtp[i, SECOND] & 127
        if not seen[kind]:
            seen[kind] = 1
            kinds += 1
    out[7] = kinds


@compiled_allocating
def write_type(rtp: Array, packets: Whole, out: Array) -> None:
    """Write TYPE_NAMES: the payload type (RFC 3551), which offer and answer negotiate."""
    out[:] = 0.0
    if packets == 0:
        return
    counts = np.zeros(128, np.int64)
    for i in range(packets):
        counts[rtp[i, SECOND] & 127] += 1
    usual = np.argmax(counts)
    out[0] = usual == 0
    out[1] = usual == 8
    out[2] = usual == 3
    out[3] = usual == 9
    out[4] = usual == 18
    out[5] = usual >= 96
    out[6] = usual / 127.0 if usual >= 96 else 0.0
    out[7] = (counts[13] + counts[19]) / packets
    for kind in range(96, 128):
        if kind != usual:
            out[8] += counts[kind] / packets


@compiled_allocating
def _elements(
    buffer: Array, at: Whole, length: Whole, two_byte: bool, table: Array
) -> tuple[Whole, Whole, Whole]:
    """List the elements of an RFC 8285 extension body as rows (id, length, value offset); count padding."""
    count = 0
    padding = 0
    gap_padding = 0
    end = at + length
    while at < end and count < table.shape[0]:
        if buffer[at] == 0:
            padding += 1
            at += 1
            continue
        if two_byte:
            if at + 2 > end:
                break
            number = np.int64(buffer[at])
            size = np.int64(buffer[at + 1])
            value = at + 2
        else:
            number = np.int64(buffer[at] >> 4)
            size = np.int64(buffer[at] & 15) + 1
            value = at + 1
        if value + size > end:
            break
        gap_padding = padding
        table[count, 0] = number
        table[count, 1] = size
        table[count, 2] = value
        count += 1
        at = value + size
    return count, padding, gap_padding


@compiled_allocating
def _value(buffer: Array, at: Whole, size: Whole) -> Whole:
    value = np.int64(0)
    for i in range(min(size, 6)):
        value = (value << 8) | np.int64(buffer[at + i])
    return value


@compiled_allocating
def write_extension(buffer: Array, rtp: Array, packets: Whole, out: Array) -> None:
    """Write EXTENSION_NAMES: the header extensions (RFC 8285), recognised by form instead of by id."""
    out[:] = 0.0
    any_extension = False
    for i in range(packets):
        any_extension |= rtp[i, EXTENSION] != 0
    if not any_extension:
        return
    table = np.zeros((16, 3), np.int64)
    # For each id: packets, first value, last value, changes, growth by one, size, rank at first sight.
    state = np.zeros((256, 8), np.int64)
    with_extension = 0
    words_before = np.int64(-1)
    for i in range(packets):
        if rtp[i, EXTENSION] == 0:
            continue
        at = rtp[i, EXTENSION]
        profile = (np.int64(buffer[at]) << 8) | np.int64(buffer[at + 1])
        words = rtp[i, EXTENSION_LENGTH] // 4
        one_byte = profile == 0xBEDE
        two_byte = (profile >> 4) == 0x100
        out[0] += one_byte
        out[1] += two_byte
        out[3] += words
        if with_extension == 0:
            out[2] = words
        elif words != words_before:
            out[4] += 1
        words_before = words
        with_extension += 1
        if not (one_byte or two_byte):
            continue
        count, padding, gap_padding = _elements(buffer, at + 4, rtp[i, EXTENSION_LENGTH], two_byte, table)
        out[7] += padding
        out[8] += gap_padding
        out[6] += count
        if with_extension == 1:
            out[5] = count
        ascending = 1
        for j in range(count):
            number = table[j, 0]
            size = table[j, 1]
            value = _value(buffer, table[j, 2], size)
            row = state[number]
            if row[0] == 0:
                row[1] = value
                row[5] = size
                row[6] = j + 1
            else:
                row[3] += value != row[2]
                row[4] += ((value - row[2]) & 0xFFFF) - 1 < 64 and value != row[2]
            if size == 1:
                row[7] += (
                    (value >> 7) + ((np.int64(value & 127) == 127) << 16) + (np.int64(value & 127) << 32)
                )
            row[0] += 1
            row[2] = value
            if j > 0 and number < table[j - 1, 0]:
                ascending = 0
        out[18] += ascending
    for i in (0, 1, 3, 4, 6, 7, 8, 18):
        out[i] /= with_extension
    for number in range(256):
        row = state[number]
        seen = row[0]
        if seen < 2:
            continue
        changes = row[3] / (seen - 1)
        if row[5] == 3 and changes > 0.8:
            out[9] = row[6]
            out[19] = (
                ((row[2] - row[1]) & 0xFFFFFF) / (seen - 1) * 1000.0 / 262144.0
            )  # 6.18 fixed-point seconds
        elif row[5] == 2 and changes > 0.8 and row[4] > 0.8 * (seen - 1):
            out[10] = row[6]
        elif row[5] == 1 and (changes > 0.2 or (row[1] & 127) == 127):
            out[13] = row[6]
            out[14] = (row[7] >> 32) / seen / 127.0
            out[15] = (row[7] & 0xFFFF) / seen
            out[16] = ((row[7] >> 16) & 0xFFFF) / seen
            out[17] = changes
        elif changes == 0.0:
            out[11] = row[6]
            out[12] = row[5]
    out[19] = min(out[19], 200.0)
