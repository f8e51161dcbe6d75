"""Which process of a fan-out group gets a packet: a classic BPF program that keeps a media session together.

The kernel's own PACKET_FANOUT_HASH uses whole ports, so RTP and the RTCP on the next port go to different processes,
and the flow is judged without its RTCP. This program hashes the two endpoints regardless of their order and without
the lowest port bit, as Kafka's partitions do: a flow, its RTCP and its reverse reach one process.

    UDP and TCP over IPv4 and IPv6    by addresses and ports
    fragments, tunnels                by the (outer) addresses alone
    VN-Tag, VLAN tags, PPPoE, MPLS    by what is below them, as far as it is followed
    anything else                     by the link addresses, if there are any

Unlike in the filter, a packet begins at its IP header when it arrives and at its link header when it leaves, so
everything is loaded by its offset from the network header. A load beyond the packet ends the program with 0: a packet
that is too short to tell goes to the first process.
"""

from typing import NamedTuple

from callprint.sources.kernel_filter import (
    A_TO_X,
    ADD_X,
    AND,
    AUTHENTICATION,
    AUTHENTICATION_LENGTH,
    EXTENSION_HEADERS,
    FRAGMENT,
    JUMP_EQUAL,
    JUMP_SET,
    LOAD_BYTE,
    LOAD_BYTE_X,
    LOAD_HALF,
    LOAD_HALF_X,
    LOAD_WORD,
    LOAD_WORD_X,
    MULTIPLY,
    OPTION_LENGTH,
    OPTIONS,
    PROTOCOL,
    RECALL_A,
    RECALL_X,
    RETURN,
    RETURN_A,
    SET_A,
    SET_X,
    SHIFT_LEFT,
    SHIFT_RIGHT,
    STORE_A,
    STORE_X,
    TAGS,
    TCP,
    UDP,
    VN_TAG,
    VN_TAG_BYTES,
    XOR_X,
    Assembler,
    Instruction,
    load_length,
)

NETWORK = 0xFFF00000  # SKF_NET_OFF: from here on, offsets count from the network header
LINK = 0xFFE00000  # SKF_LL_OFF: the same from the link header

TUNNEL_PORTS = (2152, 3544, 4788, 6080, 8472, 9060, 37008)
"""GTP-U, Teredo, VXLAN, Geneve, HEP, TZSP without the lowest bit: their ports say nothing about the sessions inside."""

_MPLS_LABELS = 4  # that are followed before the link addresses must do
_PRIME_1, _PRIME_2, _PRIME_3 = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D


class _Memory(NamedTuple):
    """Which of the sixteen words of memory holds what."""

    header: int = 0  # number of the header at X
    source: int = 1  # the address, folded into one word
    destination: int = 2
    source_port: int = 3
    destination_port: int = 4
    network: int = 5  # offset of the IP header
    words: int = 6  # the first of four words of an address


_M = _Memory()


def build_fanout(*, ethernet: bool = True) -> list[Instruction]:
    """Return the program; the kernel takes its result modulo the number of processes.

    `ethernet`: the device has Ethernet's link addresses.
    """
    program = Assembler()
    program.emit(SET_X, 0)
    program.emit(LOAD_WORD, PROTOCOL)
    _below_tags(program)
    program.label("ipv4")
    _ipv4(program)
    program.label("ipv6")
    _ipv6(program)
    program.label("ports")
    _ports(program)
    program.label("addresses")
    program.emit(SET_A, 0)
    program.emit(STORE_A, _M.source_port)
    program.emit(STORE_A, _M.destination_port)
    program.label("combine")
    _combine(program)
    program.label("other")
    _other(program, ethernet)
    return program.assemble()


def _below_tags(program: Assembler) -> None:
    """Find the IP header: set X to its offset and jump to "ipv4", "ipv6" or "other". A is the EtherType."""
    _below_vlan_tags(program, 0)
    program.label("below VN-Tag")
    program.emit(SET_X, VN_TAG_BYTES)
    program.emit(LOAD_HALF, NETWORK + VN_TAG_BYTES - 2)
    _below_vlan_tags(program, VN_TAG_BYTES)


def _below_vlan_tags(program: Assembler, first: int) -> None:
    """Do so for what begins at `first`."""
    for at in (first, first + 4, first + 8):
        program.emit(JUMP_EQUAL, 0x0800, f"ipv4 at {at}")
        program.emit(JUMP_EQUAL, 0x86DD, f"ipv6 at {at}")
        program.emit(JUMP_EQUAL, 0x8864, f"pppoe at {at}")
        program.emit(JUMP_EQUAL, 0x8847, f"mpls at {at}")
        program.emit(JUMP_EQUAL, 0x8848, f"mpls at {at}")
        if at < first + 8:
            program.when_any(TAGS, f"tag at {at}")
        if at == 0:
            program.emit(JUMP_EQUAL, VN_TAG, "VN-Tag")
        program.jump("other")
        if at == 0:
            program.label("VN-Tag")
            program.jump("below VN-Tag")
        for name in ("ipv4", "ipv6"):
            program.label(f"{name} at {at}")
            program.jump(name)
        program.label(f"pppoe at {at}")
        _pppoe(program, at)
        program.label(f"mpls at {at}")
        _mpls(program, at)
        program.label(f"tag at {at}")
        program.emit(SET_X, at + 4)
        program.emit(LOAD_HALF, NETWORK + at + 2)


def _to_version(program: Assembler, ipv4: int, ipv6: int, here: str) -> None:
    """Continue with IPv4, IPv6 or neither, by the value in A; `here` makes the labels unique."""
    program.emit(JUMP_EQUAL, ipv4, "", f"not IPv4: {here}")
    program.jump("ipv4")
    program.label(f"not IPv4: {here}")
    program.emit(JUMP_EQUAL, ipv6, "", f"not IP: {here}")
    program.jump("ipv6")
    program.label(f"not IP: {here}")
    program.jump("other")


def _pppoe(program: Assembler, at: int) -> None:
    """Skip six bytes of PPPoE and two of PPP (RFC 2516)."""
    program.emit(SET_X, at + 8)
    program.emit(LOAD_HALF, NETWORK + at + 6)
    _to_version(program, 0x0021, 0x0057, f"pppoe at {at}")


def _mpls(program: Assembler, at: int) -> None:
    """Skip a stack of labels; the first four bits below the last one are the IP version."""
    for label in range(_MPLS_LABELS):
        here = f"label {label} at {at}"
        program.emit(LOAD_BYTE, NETWORK + at + 4 * label + 2)
        program.emit(JUMP_SET, 1, "", f"not the last: {here}")
        program.emit(SET_X, at + 4 * label + 4)
        program.emit(LOAD_BYTE, NETWORK + at + 4 * label + 4)
        program.emit(AND, 0xF0)
        _to_version(program, 0x40, 0x60, here)
        program.label(f"not the last: {here}")
    program.jump("other")


def _ipv4(program: Assembler) -> None:
    program.emit(LOAD_WORD_X, NETWORK + 12)
    program.emit(STORE_A, _M.source)
    program.emit(LOAD_WORD_X, NETWORK + 16)
    program.emit(STORE_A, _M.destination)
    program.emit(LOAD_HALF_X, NETWORK + 6)
    program.emit(JUMP_SET, 0x3FFF, "addresses of ipv4")  # a fragment
    program.emit(LOAD_BYTE_X, NETWORK + 9)
    program.emit(STORE_A, _M.header)
    program.emit(LOAD_BYTE_X, NETWORK)
    program.emit(AND, 0x0F)
    program.emit(SHIFT_LEFT, 2)
    program.emit(ADD_X)
    program.emit(A_TO_X)
    program.emit(RECALL_A, _M.header)
    program.when_any((UDP, TCP), "ports of ipv4")
    program.emit(JUMP_EQUAL, AUTHENTICATION, "", "addresses of ipv4")
    _skip_authentication(program)
    program.when_any((UDP, TCP), "ports of ipv4")
    program.label("addresses of ipv4")
    program.jump("addresses")
    program.label("ports of ipv4")
    program.jump("ports")


def _skip_authentication(program: Assembler) -> None:
    """Skip an authentication header (RFC 4302); A becomes the number of the next header."""
    _remember_next_header(program)
    load_length(program, AUTHENTICATION_LENGTH, NETWORK)
    _advance(program)


def _remember_next_header(program: Assembler) -> None:
    program.emit(LOAD_BYTE_X, NETWORK)
    program.emit(STORE_A, _M.header)


def _advance(program: Assembler) -> None:
    """Move X by A bytes; A becomes the number of the header there."""
    program.emit(ADD_X)
    program.emit(A_TO_X)
    program.emit(RECALL_A, _M.header)


def _ipv6(program: Assembler) -> None:
    program.emit(STORE_X, _M.network)
    for first, kept in ((8, _M.source), (24, _M.destination)):
        for word in range(4):
            program.emit(LOAD_WORD_X, NETWORK + first + 4 * word)
            program.emit(STORE_A, _M.words + word)
        program.emit(SET_A, 0)
        for word in range(4):
            program.emit(MULTIPLY, _PRIME_1)
            program.emit(RECALL_X, _M.words + word)
            program.emit(ADD_X)
        program.emit(STORE_A, kept)
        program.emit(RECALL_X, _M.network)
    program.emit(LOAD_BYTE_X, NETWORK + 6)
    program.emit(STORE_A, _M.header)
    program.emit(SET_A, 40)
    _advance(program)
    for level in range(EXTENSION_HEADERS + 1):
        here = f"level {level}"
        program.when_any((UDP, TCP), f"ports of {here}")
        program.when_any(OPTIONS, f"options of {here}")
        program.emit(JUMP_EQUAL, AUTHENTICATION, f"authentication of {here}")
        program.emit(JUMP_EQUAL, FRAGMENT, f"fragment of {here}")
        program.label(f"addresses of {here}")
        program.jump("addresses")
        program.label(f"ports of {here}")
        program.jump("ports")
        program.label(f"authentication of {here}")
        _skip_authentication(program)
        program.jump(f"behind {here}")
        program.label(f"fragment of {here}")
        program.emit(LOAD_HALF_X, NETWORK + 2)
        program.emit(JUMP_SET, 0xFFF9, f"addresses again of {here}")
        _remember_next_header(program)
        program.emit(SET_A, 8)
        program.jump(f"advance of {here}")
        program.label(f"addresses again of {here}")
        program.jump("addresses")
        program.label(f"options of {here}")
        _remember_next_header(program)
        load_length(program, OPTION_LENGTH, NETWORK)
        program.label(f"advance of {here}")
        _advance(program)
        program.label(f"behind {here}")
    program.jump("addresses")  # there are more headers than are followed


def _ports(program: Assembler) -> None:
    """Store both ports of the UDP or TCP header at X, unless they are a tunnel's."""
    for at, kept in ((0, _M.source_port), (2, _M.destination_port)):
        program.emit(LOAD_HALF_X, NETWORK + at)
        program.emit(AND, 0xFFFE)
        program.when_any(TUNNEL_PORTS, "addresses")
        program.emit(STORE_A, kept)
    program.jump("combine")


def _combine(program: Assembler) -> None:
    """Return hash(one endpoint) + hash(the other), mixed: a sum does not depend on their order."""
    for address, port in ((_M.source, _M.source_port), (_M.destination, _M.destination_port)):
        program.emit(RECALL_A, port)
        program.emit(MULTIPLY, _PRIME_1)
        program.emit(RECALL_X, address)
        program.emit(XOR_X)
        _mix(program, _PRIME_2)
        program.emit(STORE_A, address)
    program.emit(RECALL_X, _M.source)
    program.emit(ADD_X)
    _mix(program, _PRIME_3)
    program.emit(RETURN_A)


def _mix(program: Assembler, prime: int) -> None:
    """A = A * prime with its upper half folded into the lower, because `% processes` uses the lower bits."""
    program.emit(MULTIPLY, prime)
    program.emit(A_TO_X)
    program.emit(SHIFT_RIGHT, 15)
    program.emit(XOR_X)


def _other(program: Assembler, ethernet: bool) -> None:
    if not ethernet:
        program.emit(RETURN, 0)
        return
    for at, kept in ((0, _M.destination), (6, _M.source)):
        program.emit(LOAD_WORD, LINK + at)
        program.emit(MULTIPLY, _PRIME_1)
        program.emit(A_TO_X)
        program.emit(LOAD_HALF, LINK + at + 4)
        program.emit(ADD_X)
        program.emit(STORE_A, kept)
    program.emit(RECALL_X, _M.destination)
    program.emit(ADD_X)  # A is still the source
    _mix(program, _PRIME_3)
    program.emit(RETURN_A)
