"""Frames made anew: an IP packet with a UDP datagram, without anything in front of it (LINKTYPE_RAW)."""

import ipaddress
import struct

from callprint.core.ground.addresses import Endpoint

LINKTYPE_RAW = 101
_UDP = 17
_UDP_HEADER = 8
_HOPS = 64
_MOST_IPV4 = 0xFFFF - 20  # bytes of a UDP datagram; of one that was cut, UDP's own length may be forged


def raw_frame(source: Endpoint, target: Endpoint, payload: bytes, length: int) -> tuple[bytes, int]:
    """Return the frame of a datagram of `length` bytes, of which `payload` is the beginning, and its own length.

    The UDP checksum is 0, "none": it would cover bytes that are not there. Both addresses are of one family. IPv4 has
    room for fewer bytes than UDP: there a larger `length` is made as large as can be.
    """
    one, other = (ipaddress.ip_address(host).packed for host, _ in (source, target))
    if len(one) == 4:
        length = min(length, _MOST_IPV4 - _UDP_HEADER)
    udp = struct.pack(">HHHH", source[1], target[1], _UDP_HEADER + length, 0)
    if len(one) == 4:
        head = struct.pack(">BBHHHBBH", 0x45, 0, 28 + length, 0, 0, _HOPS, _UDP, 0) + one + other
        head = head[:10] + struct.pack(">H", _checksum(head)) + head[12:]
    else:
        head = struct.pack(">IHBB", 6 << 28, _UDP_HEADER + length, _UDP, _HOPS) + one + other
    return head + udp + payload, len(head) + _UDP_HEADER + length


def _checksum(head: bytes) -> int:
    """Return the checksum of an IPv4 header (RFC 1071)."""
    total: int = sum(struct.unpack(f">{len(head) // 2}H", head))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
