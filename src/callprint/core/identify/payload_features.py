"""Features of media payloads: what an encoder leaves in its first bytes, silence and code values. Compiled.

Encrypted payloads make these features the constants of uniform bytes, which is itself the evidence of
encryption; training sees both.
"""

import numpy as np

from callprint.core.compiled import Array, compiled_allocating
from callprint.core.identify.records import PAYLOAD, PAYLOAD_LENGTH, Whole

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


@compiled_allocating
def _usual(counts: Array) -> tuple[Whole, Whole, Whole]:
    """Return (most frequent value, how often, how many distinct values) of a 256-bin count."""
    best = 0
    distinct = 0
    for i in range(256):
        if counts[i]:
            distinct += 1
            if counts[i] > counts[best]:
                best = i
    return best, counts[best], distinct


@compiled_allocating
def _entropy(counts: Array, total: Whole) -> float:
    """Return the entropy in bits of a 256-bin count."""
    if total == 0:
        return 0.0
    value = 0.0
    for i in range(256):
        if counts[i]:
            share = counts[i] / total
            value -= share * np.log2(share)
    return value


@compiled_allocating
def write_payload(buffer: Array, rtp: Array, packets: Whole, out: Array) -> None:
    """Write PAYLOAD_NAMES from the payload bytes of all packets."""
    out[:] = 0.0
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
        before: Whole = -1
        for j in range(at, at + size):
            code = np.int64(buffer[j])
            codes[code] += 1
            repeats += code == before
            before = code
        if filled == 0:
            _top, often, _ = _usual(codes)
            out[16] = often / size
            out[17] = _entropy(codes, size)
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
    _top, often, distinct = _usual(codes)
    out[0] = _entropy(codes, total)
    out[1] = often / total
    out[2] = distinct / 256.0
    high: Whole = 0
    odd: Whole = 0
    holes = 0
    rough: Whole = 0
    for code in range(256):
        if code & 128:
            high += codes[code]
        if code & 1:
            odd += codes[code]
        if codes[code] == 0 and code & 127 not in (0, 127) and codes[code - 1] > 0 and codes[code + 1] > 0:
            holes += 1
        if code & 1 == 0:
            rough += abs(codes[code] - codes[code + 1])
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
