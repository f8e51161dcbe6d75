"""sock_diag answers: what the kernel says of sockets made here, values worked out by hand, arbitrary bytes."""

import os
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callprint.core.ground.errors import DecodeError
from callprint.core.ground.sock_diag import UdpSocket, read_answer
from callprint.recording.sockets import udp_sockets


def message(kind: int, body: bytes) -> bytes:
    padded = body + bytes(-len(body) % 4)
    return struct.pack("=IHHII", 16 + len(body), kind, 2, 1, 0) + padded


def listed(family: int, near: tuple[bytes, int], far: tuple[bytes, int], user: int, inode: int) -> bytes:
    ports = struct.pack("!HH", near[1], far[1])
    ends = near[0].ljust(16, b"\0") + far[0].ljust(16, b"\0")
    return message(
        20, bytes([family, 7, 0, 0]) + ports + ends + bytes(12) + struct.pack("=5I", 0, 0, 0, user, inode)
    )


def test_sockets_of_both_families():
    four = listed(2, (bytes([192, 0, 2, 1]), 4000), (bytes([192, 0, 2, 9]), 5000), 1000, 77)
    mapped = listed(10, (bytes(10) + b"\xff\xff" + bytes([192, 0, 2, 1]), 4002), (bytes(16), 0), 0, 78)
    assert read_answer(four + mapped) == (
        [
            UdpSocket(("192.0.2.1", 4000), ("192.0.2.9", 5000), 1000, 77),
            UdpSocket(("192.0.2.1", 4002), ("::", 0), 0, 78),
        ],
        False,
    )
    assert read_answer(four + message(3, bytes(4)))[1]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\0" * 5, "inside its header"),
        (struct.pack("=IHHII", 15, 20, 0, 0, 0), "of 15 bytes in 16"),
        (struct.pack("=IHHII", 17, 20, 0, 0, 0), "of 17 bytes in 16"),
        (message(20, bytes(71)), "should have 72"),
        (message(20, bytes(72)), "address family 0"),
        (message(2, struct.pack("=i", -1) + bytes(16)), "error 1"),
    ],
)
def test_what_is_no_answer(data, words):
    with pytest.raises(DecodeError, match=words):
        read_answer(data)


@given(st.binary(max_size=300), st.integers(0, 4))
def test_whatever_the_bytes_there_are_sockets_or_a_decode_error(data, cut):
    """No bytes lead to any other fault, and every message read was whole."""
    whole = listed(2, (bytes(4), 1), (bytes(4), 0), 0, 1)
    for each in (data, whole + data, whole[: len(whole) - cut] + data):
        try:
            found, _ = read_answer(each)
        except DecodeError:
            continue
        assert len(found) <= len(each) // 88


def test_the_kernel_lists_a_socket_with_its_inode():
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own,
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as other,
    ):
        own.bind(("127.0.0.1", 0))
        other.bind(("::1", 0))
        found = udp_sockets()
        for each in (own, other):
            (one,) = [one for one in found if one.local == each.getsockname()[:2]]
            assert one.inode == os.fstat(each.fileno()).st_ino
            assert one.user == os.getuid()
