"""What a UDP payload is: the demultiplexing of RFC 7983, with a check of each protocol's own header as well.

First byte  0..3 STUN, 16..19 ZRTP, 20..63 DTLS, 64..79 TURN channel, 128..191 RTP or RTCP; SIP is text.
"""

from callprint.core.ground.compiled import Array, compiled
from callprint.core.ground.loads import be16, be32, load8
from callprint.core.packets import MAXIMUM_PAYLOAD, PacketKind

RTP = int(PacketKind.RTP)
RTCP = int(PacketKind.RTCP)
RTP_LONG = int(PacketKind.RTP_LONG)
SIP_UDP = int(PacketKind.SIP_UDP)
EMPTY = int(PacketKind.EMPTY)
STUN = int(PacketKind.STUN)
DTLS = int(PacketKind.DTLS)
ZRTP = int(PacketKind.ZRTP)
RTCP_LONG = int(PacketKind.RTCP_LONG)
RTP_INVALID = int(PacketKind.RTP_INVALID)
NOT_RTP = int(PacketKind.NOT_RTP)

CHANNEL_HEADER = 4
"""Bytes of channel number and length before the payload of a TURN ChannelData message."""

MAXIMUM_SIP_LINE = 2048
"""Bytes in which the first line of a SIP request must end."""


@compiled
def classify_udp(data: Array, at: int, length: int) -> tuple[int, int, int]:
    """Return (PacketKind, where the payload begins, its length): behind the framing of a relay, if media has one."""
    if length == 0:
        return EMPTY, at, length
    first = data[at]
    if first >> 6 == 2:
        return classify_media(data, at, length), at, length
    if first <= 3:
        if not _is_stun(data, at, length):
            return NOT_RTP, at, length
        begin, inside = _data_of_indication(data, at)
        kind = _media_inside(data, begin, inside)
        return (STUN, at, length) if kind == NOT_RTP else (kind, begin, inside)
    if first < 20:
        if first >= 16 and length >= 12 and be32(data, at + 4) == 0x5A525450:  # "ZRTP"
            return ZRTP, at, length
    elif first < 64:
        if _is_dtls(data, at, length):
            return DTLS, at, length
    elif first < 80:
        begin, inside = _data_of_channel(data, at, length)
        kind = _media_inside(data, begin, inside)
        if kind != NOT_RTP:
            return kind, begin, inside
    return SIP_UDP if _is_sip(data, at, length) else NOT_RTP, at, length


@compiled
def classify_media(data: Array, at: int, length: int) -> int:
    """Return RTP, RTCP, their long forms, or RTP_INVALID for a payload whose first two bits are version 2.

    These are the checks of RFC 3550 A.1 and A.2 that also hold for SRTP and SRTCP, in which the padding count and
    the lengths of later packets of a compound are encrypted or followed by a tag, so that they prove nothing.
    """
    if length < 8:
        return RTP_INVALID
    second = data[at + 1]
    if 192 <= second <= 223:
        if (be16(data, at + 2) + 1) * 4 > length:
            return RTP_INVALID
        return RTCP if length <= MAXIMUM_PAYLOAD else RTCP_LONG
    if length < 12 or 64 <= second & 0x7F <= 95:
        return RTP_INVALID  # these payload types would look like RTCP (RFC 5761), so nobody may use them
    header = 12 + 4 * (load8(data, at) & 0x0F)
    if data[at] & 0x10:
        if header + 4 > length:
            return RTP_INVALID
        header += 4 + 4 * be16(data, at + header + 2)
    if header > length:
        return RTP_INVALID
    return RTP if length <= MAXIMUM_PAYLOAD else RTP_LONG


@compiled
def _is_stun(data: Array, at: int, length: int) -> bool:
    """RFC 8489 with the magic cookie, or a message type of the RFC 3489 that had none."""
    if length < 20:
        return False
    body = be16(data, at + 2)
    if body % 4 != 0 or body + 20 > length:
        return False
    if be32(data, at + 4) == 0x2112A442:
        return True
    return be16(data, at) in (0x0001, 0x0101, 0x0111, 0x0002, 0x0102, 0x0112) and body + 20 == length


@compiled
def _is_dtls(data: Array, at: int, length: int) -> bool:
    """A DTLS record header: content type 20..26, version 1.0, 1.2 or OpenSSL's old 0x0100, length fits."""
    if length < 13 or data[at] > 26 or be16(data, at + 11) + 13 > length:
        return False
    return be16(data, at + 1) in (0xFEFF, 0xFEFD, 0x0100)


@compiled
def _media_inside(data: Array, at: int, length: int) -> int:
    """Return the media kind of what a relay's framing holds, NOT_RTP when it is no media: then it is no framing."""
    if length < 8 or data[at] >> 6 != 2:
        return NOT_RTP
    kind = classify_media(data, at, length)
    return NOT_RTP if kind == RTP_INVALID else kind


@compiled
def _data_of_channel(data: Array, at: int, length: int) -> tuple[int, int]:
    """Return (begin, length) of what a TURN ChannelData message holds (RFC 8656 12.4), length 0 for none.

    Its header is no more than a number and a length, so it counts only in front of what is media itself.
    """
    if length < CHANNEL_HEADER + 8:
        return at, 0
    inner = be16(data, at + 2)
    padding = length - CHANNEL_HEADER - inner
    return at + CHANNEL_HEADER, inner if 0 <= padding <= 3 else 0


@compiled
def _data_of_indication(data: Array, at: int) -> tuple[int, int]:
    """Return (begin, length) of DATA in a TURN Send or Data indication (RFC 8656 11), length 0 for none.

    The caller has checked that it is STUN. As in ChannelData the relay is the far endpoint: the peer behind it
    (XOR-PEER-ADDRESS) is not seen in packets of a channel, and one media session must not become two.
    """
    if be16(data, at) not in (0x0016, 0x0017) or be32(data, at + 4) != 0x2112A442:
        return at, 0
    end = at + 20 + be16(data, at + 2)
    at += 20
    while end - at >= 4:
        size = be16(data, at + 2)
        if size > end - at - 4:
            break
        if be16(data, at) == 0x0013:
            return at + 4, size
        at += 4 + (size + 3) // 4 * 4  # attributes are padded to words (RFC 8489 14)
    return at, 0


@compiled
def _is_sip(data: Array, at: int, length: int) -> bool:
    """RFC 3261: a status line or a request line, after any empty lines (section 7.5)."""
    end = at + length
    while at < end and data[at] in (13, 10):
        at += 1
    if end - at < 12:  # "A b SIP/2.0" and an end of line
        return False
    if _is_version(data, at):
        return load8(data, at + 7) == 32
    # A request line begins with a method, in practice a token of letters: most payloads leave here.
    start = at
    while at < end and 65 <= data[at] & 0xDF <= 90:
        at += 1
    if at in (start, end) or data[at] != 32:
        return False
    stop = min(end, start + MAXIMUM_SIP_LINE)
    while at < stop and data[at] not in (13, 10):
        at += 1
    return at < stop and at - start > 10 and data[at - 8] == 32 and _is_version(data, at - 7)


@compiled
def _is_version(data: Array, at: int) -> bool:
    """Whether the seven bytes at `at` are SIP/2.0."""
    return be32(data, at) == 0x5349502F and be16(data, at + 4) == 0x322E and data[at + 6] == 0x30
