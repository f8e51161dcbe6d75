"""Packets of a call without what people said or are called: headers, and what tells programs apart.

    RTP    the header with CSRC list and extension (RFC 3550 5.1, RFC 8285); no payload
    RTCP   reports; texts of SDES and BYE and the data of APP are blanked; of encrypted RTCP the first 8 bytes
    STUN   types and lengths of attributes; values are blanked, but for PRIORITY and libwebrtc's network cost
    DTLS   the headers of the record and of the handshake message: no certificate, no random, no server name

Each function takes a UDP payload and returns what is left of it; a shorter answer is a payload cut there.
"""

_RTP_HEADER = 12
_RTCP_TYPES = range(200, 208)
_RTCP_REPORTS = (200, 201, 205, 206, 207)  # SR, RR, feedback, XR: numbers
_SDES, _BYE = 202, 203
_ENCRYPTED_RTCP = 8
_STUN_HEADER = 20
_STUN_KEPT = (0x0024, 0xC057)
_DTLS_HEADERS = 25


def rtp_alone(payload: bytes) -> bytes:
    """Return the RTP header of a packet."""
    size = _RTP_HEADER + 4 * (payload[0] & 0x0F) if payload else 0
    if payload[:1] and payload[0] & 0x10 and size + 4 <= len(payload):
        size += 4 + 4 * int.from_bytes(payload[size + 2 : size + 4], "big")
    return payload[:size]


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
    if kind in _RTCP_REPORTS:
        return packet
    if kind == _SDES:
        return packet[:4] + _sdes_chunks(packet[4:], count)
    kept = 4 + 4 * count if kind == _BYE else 12  # sources; of APP its source and its name
    return packet[:kept] + bytes(len(packet) - min(kept, len(packet)))


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
    """Return a STUN message whose identifiers and values are zero."""
    found = bytearray(payload[:8] + bytes(12))
    at = _STUN_HEADER
    while at + 4 <= len(payload):
        kind, length = (int.from_bytes(payload[at + i : at + i + 2], "big") for i in (0, 2))
        padded = length + -length % 4
        if at + 4 + padded > len(payload):
            break
        value = payload[at + 4 : at + 4 + length] if kind in _STUN_KEPT else bytes(length)
        found += payload[at : at + 4] + value + bytes(padded - length)
        at += 4 + padded
    return bytes(found[: len(payload)])


def dtls_alone(payload: bytes) -> bytes:
    """Return the headers of the first DTLS record and of the handshake message in it."""
    return payload[:_DTLS_HEADERS]
