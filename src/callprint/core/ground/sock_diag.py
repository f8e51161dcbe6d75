"""UDP sockets as the Linux kernel lists them: sock_diag messages over netlink (sock_diag(7), linux/inet_diag.h).

The kernel writes these, but they are read like bytes from anywhere: lengths first.
"""

import ipaddress
import struct
from typing import NamedTuple

from callprint.core.ground.errors import DecodeError

FAMILIES = {4: 2, 6: 10}  # AF_INET and AF_INET6 of Linux, by IP version

_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_SOCKET = struct.Struct("=BBBB2s2s16s16sI8sIIIII")  # inet_diag_msg
_REQUEST = struct.Struct("=BBBBI48x")  # inet_diag_req_v2: family, protocol, extensions, states; any socket
_ERROR, _DONE, _SOCK_DIAG_BY_FAMILY = 2, 3, 20
_REQUEST_DUMP = 0x301  # NLM_F_REQUEST, NLM_F_ROOT and NLM_F_MATCH
_UDP = 17
_EVERY_STATE = 0xFFFFFFFF


class UdpSocket(NamedTuple):
    """A UDP socket of this machine. Unconnected sockets have no remote side: ("0.0.0.0", 0) or ("::", 0)."""

    local: tuple[str, int]
    remote: tuple[str, int]
    user: int
    inode: int  # 0: nobody holds it any more


def request(version: int, sequence: int) -> bytes:
    """Return a message that asks for every UDP socket of IP version 4 or 6."""
    body = _REQUEST.pack(FAMILIES[version], _UDP, 0, 0, _EVERY_STATE)
    return _HEADER.pack(_HEADER.size + len(body), _SOCK_DIAG_BY_FAMILY, _REQUEST_DUMP, sequence, 0) + body


def read_answer(data: bytes) -> tuple[list[UdpSocket], bool]:
    """Return the sockets in one datagram of an answer, and whether it was the last one.

    Raises DecodeError for what is no such message, and when the kernel says that it cannot answer.
    """
    found: list[UdpSocket] = []
    at = 0
    while at < len(data):
        if len(data) - at < _HEADER.size:
            raise DecodeError("a netlink message ends inside its header")
        length, kind, *_ = _HEADER.unpack_from(data, at)
        if not _HEADER.size <= length <= len(data) - at:
            raise DecodeError(f"a netlink message of {length} bytes in {len(data) - at}")
        body = data[at + _HEADER.size : at + length]
        if kind == _DONE:
            return found, True
        if kind == _ERROR:
            number = -struct.unpack_from("=i", body)[0] if len(body) >= 4 else 0
            raise DecodeError(f"the kernel does not list UDP sockets: error {number}")
        if kind == _SOCK_DIAG_BY_FAMILY:
            found.append(_socket(body))
        at += (length + 3) & ~3
    return found, False


def _socket(body: bytes) -> UdpSocket:
    if len(body) < _SOCKET.size:
        raise DecodeError(f"a socket of {len(body)} bytes, which should have {_SOCKET.size}")
    family, _, _, _, near_port, far_port, near, far, *_, user, inode = _SOCKET.unpack_from(body)
    if family not in FAMILIES.values():
        raise DecodeError(f"a socket of address family {family}")
    near_end, far_end = (
        (_address(family, address), int.from_bytes(port, "big"))
        for address, port in ((near, near_port), (far, far_port))
    )
    return UdpSocket(near_end, far_end, user, inode)


def _address(family: int, raw: bytes) -> str:
    """Return an address as text; an IPv4 address in an IPv6 socket as what it is."""
    if family == FAMILIES[4]:
        return str(ipaddress.IPv4Address(raw[:4]))
    address = ipaddress.IPv6Address(raw)
    return str(address.ipv4_mapped or address)
