"""A fan-out group keeps a media session together: the BPF program, run by bpf_machine.py."""

import struct
from collections import Counter

import pytest
from bpf_machine import run
from frames import ethernet, ipv4, ipv6, ipv6_fragment, mpls, rtcp, rtp, tcp, udp, vlan, vn_tag
from hypothesis import given
from hypothesis import strategies as st
from link_samples import TUNNELS

from callprint.sources.fanout import TUNNEL_PORTS, build_fanout
from callprint.sources.kernel_filter import PROTOCOL
from callprint.sources.packet_ring import fanout_number

PROGRAM = build_fanout()
PROCESSES = 4
HOP = b"\x11\0" + bytes(6)


def way(frame: bytes, program=PROGRAM, network: int = 14) -> int:
    return run(program, frame, {PROTOCOL: int.from_bytes(frame[12:14], "big")}, network)


def pppoe(packet: bytes, protocol: int = 0x0021) -> bytes:
    return b"\x11\0\0\1" + struct.pack("!HH", len(packet) + 2, protocol) + packet


IPV4 = {
    "plain": ethernet,
    "below a second tag": lambda p: ethernet(vlan(p), 0x8100),
    "below a third tag": lambda p: ethernet(vlan(vlan(p), 0x8100), 0x88A8),
    "VN-Tag": lambda p: ethernet(vn_tag(p), 0x8926),
    "VN-Tag and two tags": lambda p: ethernet(vn_tag(vlan(vlan(p), 0x8100), 0x8100), 0x8926),
    "PPPoE": lambda p: ethernet(pppoe(p), 0x8864),
    "tagged PPPoE": lambda p: ethernet(vlan(pppoe(p), 0x8864), 0x8100),
    "MPLS": lambda p: ethernet(mpls(mpls(p), last=False), 0x8847),
    "tagged MPLS": lambda p: ethernet(vlan(mpls(p), 0x8847), 0x8100),
}
IPV6 = {
    "plain": lambda p: ethernet(p, 0x86DD),
    "tagged": lambda p: ethernet(vlan(p, 0x86DD), 0x8100),
    "PPPoE": lambda p: ethernet(pppoe(p, 0x0057), 0x8864),
    "MPLS": lambda p: ethernet(mpls(p), 0x8847),
    "VN-Tag": lambda p: ethernet(vn_tag(vlan(mpls(p), 0x8847), 0x8100), 0x8926),
}
HEADERS = {
    "none": lambda p: (p, 17),
    "hop by hop": lambda p: (HOP + p, 0),
    "six": lambda p: ((b"\x3c\0" + bytes(6)) * 5 + HOP + p, 60),
    "more than followed": lambda p: ((b"\x3c\0" + bytes(6)) * 8 + HOP + p, 60),
    "authentication": lambda p: (b"\x11\4" + bytes(22) + p, 51),
    "atomic fragment": lambda p: (ipv6_fragment(p, 0), 44),
}

addresses = st.integers(1, 2**32 - 2)
ports = st.integers(1, 32767).map(lambda half: 2 * half) | st.sampled_from(TUNNEL_PORTS)


def dotted(address: int) -> str:
    return ".".join(str(byte) for byte in struct.pack("!I", address))


@given(addresses, addresses, ports, ports, st.sampled_from(sorted(IPV4)), st.binary(max_size=3))
def test_a_session_over_ipv4_stays_together(one, other, port, other_port, below, options):
    options = bytes(4 * len(options))
    a, b = dotted(one), dotted(other)
    ways = {
        way(
            IPV4[below](
                ipv4(udp(body, port + odd, other_port + odd), source=a, destination=b, options=options)
            )
        )
        for odd, body in ((0, rtp()), (1, rtcp()), (0, rtcp()))
    } | {
        way(IPV4[below](ipv4(udp(body, other_port + odd, port + odd), source=b, destination=a)))
        for odd, body in ((0, rtp()), (1, rtcp()))
    }
    assert len(ways) == 1


@given(
    st.integers(0, 2**128 - 1),
    st.integers(0, 2**128 - 1),
    *(ports, ports, st.sampled_from(sorted(IPV6)), st.sampled_from(sorted(HEADERS))),
)
def test_a_session_over_ipv6_stays_together(one, other, port, other_port, below, headers):
    ways = set()
    for odd, body in ((0, rtp()), (1, rtcp())):
        for source, destination, ends in (
            (one, other, (port + odd, other_port + odd)),
            (other, one, (other_port + odd, port + odd)),
        ):
            payload, number = HEADERS[headers](udp(body, *ends))
            ways.add(way(IPV6[below](ipv6(payload, number, source, destination))))
    assert len(ways) == 1


def test_sessions_spread_evenly_even_if_two_gateways_count_their_ports_in_step():
    for frames in (
        [ethernet(ipv4(udp(rtp(), 20_000 + 2 * n, 20_000 + 2 * n))) for n in range(2000)],
        [
            ethernet(ipv4(udp(rtp(), 20_000, 30_000), source=f"10.0.{n // 200}.{n % 200 + 1}"))
            for n in range(2000)
        ],
        [ethernet(ipv6(udp(rtp(), 20_000 + 4 * n, 30_000)), 0x86DD) for n in range(2000)],
    ):
        shares = Counter(way(frame) % PROCESSES for frame in frames)
        assert min(shares[process] for process in range(PROCESSES)) > 0.8 * 2000 / PROCESSES


def test_fragments_of_a_datagram_stay_together_and_so_do_tunnels():
    pieces = [ipv4(udp(bytes(1000)), fragment=0x2000), ipv4(bytes(100), fragment=0x0010)]
    assert len({way(ethernet(piece)) for piece in pieces}) == 1
    pieces6 = [ipv6(ipv6_fragment(udp(bytes(100)), 1), 44), ipv6(ipv6_fragment(bytes(100), 0x0100), 44)]
    assert len({way(ethernet(piece, 0x86DD)) for piece in pieces6}) == 1
    assert len({way(ethernet(ipv4(udp(b"", port, 4789)))) for port in range(50_000, 50_100)}) == 1
    assert len({way(ethernet(ipv4(tcp(b"", port, 5060), 6))) for port in range(50_000, 50_100)}) == 50


def test_the_reverse_of_anything_else_goes_the_same_way():
    for ethertype in (0x0806, 0x88CC, 0x8847):
        there = bytes(range(12)) + struct.pack("!H", ethertype) + bytes(40)
        back = there[6:12] + there[:6] + there[12:]
        assert way(there) == way(back) != 0


@pytest.mark.parametrize("name", TUNNELS)
def test_a_program_never_reads_beyond_an_encapsulation_that_is_cut(name):
    frame, _ = TUNNELS[name]
    assert all(0 <= way(frame[:end]) < 2**32 for end in range(14, len(frame) + 1))


@given(st.binary(min_size=14, max_size=120))
def test_any_frame_ends_the_program(frame):
    assert 0 <= way(frame) < 2**32


def test_a_packet_without_link_addresses():
    program = build_fanout(ethernet=False)
    packet = ipv4(udp(rtp()))
    assert run(program, packet, {PROTOCOL: 0x0800}, 0) == way(ethernet(packet))
    assert run(program, bytes(40), {PROTOCOL: 0x88CC}, 0) == 0


def test_a_group_has_a_number_on_each_interface():
    assert fanout_number(7, "eth0") == fanout_number(7, "eth0") != fanout_number(7, "eth1")
    assert all(0 <= fanout_number(group, "eth0") <= 0xFFFF for group in (0, 1, 4711, 10**9))


def test_the_program_is_short():
    assert len(PROGRAM) < 4096  # BPF_MAXINSNS
    assert all(0 <= step.constant < 2**32 for step in PROGRAM)
