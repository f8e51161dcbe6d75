"""SIP over WebSocket: however frames are masked, split and cut, the same messages come out; every byte is counted."""

import itertools
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sip_samples import INVITE
from tcp_payloads import Payloads

from callprint.core.signalling.sip import MAXIMUM_MESSAGE
from callprint.core.signalling.tcp import HOLE_TIMEOUT_NS, SYN
from callprint.core.signalling.websocket import SignallingFramer

KEY = (0, 1, 0, 2, 40000, 5060)
BARE = INVITE.replace(b"Content-Length: 3\r\n", b"")  # as RFC 7118 5 allows
OK = INVITE.replace(b"INVITE sip:bob@biloxi.example SIP/2.0", b"SIP/2.0 200 OK")
REQUEST = b"GET /ws HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
ANSWER = b"HTTP/1.1 101 Switching Protocols\r\nupgrade:WebSocket\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
MASK = b"\x12\x34\x56\x78"
TEXT, CONTINUATION, CLOSE, PING = 1, 0, 8, 9


def frame(
    payload: bytes, mask: bytes = b"", opcode: int = TEXT, final: bool = True, reserved: int = 0
) -> bytes:
    flag, size = 0x80 if mask else 0, len(payload)
    if size < 126:
        length = bytes([flag | size])
    elif size < 65536:
        length = struct.pack("!BH", flag | 126, size)
    else:
        length = struct.pack("!BQ", flag | 127, size)
    if mask:
        payload = bytes(byte ^ key for byte, key in zip(payload, itertools.cycle(mask), strict=False))
    return bytes([(0x80 if final else 0) | reserved | opcode]) + length + mask + payload


def counted(framer: SignallingFramer) -> int:
    return framer.message_bytes + framer.keepalive_bytes + framer.skipped_bytes + framer.buffered


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_cut_of_a_connection_gives_its_messages(data):
    mask = data.draw(st.sampled_from([b"", MASK, b"\0\0\0\0", b"\xff\x20\x81\x0a"]))
    wire = [
        data.draw(st.sampled_from([REQUEST, ANSWER])),
        frame(BARE, mask),
        frame(b"\r\n\r\n", mask),
        frame(OK[:50], mask, final=False),
        frame(b"are you there?", mask, PING),
        frame(OK[50:], mask, CONTINUATION),
        frame(INVITE + b" " * 66_000, mask, 2),
        frame(b"hello", mask),
        frame(b"", mask, CLOSE),
    ]
    whole = b"".join(wire)
    near = st.integers(1, len(whole) - 1) | st.integers(1, 2000)
    cuts = sorted(data.draw(st.sets(near, max_size=12)))
    tcp = Payloads()
    messages = tcp.segment(0, KEY, 99, SYN, b"")
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        messages += tcp.segment(1, KEY, 100 + start, 0, whole[start:end])
    assert messages == [BARE, OK, INVITE + b" " * 66_000]
    tcp.close()
    assert (tcp.message_bytes + tcp.keepalive_bytes, tcp.skipped_bytes) == (len(whole) - 5, 5)


@pytest.mark.parametrize("mask", [b"", MASK])
def test_a_connection_first_seen_in_the_middle_is_read_from_its_next_frame(mask):
    framer = SignallingFramer(synced=False)
    assert framer.feed(frame(BARE, mask)[100:]) == []
    assert framer.feed(frame(b"", mask, PING) + frame(BARE, mask)) == [BARE]
    assert framer.feed(frame(OK, mask)[:9]) == []
    assert framer.feed(frame(OK, mask)[9:]) == [OK]


@pytest.mark.parametrize("mask", [b"", MASK])
def test_a_hole_is_given_up_and_the_next_frame_is_found(mask):
    tcp = Payloads()
    first, second = frame(BARE, mask), frame(OK, mask)
    sequence = 100 + len(REQUEST)
    tcp.segment(0, KEY, 99, SYN, b"")
    tcp.segment(0, KEY, 100, 0, REQUEST)
    tcp.segment(1, KEY, sequence + 50, 0, first[50:])
    after = sequence + len(first)
    assert tcp.segment(2, KEY, after, 0, second) == []
    assert tcp.segment(2 + HOLE_TIMEOUT_NS, KEY, after + len(second), 0, second) == [OK, OK]


@pytest.mark.parametrize(
    "damage",
    [
        frame(BARE, opcode=3),
        frame(BARE, reserved=0x40),
        frame(bytes(126), opcode=PING),
        b"\x81\xff" + b"\xff" * 12,
        frame(bytes(100), opcode=TEXT, final=False) + frame(bytes(MAXIMUM_MESSAGE), opcode=CONTINUATION),
    ],
    ids=["no such opcode", "compressed", "long ping", "hostile length", "endless message"],
)
def test_after_what_cannot_be_a_frame_the_next_one_is_found(damage):
    framer = SignallingFramer(synced=True)
    assert framer.feed(ANSWER + frame(OK)) == [OK]
    framer.feed(damage)
    assert framer.feed(frame(BARE, MASK)) == [BARE]
    framer.lost()
    assert framer.buffered == 0


def test_http_without_an_upgrade_is_skipped():
    framer = SignallingFramer(synced=True)
    assert framer.feed(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + INVITE) == [INVITE]
    assert framer.skipped_bytes > 0
    framer = SignallingFramer(synced=True)
    framer.feed(b"GET /" + b"x" * 40_000)
    assert framer.buffered < 20_000


def test_a_body_that_looks_like_a_frame_stays_a_body():
    inner = frame(BARE)
    message = (
        INVITE.replace(b"Content-Length: 3\r\n\r\nv=0", b"Content-Length: %d\r\n\r\n" % len(inner)) + inner
    )
    for cut in (len(message) - len(inner), len(message)):
        framer = SignallingFramer(synced=True)
        assert framer.feed(message[:cut]) + framer.feed(message[cut:]) == [message]
        assert framer.feed(INVITE) == [INVITE]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_byte_is_counted_whatever_comes(data):
    parts = [REQUEST, frame(BARE, MASK), frame(OK), frame(b"x", opcode=PING), INVITE, b"\x81\xfe\x01"]
    piece = st.sampled_from(parts) | st.binary(max_size=40)
    pieces = data.draw(
        st.lists(st.builds(lambda part, end: part[: len(part) - end], piece, st.integers(0, 3)))
    )
    framer = SignallingFramer(synced=data.draw(st.booleans()))
    got = [message for part in pieces for message in framer.feed(part)]
    assert counted(framer) == sum(map(len, pieces))
    assert framer.message_bytes == sum(map(len, got))
    framer.lost()
    assert (framer.buffered, counted(framer)) == (0, sum(map(len, pieces)))
