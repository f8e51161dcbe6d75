"""Declared names in evidence logs: RTCP, STUN and DTLS of the sender."""

import struct

import numpy as np
import pytest
from evidence_logs import pack, record, steady_flow
from h225_messages import Vendor
from hypothesis import given
from hypothesis import strategies as st

from callprint.core.declared.evidence_texts import MAXIMUM_TEXTS, declared_in
from callprint.core.declared.name import Declared
from callprint.core.declared.table import NO_NAMES
from callprint.core.evidence import (
    EVIDENCE_ALLOCATE,
    EVIDENCE_DTLS,
    EVIDENCE_H225,
    EVIDENCE_RTCP,
    EVIDENCE_STUN,
)
from callprint.declared_names import shipped_names

NAMES = shipped_names()
NOTE, TOOL = 7, 6


def report(*items: tuple[int, bytes]) -> bytes:
    """A receiver report without blocks and an SDES packet, as one compound."""
    chunk = struct.pack("!I", 7) + b"".join(bytes([kind, len(text)]) + text for kind, text in items) + b"\0"
    chunk += b"\0" * (-len(chunk) % 4)
    return struct.pack("!BBHI", 0x80, 201, 1, 7) + struct.pack("!BBH", 0x81, 202, len(chunk) // 4) + chunk


def request(*attributes: tuple[int, bytes], message: int = 1) -> bytes:
    body = b"".join(
        struct.pack("!HH", kind, len(value)) + value + b"\0" * (-len(value) % 4) for kind, value in attributes
    )
    return struct.pack("!HHI12x", message, len(body), 0x2112A442) + body


def hello(name: bytes) -> bytes:
    """What matters of a ServerHello and a certificate in one datagram: a common name somewhere behind a head."""
    return b"\x16\xfe\xfd" + bytes(100) + b"\x06\x03\x55\x04\x03\x0c" + bytes([len(name)]) + name + bytes(9)


def vendor(number: tuple[int, int, int], product: bytes | None = None, version: bytes | None = None) -> bytes:
    named = Vendor(number, product, version)
    return bytes([named.flags()]) + named.fixed() + named.texts()


def said(*records: bytes) -> Declared | None:
    return declared_in(*pack([steady_flow(3) + b"".join(records)]), NAMES).get(0)


@pytest.mark.parametrize(
    ("kind", "payload", "declared"),
    [
        (EVIDENCE_RTCP, report((1, b"a@b"), (NOTE, b"FreeSWITCH.org 1.10")), ("freeswitch", "1.10", "rtcp")),
        (EVIDENCE_RTCP, report((TOOL, b"Linphonec/5.1 (oRTP)")), ("linphone", "5.1", "rtcp")),
        (EVIDENCE_RTCP, report((1, b"FreeSWITCH")), None),  # CNAME
        (EVIDENCE_STUN, request((6, b"a:b"), (0x8022, b"FreeSWITCH (-)")), ("freeswitch", None, "stun")),
        (EVIDENCE_STUN, request((0x0014, b"turn.signal.org")), ("signal", None, "stun")),
        (
            EVIDENCE_ALLOCATE,
            request((0x0019, b"\x11\0\0\0"), (0x0014, b"telegram.org")),
            ("telegram", None, "stun"),
        ),
        (EVIDENCE_ALLOCATE, request((0x4000, b"x"), (0x4001, b"xy")), ("whatsapp", None, "stun")),
        (EVIDENCE_ALLOCATE, request((0x0014, b"siemens.com")), None),  # an operator's domain
        (EVIDENCE_ALLOCATE, request((0x8022, b"None")), None),
        # A server's answer: its software is no program of the media that it relays.
        (EVIDENCE_ALLOCATE, request((0x8022, b"LiveKit"), message=0x0103), None),
        (EVIDENCE_ALLOCATE, request((0x4001, b"x"), message=0x0103), ("whatsapp", None, "stun")),
        # Without padding: the next attribute begins at once.
        (
            EVIDENCE_ALLOCATE,
            bytes.fromhex("0003000d2112a442") + bytes(12) + bytes.fromhex("00060001784000000467676c21"),
            ("whatsapp", None, "stun"),
        ),
        (EVIDENCE_STUN, request((6, b"abc"), (0x4001, b"xy")), ("whatsapp", None, "stun")),
        (EVIDENCE_STUN, request((0x8008, b"\0\0\0\6")), ("Skype/Teams", None, "stun")),
        (EVIDENCE_STUN, request((0xC057, b"\0\1\0\n")), ("libwebrtc", None, "stun")),
        (EVIDENCE_STUN, request((6, b"FreeSWITCH")), None),
        (
            EVIDENCE_H225,
            vendor((9, 0, 61), b"Callgen323 pogacsam\0", b"0.9alpha4\0"),
            ("callgen323", "0.9alpha4", "h323"),
        ),
        (EVIDENCE_H225, vendor((130, 1, 256), b"Tandberg", b"257"), ("cisco-telepresence", "257", "h323")),
        (
            EVIDENCE_H225,
            vendor((181, 0, 21324), b"Microsoft\xae NetMeeting\xae\0", b"3.0\0"),
            ("netmeeting", "3.0", "h323"),
        ),
        (EVIDENCE_H225, vendor((181, 0, 18)), ("cisco-gateway", None, "h323")),
        (EVIDENCE_H225, vendor((181, 0, 18), None, b"Asterisk 1"), ("cisco-gateway", None, "h323")),
        (
            EVIDENCE_H225,
            vendor((9, 0, 61)),
            None,
        ),  # a library of signalling, under other media stacks as well
        (EVIDENCE_H225, vendor((181, 0, 18), b"nobody knows it"), None),
        (EVIDENCE_H225, vendor((9, 0, 61), b"nobody knows it", b"1.0 for Chrome"), None),
        (
            EVIDENCE_H225,
            vendor((9, 0, 61), b"Polycom HDX 8000 HD", b"Release 3.1.5"),
            ("polycom", "3.1.5", "h323"),
        ),
        (EVIDENCE_H225, vendor((9, 0, 61), b"YATE 6"), ("yate", None, "h323")),
        (EVIDENCE_H225, vendor((181, 0, 18), b"Yate")[:7], None),
        (EVIDENCE_H225, vendor((181, 0, 18))[:4], None),
        (EVIDENCE_DTLS, hello(b"rtpengine"), ("rtpengine", None, "dtls")),
        (EVIDENCE_DTLS, hello(b"WebRTC"), None),
    ],
)
def test_each_place(kind, payload, declared):
    assert said(record(1, payload, kind)) == (Declared(*declared) if declared else None)


def test_rtcp_comes_before_stun_and_the_sdes_of_a_compound_may_come_late():
    stun = record(1, request((0x8022, b"Asterisk")), EVIDENCE_STUN)
    rtcp = record(2, report((1, b"x"), (NOTE, b"FreeSWITCH")), EVIDENCE_RTCP)
    assert said(stun, rtcp) == Declared("freeswitch", None, "rtcp")
    assert said(stun) == Declared("asterisk", None, "stun")


def test_each_log_has_its_own_names():
    named = steady_flow(2) + record(9, report((TOOL, b"Twinkle 1.10")), EVIDENCE_RTCP)
    buffer, spans = pack([steady_flow(2), named, steady_flow(1)])
    assert declared_in(buffer, spans, NAMES) == {1: Declared("twinkle", "1.10", "rtcp")}
    assert declared_in(buffer, spans, NO_NAMES) == {}
    assert declared_in(buffer, spans[:0], NAMES) == {}


def test_a_flood_of_texts_is_bounded():
    many = report(*[(TOOL, b"nobody")] * MAXIMUM_TEXTS, (NOTE, b"FreeSWITCH"))
    assert said(record(1, many[:255], EVIDENCE_RTCP)) is None


PLACES = [
    report((NOTE, b"FreeSWITCH")),
    request((0x8022, b"Asterisk")),
    hello(b"rtpengine"),
    vendor((181, 0, 18), b"Yate", b"6"),
]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([EVIDENCE_RTCP, EVIDENCE_STUN, EVIDENCE_DTLS, EVIDENCE_H225]),
            st.one_of(st.binary(max_size=255), st.sampled_from(PLACES)),
        ),
        max_size=8,
    ),
    st.data(),
)
def test_any_bytes_are_read_within_their_bounds(records, data):
    """Cut or damaged anywhere, a log is read within its bounds; what lies behind it is never looked at."""
    log = bytearray(b"".join(record(1, payload, kind) for kind, payload in records))
    for _ in range(3 if log else 0):
        log[data.draw(st.integers(0, len(log) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(log)))
    behind = record(1, report((NOTE, b"Twinkle")), EVIDENCE_RTCP)
    buffer = np.frombuffer(bytes(log[:end]) + behind, np.uint8)
    spans = np.array([[0, end]], np.int64)
    assert declared_in(buffer, spans, NAMES) == declared_in(buffer[:end], spans, NAMES)
