"""The same flow as if another peer had answered: augmentation of evidence windows. Compiled.

Offer and answer choose payload types, header extensions, the SRTP profile and the RTCP feedback; the network
loses and delays packets; a monitor may see neither RTCP nor the start. None of that tells the application, so
training varies it at random in the bytes themselves, and no feature can rely on it.
"""

import numpy as np

from callprint.core.evidence import (
    EVIDENCE_ALLOCATE,
    EVIDENCE_DTLS,
    EVIDENCE_H225,
    EVIDENCE_HEADER,
    EVIDENCE_RTCP,
    EVIDENCE_RTP,
    EVIDENCE_STUN,
)
from callprint.core.ground.compiled import compiled_allocating

MAXIMUM_GROWTH = 24  # bytes that a record can grow: an extension of 8 and a tag of 16

LONGEST = 255  # UDP payload bytes that the filter accepts

AEAD_TAG = 16  # RFC 7714
HMAC_TAG = 10  # RFC 3711, HMAC-SHA1-80
INDEX = 4  # SRTCP index

SERVER_HELLO = 2  # DTLS handshake type

LONGEST_BEFORE_LOG = 9.6  # natural logarithm of 15,000 packets: five minutes of 20 ms


@compiled_allocating
def _u16(buffer, at):
    return (np.int64(buffer[at]) << 8) | np.int64(buffer[at + 1])


@compiled_allocating
def _put32(buffer, at, value):
    for i in range(4):
        buffer[at + i] = (value >> (24 - 8 * i)) & 255


@compiled_allocating
def _get32(buffer, at):
    return (_u16(buffer, at) << 16) | _u16(buffer, at + 2)


@compiled_allocating
def _clear(buffer, at, length):
    end = at + length
    while at + 4 <= end:
        if buffer[at] >> 6 != 2 or not 192 <= buffer[at + 1] <= 223:
            return False
        at += 4 * (_u16(buffer, at + 2) + 1)
    return at == end


@compiled_allocating
def _profile(buffer, end):
    """Return the SRTP tag length that the RTCP of a window shows (AEAD_TAG or HMAC_TAG), 0 when it shows none."""
    at = 0
    while at < end:
        length = np.int64(buffer[at + 8]) | (np.int64(buffer[at + 9]) << 8)
        body = at + EVIDENCE_HEADER
        if buffer[at + 10] == EVIDENCE_RTCP and length >= 24 and not _clear(buffer, body, length):
            if _get32(buffer, body + length - INDEX) & 0x7FFFFFFF < 4096:
                return AEAD_TAG
            if _get32(buffer, body + length - INDEX - HMAC_TAG) & 0x7FFFFFFF < 4096:
                return HMAC_TAG
        at = body + length
    return 0


@compiled_allocating
def _increment(buffer, end):
    """Return how far the timestamp advances for each packet of a window, on average."""
    at = 0
    first_sequence = np.int64(-1)
    first_timestamp = np.int64(0)
    packets = np.int64(0)
    growth = np.int64(0)
    while at < end:
        body = at + EVIDENCE_HEADER
        if buffer[at + 10] == EVIDENCE_RTP:
            if first_sequence < 0:
                first_sequence = _u16(buffer, body + 2)
                first_timestamp = _get32(buffer, body + 4)
            packets = (_u16(buffer, body + 2) - first_sequence) & 0xFFFF
            growth = (_get32(buffer, body + 4) - first_timestamp) & 0xFFFFFFFF
        at = body + np.int64(buffer[at + 8]) + (np.int64(buffer[at + 9]) << 8)
    return growth // packets if packets > 0 else np.int64(0)


@compiled_allocating
def _copy_extension(source, at, length, drop_rank, out, to):
    """Copy a one-byte-form extension body without its element of rank `drop_rank`; returns the padded new length."""
    end = at + length
    begin = to
    rank = 0
    while at < end:
        if source[at] == 0:
            at += 1
            continue
        size = np.int64(source[at] & 15) + 2
        if at + size > end:
            break
        if rank != drop_rank:
            out[to : to + size] = source[at : at + size]
            to += size
        rank += 1
        at += size
    while (to - begin) & 3:
        out[to] = 0
        to += 1
    return to - begin


@compiled_allocating
def _rtp(source, body, length, ext_plan, drop_rank, mid, usual_type, new_type, tag_change, out, to):
    """Write one RTP packet as the new peer would have got it; returns its length, 0 when the filter drops it."""
    csrc = 4 * np.int64(source[body] & 15)
    header = 12 + csrc
    out[to : to + header] = source[body : body + header]
    if source[body + 1] & 127 == usual_type:
        out[to + 1] = (source[body + 1] & 128) | new_type
    at = body + header
    new = to + header
    if source[body] & 16 and header + 4 <= length:
        extension = 4 * _u16(source, at + 2)
        if header + 4 + extension > length:
            return 0
        if ext_plan == 1:  # not negotiated
            out[to] &= 0xEF
        elif ext_plan == 2 and _u16(source, at) == 0xBEDE:  # one element not negotiated
            size = _copy_extension(source, at + 4, extension, drop_rank, out, new + 4)
            if size:
                out[new] = 0xBE
                out[new + 1] = 0xDE
                out[new + 2] = 0
                out[new + 3] = size // 4
                new += 4 + size
            else:
                out[to] &= 0xEF
        else:
            out[new : new + 4 + extension] = source[at : at + 4 + extension]
            new += 4 + extension
        at += 4 + extension
    elif ext_plan == 3:  # the media identification of RFC 8843 negotiated
        out[to] |= 0x10
        out[new] = 0xBE
        out[new + 1] = 0xDE
        out[new + 2] = 0
        out[new + 3] = 1
        out[new + 4] = mid
        out[new + 5] = 0x30 + (mid & 1)
        out[new + 6] = 0
        out[new + 7] = 0
        new += 8
    rest = body + length - at
    keep = rest + min(tag_change, 0)
    if keep < 0:
        return 0
    out[new : new + keep] = source[at : at + keep]
    new += keep
    for _ in range(max(tag_change, 0)):
        out[new] = np.random.randint(0, 256)
        new += 1
    return new - to if new - to <= LONGEST else 0


@compiled_allocating
def _rtcp(source, body, length, old_tag, tag_change, out, to):
    """Write one RTCP packet, an encrypted one with the tag and index order of the new SRTP profile."""
    if tag_change == 0 or length < 8 + old_tag + INDEX or _clear(source, body, length):
        out[to : to + length] = source[body : body + length]
        return length
    core = length - old_tag - INDEX
    out[to : to + core] = source[body : body + core]
    new = to + core
    index_at = body + length - INDEX if old_tag == AEAD_TAG else body + core
    if old_tag == AEAD_TAG:  # becomes HMAC: index, then tag
        out[new : new + INDEX] = source[index_at : index_at + INDEX]
        new += INDEX
        for _ in range(HMAC_TAG):
            out[new] = np.random.randint(0, 256)
            new += 1
    else:  # becomes AEAD: tag, then index
        for _ in range(AEAD_TAG):
            out[new] = np.random.randint(0, 256)
            new += 1
        out[new : new + INDEX] = source[index_at : index_at + INDEX]
        new += INDEX
    return new - to


@compiled_allocating
def _hello(source, body, length, out, to):
    """Write a DTLS hello; a ServerHello without some extensions, as if the client had not offered them."""
    out[to : to + length] = source[body : body + length]
    at = body + 25 + 34
    if length < 25 + 35 or source[body + 13] != SERVER_HELLO or np.random.random() < 0.5:
        return length
    at += 1 + np.int64(source[at]) + 3 + 2  # session, suite, compression, length of the extensions
    end = min(body + length, body + 25 + _u16(source, body + 23))
    new = to + at - body
    while at + 4 <= end:
        size = min(4 + _u16(source, at + 2), end - at)  # the last one may have been cut
        if np.random.random() > 0.25:
            out[new : new + size] = source[at : at + size]
            new += size
        at += size
    # Nothing reads what follows in the packet (certificate, ...), so the hello ends here.
    shorter = _u16(source, body + 23) - (new - to - 25)
    for length_at in (15, 23):  # of the message, and of this fragment of it
        value = _u16(source, body + length_at) - shorter
        out[to + length_at] = (value >> 8) & 255
        out[to + length_at + 1] = value & 255
    return new - to


@compiled_allocating
def renegotiate(source, end, first, out, to):
    """Write the window source[:end] (its flow's packets from `first` on) to out[to:], varied at random.

    Returns (end of what was written, RTP packets written).
    """
    tag = _profile(source, end)
    encrypted = tag > 0
    tag_change = 0
    if tag and np.random.random() < 0.35:
        tag_change = (HMAC_TAG - AEAD_TAG) if tag == AEAD_TAG else (AEAD_TAG - HMAC_TAG)
    draw = np.random.random()
    ext_plan = 0
    if draw < 0.2:
        ext_plan = 1
    elif draw < 0.45:
        ext_plan = 2
    elif draw < 0.6 and encrypted:
        ext_plan = 3
    drop_rank = np.random.randint(0, 4)
    mid = (np.random.randint(1, 15) << 4) | 0
    counts = np.zeros(128, np.int64)
    at = 0
    while at < end:
        if source[at + 10] == EVIDENCE_RTP:
            counts[source[at + EVIDENCE_HEADER + 1] & 127] += 1
        at += EVIDENCE_HEADER + np.int64(source[at + 8]) + (np.int64(source[at + 9]) << 8)
    usual_type = np.argmax(counts)
    new_type = usual_type
    if usual_type >= 96 and np.random.random() < 0.6:
        new_type = np.random.randint(96, 128)
    source_mask = np.random.randint(0, 4294967296) if np.random.random() < 0.25 else 0
    no_reports = np.random.random() < 0.06
    no_handshake = np.random.random() < 0.15
    no_feedback = np.random.random() < 0.2
    # A flow that is first seen in the middle has been running for up to a few minutes.
    sequence_shift = np.int64(0)
    timestamp_shift = np.int64(0)
    if first > 0 and np.random.random() < 0.5:
        sequence_shift = np.int64(np.exp(np.random.random() * LONGEST_BEFORE_LOG))
        timestamp_shift = sequence_shift * _increment(source, end) & 0xFFFFFFFF
    loss = np.random.random() * 0.05 if np.random.random() < 0.25 else 0.0
    jitter_ns = np.random.random() * 1e7 if np.random.random() < 0.2 else 0.0
    latest_ns = np.int64(-9223372036854775807)
    packets = 0
    at = 0
    while at < end:
        length = np.int64(source[at + 8]) | (np.int64(source[at + 9]) << 8)
        body = at + EVIDENCE_HEADER
        kind = source[at + 10]
        new = to + EVIDENCE_HEADER
        size = 0
        if kind == EVIDENCE_RTP:
            if np.random.random() >= loss:
                size = _rtp(
                    source, body, length, ext_plan, drop_rank, mid, usual_type, new_type, tag_change, out, new
                )
            if size:
                packets += 1
                sequence = (_u16(out, new + 2) + sequence_shift) & 65535
                out[new + 2] = sequence >> 8
                out[new + 3] = sequence & 255
                _put32(out, new + 4, (_get32(out, new + 4) + timestamp_shift) & 0xFFFFFFFF)
                _put32(out, new + 8, _get32(out, new + 8) ^ source_mask)
        elif kind == EVIDENCE_DTLS:
            if not no_handshake:
                size = _hello(source, body, length, out, new)
        elif kind in (EVIDENCE_STUN, EVIDENCE_ALLOCATE, EVIDENCE_H225):
            if not no_handshake:
                out[new : new + length] = source[body : body + length]
                size = length
        elif not no_reports and not (no_feedback and source[body + 1] in (205, 206)):
            size = _rtcp(source, body, length, tag, tag_change, out, new)
            if size > LONGEST:
                size = 0
            else:
                _put32(out, new + 4, _get32(out, new + 4) ^ source_mask)
                if timestamp_shift and out[new + 1] == 200 and size >= 28:
                    _put32(out, new + 16, (_get32(out, new + 16) + timestamp_shift) & 0xFFFFFFFF)
        if size:
            time_ns = np.int64(0)
            for i in range(8):
                time_ns |= np.int64(source[at + i]) << (8 * i)
            if jitter_ns > 0.0:
                time_ns = max(latest_ns, time_ns + np.int64(np.random.random() * jitter_ns))
                latest_ns = time_ns
            for i in range(8):
                out[to + i] = (time_ns >> (8 * i)) & 255
            out[to + 8] = size & 255
            out[to + 9] = size >> 8
            out[to + 10] = kind
            out[to + 11] = 0
            to = new + size
        at = body + length
    return to, packets
