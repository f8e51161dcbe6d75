"""Builds packets from their parts: each function puts one header in front of a payload."""

import ipaddress
import struct

import numpy as np

from callprint.core.packets import RECORD

SOURCE, DESTINATION = "192.0.2.1", "198.51.100.2"
SOURCE6, DESTINATION6 = "2001:db8::1", "2001:db8::2"


def rtp(payload: bytes = b"\x55" * 160, payload_type: int = 0, sequence: int = 1, first: int = 0x80) -> bytes:
    return struct.pack("!BBHII", first, payload_type, sequence, 160, 0x1234ABCD) + payload


def rtcp(packet_type: int = 200, words: int = 7) -> bytes:
    """Return an RTCP packet whose length field announces `words` 32-bit words, and that has them."""
    return struct.pack("!BBHI", 0x80, packet_type, words - 1, 0x1234ABCD) + bytes(4 * words - 8)


def udp(payload: bytes, source: int = 40000, destination: int = 40002) -> bytes:
    return struct.pack("!HHHH", source, destination, 8 + len(payload), 0) + payload


def tcp(payload: bytes, source: int = 5060, destination: int = 40002, flags: int = 0x18) -> bytes:
    return struct.pack("!HHIIBBHHH", source, destination, 77, 0, 0x50, flags, 1024, 0, 0) + payload


def ipv4(
    payload: bytes,
    protocol: int = 17,
    source: str = SOURCE,
    destination: str = DESTINATION,
    fragment: int = 0,
    options: bytes = b"",
) -> bytes:
    """`fragment` is the whole 16-bit field of flags and offset."""
    words = 5 + len(options) // 4
    addresses = ipaddress.IPv4Address(source).packed + ipaddress.IPv4Address(destination).packed
    length = 4 * words + len(payload)
    head = struct.pack("!BBHHHBBH", 0x40 | words, 0, length, 1, fragment, 64, protocol, 0)
    return head + addresses + options + payload


def ipv6(payload: bytes, header: int = 17, source: str = SOURCE6, destination: str = DESTINATION6) -> bytes:
    addresses = ipaddress.IPv6Address(source).packed + ipaddress.IPv6Address(destination).packed
    return struct.pack("!IHBB", 6 << 28, len(payload), header, 64) + addresses + payload


def ipv6_fragment(payload: bytes, offset_and_more: int, header: int = 17) -> bytes:
    return struct.pack("!BBHI", header, 0, offset_and_more, 99) + payload


def ethernet(payload: bytes, ethertype: int = 0x0800) -> bytes:
    return bytes(range(12)) + struct.pack("!H", ethertype) + payload


def vlan(payload: bytes, ethertype: int = 0x0800) -> bytes:
    return struct.pack("!HH", 100, ethertype) + payload


def vn_tag(payload: bytes, ethertype: int = 0x0800) -> bytes:
    return struct.pack("!IH", 0x00010002, ethertype) + payload


def mpls(payload: bytes, last: bool = True) -> bytes:
    return struct.pack("!I", (1000 << 12) | (last << 8) | 64) + payload


def records(frames: list[bytes], link_type: int = 1, missing: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Lay frames one after the other; `missing` bytes of each were cut off by the capture."""
    rows = np.zeros(len(frames), RECORD)
    at = 0
    for index, frame in enumerate(frames):
        rows[index] = (1_000_000_000 + index, at, len(frame), len(frame) + missing, link_type)
        at += len(frame)
    return np.frombuffer(b"".join(frames), np.uint8), rows
