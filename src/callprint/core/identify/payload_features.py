"""Features of media payloads: what an encoder leaves in first bytes, silence and code values. Compiled.

Of encrypted payloads these features are those of random bytes, which in itself shows the encryption; training
sees both.
"""

from typing import Any

import numpy as np

from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import Row, compiled_allocating
from callprint.core.identify.evidence_tables import Integer

LANES = 4  # neighbouring bytes are counted in separate tables: equal ones need not wait for each other

# c * log2(c) of common counts c
_WEIGHTED_LOG2 = np.arange(4096.0) * np.log2(np.maximum(np.arange(4096.0), 1.0))


@compiled_allocating
def _usual(counts: Array) -> tuple[Integer, Integer, Integer]:
    """Return (most frequent value, how often, how many distinct values) of a 256-bin count."""
    often = counts[0]
    distinct = np.int32(0)  # narrow, as `counts`, so that a vector holds many
    for i in range(256):
        often = max(often, counts[i])
        distinct = np.int32(distinct + np.int32(counts[i] > 0))
    best = 0
    while counts[best] < often:
        best += 1
    return best, np.int64(often), np.int64(distinct)


@compiled_allocating
def _entropies(first: Array, first_total: Integer, codes: Array, total: Integer, often: Integer) -> Any:
    """Return the entropies in bits of two 256-bin counts; the larger, `codes`, has at most `often` of a value.

    Together, because each sum waits for its own last addition; `first` counts one payload.
    """
    first_value = 0.0
    value = 0.0
    if often < len(_WEIGHTED_LOG2):
        for i in range(256):
            first_value += _WEIGHTED_LOG2[first[i]]
            value += _WEIGHTED_LOG2[codes[i]]
    else:
        for i in range(256):
            first_value += _WEIGHTED_LOG2[first[i]]
            value += codes[i] * np.log2(max(float(codes[i]), 1.0))
    return (
        max(0.0, float(np.log2(float(first_total)) - first_value / first_total)),
        max(0.0, float(np.log2(float(total)) - value / total)),
    )


@compiled_allocating
def _count(payload: Array, lanes: Array) -> Integer:
    """Add a payload (at most 256 bytes) to `lanes` (LANES, 256) uint32; return how many bytes repeat the one before."""
    size = len(payload)
    one = np.uint32(1)
    j = 0
    # Not a range with a step: the compiler cannot exclude that its index is negative.
    while j + LANES <= size:
        lanes[0, payload[j]] += one
        lanes[1, payload[j + 1]] += one
        lanes[2, payload[j + 2]] += one
        lanes[3, payload[j + 3]] += one
        j += LANES
    while j < size:
        lanes[0, payload[j]] += one
        j += 1
    repeats = np.uint8(0)  # narrow, so that a vector holds many
    for j in range(1, size):
        repeats = np.uint8(repeats + np.uint8(payload[j] == payload[j - 1]))
    return np.int64(repeats)


@compiled_allocating
def _sum_lanes(lanes: Array, codes: Array) -> None:
    for code in range(256):
        codes[code] = np.int32(lanes[0, code] + lanes[1, code] + lanes[2, code] + lanes[3, code])


@compiled_allocating
def write_payload(buffer: Array, rtp: Array, packets: Integer, counts: Array, row: Row) -> None:
    """Fill the group `payload` from the payload bytes of all packets.

    counts: (256,) int64, how many bytes of summarised payloads have which value; read if there are such packets.
    """
    lanes = np.zeros((LANES, 256), np.uint32)
    codes = np.empty(256, np.int32)
    first = np.zeros(256, np.int32)
    lead = np.zeros(256, np.int32)
    second = np.zeros(256, np.int32)
    tail = np.zeros(256, np.int32)
    first_size = 0
    total = 0
    repeats = 0
    filled = 0
    summarised = 0
    code_changes = 0
    code_before: Integer = -1
    code: Integer = 0
    for i in range(packets):
        at = rtp[i].payload
        size = rtp[i].payload_length
        if size == 0:
            continue
        last: Integer = at + size - 1
        if rtp[i].summarised:
            summarised += 1
            last = at + 2
            repeats += buffer[at + 3]
        else:
            repeats += _count(buffer[at : at + size], lanes)
        if filled == 0 and not rtp[i].summarised:
            _sum_lanes(lanes, first)
            first_size = size
            run = 1
            while run < size and buffer[at + run] == buffer[at]:
                run += 1
            row.first_payload_lead = np.log2(run)
        total += size
        filled += 1
        lead[buffer[at]] += 1
        tail[buffer[last]] += 1
        if size > 1:
            second[buffer[at + 1]] += 1
        code = np.int64(buffer[at] & 3)
        if code_before >= 0:
            code_changes += code != code_before
        code_before = code
    if filled == 0:
        return
    _sum_lanes(lanes, codes)
    if summarised:
        for code in range(256):
            codes[code] += np.int32(counts[code])
    if first_size == 0:  # from outside: an agent leaves the first one whole
        first_size = 1
    _top, often, _ = _usual(first)
    row.first_payload_top_byte = often / first_size
    _top, often, distinct = _usual(codes)
    row.first_payload_entropy, row.payload_entropy = _entropies(first, first_size, codes, total, often)
    row.payload_top_byte = often / total
    row.payload_distinct_bytes = distinct / 256.0
    high: Integer = 0
    odd: Integer = 0
    holes = 0
    rough: Integer = 0
    for code in range(128, 256):
        high += codes[code]
    for code in range(0, 256, 2):
        odd += codes[code + 1]
        rough += abs(codes[code] - codes[code + 1])
    for half in (1, 129):
        for code in range(half, half + 126):
            holes += (codes[code] == 0) & (codes[code - 1] > 0) & (codes[code + 1] > 0)
    row.payload_high_bit = high / total
    row.payload_odd = odd / total
    row.payload_holes = holes / 128.0
    row.payload_pair_roughness = rough / total
    row.payload_repeat = repeats / total
    row.payload_plus_zero = codes[0xFF] / total
    row.payload_minus_zero = codes[0x7F] / total
    row.payload_near_silence = (codes[0xFE] + codes[0x7E] + codes[0xFD] + codes[0x7D]) / total
    row.payload_alaw_plus_zero = codes[0xD5] / total
    row.payload_alaw_minus_zero = codes[0x55] / total
    row.payload_alaw_near_silence = (codes[0xD4] + codes[0x54] + codes[0xD7] + codes[0x57]) / total
    row.payload_zero_byte = codes[0] / total
    row.payload_extreme_codes = (codes[0x80] + codes[0x00] + codes[0x2A] + codes[0xAA]) / total
    usual, often, distinct = _usual(lead)
    for bit in range(8):
        row.lead_bits[bit] = (usual >> (7 - bit)) & 1
    row.lead_usual_fraction = often / filled
    row.lead_distinct = np.log2(1.0 + distinct)
    nibble: Integer = 0
    configuration: Integer = 0
    for code in range(256):
        if code >> 4 == usual >> 4:
            nibble += lead[code]
        if code >> 3 == usual >> 3:
            configuration += lead[code]
    row.lead_high_nibble_fraction = nibble / filled
    row.lead_config_fraction = configuration / filled
    row.lead_code_changes = code_changes / filled
    usual, often, distinct = _usual(second)
    row.second_usual_fraction = often / filled
    row.second_distinct = np.log2(1.0 + distinct)
    above: Integer = 0
    for code in range(128, 256):
        above += second[code]
    row.second_high_bit = above / filled
    usual, often, distinct = _usual(tail)
    row.tail_usual_fraction = often / filled
    row.tail_distinct = np.log2(1.0 + distinct)
    row.tail_usual_low_bits = (usual & 15) / 15.0
    ones = 0
    for bit in range(8):
        ones += (usual >> bit) & 1
    row.tail_usual_ones = ones / 8.0
    row.tail_zero_fraction = tail[0] / filled
