"""The section of a fingerprint that RTCP gives, in up to four parts with dots between. Compiled.

    1  first packet      b before the media, i at most half a second after it begins, l later
    2  what it holds     a letter for each RTCP packet in it: s SR, S SR whose NTP time lies before 1970, r RR,
                         d SDES, b BYE, a APP, f feedback, x XR, o other; where it is encrypted, the first letter if it
                         came before the media, and ~
    3  SDES items        their types in order, a digit each, as the first clear SDES has them
    4  CNAME             its shape: @ user@host, i user@address, u UUID, e empty; else h hexadecimal, d decimal, a ASCII
                         letters and digits, t with other characters, and the length in two digits

Parts 3 and 4 are left out where they were not seen. Packets that begin with feedback (RFC 4585) do not count: when
they come depends on what the peer sends.
"""

import numpy as np

from callprint.core.fingerprint.text import CUT, NOT_SEEN, put, put_digit, put_number
from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import Row, compiled_allocating
from callprint.core.ground.loads import be16, be32
from callprint.core.identify.evidence_tables import Integer

_IMMEDIATELY_NS = 500_000_000
_SR, _SDES, _RTPFB, _PSFB = 200, 202, 205, 206
_LETTERS = b"srdbaffx"  # of packet types 200 to 207: RFC 3550 12.1, RFC 4585 6.1, RFC 3611 2
_UNIX_EPOCH_NTP_S = 2208988800  # RFC 5905: 1970 in an NTP era that began in 1900
_MOST_PACKETS, _MOST_ITEMS = 6, 6
_CNAME = 1
_UUID_LENGTH = 36
_DOT, _DASH, _COLON, _AT = ord("."), ord("-"), ord(":"), ord("@")


@compiled_allocating
def _clear(buffer: Array, at: Integer, end: Integer) -> bool:
    """Return whether the bytes parse as clear compound RTCP (RFC 3550 6.1) exactly to their end."""
    while at + 4 <= end:
        if buffer[at] >> 6 != 2 or not 192 <= buffer[at + 1] <= 223:
            return False
        at += 4 * (be16(buffer, at + 2) + 1)
    return bool(at == end)


@compiled_allocating
def _letter(buffer: Array, at: Integer, readable: bool) -> Integer:
    kind = np.int64(buffer[at + 1])
    if kind == _SR and readable and be16(buffer, at + 2) >= 6 and be32(buffer, at + 8) < _UNIX_EPOCH_NTP_S:
        return ord("S")
    return np.int64(_LETTERS[kind - _SR]) if _SR <= kind < _SR + len(_LETTERS) else ord("o")


@compiled_allocating
def _put_order(text: Array, at: Integer, buffer: Array, report: Row, before_media: bool) -> Integer:
    here = report.offset
    end = here + report.length
    if not _clear(buffer, here, end):
        if before_media:
            at = put(text, at, _letter(buffer, here, False))
        return put(text, at, CUT)
    for _ in range(_MOST_PACKETS):
        if here >= end:
            break
        at = put(text, at, _letter(buffer, here, True))
        here += 4 * (be16(buffer, here + 2) + 1)
    return at


@compiled_allocating
def _is_address(buffer: Array, begin: Integer, end: Integer) -> bool:
    """Return whether a host looks like an IPv4 or IPv6 address."""
    dotted = 0
    hexadecimal = 0
    colons = 0
    for here in range(begin, end):
        code = buffer[here]
        digit = 48 <= code <= 57 or code == _DOT
        dotted += digit
        colons += code == _COLON
        hexadecimal += digit or code == _COLON or 97 <= code <= 102 or 65 <= code <= 70
    size = end - begin
    return bool(size > 0 and (dotted == size or (hexadecimal == size and colons >= 2)))


@compiled_allocating
def _put_name_shape(text: Array, at: Integer, buffer: Array, begin: Integer, end: Integer) -> Integer:
    """Write the shape of a CNAME (RFC 3550 6.5.1)."""
    size = end - begin
    host: Integer = np.int64(-1)
    dashes = 0
    digits = 0
    hexadecimal = 0
    plain = 0
    for here in range(begin, end):
        code = buffer[here]
        if code == _AT:
            host = here + 1
        dashes += code == _DASH
        digit = 48 <= code <= 57
        letter = 65 <= (code & 0xDF) <= 90 and code < 128
        digits += digit
        hexadecimal += digit or (letter and (code & 0xDF) <= 70)
        plain += digit or letter
    if size == 0:
        return put(text, at, ord("e"))
    if host >= 0:
        return put(text, at, ord("i") if _is_address(buffer, host, end) else _AT)
    if size == _UUID_LENGTH and dashes == 4 and hexadecimal == 32:
        return put(text, at, ord("u"))
    shape = ord("t")
    if digits == size:
        shape = ord("d")
    elif hexadecimal == size:
        shape = ord("h")
    elif plain == size:
        shape = ord("a")
    return put_number(text, put(text, at, shape), size)


@compiled_allocating
def _put_items(text: Array, at: Integer, buffer: Array, begin: Integer, end: Integer) -> Integer:
    """Write the items of the first chunk of an SDES packet (RFC 3550 6.5), then the shape of its CNAME."""
    at = put(text, at, _DOT)
    name = np.int64(0)
    here = begin + 8
    for _ in range(_MOST_ITEMS):
        if here + 2 > end or buffer[here] == 0 or here + 2 + np.int64(buffer[here + 1]) > end:
            break
        at = put_digit(text, at, buffer[here])
        if name == 0 and buffer[here] == _CNAME:
            name = here
        here += 2 + np.int64(buffer[here + 1])
    if name:
        at = put(text, at, _DOT)
        at = _put_name_shape(text, at, buffer, name + 2, name + 2 + np.int64(buffer[name + 1]))
    return at


@compiled_allocating
def put_rtcp(
    text: Array, at: Integer, buffer: Array, media_ns: Integer, rtcp: Array, reports: Integer
) -> Integer:
    """Write the section. media_ns: time of the first RTP packet; rtcp: RTCP_RECORD, of which `reports` count."""
    first = 0
    while first < reports and buffer[rtcp[first].offset + 1] in (_RTPFB, _PSFB):
        first += 1
    if first == reports:
        return put(text, at, NOT_SEEN)
    delay_ns = rtcp[first].time_ns - media_ns
    when = ord("b") if delay_ns < 0 else ord("i") if delay_ns <= _IMMEDIATELY_NS else ord("l")
    at = put(text, put(text, at, when), _DOT)
    at = _put_order(text, at, buffer, rtcp[first], delay_ns < 0)
    for i in range(first, reports):
        here = rtcp[i].offset
        end = here + rtcp[i].length
        if not _clear(buffer, here, end):
            continue
        while here + 8 <= end:
            if buffer[here + 1] == _SDES and buffer[here] & 31:
                return _put_items(text, at, buffer, here, here + 4 * (be16(buffer, here + 2) + 1))
            here += 4 * (be16(buffer, here + 2) + 1)
    return at
