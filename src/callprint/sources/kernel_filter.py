"""The filter that the kernel runs before it copies a packet: classic BPF, assembled here.

It passes what the dissector can use: UDP, TCP on the signalling ports, fragments of UDP datagrams, and encapsulations
that may contain any of these, below a VN-Tag and up to two VLAN tags, over IPv4 and over IPv6 with extension headers.
Classic BPF has no loops, so the walk over extension headers is unrolled; whatever is nested deeper, or inside a tunnel,
passes: the filter saves work, the dissector decides.
"""

from collections.abc import Sequence
from typing import NamedTuple

from callprint.core.dissect import H225_PORT

EXTENSION_HEADERS = 6
"""IPv6 extension headers that are followed; a packet with more passes."""

ACCEPT_BYTES = 0x40000
DROP_BYTES = 0

# The instructions of linux/bpf_common.h that are used here.
LOAD_WORD, LOAD_HALF, LOAD_BYTE = 0x20, 0x28, 0x30  # from a fixed offset
LOAD_WORD_X, LOAD_HALF_X, LOAD_BYTE_X = 0x40, 0x48, 0x50  # from X plus a constant
SET_A, SET_X, STORE_A, RECALL_A = 0x00, 0x01, 0x02, 0x60  # A = k; X = k; memory[k] = A; A = memory[k]
STORE_X, RECALL_X = 0x03, 0x61  # memory[k] = X; X = memory[k]
ADD, ADD_X, AND, SHIFT_LEFT, A_TO_X = 0x04, 0x0C, 0x54, 0x64, 0x07
MULTIPLY, SHIFT_RIGHT, XOR_X, RETURN_A = 0x24, 0x74, 0xAC, 0x16
JUMP, JUMP_EQUAL, JUMP_SET, JUMP_AT_LEAST = 0x05, 0x15, 0x45, 0x35
RETURN = 0x06

ANCILLARY = 0xFFFFF000  # SKF_AD_OFF: what the kernel knows about a packet apart from its bytes
PROTOCOL, PACKET_TYPE = ANCILLARY + 0, ANCILLARY + 4
PACKET_OUTGOING = 4

TAGS = (0x8100, 0x88A8, 0x9100, 0x9200)
VN_TAG, VN_TAG_BYTES = 0x8926, 6
# MPLS, PPPoE, bridging, PPP, Cisco metadata, a provider's backbone, a VN-Tag below others: all of it passes.
_CARRIERS = (0x8847, 0x8848, 0x8864, 0x6558, 0x880B, 0x876B, 0x8909, 0x88E7, VN_TAG)
TUNNELS = (4, 41, 47, 97, 137)  # IP protocols that carry packets
OPTIONS = (0, 43, 60, 135, 139, 140)  # IPv6 extension headers that count in units of eight bytes
FRAGMENT, AUTHENTICATION, TCP, UDP = 44, 51, 6, 17


class LengthUnits(NamedTuple):
    """How the length field of an extension header counts."""

    not_counted: int  # units at the start of the header that it leaves out
    shift: int  # the unit is 1 << shift bytes


OPTION_LENGTH = LengthUnits(1, 3)  # RFC 8200 4.3
AUTHENTICATION_LENGTH = LengthUnits(2, 2)  # RFC 4302 2.2


class Instruction(NamedTuple):
    """One struct sock_filter."""

    code: int
    if_true: int
    if_false: int
    constant: int


class Assembler:
    """Collects instructions with named jump targets. An empty name means the next instruction."""

    def __init__(self) -> None:
        self._lines: list[tuple[int, int, str, str]] = []
        self._labels: dict[str, int] = {}

    def emit(self, code: int, constant: int = 0, if_true: str = "", if_false: str = "") -> None:
        """Add one instruction."""
        self._lines.append((code, constant, if_true, if_false))

    def label(self, name: str) -> None:
        """Name the next instruction."""
        self._labels[name] = len(self._lines)

    def jump(self, target: str) -> None:
        """Jump unconditionally, any distance."""
        self.emit(JUMP, 0, target)

    def when_any(self, values: Sequence[int], target: str) -> None:
        """Jump when A is one of `values`."""
        for value in values:
            self.emit(JUMP_EQUAL, value, target)

    def assemble(self) -> list[Instruction]:
        """Return the program with its jumps resolved."""
        out = []
        for index, (code, constant, if_true, if_false) in enumerate(self._lines):
            yes, no = (self._labels.get(name, index + 1) - index - 1 for name in (if_true, if_false))
            if code == JUMP:
                out.append(Instruction(code, 0, 0, yes))
            else:
                assert 0 <= yes <= 255, f"jump to {if_true} is too far"
                assert 0 <= no <= 255, f"jump to {if_false} is too far"
                out.append(Instruction(code, yes, no, constant))
        return out


def build_filter(
    signalling_ports: Sequence[int], *, ethernet: bool = True, drop_outgoing: bool = False
) -> list[Instruction]:
    """Return the program for frames with an Ethernet header, or for packets that begin with the IP header.

    `signalling_ports`: TCP ports that pass, beside that of H.323.

    `drop_outgoing` drops what this machine sends, because on the loopback interface it is received as well.
    """
    program = Assembler()
    if drop_outgoing:
        program.emit(LOAD_WORD, PACKET_TYPE)
        program.emit(JUMP_EQUAL, PACKET_OUTGOING, "drop link")
    if ethernet:
        _link(program)
    else:
        program.emit(SET_X, 0)
        program.emit(LOAD_WORD, PROTOCOL)
    # From here on X is the offset of the IP header, and A the EtherType.
    program.label("network")
    program.emit(JUMP_EQUAL, 0x0800, "ipv4")
    program.emit(JUMP_EQUAL, 0x86DD, "ipv6 far")
    program.when_any(_CARRIERS, "accept link")
    program.label("drop link")
    program.emit(RETURN, DROP_BYTES)
    program.label("accept link")
    program.emit(RETURN, ACCEPT_BYTES)
    program.label("ipv6 far")
    program.jump("ipv6")
    program.label("ipv4")
    ports = (*signalling_ports, H225_PORT)
    _ipv4(program, ports)
    program.label("ipv6")
    _ipv6(program, ports)
    return program.assemble()


def _link(program: Assembler) -> None:
    """Find the EtherType of an Ethernet frame: below a VN-Tag and up to two VLAN tags, or behind LLC and SNAP."""
    for first in (12, 12 + VN_TAG_BYTES):
        program.label(f"tags from {first}")
        for tags in range(3):
            at = first + 4 * tags
            program.emit(SET_X, at + 2)
            program.emit(LOAD_HALF, at)
            program.when_any(TAGS, f"tag at {at}" if tags < 2 else "accept link")
            if at == 12:
                program.emit(JUMP_EQUAL, VN_TAG, f"tags from {12 + VN_TAG_BYTES}")
                program.emit(JUMP_AT_LEAST, 0x600, "", "snap")
            else:
                program.emit(JUMP_AT_LEAST, 0x600, "", "accept link")  # a length behind a tag
            program.jump("network")
            program.label(f"tag at {at}")
    program.label("snap")
    program.emit(LOAD_WORD, 14)
    program.emit(AND, 0xFFFFFF00)
    program.emit(JUMP_EQUAL, 0x06060300, "accept link")  # the SAP of IP
    program.emit(JUMP_EQUAL, 0xAAAA0300, "", "drop link")
    program.emit(SET_X, 22)
    program.emit(LOAD_HALF, 20)
    program.when_any(TAGS, "accept link")


def _ipv4(program: Assembler, ports: Sequence[int]) -> None:
    program.emit(LOAD_BYTE_X, 9)
    program.when_any((UDP, AUTHENTICATION, *TUNNELS), "accept ipv4")
    program.emit(JUMP_EQUAL, TCP, "", "drop ipv4")
    program.emit(LOAD_HALF_X, 6)
    program.emit(JUMP_SET, 0x3FFF, "drop ipv4")  # a fragment of a TCP segment is of no use
    program.emit(LOAD_BYTE_X, 0)
    program.emit(AND, 0x0F)
    program.emit(SHIFT_LEFT, 2)
    program.emit(ADD_X)
    program.emit(A_TO_X)
    _tcp(program, ports, "ipv4")


def _tcp(program: Assembler, ports: Sequence[int], name: str) -> None:
    """Accept if the TCP header at X has a signalling port; ends with both returns."""
    program.emit(LOAD_HALF_X, 0)
    program.when_any(ports, f"accept {name}")
    program.emit(LOAD_HALF_X, 2)
    program.when_any(ports, f"accept {name}")
    program.label(f"drop {name}")
    program.emit(RETURN, DROP_BYTES)
    program.label(f"accept {name}")
    program.emit(RETURN, ACCEPT_BYTES)


def _ipv6(program: Assembler, ports: Sequence[int]) -> None:
    """Walk the extension headers. memory[0] is the number of the header at X."""
    program.emit(LOAD_BYTE_X, 6)
    program.emit(STORE_A, 0)
    program.emit(SET_A, 40)
    _advance(program)
    for level in range(EXTENSION_HEADERS + 1):
        here = f"level {level}"
        program.emit(RECALL_A, 0)
        program.when_any((UDP, *TUNNELS), f"accept {here}")
        program.emit(JUMP_EQUAL, TCP, f"tcp {here}")
        program.when_any(OPTIONS, f"options {here}")
        program.emit(JUMP_EQUAL, AUTHENTICATION, f"authentication {here}")
        program.emit(JUMP_EQUAL, FRAGMENT, f"fragment {here}", f"drop {here}")
        program.label(f"tcp {here}")
        _tcp(program, ports, here)
        if level == EXTENSION_HEADERS:
            for name in ("options", "authentication", "fragment"):
                program.label(f"{name} {here}")
            program.emit(RETURN, ACCEPT_BYTES)
            return
        for name, units in (("options", OPTION_LENGTH), ("authentication", AUTHENTICATION_LENGTH)):
            program.label(f"{name} {here}")
            _remember_next_header(program)
            load_length(program, units)
            program.jump(f"skip {here}")
        program.label(f"fragment {here}")
        _remember_next_header(program)
        program.emit(LOAD_HALF_X, 2)
        program.emit(JUMP_SET, 0xFFF9, f"piece {here}", f"atomic {here}")
        program.label(f"piece {here}")
        program.emit(RECALL_A, 0)
        program.when_any((TCP, 58), f"unwanted {here}")  # fragments of TCP or ICMPv6 are of no use
        program.emit(RETURN, ACCEPT_BYTES)
        program.label(f"unwanted {here}")
        program.emit(RETURN, DROP_BYTES)
        program.label(f"atomic {here}")
        program.emit(SET_A, 8)
        program.label(f"skip {here}")
        _advance(program)


def load_length(program: Assembler, units: LengthUnits, header: int = 0) -> None:
    """A = the length in bytes of the extension header at X + `header`."""
    program.emit(LOAD_BYTE_X, header + 1)
    program.emit(ADD, units.not_counted)
    program.emit(SHIFT_LEFT, units.shift)


def _remember_next_header(program: Assembler) -> None:
    program.emit(LOAD_BYTE_X, 0)
    program.emit(STORE_A, 0)


def _advance(program: Assembler) -> None:
    """Move X by A bytes."""
    program.emit(ADD_X)
    program.emit(A_TO_X)
