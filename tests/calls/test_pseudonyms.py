"""Pseudonyms: one for one, nothing of a stranger comes through, and what is written anew still parses."""

import ipaddress
import struct
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callprint.core.calls.headers_alone import dtls_alone, rtcp_alone, rtp_alone, stun_alone
from callprint.core.calls.pseudonymised_sip import pseudonymised
from callprint.core.calls.pseudonyms import Pseudonyms
from callprint.core.calls.raw_frames import raw_frame
from callprint.core.declared.table import NO_NAMES
from callprint.core.signalling.body import sdp_of
from callprint.core.signalling.defects import SipError
from callprint.core.signalling.sdp import parse_sdp
from callprint.core.signalling.sip import parse_message
from callprint.declared_names import shipped_names
from tests.sip_samples import INVITE, TWO_MEDIA

KEY = bytes(range(32))
SECRET = "Geheimnis4711"


def names(key=KEY):
    return Pseudonyms(key, {5060, 5061})


@given(st.lists(st.ip_addresses(v=4).map(str) | st.ip_addresses(v=6).map(str), unique=True, max_size=50))
def test_addresses_stay_apart_and_of_their_family(addresses):
    pseudonyms = names()
    found = [pseudonyms.address(address) for address in addresses]
    assert len(set(found)) == len(addresses)
    for address, pseudonym in zip(addresses, found, strict=True):
        assert ipaddress.ip_address(pseudonym).version == ipaddress.ip_address(address).version
        assert pseudonyms.address(address) == pseudonym


@given(st.lists(st.integers(0, 65535), unique=True, max_size=300))
def test_ports_stay_apart_and_side_by_side(ports):
    pseudonyms = names()
    found = {port: pseudonyms.port(port) for port in ports}
    assert len(set(found.values())) == len(ports)
    for port, pseudonym in found.items():
        assert pseudonym & 1 == port & 1
        if port in (0, 5060, 5061):
            assert pseudonym == port
        elif port ^ 1 in found and port ^ 1 not in (0, 5060, 5061):
            assert found[port ^ 1] == pseudonym ^ 1


def test_a_call_that_names_more_ports_than_are_left_ends():
    kept = range(0, (1 << 16) - 20, 2)
    pseudonyms = Pseudonyms(KEY, kept)
    found = {port: pseudonyms.port(port) for port in range(1, 200, 2)}
    assert sorted(list(found.values())[:10]) == [port + 1 for port in range(kept.stop, 1 << 16, 2)]
    assert all(pseudonym & 1 and pseudonym < 1 << 16 for pseudonym in found.values())
    assert all(pseudonyms.port(port) == pseudonym for port, pseudonym in found.items())


def test_networks_are_not_seen():
    pseudonyms = names()
    found = [pseudonyms.address(f"192.0.2.{host}") for host in range(200)]
    assert len({address.rpartition(".")[0] for address in found}) > 150
    assert names(bytes(32)).address("192.0.2.1") != pseudonyms.address("192.0.2.1")


def test_a_message_parses_again_and_means_the_same():
    body = TWO_MEDIA
    head = INVITE.partition(b"Content-Length")[0].replace(b"CSeq", b"User-Agent: Linphone/4.1 (x)\r\nCSeq")
    message = parse_message(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    again = parse_message(pseudonymised(message, names(), shipped_names()))
    assert (again.method, again.status, again.cseq) == (message.method, message.status, message.cseq)
    assert again.header("user-agent") == "Linphone/4.1"
    before, after = (parse_sdp(sdp_of(each)) for each in (message, again))
    assert not after.defects
    for one, other in zip(before.media, after.media, strict=True):
        assert (one.kind, one.formats, one.direction, one.codecs, one.protocol) == (
            other.kind,
            other.formats,
            other.direction,
            other.codecs,
            other.protocol,
        )
        assert other.address == names().address(one.address)
        assert other.port == names().port(one.port)


FIELDS = [
    b"sip:bob@biloxi.example",
    b"pc33.atlanta.example",
    b"z9hG4bK776asdhds",
    b"Alice",
    b"alice",
    b"1928301774",
    b"a84b4c76e66710",
    b"Max-Forwards: 70",
]


@pytest.mark.parametrize("place", FIELDS)
def test_nothing_of_a_stranger_comes_through(place):
    text = INVITE.replace(place, SECRET.encode())
    assert text != INVITE
    try:
        message = parse_message(text)
    except SipError:
        return
    found = pseudonymised(message, names(), shipped_names())
    assert SECRET.lower().encode() not in found.lower()
    assert SECRET.encode() not in pseudonymised(message, names(), NO_NAMES)


@given(
    st.binary(max_size=40),
    st.integers(0, len(INVITE)),
    st.integers(0, 40),
    st.sampled_from([INVITE, TWO_MEDIA]),
)
def test_any_message_gives_one_that_parses(noise, at, cut, sample):
    """Whatever parses as a message gives a message that parses, of the same method, status and CSeq."""
    text = INVITE[:-3].replace(b"Content-Length: 3\r\n", b"") + TWO_MEDIA if sample is TWO_MEDIA else INVITE
    try:
        message = parse_message(text[:at] + noise + text[at + cut :])
    except SipError:
        return
    again = parse_message(pseudonymised(message, names(), shipped_names()))
    assert (again.status, again.cseq) == (message.status, message.cseq)
    assert again.call_id == names().word("call", message.call_id)


@given(st.binary(max_size=300))
def test_what_is_left_is_never_longer_and_begins_the_same(payload):
    """Any payload leaves at most its own length, and its first byte where anything is left."""
    for alone in (partial(rtp_alone, word=names().bytes_like), rtcp_alone, stun_alone, dtls_alone):
        left = alone(payload)
        assert len(left) <= len(payload)
        assert left[:1] == payload[: min(1, len(left))]


def test_rtcp_keeps_reports_and_loses_texts():
    report = struct.pack(">BBHI", 0x80, 201, 1, 7)
    item = b"\x01\x0dsecret@host.x" + b"\x00" * 5  # 20 bytes: CNAME, its end, padding
    sdes = struct.pack(">BBHI", 0x81, 202, 6, 7) + item
    assert rtcp_alone(report + sdes) == report + sdes.replace(b"secret@host.x", b"x" * 13)
    assert rtcp_alone(report + sdes + b"tag!") == report  # encrypted: the trailer fits into no report


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1"])
def test_a_forged_length_of_udp_still_gives_a_frame(host):
    frame, original = raw_frame((host, 1000), (host, 2000), b"abc", 65_535 - 8)
    size = 20 if "." in host else 40
    (length,) = struct.unpack(">H", frame[size + 4 : size + 6])
    assert original == size + length
    assert original <= 65_535 or size == 40


def test_frames_are_what_they_say():
    for one, other in (("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2")):
        frame, original = raw_frame((one, 1000), (other, 2000), b"abc", 100)
        assert original - len(frame) == 97
        size = 20 if "." in one else 40
        assert struct.unpack(">HHH", frame[size : size + 6]) == (1000, 2000, 108)
        if size == 20:
            words = struct.unpack(">10H", frame[:20])
            total = sum(words)
            assert (total & 0xFFFF) + (total >> 16) == 0xFFFF
