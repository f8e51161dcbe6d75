"""The kernel's filter compared with the dissector: it never drops what that uses, and little else passes."""

import random

import numpy as np
import pytest
from bpf_machine import run
from frames import ethernet, ipv4, ipv6, ipv6_fragment, records, rtp, tcp, udp, vlan, vn_tag
from link_samples import LINKS, TUNNELS
from tshark_oracle import manifest

from callprint.core import dissect
from callprint.core.packets import PacketKind
from callprint.sources import open_captures
from callprint.sources.kernel_filter import PACKET_OUTGOING, PACKET_TYPE, PROTOCOL, build_filter

PORTS = (5060, 5061)
PROGRAM = build_filter(PORTS)
MEDIA = udp(rtp())
CALL = tcp(b"INVITE")
WEB = tcp(b"GET", 80, 50000)
HOP = b"\x11\0" + bytes(6)

KEPT = {
    "IPv4 UDP": ethernet(ipv4(MEDIA)),
    "IPv6 UDP": ethernet(ipv6(MEDIA), 0x86DD),
    "signalling": ethernet(ipv4(CALL, 6)),
    "signalling behind options": ethernet(ipv4(tcp(b"", 40000, 5061), 6, options=bytes(40))),
    "signalling over IPv6": ethernet(ipv6(CALL, 6), 0x86DD),
    "H.323": ethernet(ipv4(tcp(b"", 1720, 32803), 6)),
    "H.323 over IPv6": ethernet(ipv6(tcp(b"", 32803, 1720), 6), 0x86DD),
    "tagged signalling": ethernet(vlan(ipv4(CALL, 6)), 0x8100),
    "twice tagged IPv6": ethernet(vlan(vlan(ipv6(MEDIA), 0x86DD), 0x8100), 0x88A8),
    "thrice tagged": ethernet(vlan(vlan(vlan(ipv4(MEDIA)), 0x8100), 0x8100), 0x8100),
    "signalling below a VN-Tag": ethernet(vn_tag(ipv4(CALL, 6)), 0x8926),
    "media below VN-Tag and two tags": ethernet(vn_tag(vlan(vlan(ipv4(MEDIA)), 0x8100), 0x8100), 0x8926),
    "VN-Tag below a tag": ethernet(vlan(vn_tag(ipv4(MEDIA)), 0x8926), 0x8100),
    "first piece of UDP": ethernet(ipv4(MEDIA, fragment=0x2000)),
    "last piece of UDP": ethernet(ipv4(MEDIA, fragment=0x0010)),
    "piece over IPv6": ethernet(ipv6(ipv6_fragment(MEDIA, 9), 44), 0x86DD),
    "atomic fragment of TCP": ethernet(ipv6(ipv6_fragment(CALL, 0, 6), 44), 0x86DD),
    "hop-by-hop options": ethernet(ipv6(HOP + MEDIA, 0), 0x86DD),
    "authentication header": ethernet(ipv6(b"\x06\4" + bytes(22) + CALL, 51), 0x86DD),
    "six extension headers": ethernet(ipv6((b"\x3c\0" + bytes(6)) * 5 + HOP + MEDIA, 60), 0x86DD),
    "more extension headers than followed": ethernet(ipv6((b"\x3c\0" + bytes(6)) * 9, 60), 0x86DD),
}
DROPPED = {
    "web": ethernet(ipv4(WEB, 6)),
    "web over IPv6": ethernet(ipv6(WEB, 6), 0x86DD),
    "tagged web": ethernet(vlan(ipv4(WEB, 6)), 0x8100),
    "web below a VN-Tag": ethernet(vn_tag(ipv4(WEB, 6)), 0x8926),
    "web below VN-Tag and tag": ethernet(vn_tag(vlan(ipv6(WEB, 6), 0x86DD), 0x8100), 0x8926),
    "ARP below a VN-Tag": ethernet(vn_tag(bytes(28), 0x0806), 0x8926),
    "web behind options": ethernet(ipv6(b"\x06\0" + bytes(6) + WEB, 0), 0x86DD),
    "piece of TCP": ethernet(ipv4(CALL, 6, fragment=0x2000)),
    "piece of TCP over IPv6": ethernet(ipv6(ipv6_fragment(CALL, 9, 6), 44), 0x86DD),
    "ping": ethernet(ipv4(bytes(40), 1)),
    "multicast listener report": ethernet(ipv6(b"\x3a\0" + bytes(6) + bytes(20), 0), 0x86DD),
    "ARP": ethernet(bytes(28), 0x0806),
    "spanning tree": bytes(12) + b"\0\x26\x42\x42\x03" + bytes(35),
    "runt": b"\0" * 13,
}


def accepts(frame: bytes, program=PROGRAM) -> bool:
    return run(program, frame, {}) > 0


@pytest.mark.parametrize("name", KEPT)
def test_kept(name):
    assert accepts(KEPT[name])


@pytest.mark.parametrize("name", DROPPED)
def test_dropped(name):
    assert not accepts(DROPPED[name])


def test_every_encapsulation_and_ethernet_link_is_kept():
    for name, (frame, _) in TUNNELS.items():
        assert accepts(frame), name
    for name, (link_type, frame) in LINKS.items():
        assert accepts(frame) or link_type != 1, name


def test_packets_without_a_link_header_go_by_the_protocol_that_the_kernel_knows():
    program = build_filter(PORTS, ethernet=False)
    for packet, protocol, kept in [
        (ipv4(MEDIA), 0x0800, True),
        (ipv6(CALL, 6), 0x86DD, True),
        (ipv4(WEB, 6), 0x0800, False),
        (ipv4(MEDIA), 0x0806, False),
    ]:
        assert bool(run(program, packet, {PROTOCOL: protocol})) == kept


def test_on_loopback_each_packet_is_seen_once():
    program = build_filter(PORTS, drop_outgoing=True)
    frame = KEPT["IPv4 UDP"]
    assert run(program, frame, {PACKET_TYPE: 0})
    assert not run(program, frame, {PACKET_TYPE: PACKET_OUTGOING})


def check_against_dissector(data, rows):
    """Return how many frames passed that the dissector has no use for, apart from tunnels."""
    packets = dissect.dissect(data, rows, signalling_ports=PORTS)
    needless = 0
    for row, packet in zip(rows, packets, strict=True):
        frame = data[row["offset"] :][: row["captured"]].tobytes()
        accepted = accepts(frame)
        kind = PacketKind(int(packet["kind"]))
        used = packet["transport"] == 17 or kind in (PacketKind.SIP_TCP, PacketKind.H225)
        if used:
            assert accepted, frame.hex()
        elif accepted and packet["depth"] == 0:
            # Fragments and broken packets pass, so that they are counted.
            needless += kind in (PacketKind.NOT_UDP, PacketKind.NOT_IP)
    return needless


def test_damaged_frames():
    generator = random.Random(1)
    samples = [*KEPT.values(), *DROPPED.values(), *(frame for frame, _ in TUNNELS.values())]
    frames = []
    for _ in range(1500):
        frame = bytearray(generator.choice(samples))
        for _ in range(generator.randrange(3)):
            frame[generator.randrange(len(frame))] = generator.choice(
                [0, 4, 6, 17, 44, 60, generator.randrange(256)]
            )
        frames.append(bytes(frame))
    data, rows = records(frames)
    check_against_dissector(data, rows)


def test_public_captures(public_corpus):
    packets = needless = 0
    for row in manifest(public_corpus):
        if row["link_type"] != "EN10MB" or int(row["bytes"]) > 60_000:
            continue
        for batch in open_captures([public_corpus / row["file"]]):
            whole = batch.records[batch.records["captured"] == batch.records["original"]][:60]
            needless += check_against_dissector(batch.data, whole)
            packets += len(whole)
    assert packets > 5000
    assert needless / packets < 0.001


def test_the_program_is_short():
    assert len(build_filter(PORTS)) < 4096  # BPF_MAXINSNS
    assert np.max([step.constant for step in PROGRAM]) < 2**32
