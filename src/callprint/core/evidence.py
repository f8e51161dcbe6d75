"""Evidence: what a verdict may look at, as one contiguous byte log of a flow.

An evidence log is a run of records, in the order in which the packets were seen:

    time_ns  int64  little-endian   packet time
    length   uint16 little-endian   payload bytes that follow (at most 255)
    kind     uint8                  what the payload is: one of the constants below
    zero     uint8
    payload  `length` bytes         of most kinds the UDP payload

RTP records are those of the flow itself, at most H (the evidence horizon, 100 by default). A packet that is too
long for the filter, or that the capture has cut, leaves its header alone (EVIDENCE_RTP_HEADER), and only as long as
the flow has fewer than ENOUGH_WHOLE whole packets: with so many, a verdict is based on these, and headers do not
count; with fewer, it is based on the headers of all. RTCP records are those that the flow's SENDER sent in the same
media session, up to 10 s after the H-th RTP packet. The evidence of a flow so slow that this would take longer ends
two minutes after its first RTP packet. The handshake, if one was seen, comes before both: the first STUN Binding
request (RFC 8489) and the first DTLS ClientHello or ServerHello (RFC 6347) that the sender sent from and to exactly the
ports of the flow before its first packets, cut after 255 bytes. Behind them is what names products (core/declared/)
and no network looks at: the last TURN Allocate, a request of the sender's socket or a success response to exactly
the flow's destination (RFC 8656), and the vendor that the sender's host named in H.323 call signalling to the
destination's host. The reverse direction is never included: a verdict is about the sender alone.

    EVIDENCE_H225   uint8 which texts follow (PRODUCT, VERSION of core/dissect/h225.py); the vendor as in the message

Two kinds take the place of the UDP payload of RTP packets where an agent ships no more than a network of features looks
at (core/relay/summarising.py). The first packet that carries media is always whole.

    EVIDENCE_RTP_HEADER   uint16 the packet's length; its RTP header with CSRC list and extension
    EVIDENCE_RTP_SUMMARY  the same, and of its media: first, second and last byte; how many bytes repeat the one before
    EVIDENCE_BYTE_COUNTS  a byte value v, and 64 times uint16: how many bytes of the packets of the kind above since the
                          last such records have the value v, v + 1, ... Four records count all values.

Logs of many flows lie one after the other in one buffer; `spans[i] = (start, end)` delimits log i.
"""

import numpy as np

from callprint.core.ground.arrays import Array

EVIDENCE_RTP = 0
EVIDENCE_RTCP = 1
EVIDENCE_STUN = 2
EVIDENCE_DTLS = 3
EVIDENCE_RTP_HEADER = 4
EVIDENCE_RTP_SUMMARY = 5
EVIDENCE_BYTE_COUNTS = 6
EVIDENCE_ALLOCATE = 7
EVIDENCE_H225 = 8
EVIDENCE_KINDS = 9
SUMMARIES = (EVIDENCE_RTP_SUMMARY, EVIDENCE_BYTE_COUNTS)
EVIDENCE_HEADER = 12  # bytes before the payload of each record
HEADER_LENGTH = (
    2  # bytes before the RTP header, where that is alone or summarised: the length of the UDP payload
)
SUMMARY_BYTES = 4  # behind the RTP header, where media are summarised
VALUES_COUNTED = 64  # by one EVIDENCE_BYTE_COUNTS
BYTE_COUNTS_LENGTH = 1 + 2 * VALUES_COUNTED
ENOUGH_WHOLE = 10  # whole RTP packets with which a flow is judged by them alone
HORIZON_PACKETS = 100  # H: RTP packets of a flow that a final verdict may look at
HORIZON_RTCP_PACKETS = 32  # RTCP packets kept with them: a bound on memory, far above what 12 s hold
HANDSHAKE_RECORDS = 4  # at most: one of each kind
HORIZON_AFTER_NS = 10_000_000_000  # RTCP counts until this long after the H-th RTP packet
# Nothing counts later than this after the first RTP packet, so that a slow flow is judged, and holds up nothing else,
# within bounded time. It is twice the idle time-out, so that short flows end before they are judged for their age.
HORIZON_AT_LATEST_NS = 120_000_000_000


def is_summarised(log: bytes) -> bool:
    """Return whether only features of the log can be had: there are summaries in place of media. Raises as `split`."""
    return any(kind in SUMMARIES for _, kind, _ in split(np.frombuffer(log, np.uint8)))


def split(log: Array) -> list[tuple[int, int, bytes]]:
    """Return the records of one evidence log as (time_ns, kind, payload): the readable form, for tests and people.

    Raises ValueError when the log ends inside a record.
    """
    records = []
    raw = log.tobytes()
    at = 0
    while at < len(raw):
        time_ns = int.from_bytes(raw[at : at + 8], "little", signed=True)
        length = int.from_bytes(raw[at + 8 : at + 10], "little")
        payload = raw[at + EVIDENCE_HEADER : at + EVIDENCE_HEADER + length]
        if len(payload) != length or at + EVIDENCE_HEADER > len(raw):
            raise ValueError(f"evidence log ends inside the record at byte {at}")
        records.append((time_ns, raw[at + 10], payload))
        at += EVIDENCE_HEADER + length
    return records
