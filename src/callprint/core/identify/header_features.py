"""Features of RTP headers: what a stack writes there by habit. Compiled.

What the network or the peer may rewrite does not show. Of sequence number, timestamp and SSRC there is only the range
from which a stack draws them; of extension ids, which the offer chooses, nothing: elements are recognised by their
form (RFC 8285) and described by order and content.
"""

import numpy as np

from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import Row, compiled_allocating
from callprint.core.ground.loads import be16
from callprint.core.identify.evidence_tables import Integer, signed16, signed32

MOST_ELEMENTS = 16  # of one header extension
ONE_BYTE_PROFILE = 0xBEDE  # RFC 8285 4.2
TWO_BYTE_PROFILE = 0x100  # above four bits of the application's, RFC 8285 4.3

ELEMENT = np.dtype([("id", np.int64), ("length", np.int64), ("value", np.int64)], align=True)
"""An element of a header extension; `value` is an offset in the buffer."""

ELEMENT_HISTORY = np.dtype(
    [
        ("packets", np.int64),
        ("length", np.int64),  # at first sight
        ("position", np.int64),  # in the extension, at first sight, from 1
        ("first", np.int64),
        ("last", np.int64),
        ("changes", np.int64),
        ("small_growths", np.int64),  # by 1 to 64
        ("levels", np.int64),  # the sum of audio levels (RFC 6464), where one byte long
        ("floors", np.int64),  # levels of 127
        ("voices", np.int64),  # levels with the voice flag
    ],
    align=True,
)
"""What became of the elements with one id over all packets."""


@compiled_allocating
def write_start(buffer: Array, rtp: Array, packets: Integer, increment: Integer, row: Row) -> None:
    """Fill the group `start`: what the first packets that were seen look like."""
    if packets == 0:
        return
    sequence = rtp[0].sequence
    timestamp = rtp[0].timestamp
    row.first_marker = rtp[0].marker
    if packets > 1:
        row.second_marker = rtp[1].marker
    row.first_sequence_small = sequence < 16
    row.first_sequence_below_4096 = sequence < 4096
    row.first_sequence_high_bit = sequence >> 15
    row.first_timestamp_zero = timestamp == 0
    row.first_timestamp_below_65536 = timestamp < 65536
    row.first_timestamp_high_bit = timestamp >> 31
    row.first_timestamp_log2 = np.log2(timestamp + 1.0) / 32.0
    row.first_timestamp_is_increment = increment > 0 and timestamp == increment
    at = rtp[0].offset + 8
    ssrc_high = be16(buffer, at)
    ssrc_low = be16(buffer, at + 2)
    row.ssrc_below_65536 = ssrc_high == 0
    row.ssrc_low_half_zero = ssrc_low == 0
    row.ssrc_high_bit = ssrc_high >> 15
    if increment > 0:
        for i in range(min(3, packets - 1)):
            steps = signed16(rtp[i + 1].sequence - rtp[i].sequence)
            if steps > 0:
                growth = signed32(rtp[i + 1].timestamp - rtp[i].timestamp)
                excess = (growth - steps * increment) / increment
                row.increment_ratios[i] = np.sign(excess) * np.log1p(abs(excess))
        row.timestamp_follows_sequence = abs(timestamp - sequence * increment) <= increment


@compiled_allocating
def write_header(rtp: Array, packets: Integer, increment: Integer, row: Row) -> None:
    """Fill the group `header`: how often which header bit is set."""
    if packets == 0:
        return
    later_markers = 0
    with_jump = 0
    for i in range(packets):
        first = rtp[i].first_byte
        marker = rtp[i].marker
        row.marker_fraction += marker
        row.padding_fraction += (first >> 5) & 1
        row.csrc_fraction += (first & 15) > 0
        row.extension_fraction += (first >> 4) & 1
        if i > 0:
            row.header_changes += first != rtp[i - 1].first_byte
            if marker:
                later_markers += 1
                steps = signed16(rtp[i].sequence - rtp[i - 1].sequence)
                growth = signed32(rtp[i].timestamp - rtp[i - 1].timestamp)
                with_jump += growth > steps * increment + increment // 2
    row.marker_fraction /= packets
    row.padding_fraction /= packets
    row.csrc_fraction /= packets
    row.extension_fraction /= packets
    row.header_changes /= packets
    if packets > 1:
        row.marker_after_first = later_markers / (packets - 1)
    if later_markers:
        row.marker_with_jump = with_jump / later_markers
    kinds = 0
    seen = np.zeros(128, np.uint8)
    for i in range(packets):
        kind = rtp[i].payload_type
        if not seen[kind]:
            seen[kind] = 1
            kinds += 1
    row.payload_types = kinds


@compiled_allocating
def write_type(rtp: Array, packets: Integer, row: Row) -> None:
    """Fill the group `type`: the payload type (RFC 3551), which offer and answer negotiate."""
    if packets == 0:
        return
    counts = np.zeros(128, np.int64)
    for i in range(packets):
        counts[rtp[i].payload_type] += 1
    usual = np.argmax(counts)
    row.type_pcmu = usual == 0
    row.type_pcma = usual == 8
    row.type_gsm = usual == 3
    row.type_g722 = usual == 9
    row.type_g729 = usual == 18
    row.type_dynamic = usual >= 96
    row.type_value = usual / 127.0 if usual >= 96 else 0.0
    row.type_comfort_noise = (counts[13] + counts[19]) / packets
    for kind in range(96, 128):
        if kind != usual:
            row.type_event += counts[kind] / packets


@compiled_allocating
def _elements(
    buffer: Array, at: Integer, length: Integer, two_byte: bool, table: Array
) -> tuple[Integer, Integer, Integer]:
    """List the elements of an RFC 8285 extension body in `table`, (n,) ELEMENT, as far as it goes.

    Returns how many there are, the padding bytes, and those of them before the last element.
    """
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
        table[count].id = number
        table[count].length = size
        table[count].value = value
        count += 1
        at = value + size
    return count, padding, gap_padding


@compiled_allocating
def _value(buffer: Array, at: Integer, size: Integer) -> Integer:
    value = np.int64(0)
    for i in range(min(size, 6)):
        value = (value << 8) | np.int64(buffer[at + i])
    return value


@compiled_allocating
def _remember(history: Row, length: Integer, value: Integer, position: Integer) -> None:
    """Add an element of one more packet."""
    if history.packets == 0:
        history.first = value
        history.length = length
        history.position = position
    else:
        history.changes += value != history.last
        history.small_growths += ((value - history.last) & 0xFFFF) - 1 < 64 and value != history.last
    if length == 1:
        history.levels += value & 127
        history.floors += (value & 127) == 127
        history.voices += value >> 7
    history.packets += 1
    history.last = value


@compiled_allocating
def _recognise(history: Row, row: Row) -> None:
    """Describe what the element must be, from what became of it in two packets or more."""
    seen = history.packets
    changes = history.changes / (seen - 1)
    if history.length == 3 and changes > 0.8:
        row.extension_send_time = history.position
        growth = (history.last - history.first) & 0xFFFFFF  # seconds in 6.18 fixed point
        row.extension_send_time_step = growth / (seen - 1) * 1000.0 / 262144.0
    elif history.length == 2 and changes > 0.8 and history.small_growths > 0.8 * (seen - 1):
        row.extension_counter = history.position
    elif history.length == 1 and (changes > 0.2 or (history.first & 127) == 127):
        row.extension_level = history.position
        row.extension_level_mean = history.levels / seen / 127.0
        row.extension_level_voice_fraction = history.voices / seen
        row.extension_level_floor_fraction = history.floors / seen
        row.extension_level_changes = changes
    elif changes == 0.0:
        row.extension_identifier = history.position
        row.extension_identifier_length = history.length


@compiled_allocating
def write_extension(buffer: Array, rtp: Array, packets: Integer, row: Row) -> None:
    """Fill the group `extension`: header extensions (RFC 8285), recognised by form instead of by id."""
    any_extension = False
    for i in range(packets):
        any_extension |= rtp[i].extension != 0
    if not any_extension:
        return
    table = np.zeros(MOST_ELEMENTS, ELEMENT)
    histories = np.zeros(256, ELEMENT_HISTORY)  # by id
    with_extension = 0
    words_before = np.int64(-1)
    for i in range(packets):
        if rtp[i].extension == 0:
            continue
        at = rtp[i].extension
        profile = be16(buffer, at)
        words = rtp[i].extension_length // 4
        one_byte = profile == ONE_BYTE_PROFILE
        two_byte = (profile >> 4) == TWO_BYTE_PROFILE
        row.extension_one_byte += one_byte
        row.extension_two_byte += two_byte
        row.extension_words_mean += words
        if with_extension == 0:
            row.extension_words_first = words
        elif words != words_before:
            row.extension_words_changes += 1
        words_before = words
        with_extension += 1
        if not (one_byte or two_byte):
            continue
        count, padding, gap_padding = _elements(buffer, at + 4, rtp[i].extension_length, two_byte, table)
        row.extension_padding_bytes += padding
        row.extension_gap_padding += gap_padding
        row.extension_elements_mean += count
        if with_extension == 1:
            row.extension_elements_first = count
        ascending = 1
        for j in range(count):
            element = table[j]
            value = _value(buffer, element.value, element.length)
            _remember(histories[element.id], element.length, value, j + 1)
            if j > 0 and element.id < table[j - 1].id:
                ascending = 0
        row.extension_ids_ascending += ascending
    row.extension_one_byte /= with_extension
    row.extension_two_byte /= with_extension
    row.extension_words_mean /= with_extension
    row.extension_words_changes /= with_extension
    row.extension_elements_mean /= with_extension
    row.extension_padding_bytes /= with_extension
    row.extension_gap_padding /= with_extension
    row.extension_ids_ascending /= with_extension
    for number in range(256):
        if histories[number].packets > 1:
            _recognise(histories[number], row)
    row.extension_send_time_step = min(row.extension_send_time_step, 200.0)
