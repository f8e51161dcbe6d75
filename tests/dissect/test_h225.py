"""Vendors of H.323 endpoints: against tshark, and with hostile bytes."""

import itertools
import shutil
import struct
import subprocess

import numpy as np
import pytest
from h225_messages import ALERTING, CALL_PROCEEDING, CONNECT, SETUP, Message, Vendor
from hypothesis import given
from hypothesis import strategies as st

from callprint.core.dissect.h225 import NO_VENDOR, vendor_in

TERMINAL = Vendor(product=b"Terminal\0", version=b"1.2\0")

MESSAGES = [
    *(
        Message(body, Vendor((181, 0, 18), product, version))
        for body, product, version in itertools.product(
            (SETUP, CALL_PROCEEDING, CONNECT, ALERTING), (None, b"Gateway", b"x" * 256), (None, b"2")
        )
    ),
    *(
        Message(SETUP, TERMINAL, digits, names, urls, address)
        for digits in ((), ("7",), ("0123", "*5#"), ("9" * 128,))
        for names in ((), ("a",), ("Anrufer" * 20,))
        for urls in ((), ("h323:me@example.org",), ("h323:" + "x" * 200,))
        for address in (None, bytes([10, 0, 0, 1]), bytes(15) + b"\1")
    ),
    Message(CONNECT, TERMINAL, address=bytes([10, 0, 0, 1])),
    Message(CONNECT, TERMINAL, address=bytes(15) + b"\1"),
    Message(SETUP, TERMINAL, non_standard=(b"\xb5\0\0\x12", b"\1\2\3")),
    Message(ALERTING, TERMINAL, non_standard=(b"\x06\x08\x2a", b"")),
    Message(SETUP, TERMINAL, display=b"Somebody\0"),
    Message(SETUP, None),
]


def found(payload: bytes, before: int = 0) -> tuple[tuple[int, int, int], bytes | None, bytes | None] | None:
    """Return number, product and version of the vendor in a segment that has `before` bytes before it."""
    data = np.frombuffer(bytes(before) + payload, np.uint8)
    at, length, texts = vendor_in(data, before, len(payload))
    if at == NO_VENDOR:
        return None
    assert before <= at
    assert at + length <= len(data)
    vendor = data[at : at + length].tobytes()
    rest, shown = vendor[4:], []
    for present in (texts & 2, texts & 1):
        shown.append(rest[1 : 2 + rest[0]] if present else None)
        rest = rest[2 + rest[0] :] if present else rest
    assert not rest
    return (vendor[0], vendor[1], int.from_bytes(vendor[2:4], "big")), *shown


def shown_by_tshark(path, shown: str, *fields: str) -> list[list[str]]:
    """Return fields of the packets that the filter `shown` passes, as tshark prints them."""
    command = [
        "tshark",
        "-n",
        "-r",
        str(path),
        "-Y",
        shown,
        "-T",
        "fields",
        *(f"-e{field}" for field in fields),
    ]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [line.split("\t") for line in lines]


needs_tshark = pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed")


def test_the_vendor_of_every_form_of_message():
    for message in MESSAGES:
        wanted = message.vendor and (message.vendor.number, message.vendor.product, message.vendor.version)
        assert found(message.encode(), before=3) == wanted


def test_the_length_before_a_message_may_have_a_segment_of_its_own():
    assert found(b"\3\0\0\x60") is None
    assert found(Message(tpkt=False, vendor=TERMINAL).encode()) == ((9, 0, 61), b"Terminal\0", b"1.2\0")


def test_several_messages_in_a_segment():
    nothing, first = Message(CALL_PROCEEDING, None).encode(), Message(CONNECT, TERMINAL).encode()
    wanted = (9, 0, 61), b"Terminal\0", b"1.2\0"
    assert found(nothing + first) == found(b"\3\0\0\4" + first) == wanted
    assert found(first + Message(CONNECT, Vendor()).encode()) == wanted
    assert found(nothing * 9 + first) is None


def test_nothing_behind_the_length_of_a_message_counts():
    message = Message(tpkt=False, vendor=TERMINAL).encode()
    assert found(b"\3\0\0\x10" + message) is None
    length = message.index(b"\x7e") + 1
    assert found(message[:length] + b"\0\2" + message[length + 2 :]) is None


def test_what_is_no_message_with_a_vendor():
    message = Message(vendor=TERMINAL).encode()
    assert found(b"") is None
    assert found(message[4:5]) is None
    discriminator = message.index(b"\x7e") + 3
    assert found(message[:discriminator] + b"\4" + message[discriminator + 1 :]) is None
    whole = next(i for i in range(len(message)) if found(message[:i]) is not None)
    assert all(found(message[:i]) is None for i in range(whole))


@needs_tshark
def test_tshark_reads_the_same(tmp_path):
    path = tmp_path / "h225.pcap"
    frames = [
        struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40 + len(payload), 0, 0, 64, 6, 0, b"\n\0\0\1", b"\n\0\0\2")
        + struct.pack("!HHIIBBHHH", 30000 + i, 1720, 1, 1, 0x50, 0x18, 8192, 0, 0)
        + payload
        for i, payload in enumerate(message.encode() for message in MESSAGES)
    ]
    path.write_bytes(
        struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
        + b"".join(struct.pack("<IIII", i, 0, len(one), len(one)) + one for i, one in enumerate(frames))
    )
    fields = ("t35CountryCode", "manufacturerCode", "productId", "versionId")
    shown = shown_by_tshark(path, "tcp", *(f"h225.{field}" for field in fields))
    for message, line in zip(MESSAGES, shown, strict=True):
        vendor = message.vendor
        wanted = ["", "", "", ""]
        if vendor is not None:
            texts = [
                "" if text is None else text.rstrip(b"\0").decode()
                for text in (vendor.product, vendor.version)
            ]
            wanted = [str(vendor.number[0]), str(vendor.number[2]), *texts]
        # The identifier of nonStandardData is shown before that of the vendor.
        assert [each.split(",")[-1] for each in line] == wanted


CHANGES = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6)


@given(st.sampled_from(MESSAGES), CHANGES, st.integers(0, 600))
def test_damaged_messages_name_nothing_outside_themselves(message, changes, length):
    payload = bytearray(message.encode())
    for at, value in changes:
        payload[at % len(payload)] = value
    found(bytes(payload[:length]), before=2)


@given(st.binary(max_size=300))
def test_any_bytes_end(payload):
    found(b"\3\0\0\0\x08\2\0\0\5\x7e\0\0\5" + payload)


@needs_tshark
def test_a_call_of_strangers(public_corpus):
    capture = public_corpus / "ntop+nDPI/tests/cfgs/default/pcap/h323.pcap"
    payloads = [
        bytes.fromhex(line[0]) for line in shown_by_tshark(capture, "h225.h323_message_body", "tcp.payload")
    ]
    vendors = [found(payload) for payload in payloads]
    assert vendors[:2] == [
        ((9, 0, 61), b"Callgen323 pogacsam\0\0", b"0.9alpha4\0\0"),
        ((0, 0, 0), b"310i", b"R"),
    ]
