"""Packets of a call without what people said or are called: headers, and what tells programs apart.

    RTP    the header with CSRC list and extension (RFC 3550 5.1, RFC 8285); no payload. Elements of an extension that
           are longer than three bytes (stream names, CNAMEs: RFC 7941) have pseudonyms; so has what is in no element
    RTCP   reports; texts of SDES and BYE, the data of APP, of feedback of an application and of unknown extended
           reports, and what follows the blocks of a report are blanked; of encrypted RTCP the first 8 bytes
    STUN   types and lengths of attributes; values are blanked, but for PRIORITY and libwebrtc's network cost
    DTLS   the headers of the record and of the handshake message: no certificate, no random, no server name

Each function takes a UDP payload and returns what is left of it; a shorter answer is a payload cut there.
"""

from collections.abc import Callable

Word = Callable[[bytes], bytes]
"""Gives bytes for bytes: as many, the same for the same, by a secret key."""

_RTP_HEADER = 12
_RTCP_TYPES = range(200, 208)
_SENDER, _RECEIVER, _SDES, _BYE, _FEEDBACK, _PAYLOAD_FEEDBACK, _EXTENDED = (200, 201, 202, 203, 205, 206, 207)
_OF_APPLICATION = 15  # feedback that any application may define (RFC 4585 6.4)
_EXTENDED_BLOCKS = range(1, 8)  # RFC 3611 4: numbers
_ENCRYPTED_RTCP = 8
_STUN_HEADER = 20
_STUN_KEPT = (0x0024, 0xC057)
_DTLS_RECORD, _DTLS_HEADERS = 13, 25
_DTLS_HANDSHAKE = 22
_LONGEST_PLAIN_ELEMENT = 3  # send times, counters, levels
_ONE_BYTE, _TWO_BYTE = 0xBEDE, 0x100
_NO_ELEMENT = b"\xff"  # as the head of an element it reaches too far


def rtp_alone(payload: bytes, word: Word) -> bytes:
    """Return the RTP header of a packet; of an extension that the packet does not hold as a whole, its own header."""
    size = _RTP_HEADER + 4 * (payload[0] & 0x0F) if payload else 0
    if not payload[:1] or not payload[0] & 0x10 or size + 4 > len(payload):
        return payload[:size]
    body = size + 4
    end = body + 4 * int.from_bytes(payload[size + 2 : body], "big")
    if end > len(payload):
        return payload[:body]
    return payload[:body] + _elements(
        int.from_bytes(payload[size : size + 2], "big"), payload[body:end], word
    )


def _elements(profile: int, body: bytes, word: Word) -> bytes:
    """Return an extension whose elements have the same lengths, and the same values where they are short."""
    two_byte = profile >> 4 == _TWO_BYTE
    if profile != _ONE_BYTE and not two_byte:
        return bytes(len(body))
    found = bytearray()
    at = 0
    while at < len(body):
        if body[at] == 0:
            found.append(0)
            at += 1
            continue
        value = at + 1 + two_byte
        size = (body[at + 1 : at + 2] or _NO_ELEMENT)[0] if two_byte else (body[at] & 15) + 1
        if value + size > len(body):
            return bytes(found) + _NO_ELEMENT * (len(body) - at)
        text = body[value : value + size]
        found += body[at:value] + (text if size <= _LONGEST_PLAIN_ELEMENT else word(text))
        at = value + size
    return bytes(found)


def rtcp_alone(payload: bytes) -> bytes:
    """Return a compound RTCP packet with blanked texts; what does not parse as a whole is taken for encrypted."""
    found = bytearray()
    at = 0
    while at < len(payload):
        size = 4 * (int.from_bytes(payload[at + 2 : at + 4], "big") + 1)
        if at + 4 > len(payload) or at + size > len(payload):
            return payload[:_ENCRYPTED_RTCP]
        if payload[at] >> 6 != 2 or payload[at + 1] not in _RTCP_TYPES:
            return payload[:_ENCRYPTED_RTCP]
        found += _report(payload[at : at + size])
        at += size
    return bytes(found)


def _report(packet: bytes) -> bytes:
    kind, count = packet[1], packet[0] & 0x1F
    if kind == _SDES:
        return packet[:4] + _sdes_chunks(packet[4:], count)
    if kind == _EXTENDED:
        return packet[:8] + _extended_blocks(packet[8:])
    kept = {
        _SENDER: 28 + 24 * count,
        _RECEIVER: 8 + 24 * count,
        _BYE: 4 + 4 * count,
        _FEEDBACK: len(packet),
        _PAYLOAD_FEEDBACK: 12 if count == _OF_APPLICATION else len(packet),
    }.get(kind, 8)  # of APP its source
    return packet[:kept] + bytes(len(packet) - min(kept, len(packet)))


def _extended_blocks(blocks: bytes) -> bytes:
    """Blank the blocks that RFC 3611 does not define."""
    found = bytearray()
    at = 0
    while at + 4 <= len(blocks):
        end = at + 4 + 4 * int.from_bytes(blocks[at + 2 : at + 4], "big")
        if end > len(blocks):
            break
        known = blocks[at] in _EXTENDED_BLOCKS
        found += blocks[at:end] if known else blocks[at : at + 4] + bytes(end - at - 4)
        at = end
    return bytes(found) + bytes(len(blocks) - len(found))


def _sdes_chunks(chunks: bytes, count: int) -> bytes:
    """Blank the text of each item (RFC 3550 6.5); an item that reaches too far ends the reading."""
    blank = bytearray(len(chunks))
    at = 0
    for _ in range(count):
        blank[at : at + 4] = chunks[at : at + 4]
        at += 4
        while at + 2 <= len(chunks) and chunks[at]:
            length = chunks[at + 1]
            if at + 2 + length > len(chunks):
                return bytes(blank)
            blank[at : at + 2] = chunks[at : at + 2]
            blank[at + 2 : at + 2 + length] = b"x" * length
            at += 2 + length
        at = (at + 4) & ~3  # at least one zero, up to the next word
    return bytes(blank[: len(chunks)])


def stun_alone(payload: bytes) -> bytes:
    """Return a STUN message of the same length whose identifiers and values are zero."""
    found = bytearray(payload[:8] + bytes(12))
    alignment = 1 if int.from_bytes(payload[2:4], "big") % 4 else 4  # WhatsApp does not pad
    at = _STUN_HEADER
    while at + 4 <= len(payload):
        kind, length = (int.from_bytes(payload[at + i : at + i + 2], "big") for i in (0, 2))
        padded = length + -length % alignment
        if at + 4 + padded > len(payload):
            break
        value = payload[at + 4 : at + 4 + length] if kind in _STUN_KEPT else bytes(length)
        found += payload[at : at + 4] + value + bytes(padded - length)
        at += 4 + padded
    return bytes(found[: len(payload)]).ljust(len(payload), b"\0")


def dtls_alone(payload: bytes) -> bytes:
    """Return the headers of the first DTLS record and of the handshake message in it, unless that is encrypted."""
    plain = payload[:1] == bytes([_DTLS_HANDSHAKE]) and payload[3:5] == bytes(2)  # of epoch 0
    return payload[: _DTLS_HEADERS if plain else _DTLS_RECORD]
