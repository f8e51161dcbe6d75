"""Fingerprints: the published vectors, sections worked out by hand, and logs with arbitrary damage."""

import json
import re
import struct
from pathlib import Path

import numpy as np
import pytest
from evidence_logs import MILLISECOND, pack, record, rtp, sender_report, steady_flow
from hypothesis import given, settings
from hypothesis import strategies as st

from callprint.core.evidence import EVIDENCE_DTLS, EVIDENCE_RTCP, EVIDENCE_RTP, EVIDENCE_STUN
from callprint.core.fingerprint.fingerprint import VERSION, fingerprints, is_near, sections

VECTORS = json.loads(Path(__file__).with_name("vectors.json").read_text())
KINDS = {"rtp": EVIDENCE_RTP, "rtcp": EVIDENCE_RTCP, "stun": EVIDENCE_STUN, "dtls": EVIDENCE_DTLS}
START_NS = 1_700_000_000_000_000_000
ENCRYPTED = struct.pack("!BBHI", 0x80, 200, 6, 7) + bytes(range(200, 240))
FORM = re.compile(
    r"mf1_(-|\d\d[0-9a-f]{6}[wn])"
    r"_[0r][0qlr][lhr][afsn][pn][cn](n|[12][0-9a-z]*|x[0-9a-f]{4})"
    r"_(-|[bil]\.([sSrdbaxfo]+|[srdbaxfo]?~)(\.[0-9a-z]*(\.([@iue]|[hdat]\d\d))?)?)"
    r"_(-|[cs]\d\d\.\d{4}\.[0-9a-f]{6}\.[0-9a-f]{6}\.[0-9a-z]*~?)"
)


def fingerprint(*records: bytes) -> str:
    return fingerprints(*pack([b"".join(records)]))[0].decode()


def section(name: str, *records: bytes) -> str:
    return sections(fingerprint(*records))[name]


def extended(profile: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    extension = struct.pack("!HH", profile, len(body) // 4) + body
    return steady_flow(3, first=0x90, ext=extension, sequence=9999, timestamp=0x99999999)


def stun(*attributes: int) -> bytes:
    body = b"".join(struct.pack("!HH", number, 4) + b"abcd" for number in attributes)
    header = struct.pack("!HHI", 1, len(body), 0x2112A442) + bytes(12)
    return record(START_NS - 9, header + body, EVIDENCE_STUN)


def client_hello(suites: list[int], extensions: list[tuple[int, bytes]], fragment_at: int = 0) -> bytes:
    body = b"".join(struct.pack("!HH", number, len(value)) + value for number, value in extensions)
    offered = struct.pack(f"!H{len(suites)}H", 2 * len(suites), *suites)
    hello = b"\xfe\xfd" + bytes(32) + b"\0\0" + offered + b"\x01\0" + struct.pack("!H", len(body)) + body
    size = len(hello).to_bytes(3, "big")
    message = b"\x01" + size + b"\0\0" + fragment_at.to_bytes(3, "big") + size + hello
    packet = b"\x16\xfe\xff" + bytes(8) + struct.pack("!H", len(message)) + message
    return record(START_NS - 5, packet[:255], EVIDENCE_DTLS)


def fnv(*codes: int) -> str:
    """The hash as docs/how/fingerprint.md has it."""
    state = 0x811C9DC5
    for byte in struct.pack(f"!{len(codes)}H", *codes):
        state = (state ^ byte) * 0x01000193 % 2**32
    return f"{state >> 24 ^ state & 0xFFFFFF:06x}"


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: vector["name"])
def test_the_published_vectors(vector):
    records = (
        record(packet["time_ns"], bytes.fromhex(packet["bytes"]), KINDS[packet["kind"]])
        for packet in vector["packets"]
    )
    assert fingerprint(*records) == vector["fingerprint"]


def test_the_vectors_are_of_this_version():
    assert VECTORS["version"] == VERSION
    assert {vector["fingerprint"].split("_")[0] for vector in VECTORS["vectors"]} == {VERSION}


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        ({"sequence": 255, "timestamp": 0x99999999}, "0rrnnnn"),
        ({"sequence": 256, "timestamp": 65535}, "rlrnnnn"),
        ({"sequence": 3, "timestamp": 480}, "0qrnnnn"),
        ({"sequence": 5000, "timestamp": 800000}, "rqrnnnn"),
        ({"sequence": 5000, "timestamp": 0}, "r0rnnnn"),
        ({"sequence": 5000, "timestamp": 1 << 31, "ssrc": 65535}, "rrlnnnn"),
        ({"sequence": 5000, "timestamp": 1 << 31, "ssrc": 0xDEAD0000}, "rrhnnnn"),
        ({"sequence": 5000, "timestamp": 1 << 31, "kind": 0x80}, "rrrannn"),
        ({"sequence": 5000, "timestamp": 1 << 31, "first": 0xA1, "ext": b"abcd"}, "rrrnpcn"),
    ],
)
def test_the_first_packets(first, expected):
    assert section("rtp", steady_flow(4, **first)) == expected


def test_a_marker_on_the_first_or_the_second_packet():
    packets = [rtp(7000 + i, 160 * i + (1 << 31)) for i in range(3)]
    marked = [rtp(7000 + i, 160 * i + (1 << 31), kind=0x80) for i in range(3)]
    assert section("rtp", *map(record, range(3), [marked[0], *packets[1:]]))[3] == "f"
    assert section("rtp", *map(record, range(3), [packets[0], marked[1], packets[2]]))[3] == "s"


@pytest.mark.parametrize(
    ("profile", "body", "expected"),
    [
        (0xBEDE, b"\x12abc\x31ab\x00\x40z", "1321"),  # padding between elements does not count
        (0x1000, b"\x05\x03abc\x01\x00\x02\x01z", "2301"),
        (0x1003, b"\x05\xc8abc", "2"),  # longer than the extension
        (0xABAC, b"abcd", "xabac"),
    ],
)
def test_header_extensions_by_form(profile, body, expected):
    assert section("rtp", extended(profile, body))[6:] == expected


def test_later_packets_change_nothing_in_the_section_of_rtp():
    flow = steady_flow(10, sequence=7000, timestamp=1 << 31)
    later = steady_flow(30, sequence=7010, timestamp=(1 << 31) + 1600, first=0xB1, kind=0x80, ext=bytes(8))
    assert section("rtp", flow) == section("rtp", flow + later)


@pytest.mark.parametrize(
    ("cname", "expected"),
    [
        (b"alice@example.org", "@"),
        (b"alice@10.0.0.1", "i"),
        (b"x@fe80::1", "i"),
        (b"x@FE80::a", "i"),
        (b"x@", "@"),
        (b"x@face.b", "@"),
        (b"6f1ed002-ab5f-4a6a-8a0f-0123456789ab", "u"),
        (b"", "e"),
        (b"12345678", "d08"),
        (b"00ffAB", "h06"),
        (b"00ffXY", "a06"),
        (b"{a-b}", "t05"),
    ],
)
def test_the_shape_of_a_name_not_its_content(cname, expected):
    flow = steady_flow(3, start_ns=START_NS)
    report = sender_report(START_NS + 5_000 * MILLISECOND, 0, 3, cname=cname)
    assert section("rtcp", flow, report) == f"l.sd.1.{expected}"


def test_rtcp_before_at_once_later_encrypted_and_feedback():
    flow = steady_flow(3, start_ns=START_NS)

    def at(milliseconds: int, payload: bytes) -> bytes:
        return record(START_NS + milliseconds * MILLISECOND, payload, EVIDENCE_RTCP)

    feedback = struct.pack("!BBHII", 0x8F, 205, 2, 7, 8)
    assert section("rtcp", at(-20, ENCRYPTED), flow) == "b.s~"
    assert section("rtcp", flow, at(500, ENCRYPTED)) == "i.~"
    assert section("rtcp", flow, at(501, ENCRYPTED)) == "l.~"
    assert section("rtcp", flow, at(20, feedback)) == "-"
    assert section("rtcp", flow, at(20, feedback), at(4000, ENCRYPTED)) == "l.~"
    before_1970 = struct.pack("!BBHIIIIII", 0x80, 200, 6, 7, 12345, 0, 0, 0, 0)
    assert section("rtcp", flow, at(900, before_1970)) == "l.S"


def test_stun_attributes_in_order_without_the_role():
    flow = steady_flow(3, start_ns=START_NS)
    controlling = section("stun", stun(0x0006, 0x802A, 0x0025, 0x0024), flow)
    assert controlling == section("stun", stun(0x0006, 0x8029, 0x0024), flow)
    assert controlling == f"03{fnv(0x0006, 0x8029, 0x0024)}n"
    assert section("stun", stun(0x0024, 0x8029, 0x0006), flow) != controlling
    assert section("stun", stun(0x8022), flow) == f"01{fnv(0x8022)}w"


def test_a_client_hello():
    hello = client_hello(
        [0x2A2A, 0x1301, 0xC02B], [(0x0A0A, b""), (23, b""), (14, b"\0\4\0\1\0\7\0"), (43, b"\2\xfe\xfc")]
    )
    expected = f"c13.0203.{fnv(0x1301, 0xC02B)}.{fnv(23, 14, 43)}.17"
    assert section("dtls", hello, steady_flow(3, start_ns=START_NS)) == expected


def test_a_hello_that_is_cut_and_a_later_fragment():
    flow = steady_flow(3, start_ns=START_NS)
    long = client_hello([0xC02B], [(14, b"\0\2\0\1\0"), (13, bytes(200))])
    assert section("dtls", long, flow) == f"c12.0102.{fnv(0xC02B)}.{fnv(14, 13)}.1~"
    assert section("dtls", client_hello([0xC02B], [], fragment_at=200), flow) == "-"


def test_the_longest_fingerprint_fits():
    hello = client_hello([0xC02B] * 40, [(14, struct.pack("!H8HB", 16, *range(1, 9), 0)), *[(99, b"")] * 40])
    attributes = stun(*[0x8022] * 40)[:12] + stun(*[0x8022] * 40)[12:255]
    attributes = attributes[:8] + struct.pack("<H", len(attributes) - 12) + attributes[10:]
    body = b"".join(bytes([(i << 4) | 15]) + bytes(16) for i in range(1, 9))
    extension = struct.pack("!HH", 0xBEDE, len(body) // 4) + body
    flow = record(START_NS, rtp(9999, 1 << 31, b"\xff" * 20, first=0x91, ext=b"abcd" + extension))
    blocks = [struct.pack("!BBHI", 0x80, 204, 1, 7)] * 5
    items = b"".join(bytes([kind, 1, 65]) for kind in (1, 2, 3, 4, 5, 6)) + bytes(2)
    sdes = struct.pack("!BBHI", 0x81, 202, 1 + len(items) // 4, 7) + items
    report = record(START_NS + 9, b"".join(blocks) + sdes, EVIDENCE_RTCP)
    text = fingerprint(hello, attributes, flow, report)
    assert FORM.fullmatch(text), text
    assert 75 < len(text) <= 82


def test_near_is_the_same_as_far_as_both_have_seen():
    assert is_near("mf1_-_rrrnnnn_-_-", "mf1_01a1b2c3n_rrrnnnn_l.~_-")
    assert not is_near("mf1_-_rrrnnnn_-_-", "mf1_-_0rrnnnn_-_-")


@pytest.mark.parametrize("text", ["", "mf1", "mf2_-_r_-_-", "mf1_-_-_-", "mf1__r_-_-", "mf1_-_r_-_-_-"])
def test_what_is_no_fingerprint(text):
    with pytest.raises(ValueError, match="not a fingerprint"):
        sections(text)


def test_no_packet_no_fingerprint_and_no_log_no_rows():
    assert fingerprints(*pack([stun(0x0006)])).tolist() == [b""]
    assert len(fingerprints(np.zeros(0, np.uint8), np.zeros((0, 2), np.int64))) == 0


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(
            st.integers(-(10**10), 10**10), st.sampled_from(range(6)), st.binary(min_size=0, max_size=255)
        ),
        max_size=6,
    ),
    st.sampled_from([steady_flow(2), steady_flow(12, first=0x90, ext=b"\xbe\xde\0\1\x12abc")]),
    st.data(),
)
def test_whatever_the_bytes_the_text_has_its_form(records, flow, data):
    """Bytes from outside lead to a well-formed fingerprint or to none, and never to a fault."""
    log = b"".join(record(START_NS + at, payload, kind) for at, kind, payload in records) + flow
    log = bytearray(log + client_hello([1, 2], [(14, b"\0\2\0\1\0")]) + stun(6, 36))
    for _ in range(data.draw(st.integers(0, 4))):
        log[data.draw(st.integers(0, len(log) - 1))] = data.draw(st.integers(0, 255))
    text = fingerprint(bytes(log))
    assert text == "" or FORM.fullmatch(text), text
