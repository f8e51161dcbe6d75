"""What a UDP payload is: the demultiplexing of RFC 7983, with a check of each protocol's own header as well.

First byte  0..3 STUN, 16..19 ZRTP, 20..63 DTLS, 64..79 TURN channel, 128..191 RTP or RTCP; SIP is text.
"""

from callprint.core.dissect.framings import BEHIND_NUMBER, find_media, find_media_of_viber
from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import compiled
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

_BACNET_PORTS = 0xBAC0 >> 4  # 47808 to 47823

ALLOCATE_REQUEST = 0x0003  # TURN (RFC 8656)
ALLOCATES = (ALLOCATE_REQUEST, 0x0103)  # and its success response

_SEALED = 0x2C  # the unified header with a length and 16 bits of the number, without a connection id: as all write it
_SEALED_HEADER = 5
_LEAST_SEALED = 16  # RFC 9147 section 4.2.3

MAXIMUM_SIP_LINE = 2048
"""Bytes in which the first line of a SIP request must end."""


@compiled
def classify_udp(data: Array, at: int, length: int, source: int, destination: int) -> tuple[int, int, int]:
    """Return (PacketKind, where the payload begins, its length): behind its framing, where media has one.

    source, destination: the UDP ports.
    """
    if length == 0:
        return EMPTY, at, length
    if length > 2 and data[at + 2] in BEHIND_NUMBER:
        begin, inside = find_media_of_viber(data, at, length)
        kind = _media_inside(data, begin, inside)
        if kind != NOT_RTP:
            return kind, begin, inside
    first = data[at]
    if first >> 6 == 2:
        if first == 0x81 and _is_bacnet(data, at, length, source, destination):
            return NOT_RTP, at, length
        return classify_media(data, at, length), at, length
    if 16 <= first < 20 and length >= 12 and be32(data, at + 4) == 0x5A525450:  # "ZRTP"
        return ZRTP, at, length
    begin, inside = find_media(data, at, length, source, destination)
    kind = _media_inside(data, begin, inside)
    if kind != NOT_RTP:
        return kind, begin, inside
    if first <= 3:
        return STUN if _is_stun(data, at, length) else NOT_RTP, at, length
    if 20 <= first < 64 and _is_dtls(data, at, length):
        return DTLS, at, length
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
    if not _header_fits(data, at, length, length):
        return RTP_INVALID
    return RTP if length <= MAXIMUM_PAYLOAD else RTP_LONG


@compiled
def _header_fits(data: Array, at: int, here: int, length: int) -> bool:
    """Whether CSRC list and extension fit into an RTP packet of `length` bytes, as far as the first `here` show."""
    header = 12 + 4 * (load8(data, at) & 0x0F)
    if data[at] & 0x10:
        header += 4
        if (
            header <= here
            and header + 4 * be16(data, at + header - 2) > length
            and (data[at + 1] & 0x7F < 96 or _is_extension(be16(data, at + header - 4)))
        ):
            return False
    return header <= length


@compiled
def is_cut_rtp(data: Array, at: int, end: int, length: int, source: int, destination: int) -> bool:
    """Return whether a UDP payload of `length` bytes, of which the capture holds those before `end`, begins as RTP.

    Framings around media are not taken off: their lengths agree with what is there, or nothing proves them.
    """
    here = end - at
    if here < 12 or data[at] >> 6 != 2:
        return False
    second = data[at + 1]
    if 192 <= second <= 223 or 64 <= second & 0x7F <= 95:
        return False
    if data[at] == 0x81 and _is_bacnet(data, at, length, source, destination):
        return False
    return _header_fits(data, at, here, length)


@compiled
def _is_extension(profile: int) -> bool:
    """Whether these are the first two bytes of a header extension of RFC 8285, so that it is not encrypted.

    Discord has encrypted the extension with the payload. Its length is then any number, and sequence numbers alone can
    tell: such packets count as RTP of a dynamic payload type until they fail to follow one another.
    """
    return profile == 0xBEDE or profile >> 4 == 0x100


@compiled
def _is_bacnet(data: Array, at: int, length: int, source: int, destination: int) -> bool:
    """BACnet/IP (ASHRAE 135 annex J): 0x81, a function, its whole length; it looks like RTP with one CSRC."""
    if length < 4 or load8(data, at + 1) > 12 or be16(data, at + 2) != length:
        return False
    return source >> 4 == _BACNET_PORTS or destination >> 4 == _BACNET_PORTS


@compiled
def _is_stun(data: Array, at: int, length: int) -> bool:
    """RFC 8489 with the magic cookie, or a message type of the RFC 3489 that had none."""
    if length < 20:
        return False
    message, body = be16(data, at), be16(data, at + 2)
    if body + 20 > length:
        return False
    has_cookie = be32(data, at + 4) == 0x2112A442
    if body % 4 != 0:  # WhatsApp does not pad the attributes of its Allocates
        return has_cookie and message in ALLOCATES and body + 20 == length
    if has_cookie:
        return True
    return message in (0x0001, 0x0101, 0x0111, 0x0002, 0x0102, 0x0112) and body + 20 == length


@compiled
def _is_sealed_record(data: Array, at: int, length: int) -> bool:
    """An encrypted record of DTLS 1.3 (RFC 9147 section 4). Having no version, it ends the packet or precedes one."""
    if length < _SEALED_HEADER:
        return False
    size = be16(data, at + 3)
    end = _SEALED_HEADER + size
    if size < _LEAST_SEALED or end > length:
        return False
    return end == length or data[at + end] & 0xFC == _SEALED


@compiled
def _is_dtls(data: Array, at: int, length: int) -> bool:
    """A DTLS record header: content type 20..26, version 1.0, 1.2 or OpenSSL's old 0x0100, length fits."""
    if data[at] & 0xFC == _SEALED:
        return _is_sealed_record(data, at, length)
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
