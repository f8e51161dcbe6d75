"""What relays and applications put before RTP and RTCP in a UDP payload, and where the media behind it lies.

    TURN indication        RFC 8656 11: media in the DATA attribute of a STUN message
    TURN ChannelData       RFC 8656 12.4: channel number, length
    multiplexed TURN       [MS-TURN] 2.2.3: 0xff10, length of all that follows, session (8 bytes)
    Zoom, by its servers   type 5, sequence number, direction (8 bytes in all), then as between two parties
    Zoom, between parties  a media type, whose header is 16 to 27 bytes
    Viber                  a number of its session (2 bytes); RTP if bit 7 is clear, else a message: type 10 is RTCP

What is said of Zoom is what Princeton's zoom-analysis and nDPI have published, what is said of Viber is in
docs/use/capture.md. None of these headers proves much, so the caller takes one off only where RTP or RTCP is behind
it; sequence numbers then have to confirm that.
"""

from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import compiled
from callprint.core.ground.loads import be16, be32

CHANNEL_HEADER = 4
MULTIPLEXED_HEADER = 12
SFU_HEADER = 8
VIBER_NUMBER = 2
VIBER_MESSAGE = 4
_SMALLEST_MEDIA = 8  # RTCP without reports

_FIRST_ZOOM_PORT, _LAST_ZOOM_PORT = 8801, 8810  # of its servers
_SERVER_SCREEN, _AUDIO, _VIDEO, _SCREEN = 13, 15, 16, 30
_FIRST_RTCP, _LAST_RTCP = 33, 35

_EXTENDED_RTP = 0x90  # version 2 with a header extension and no CSRC
_VIBER_RTCP = 0x0A00  # 10, little endian
BEHIND_NUMBER = (_EXTENDED_RTP, _VIBER_RTCP >> 8)
"""What may follow Viber's number before media: for a first look at every packet."""


@compiled
def find_media(data: Array, at: int, length: int, source: int, destination: int) -> tuple[int, int]:
    """Return (begin, length) of what the framing at `at` holds, length 0 where there is no framing."""
    first = data[at]
    if first <= 3:
        return _data_of_indication(data, at, length)
    if first == 5:
        if length > SFU_HEADER and (_is_zoom_port(source) or _is_zoom_port(destination)):
            return _behind_zoom(data, at + SFU_HEADER, length - SFU_HEADER, True)
    elif first in (_AUDIO, _VIDEO, _SCREEN) or _FIRST_RTCP <= first <= _LAST_RTCP:
        return _behind_zoom(data, at, length, False)
    elif 64 <= first < 80:
        return _data_of_channel(data, at, length)
    elif first == 0xFF:
        return _data_of_multiplexed(data, at, length)
    return at, 0


@compiled
def _data_of_indication(data: Array, at: int, length: int) -> tuple[int, int]:
    """DATA of a TURN Send or Data indication, in a STUN message with the magic cookie.

    As in ChannelData the relay is the far endpoint: the peer behind it (XOR-PEER-ADDRESS) is not seen in packets of a
    channel, and one media session must not become two.
    """
    if length < 20 or be16(data, at) not in (0x0016, 0x0017) or be32(data, at + 4) != 0x2112A442:
        return at, 0
    end = at + 20 + be16(data, at + 2)
    if end > at + length:
        return at, 0
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
def _data_of_channel(data: Array, at: int, length: int) -> tuple[int, int]:
    """Application data of a TURN channel, with up to three bytes of padding."""
    if length < CHANNEL_HEADER + _SMALLEST_MEDIA:
        return at, 0
    inner = be16(data, at + 2)
    padding = length - CHANNEL_HEADER - inner
    return at + CHANNEL_HEADER, inner if 0 <= padding <= 3 else 0


@compiled
def _data_of_multiplexed(data: Array, at: int, length: int) -> tuple[int, int]:
    """Data of a multiplexed TURN message; its length counts the session as well."""
    if length < MULTIPLEXED_HEADER + _SMALLEST_MEDIA or data[at + 1] != 0x10:
        return at, 0
    inner = be16(data, at + 2) + 4 - MULTIPLEXED_HEADER
    padding = length - MULTIPLEXED_HEADER - inner
    return at + MULTIPLEXED_HEADER, inner if inner > 0 and 0 <= padding <= 3 else 0


@compiled
def _is_zoom_port(port: int) -> bool:
    return _FIRST_ZOOM_PORT <= port <= _LAST_ZOOM_PORT


@compiled
def _behind_zoom(data: Array, at: int, length: int, by_server: bool) -> tuple[int, int]:
    """What follows a media header of Zoom: RTP of a dynamic payload type, or RTCP of RFC 3550."""
    if length < 27 + _SMALLEST_MEDIA:  # the longest header
        return at, 0
    kind = data[at]
    if kind == _AUDIO:
        size = 19
    elif kind == _VIDEO:
        size = 24 if data[at + 20] == 2 else 20
    elif kind == _SCREEN and not by_server:
        size = 20
    elif kind == _SERVER_SCREEN and by_server and data[at + 7] == _SCREEN:
        size = 27
    elif _FIRST_RTCP <= kind <= _LAST_RTCP:
        size = 16
    else:
        return at, 0
    second = data[at + size + 1]
    fits = 200 <= second <= 207 if size == 16 else second & 0x7F >= 96
    return at + size, length - size if fits else 0


@compiled
def find_media_of_viber(data: Array, at: int, length: int) -> tuple[int, int]:
    """Return (begin, length) of the RTP or RTCP behind Viber's two bytes, length 0 where there is none.

    The two bytes may have any value, those that begin RTP, STUN or DTLS as well. What tells is behind them: the
    one-byte extension (RFC 8285 4.2) that Viber's RTP has in every packet, or RTCP that fills the message to its end.
    """
    if length < VIBER_NUMBER + 16:
        return at, 0
    if data[at + 1] < 0x80:
        begin = at + VIBER_NUMBER
        if data[begin] == _EXTENDED_RTP and data[begin + 1] & 0x7F >= 96 and be16(data, begin + 12) == 0xBEDE:
            return begin, length - VIBER_NUMBER
    elif be16(data, at + VIBER_NUMBER) == _VIBER_RTCP:
        begin = at + VIBER_MESSAGE
        if _is_whole_compound(data, begin, at + length):
            return begin, length - VIBER_MESSAGE
    return at, 0


@compiled
def _is_whole_compound(data: Array, at: int, end: int) -> bool:
    """Whether the bytes before `end` are packets of RFC 3550 6 alone, the first of which is a report."""
    if data[at] >> 6 != 2 or data[at + 1] & 0xFE != 200:
        return False
    while end - at >= 4 and data[at] >> 6 == 2 and 200 <= data[at + 1] <= 207:
        at += 4 * (be16(data, at + 2) + 1)
    return at == end
