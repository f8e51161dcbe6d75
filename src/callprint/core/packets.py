"""The packet columns that every stage shares, and the one list of what can become of a packet.

A capture is turned into batches of `RECORD` rows (where each captured frame lies in a byte buffer), the dissector
turns these into `PACKET` rows (quad-tuple, UDP payload, kind), and the flow engine consumes them. No packet is
ever a Python object.
"""

from enum import IntEnum

import numpy as np

RECORD = np.dtype(
    [
        ("time_ns", "<i8"),  # packet time, nanoseconds since the epoch
        ("offset", "<i8"),  # first byte of the frame in the batch's buffer
        ("captured", "<u4"),  # bytes of the frame that the buffer holds
        ("original", "<u4"),  # bytes that the frame had on the wire
        ("link_type", "<u4"),  # LINKTYPE_ number of the tcpdump registry
    ]
)
"""One captured frame of a batch."""

PACKET = np.dtype(
    [
        ("time_ns", "<i8"),
        ("src_hi", "<u8"),  # the address as two numbers in host order; IPv4 is written as ::ffff:a.b.c.d
        ("src_lo", "<u8"),
        ("dst_hi", "<u8"),
        ("dst_lo", "<u8"),
        ("offset", "<i8"),  # first byte of the transport payload in the batch's buffer
        ("length", "<u2"),  # bytes of transport payload that the buffer holds
        ("missing", "<u2"),  # bytes of it that the capture has cut off; of RTP_CUT alone
        ("src_port", "<u2"),
        ("dst_port", "<u2"),
        ("kind", "u1"),  # a PacketKind
        ("transport", "u1"),  # IP protocol number: 17 UDP, 6 TCP, 0 where no transport header was read
        ("tcp_flags", "u1"),  # the flag byte of a TCP segment (signalling only)
        ("depth", "u1"),  # how many encapsulations were removed
        ("tcp_sequence", "<u4"),  # sequence number of a TCP segment (signalling only)
    ]
)
"""One dissected packet: the unit that the flow engine, Kafka batches and bolts share."""

MAXIMUM_PAYLOAD = 255
"""Longest UDP payload that the filter accepts; the paper: "packet length is less than 256"."""


class PacketKind(IntEnum):
    """What the dissector takes a packet for. Each packet has exactly one kind, so kinds can be counted."""

    RTP = 0  # passes the filter; the flow engine decides after sequence probation
    RTCP = 1
    RTP_LONG = 2  # a valid RTP header on a payload of 256 bytes or more: only the header is looked at
    SIP_UDP = 3  # signalling, for call assembly
    SIP_TCP = 4  # a TCP segment from or to a signalling port
    # Everything from here to NOT_RTP is rejected; the name is the reason.
    NOT_IP = 5
    NOT_UDP = 6  # IP, but neither UDP nor TCP on a port of signalling
    FRAGMENT = 7  # a piece of an IP datagram; never parsed as if it were whole
    TRUNCATED = 8  # the capture holds fewer bytes of the packet than its headers announce, and no RTP header
    MALFORMED = 9  # lengths or versions of a link, IP or UDP header contradict each other
    UNKNOWN_LINK = 10  # a link type that callprint does not read
    TOO_DEEP = 11  # more encapsulations than the limit
    EMPTY = 12  # UDP without payload
    STUN = 13  # RFC 8489, first byte 0..3 and the magic cookie (or RFC 3489 form)
    DTLS = 14  # first byte 20..63 with a DTLS record header (RFC 7983, for DTLS 1.3 RFC 9147)
    ZRTP = 15  # RFC 6189
    RTCP_LONG = 16  # RTCP of 256 bytes or more
    RTP_INVALID = 17  # version 2, but header length, extension or payload type cannot be RTP (RFC 3550 A.1)
    NOT_RTP = 18  # any other UDP payload
    # 19 to 21 are outcomes of the flow engine.
    RTP_CUT = 22  # a valid RTP header on a payload that the capture has cut: only the header is looked at
    H225 = (
        23  # a TCP segment from or to the port of H.323 call signalling: who made the endpoints is looked at
    )


class Outcome(IntEnum):
    """The one counter that a packet ends in. The sum over all of them is the number of packets read.

    Outcomes begin with the numbers of the kinds, so a packet that does not concern the flow engine is counted by its
    kind; the flow engine decides about RTP, RTCP, RTP_LONG and RTP_CUT.
    """

    ACCEPTED_RTP = 0
    ACCEPTED_RTCP = 1
    ACCEPTED_RTP_LONG = 2  # of an accepted flow, but too long for the filter
    SIP_UDP = 3
    SIP_TCP = 4
    NOT_IP = 5
    NOT_UDP = 6
    FRAGMENT = 7
    TRUNCATED = 8
    MALFORMED = 9
    UNKNOWN_LINK = 10
    TOO_DEEP = 11
    EMPTY = 12
    STUN = 13
    DTLS = 14
    ZRTP = 15
    RTCP_LONG = 16
    RTP_INVALID = 17
    NOT_RTP = 18
    UNCONFIRMED = 19  # looked like RTP, but no packet in sequence followed (RFC 3550 A.1 probation)
    ORPHAN_RTCP = 20  # looked like RTCP, but no RTP flow of its media session was seen
    CANDIDATE_EVICTED = 21  # was waiting for confirmation when a flood pushed it out of the bounded table
    ACCEPTED_RTP_CUT = 22  # of an accepted flow, but cut by the capture
    H225 = 23


OUTCOMES = len(Outcome)
"""How many outcome counters there are."""
