"""Features of media payloads: what an encoder leaves in its first bytes, silence and code values. Compiled.

Encrypted payloads make these features the constants of uniform bytes, which is itself the evidence of
encryption; training sees both.
"""

import numpy as np

from callprint.core.ground.compiled import Array, compiled_allocating
from callprint.core.identify.evidence_records import PAYLOAD, PAYLOAD_LENGTH, Whole

PAYLOAD_NAMES = (
    "payload_entropy",
    "payload_top_byte",
    "payload_distinct_bytes",
    "payload_high_bit",
    "payload_odd",
    "payload_holes",  # unused codes between used neighbours: sound that went through a coarser scale
    "payload_pair_roughness",
    "payload_repeat",  # bytes equal to the byte before
    "payload_plus_zero",  # silence codes of G.711: 0xff, 0x7f, 0xd5, 0x55 and their neighbours
    "payload_minus_zero",
    "payload_near_silence",
    "payload_alaw_plus_zero",
    "payload_alaw_minus_zero",
    "payload_alaw_near_silence",
    "payload_zero_byte",
    "payload_extreme_codes",
    "first_payload_top_byte",
    "first_payload_entropy",
    "first_payload_lead",  # identical bytes at the start of the first payload
    "lead_bit_7",  # the usual first byte: Opus TOC (RFC 6716 3.1), GSM magic, Speex mode
    "lead_bit_6",
    "lead_bit_5",
    "lead_bit_4",
    "lead_bit_3",
    "lead_bit_2",
    "lead_bit_1",
    "lead_bit_0",
    "lead_usual_fraction",
    "lead_distinct",
    "lead_high_nibble_fraction",
    "lead_config_fraction",  # packets with the usual first five bits (Opus configuration)
    "lead_code_changes",  # changes of the last two bits (Opus frame count code)
    "second_usual_fraction",
    "second_distinct",
    "second_high_bit",
    "tail_usual_fraction",
    "tail_distinct",
    "tail_usual_low_bits",
    "tail_usual_ones",  # one bits in the usual last byte
    "tail_zero_fraction",
)


LANES = 4  # counts of neighbouring bytes go to tables of their own: equal bytes need not wait for each other

# c * log2(c) of the counts that are usual
_WEIGHTED_LOG2 = np.arange(4096.0) * np.log2(np.maximum(np.arange(4096.0), 1.0))


@compiled_allocating
def _usual(counts: Array) -> tuple[Whole, Whole, Whole]:
    """Return (most frequent value, how often, how many distinct values) of a 256-bin count."""
    often = counts[0]
    distinct = 0
    for i in range(256):
        often = max(often, counts[i])
        distinct += counts[i] > 0
    best = 0
    while counts[best] < often:
        best += 1
    return best, often, distinct


@compiled_allocating
def _entropy(counts: Array, total: Whole, often: Whole) -> float:
    """Return the entropy in bits of a 256-bin count, of which the largest is `often`."""
    if total == 0:
        return 0.0
    value = 0.0
    if often < len(_WEIGHTED_LOG2):
        for i in range(256):
            value += _WEIGHTED_LOG2[counts[i]]
    else:
        for i in range(256):
            value += counts[i] * np.log2(max(float(counts[i]), 1.0))
    return max(0.0, float(np.log2(float(total)) - value / total))


@compiled_allocating
def _count(payload: Array, lanes: Array) -> Whole:
    """Add a payload (at most 256 bytes) to `lanes` (LANES, 256) uint32; return how many bytes repeat the one before."""
    size = len(payload)
    one = np.uint32(1)
    j = 0
    # Not a range with a step: its index may be negative, for all that the compiler knows.
    while j + LANES <= size:
        lanes[0, payload[j]] += one
        lanes[1, payload[j + 1]] += one
        lanes[2, payload[j + 2]] += one
        lanes[3, payload[j + 3]] += one
        j += LANES
    while j < size:
        lanes[0, payload[j]] += one
        j += 1
    repeats = np.uint8(0)  # so narrow that a vector holds many of them
    for j in range(1, size):
        repeats = np.uint8(repeats + np.uint8(payload[j] == payload[j - 1]))
    return np.int64(repeats)


@compiled_allocating
def _sum_lanes(lanes: Array, codes: Array) -> None:
    for code in range(256):
        codes[code] = np.int64(lanes[0, code]) + lanes[1, code] + lanes[2, code] + lanes[3, code]


@compiled_allocating
def write_payload(buffer: Array, rtp: Array, packets: Whole, out: Array) -> None:
    """Write PAYLOAD_NAMES from the payload bytes of all packets."""
    out[:] = 0.0
    lanes = np.zeros((LANES, 256), np.uint32)
    codes = np.zeros(256, np.int64)
    lead = np.zeros(256, np.int64)
    second = np.zeros(256, np.int64)
    tail = np.zeros(256, np.int64)
    total = 0
    repeats = 0
    filled = 0
    code_changes = 0
    code_before: Whole = -1
    code: Whole = 0
    for i in range(packets):
        at = rtp[i, PAYLOAD]
        size = rtp[i, PAYLOAD_LENGTH]
        if size == 0:
            continue
        repeats += _count(buffer[at : at + size], lanes)
        if filled == 0:
            _sum_lanes(lanes, codes)
            _top, often, _ = _usual(codes)
            out[16] = often / size
            out[17] = _entropy(codes, size, often)
            run = 1
            while run < size and buffer[at + run] == buffer[at]:
                run += 1
            out[18] = np.log2(run)
        total += size
        filled += 1
        lead[buffer[at]] += 1
        tail[buffer[at + size - 1]] += 1
        if size > 1:
            second[buffer[at + 1]] += 1
        code = np.int64(buffer[at] & 3)
        if code_before >= 0:
            code_changes += code != code_before
        code_before = code
    if filled == 0:
        return
    _sum_lanes(lanes, codes)
    _top, often, distinct = _usual(codes)
    out[0] = _entropy(codes, total, often)
    out[1] = often / total
    out[2] = distinct / 256.0
    high: Whole = 0
    odd: Whole = 0
    holes = 0
    rough: Whole = 0
    for code in range(128, 256):
        high += codes[code]
    for code in range(0, 256, 2):
        odd += codes[code + 1]
        rough += abs(codes[code] - codes[code + 1])
    for half in (1, 129):
        for code in range(half, half + 126):
            holes += (codes[code] == 0) & (codes[code - 1] > 0) & (codes[code + 1] > 0)
    out[3] = high / total
    out[4] = odd / total
    out[5] = holes / 128.0
    out[6] = rough / total
    out[7] = repeats / total
    out[8] = codes[0xFF] / total
    out[9] = codes[0x7F] / total
    out[10] = (codes[0xFE] + codes[0x7E] + codes[0xFD] + codes[0x7D]) / total
    out[11] = codes[0xD5] / total
    out[12] = codes[0x55] / total
    out[13] = (codes[0xD4] + codes[0x54] + codes[0xD7] + codes[0x57]) / total
    out[14] = codes[0] / total
    out[15] = (codes[0x80] + codes[0x00] + codes[0x2A] + codes[0xAA]) / total
    usual, often, distinct = _usual(lead)
    for bit in range(8):
        out[19 + bit] = (usual >> (7 - bit)) & 1
    out[27] = often / filled
    out[28] = np.log2(1.0 + distinct)
    nibble: Whole = 0
    configuration: Whole = 0
    for code in range(256):
        if code >> 4 == usual >> 4:
            nibble += lead[code]
        if code >> 3 == usual >> 3:
            configuration += lead[code]
    out[29] = nibble / filled
    out[30] = configuration / filled
    out[31] = code_changes / filled
    usual, often, distinct = _usual(second)
    out[32] = often / filled
    out[33] = np.log2(1.0 + distinct)
    above: Whole = 0
    for code in range(128, 256):
        above += second[code]
    out[34] = above / filled
    usual, often, distinct = _usual(tail)
    out[35] = often / filled
    out[36] = np.log2(1.0 + distinct)
    out[37] = (usual & 15) / 15.0
    ones = 0
    for bit in range(8):
        ones += (usual >> bit) & 1
    out[38] = ones / 8.0
    out[39] = tail[0] / filled
