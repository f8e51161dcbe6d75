"""One evidence log as tables: the first step of every feature. Compiled.

A damaged log (it can only come from outside, for example from Kafka) yields its whole records; what follows the
defect is not looked at. A record longer than evidence may be is a defect, too.
"""

from typing import Any

import numpy as np

from callprint.core.evidence import (
    BYTE_COUNTS_LENGTH,
    ENOUGH_WHOLE,
    EVIDENCE_BYTE_COUNTS,
    EVIDENCE_DTLS,
    EVIDENCE_HEADER,
    EVIDENCE_RTCP,
    EVIDENCE_RTP,
    EVIDENCE_RTP_HEADER,
    EVIDENCE_RTP_SUMMARY,
    EVIDENCE_STUN,
    HEADER_LENGTH,
    HORIZON_RTCP_PACKETS,
    SUMMARY_BYTES,
    VALUES_COUNTED,
)
from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import Row, compiled_allocating, compiled_aside, read_only
from callprint.core.ground.loads import be16, be32, le16, le32
from callprint.core.packets import MAXIMUM_PAYLOAD

Integer = Any  # int or np.int64: compiled code makes no difference, mypy does

MAXIMUM_RTP = 128  # RTP records that features look at; the evidence horizon is below it
MAXIMUM_RTCP = HORIZON_RTCP_PACKETS

RTP_HEADER = 12  # RFC 3550 5.1
RTCP_HEADER = 8  # with the sender's SSRC, RFC 3550 6.4.1

RTP_RECORD = np.dtype(
    [
        ("time_ns", np.int64),
        ("offset", np.int64),  # of the RTP header in the buffer
        ("first_byte", np.int64),  # version, padding bit, extension bit, CSRC count
        ("marker", np.int64),
        ("payload_type", np.int64),
        ("sequence", np.int64),
        ("timestamp", np.int64),
        (
            "payload",
            np.int64,
        ),  # offset in the buffer, behind CSRC list and header extension, RFC 3550 5.1 and 5.3.1
        ("payload_length", np.int64),  # with padding: SRTP encrypts the count
        ("extension", np.int64),  # offset in the buffer; 0: none
        ("extension_length", np.int64),  # without its first four bytes
        ("summarised", np.int64),  # 1: at `payload` there are SUMMARY_BYTES instead of the payload
    ],
    align=True,
)
RTCP_RECORD = np.dtype([("time_ns", np.int64), ("offset", np.int64), ("length", np.int64)], align=True)
HANDSHAKE_RECORD = np.dtype([("offset", np.int64), ("length", np.int64)], align=True)  # length 0: none


@compiled_allocating
def read_rtp(
    buffer: Array, time_ns: Integer, offset: Integer, here: Integer, length: Integer, row: Row
) -> None:
    """Read an RTP packet of `length` bytes, of which evidence holds the first `here`. row: RTP_RECORD."""
    first_byte = buffer[offset]
    row.time_ns = time_ns
    row.offset = offset
    row.first_byte = first_byte
    row.marker = buffer[offset + 1] >> 7
    row.payload_type = buffer[offset + 1] & 127
    row.sequence = be16(buffer, offset + 2)
    row.timestamp = be32(buffer, offset + 4)
    payload = np.int64(RTP_HEADER) + 4 * (np.int64(first_byte) & 15)
    row.extension = 0
    row.extension_length = 0
    if first_byte & 16 and payload + 4 <= here:
        extension_length = 4 * be16(buffer, offset + payload + 2)
        if payload + 4 + extension_length <= here:
            row.extension = offset + payload
            row.extension_length = extension_length
        if payload + 4 + extension_length <= length:
            payload += 4 + extension_length
    payload = min(payload, length)
    row.payload = offset + payload
    row.payload_length = length - payload
    row.summarised = 0


@compiled_allocating
def is_by_headers(buffer: Array, start: Integer, end: Integer) -> bool:
    """Return whether the log buffer[start:end] is judged by headers: it has some, and too few whole packets."""
    whole = 0
    headers = 0
    at = start
    while at + EVIDENCE_HEADER <= end and whole < ENOUGH_WHOLE:
        kind = buffer[at + 10]
        whole += kind in (EVIDENCE_RTP, EVIDENCE_RTP_SUMMARY)
        headers += kind == EVIDENCE_RTP_HEADER
        at += EVIDENCE_HEADER + le16(buffer, at + 8)
    return headers > 0 and whole < ENOUGH_WHOLE


@compiled_aside
def _fill_by_headers(buffer: Array, spans: Array, by_headers: Array) -> None:
    for i in range(spans.shape[0]):
        by_headers[i] = is_by_headers(buffer, spans[i, 0], spans[i, 1])


def logs_by_headers(buffer: Array, spans: Array) -> Array:
    """Return (n,) bool: whether each log is judged by headers. Raises ValueError as `checked_spans`."""
    spans = checked_spans(buffer, spans)
    by_headers = np.zeros(len(spans), np.bool_)
    _fill_by_headers(read_only(buffer), spans, by_headers)
    return by_headers


@compiled_allocating
def _whole_length(buffer: Array, at: Integer, end: Integer) -> Integer:
    """Return the length of what the record at `at` holds, -1 when it is damaged: longer than its log or any record."""
    length = np.int64(le16(buffer, at + 8))
    return np.int64(-1) if at + EVIDENCE_HEADER + length > end or length > MAXIMUM_PAYLOAD else length


@compiled_allocating
def read_log(
    buffer: Array,
    start: Integer,
    end: Integer,
    by_headers: bool,
    rtp: Array,
    rtcp: Array,
    handshake: Array,
) -> tuple[Integer, Integer]:
    """Fill the tables from the log buffer[start:end]; return how many RTP and how many RTCP records were read.

    Headers of RTP packets count where `by_headers` says so. rtp: RTP_RECORD and rtcp: RTCP_RECORD, filled as far as
    they go; handshake: (2,) HANDSHAKE_RECORD, the STUN request and the DTLS hello.
    """
    packets = 0
    reports = 0
    for i in range(handshake.shape[0]):
        handshake[i].offset = 0
        handshake[i].length = 0
    at = start
    while at + EVIDENCE_HEADER <= end:
        time_ns = le32(buffer, at) | (le32(buffer, at + 4) << 32)
        kind = buffer[at + 10]
        offset = at + EVIDENCE_HEADER
        length = _whole_length(buffer, at, end)
        if length < 0:
            break
        at = offset + length
        if kind == EVIDENCE_RTCP:
            if reports < rtcp.shape[0] and length >= RTCP_HEADER:
                report = rtcp[reports]
                report.time_ns = time_ns
                report.offset = offset
                report.length = length
                reports += 1
        elif kind in (EVIDENCE_STUN, EVIDENCE_DTLS):
            message = handshake[kind - EVIDENCE_STUN]
            if message.length == 0:
                message.offset = offset
                message.length = length
        elif kind == EVIDENCE_RTP and length >= RTP_HEADER and packets < rtp.shape[0]:
            read_rtp(buffer, time_ns, offset, length, length, rtp[packets])
            packets += 1
        elif kind == EVIDENCE_RTP_SUMMARY and packets < rtp.shape[0]:
            here = length - HEADER_LENGTH - SUMMARY_BYTES
            if here >= RTP_HEADER:
                whole = max(here, le16(buffer, offset))
                read_rtp(buffer, time_ns, offset + HEADER_LENGTH, here, whole, rtp[packets])
                rtp[packets].payload = offset + HEADER_LENGTH + here
                rtp[packets].summarised = 1
                packets += 1
        elif kind == EVIDENCE_RTP_HEADER and by_headers and packets < rtp.shape[0]:
            here = length - HEADER_LENGTH
            if here >= RTP_HEADER:
                whole = max(here, le16(buffer, offset))
                read_rtp(buffer, time_ns, offset + HEADER_LENGTH, here, whole, rtp[packets])
                packets += 1
    return packets, reports


@compiled_allocating
def byte_counts(buffer: Array, start: Integer, end: Integer, counts: Array) -> Integer:
    """Add up the byte counts of the log buffer[start:end]; return how many packets it summarises.

    counts: (256,) int64, how many bytes of the media of summarised packets have which value.
    """
    counts[:] = 0
    at = start
    while at + EVIDENCE_HEADER <= end:
        kind = buffer[at + 10]
        offset = at + EVIDENCE_HEADER
        length = _whole_length(buffer, at, end)
        if length < 0:
            break
        at = offset + length
        if kind == EVIDENCE_BYTE_COUNTS and length == BYTE_COUNTS_LENGTH:
            first = np.int64(buffer[offset])
            for i in range(VALUES_COUNTED):
                counts[(first + i) & 255] += le16(buffer, offset + 1 + 2 * i)
    return counts.sum()


@compiled_allocating
def signed16(difference: Integer) -> Integer:
    """Return a 16-bit difference as -32768..32767."""
    return ((difference + 32768) & 65535) - 32768


@compiled_allocating
def signed32(difference: Integer) -> Integer:
    """Return a 32-bit difference as -2**31..2**31-1."""
    return ((difference + 2147483648) & 4294967295) - 2147483648


def checked_spans(buffer: Array, spans: Array) -> Array:
    """Return spans as (n, 2) int64, read-only. Raises ValueError when one lies outside the buffer."""
    spans = np.ascontiguousarray(spans, dtype=np.int64).reshape(-1, 2)
    if len(spans) and (spans.min() < 0 or spans.max() > len(buffer) or (spans[:, 1] < spans[:, 0]).any()):
        raise ValueError("a span of an evidence log lies outside its buffer")
    return read_only(spans)
