"""What a UDP payload is (RFC 7983), at the edges of every rule."""

import struct

import pytest
from frames import ethernet, ipv4, records, rtcp, rtp, udp
from link_samples import indication

from callprint.core import dissect
from callprint.core.packets import MAXIMUM_PAYLOAD, PacketKind

INVITE = b"INVITE sip:bob@example.org SIP/2.0\r\nVia: x\r\n\r\n"


def one(payload: bytes):
    data, rows = records([ethernet(ipv4(udp(payload)))])
    return dissect.dissect(data, rows)[0]


def kind_of(payload: bytes) -> PacketKind:
    return PacketKind(int(one(payload)["kind"]))


def stun(kind: int = 1, body: bytes = b"", cookie: int = 0x2112A442) -> bytes:
    return struct.pack("!HHI12x", kind, len(body), cookie) + body


def dtls(content: int = 22, version: int = 0xFEFD, length: int = 20) -> bytes:
    return struct.pack("!BHHHIH", content, version, 0, 0, 1, length) + bytes(20)


def sealed(first: int = 0x2E, length: int = 24) -> bytes:
    """An encrypted record of DTLS 1.3."""
    return struct.pack("!BHH", first, 0x5A17, length) + bytes(24)


def channel(payload: bytes, number: int = 0x4001, length: int | None = None) -> bytes:
    return struct.pack("!HH", number, len(payload) if length is None else length) + payload


RTP_CASES = {
    "plain": rtp(),
    "header only": rtp(b""),
    "marker": rtp(payload_type=0x80),
    "two sources": rtp(first=0x82),
    "15 sources that fill the packet": rtp(bytes(60), first=0x8F),
    "extension": rtp(b"\xbe\xde\0\1" + bytes(20), first=0x90),
    "SRTP with a padding bit over encrypted padding": rtp(b"\xff" * 30, first=0xA0),
    "payload type 63": rtp(payload_type=63),
    "payload type 96": rtp(payload_type=96),
    "longest that the filter takes": rtp(bytes(MAXIMUM_PAYLOAD - 12)),
}
INVALID_CASES = {
    "too short": rtp(b"")[:-1],
    "sources do not fit": rtp(bytes(59), first=0x8F),
    "extension header does not fit": rtp(b"\0\0\0", first=0x90),
    "extension does not fit": rtp(b"\xbe\xde\0\5" + bytes(19), first=0x90),
    "payload type 64": rtp(payload_type=64),
    "payload type 95 with marker": rtp(payload_type=0x80 | 95, sequence=500),
    "RTCP longer than its payload": rtcp(words=7)[:-1],
    "RTCP without a sender": b"\x80\xc8\0\0",
}
OTHER_CASES = {
    "STUN": (stun(), PacketKind.STUN),
    "STUN with attributes": (stun(0x101, bytes(12)), PacketKind.STUN),
    "STUN of RFC 3489": (stun(cookie=5), PacketKind.STUN),
    "no cookie, unknown message": (stun(3, cookie=5), PacketKind.NOT_RTP),
    "STUN without padding": (stun(3, bytes(14)), PacketKind.STUN),
    "a Binding request without padding": (stun(1, bytes(14)), PacketKind.NOT_RTP),
    "STUN without padding, and more": (stun(3, bytes(14)) + b"\0", PacketKind.NOT_RTP),
    "STUN too short": (stun()[:-1], PacketKind.NOT_RTP),
    "STUN length beyond": (stun(body=bytes(8))[:-4], PacketKind.NOT_RTP),
    "ZRTP": (b"\x10\0\0\1ZRTP" + bytes(20), PacketKind.ZRTP),
    "no ZRTP": (b"\x10\0\0\1ZRTQ" + bytes(20), PacketKind.NOT_RTP),
    "DTLS handshake": (dtls(), PacketKind.DTLS),
    "DTLS 1.0": (dtls(20, 0xFEFF), PacketKind.DTLS),
    "DTLS of old OpenSSL": (dtls(23, 0x0100), PacketKind.DTLS),
    "DTLS 1.3": (sealed(), PacketKind.DTLS),
    "two records of DTLS 1.3": (sealed(0x2F) + sealed(0x2C), PacketKind.DTLS),
    "DTLS 1.3 too long": (sealed(length=25), PacketKind.NOT_RTP),
    "DTLS 1.3 before something else": (sealed() + b"\0", PacketKind.NOT_RTP),
    "DTLS 1.3 too short to be sealed": (sealed(length=15)[:20], PacketKind.NOT_RTP),
    "DTLS 1.3 cut in its header": (sealed()[:4], PacketKind.NOT_RTP),
    "DNS that begins like DTLS 1.3": (b"\x2c\x97\1\0\0\1\0\0\0\0\0\0\nhvMessages", PacketKind.NOT_RTP),
    "DTLS version unknown": (dtls(version=0x0303), PacketKind.NOT_RTP),
    "DTLS content unknown": (dtls(30), PacketKind.NOT_RTP),
    "DTLS too long": (dtls(length=21), PacketKind.NOT_RTP),
    "RTCP": (rtcp(), PacketKind.RTCP),
    "RTCP type 192": (rtcp(192), PacketKind.RTCP),
    "RTCP type 223": (rtcp(223), PacketKind.RTCP),
    "SRTCP with tag": (rtcp() + bytes(14), PacketKind.RTCP),
    "RTCP at the limit": (rtcp() + bytes(MAXIMUM_PAYLOAD - 28), PacketKind.RTCP),
    "RTCP over it": (rtcp() + bytes(MAXIMUM_PAYLOAD - 27), PacketKind.RTCP_LONG),
    "RTP over it": (rtp(bytes(MAXIMUM_PAYLOAD - 11)), PacketKind.RTP_LONG),
    "nothing": (b"", PacketKind.EMPTY),
    "one byte": (b"\x80", PacketKind.RTP_INVALID),
    "DNS": (b"\x12\x34\1\0\0\1\0\0\0\0\0\0\3www", PacketKind.NOT_RTP),
    "version 3": (b"\xc0" + rtp()[1:], PacketKind.NOT_RTP),
    "keep-alive": (b"\r\n\r\n", PacketKind.NOT_RTP),
    "SIP request": (INVITE, PacketKind.SIP_UDP),
    "SIP after empty lines": (b"\r\n\r\n" + INVITE, PacketKind.SIP_UDP),
    "SIP method of another RFC": (b"PUBLISH sip:a SIP/2.0\r\n", PacketKind.SIP_UDP),
    "SIP with a bare line feed": (b"X a SIP/2.0\n", PacketKind.SIP_UDP),
    "SIP response": (b"SIP/2.0 200 OK\r\n", PacketKind.SIP_UDP),
    "no SIP response": (b"SIP/2.0/200 OK\r\n", PacketKind.NOT_RTP),
    "SIP line without end": (b"INVITE sip:a SIP/2.0", PacketKind.NOT_RTP),
    "another version": (b"INVITE sip:a SIP/3.0\r\n\r\n", PacketKind.NOT_RTP),
    "HTTP over UDP": (b"NOTIFY * HTTP/1.1\r\nHost: x\r\n", PacketKind.NOT_RTP),
    "no URI": (b"A SIP/2.0\r\n....", PacketKind.NOT_RTP),
}


@pytest.mark.parametrize("name", RTP_CASES)
def test_rtp(name):
    assert kind_of(RTP_CASES[name]) == PacketKind.RTP


@pytest.mark.parametrize("name", INVALID_CASES)
def test_what_cannot_be_rtp(name):
    assert kind_of(INVALID_CASES[name]) == PacketKind.RTP_INVALID


@pytest.mark.parametrize("name", OTHER_CASES)
def test_other_payloads(name):
    payload, kind = OTHER_CASES[name]
    assert kind_of(payload) == kind


@pytest.mark.parametrize("padding", range(4))
def test_turn_channel_data_around_media_is_taken_off(padding):
    for media, kind in [
        (rtp(), PacketKind.RTP),
        (rtcp(), PacketKind.RTCP),
        (rtp(bytes(300)), PacketKind.RTP_LONG),
    ]:
        row = one(channel(media) + bytes(padding))
        assert (row["kind"], row["length"], row["depth"]) == (kind, len(media), 1)


@pytest.mark.parametrize(
    "payload",
    [
        channel(b"hello, world"),
        channel(rtp(), length=len(rtp()) + 1),
        channel(rtp(), length=len(rtp()) - 4),
        channel(rtp(payload_type=70)),
        channel(b""),
        channel(rtp(), number=0x3FFF),
        channel(rtp(), number=0x5000),
    ],
    ids=[
        "text",
        "longer",
        "padding of four",
        "invalid RTP",
        "empty",
        "below the channels",
        "above the channels",
    ],
)
def test_turn_channel_data_around_anything_else_is_not(payload):
    row = one(payload)
    assert (row["kind"], row["length"]) == (PacketKind.NOT_RTP, len(payload))


@pytest.mark.parametrize("media", [rtp(bytes(21)), rtcp(), rtp(bytes(300))])
@pytest.mark.parametrize("method", [0x0016, 0x0017])
def test_media_in_turn_indications_is_taken_out(media, method):
    row = one(indication(media, method))
    assert (row["kind"], row["length"], row["depth"]) == (kind_of(media), len(media), 1)


@pytest.mark.parametrize(
    "payload",
    [
        indication(stun()),
        indication(b""),
        indication(rtp(payload_type=70)),
        indication(rtp(), 0x0001),
        stun(0x0016),
        stun(0x0016, struct.pack("!HH", 0x0013, 40) + rtp(b"")),
    ],
    ids=["a connectivity check", "empty", "invalid RTP", "a request", "no attributes", "DATA reaches out"],
)
def test_turn_indications_with_anything_else_are_stun(payload):
    row = one(payload)
    assert (row["kind"], row["length"], row["depth"]) == (PacketKind.STUN, len(payload), 0)
