"""One evidence log as columns: the first step of every feature, compiled.

A damaged log (it can only come from outside, for example from Kafka) yields the columns of its whole
records; what follows the defect is not looked at. A record longer than evidence may be is one, too.
"""

from typing import Any

import numpy as np

from callprint.core.ground.compiled import Array, compiled_allocating, read_only
from callprint.core.packets import MAXIMUM_PAYLOAD

Whole = Any  # int or np.int64: compiled code makes no difference, mypy does

MAXIMUM_RTP = 128  # RTP records that features look at; the evidence horizon is below it
MAXIMUM_RTCP = 32  # RTCP records that features look at, evidence.HORIZON_RTCP_PACKETS

RECORD_HEADER = 12  # evidence.EVIDENCE_HEADER
RTP_HEADER = 12  # RFC 3550 5.1

# Columns of the RTP scratch table, int64.
(
    TIME,
    OFFSET,
    LENGTH,
    FIRST,
    SECOND,
    SEQUENCE,
    TIMESTAMP,
    PAYLOAD,
    PAYLOAD_LENGTH,
    EXTENSION,
    EXTENSION_LENGTH,
) = range(11)
RTP_COLUMNS = 11


@compiled_allocating
def _u16(buffer: Array, at: Whole) -> Whole:
    return (np.int64(buffer[at]) << 8) | np.int64(buffer[at + 1])


@compiled_allocating
def _u32(buffer: Array, at: Whole) -> Whole:
    return (_u16(buffer, at) << 16) | _u16(buffer, at + 2)


@compiled_allocating
def read_log(
    buffer: Array, start: Whole, end: Whole, rtp: Array, rtcp: Array, handshake: Array
) -> tuple[Whole, Whole]:
    """Fill `rtp` (MAXIMUM_RTP, RTP_COLUMNS), `rtcp` (MAXIMUM_RTCP, 3) and `handshake` (2, 2) int64 from one log.

    Returns how many RTP and how many RTCP records were read. PAYLOAD is where the media payload starts:
    behind CSRC list and header extension, RFC 3550 5.1 and 5.3.1. PAYLOAD_LENGTH excludes padding only
    where the padding count can be true (SRTP encrypts it). `handshake` gets offset and length of the STUN
    request and of the DTLS hello; length 0 stands for none.
    """
    packets = 0
    reports = 0
    handshake[:] = 0
    at = start
    while at + RECORD_HEADER <= end:
        time_ns = np.int64(0)
        for i in range(8):
            time_ns |= np.int64(buffer[at + i]) << (8 * i)
        length = np.int64(buffer[at + 8]) | (np.int64(buffer[at + 9]) << 8)
        kind = buffer[at + 10]
        offset = at + RECORD_HEADER
        if offset + length > end or length > MAXIMUM_PAYLOAD:
            break
        at = offset + length
        if kind == 1:
            if reports < rtcp.shape[0] and length >= 8:
                rtcp[reports, 0] = time_ns
                rtcp[reports, 1] = offset
                rtcp[reports, 2] = length
                reports += 1
            continue
        if kind in (2, 3):
            if handshake[kind - 2, 1] == 0:
                handshake[kind - 2, 0] = offset
                handshake[kind - 2, 1] = length
            continue
        if kind != 0 or length < RTP_HEADER or packets >= rtp.shape[0]:
            continue
        row = rtp[packets]
        row[TIME] = time_ns
        row[OFFSET] = offset
        row[LENGTH] = length
        row[FIRST] = buffer[offset]
        row[SECOND] = buffer[offset + 1]
        row[SEQUENCE] = _u16(buffer, offset + 2)
        row[TIMESTAMP] = _u32(buffer, offset + 4)
        payload = np.int64(RTP_HEADER) + 4 * (np.int64(buffer[offset]) & 15)
        row[EXTENSION] = 0
        row[EXTENSION_LENGTH] = 0
        if buffer[offset] & 16 and payload + 4 <= length:
            extension_length = 4 * _u16(buffer, offset + payload + 2)
            if payload + 4 + extension_length <= length:
                row[EXTENSION] = offset + payload
                row[EXTENSION_LENGTH] = extension_length
                payload += 4 + extension_length
        payload = min(payload, length)
        row[PAYLOAD] = offset + payload
        row[PAYLOAD_LENGTH] = length - payload
        packets += 1
    return packets, reports


@compiled_allocating
def signed16(difference: Whole) -> Whole:
    """Return a 16-bit difference as -32768..32767."""
    return ((difference + 32768) & 65535) - 32768


@compiled_allocating
def signed32(difference: Whole) -> Whole:
    """Return a 32-bit difference as -2**31..2**31-1."""
    return ((difference + 2147483648) & 4294967295) - 2147483648


@compiled_allocating
def quantile_sorted(values: Array, count: Whole, fraction: float) -> float:
    """Return the value at `fraction` of the first `count` sorted values (nearest rank), 0.0 when there is none."""
    if count == 0:
        return 0.0
    return float(values[min(count - 1, int(fraction * count))])


def checked_spans(buffer: Array, spans: Array) -> Array:
    """Return spans as (n, 2) int64, read-only. Raises ValueError when one lies outside the buffer."""
    spans = np.ascontiguousarray(spans, dtype=np.int64).reshape(-1, 2)
    if len(spans) and (spans.min() < 0 or spans.max() > len(buffer) or (spans[:, 1] < spans[:, 0]).any()):
        raise ValueError("a span of an evidence log lies outside its buffer")
    return read_only(spans)
