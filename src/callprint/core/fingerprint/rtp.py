"""The section of a fingerprint that RTP headers give. Compiled.

Seven characters or more, of the first ten packets alone, so that looks after 10 and after 100 packets agree:

    1  sequence number of the first packet   0 below 256, r any other
    2  its timestamp                         0, q in step with the sequence number, l below 65536, r any other
    3  SSRC                                  l below 65536, h lower half 0, r any other
    4  marker                                a on all packets, f on the first, s on the second, n on neither
    5  padding                               p on some packet, n
    6  contributing sources                  c on some packet, n
    7  header extension                      n none, 1 one-byte form, 2 two-byte form (RFC 8285), x another

Behind 1 and 2: the lengths of the elements of the first header extension, a digit each. Behind x: its profile in four
hexadecimal digits. What the offer chooses, ids and payload types, does not show.
"""

import numpy as np

from callprint.core.fingerprint.text import put, put_digit
from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import compiled_allocating
from callprint.core.ground.loads import be16
from callprint.core.identify.evidence_tables import Integer, signed16, signed32

PACKETS = 10  # RTP packets of a flow that the section looks at

_SMALL_SEQUENCE = 256
_ONE_BYTE, _TWO_BYTE = 0xBEDE, 0x100  # RFC 8285 4.2; 4.3, above four bits of the application's
_MOST_ELEMENTS = 8
_YES, _NO, _RANDOM = ord("p"), ord("n"), ord("r")


@compiled_allocating
def _step(rtp: Array, packets: Integer) -> Integer:
    """Return the most frequent growth of timestamps from one packet to the next in sequence; 0: none."""
    best = np.int64(0)
    most = np.int64(0)
    for i in range(1, packets):
        growth = signed32(rtp[i].timestamp - rtp[i - 1].timestamp)
        if growth <= 0 or signed16(rtp[i].sequence - rtp[i - 1].sequence) != 1:
            continue
        count = np.int64(0)
        for j in range(1, packets):
            count += (
                signed32(rtp[j].timestamp - rtp[j - 1].timestamp) == growth
                and signed16(rtp[j].sequence - rtp[j - 1].sequence) == 1
            )
        if count > most:
            best, most = growth, count
    return best


@compiled_allocating
def _timestamp_class(timestamp: Integer, sequence: Integer, step: Integer) -> Integer:
    if timestamp == 0:
        return ord("0")
    if step > 0 and abs(timestamp - sequence * step) <= step:
        return ord("q")
    return ord("l") if timestamp < 65536 else _RANDOM


@compiled_allocating
def _ssrc_class(high: Integer, low: Integer) -> Integer:
    if high == 0:
        return ord("l")
    return ord("h") if low == 0 else _RANDOM


@compiled_allocating
def _marker_class(rtp: Array, packets: Integer) -> Integer:
    marked = np.int64(0)
    for i in range(packets):
        marked += rtp[i].marker
    if marked == packets and packets > 2:
        return ord("a")
    if rtp[0].marker:
        return ord("f")
    return ord("s") if packets > 1 and rtp[1].marker else _NO


@compiled_allocating
def _put_elements(
    text: Array, at: Integer, buffer: Array, here: Integer, end: Integer, two_byte: bool
) -> Integer:
    elements = 0
    while here < end and elements < _MOST_ELEMENTS:
        if buffer[here] == 0:  # padding
            here += 1
            continue
        if two_byte:
            if here + 2 > end:
                break
            size = np.int64(buffer[here + 1])
            here += 2
        else:
            size = np.int64(buffer[here] & 15) + 1
            here += 1
        if here + size > end:
            break
        at = put_digit(text, at, size)
        here += size
        elements += 1
    return at


@compiled_allocating
def _put_extension(text: Array, at: Integer, buffer: Array, rtp: Array, packets: Integer) -> Integer:
    for i in range(packets):
        if rtp[i].extension == 0:
            continue
        here = rtp[i].extension
        profile = be16(buffer, here)
        begin, end = here + 4, here + 4 + rtp[i].extension_length
        if profile == _ONE_BYTE:
            return _put_elements(text, put(text, at, ord("1")), buffer, begin, end, False)
        if profile >> 4 == _TWO_BYTE:
            return _put_elements(text, put(text, at, ord("2")), buffer, begin, end, True)
        at = put(text, at, ord("x"))
        for shift in (12, 8, 4, 0):
            at = put_digit(text, at, (profile >> shift) & 15)
        return at
    return put(text, at, _NO)


@compiled_allocating
def put_rtp(text: Array, at: Integer, buffer: Array, rtp: Array, packets: Integer) -> Integer:
    """Write the section of a flow. rtp: RTP_RECORD, of which the first `packets`, at least one, count."""
    packets = min(packets, PACKETS)
    sequence = rtp[0].sequence
    step = _step(rtp, packets)
    source = rtp[0].offset + 8
    at = put(text, at, ord("0") if sequence < _SMALL_SEQUENCE else _RANDOM)
    at = put(text, at, _timestamp_class(rtp[0].timestamp, sequence, step))
    at = put(text, at, _ssrc_class(be16(buffer, source), be16(buffer, source + 2)))
    at = put(text, at, _marker_class(rtp, packets))
    first_bytes = np.int64(0)
    for i in range(packets):
        first_bytes |= rtp[i].first_byte
    at = put(text, at, _YES if first_bytes & 32 else _NO)
    at = put(text, at, ord("c") if first_bytes & 15 else _NO)
    return _put_extension(text, at, buffer, rtp, packets)
