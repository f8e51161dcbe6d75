"""IP and UDP headers: padding, fragments, extension headers, lengths that contradict each other."""

import struct

import pytest
from frames import ethernet, ipv4, ipv6, ipv6_fragment, records, rtp, tcp, udp

from callprint.core import dissect
from callprint.core.packets import PacketKind

MEDIA = rtp()


def one(frame: bytes, missing: int = 0, **options):
    data, rows = records([frame], missing=missing)
    return dissect.dissect(data, rows, **options)[0]


def kind_of(frame: bytes, missing: int = 0) -> PacketKind:
    return PacketKind(int(one(frame, missing)["kind"]))


def changed(packet: bytes, at: int, value: int) -> bytes:
    return packet[:at] + struct.pack("!H", value) + packet[at + 2 :]


def test_ethernet_padding_is_not_payload():
    row = one(ethernet(ipv4(udp(rtp(b"")))) + bytes(20))
    assert (row["kind"], row["length"]) == (PacketKind.RTP, 12)


def test_bytes_behind_the_udp_length_are_not_payload():
    assert one(ethernet(ipv4(udp(MEDIA) + bytes(9))))["length"] == len(MEDIA)


def test_ipv4_options():
    assert kind_of(ethernet(ipv4(udp(MEDIA), options=b"\x94\4\0\0" * 10))) == PacketKind.RTP


def test_a_total_length_of_zero_means_the_rest_of_the_frame():
    assert kind_of(ethernet(changed(ipv4(udp(MEDIA)), 2, 0))) == PacketKind.RTP


@pytest.mark.parametrize("fragment", [0x2000, 0x0001, 0x2001, 0x1FFF], ids=hex)
def test_ipv4_fragments_are_never_parsed(fragment):
    row = one(ethernet(ipv4(udp(MEDIA), fragment=fragment)))
    assert (row["kind"], row["transport"], row["src_port"]) == (PacketKind.FRAGMENT, 0, 0)


@pytest.mark.parametrize("flags", [0x4000, 0x8000], ids=["do not fragment", "reserved bit"])
def test_other_flags_make_no_fragment(flags):
    assert kind_of(ethernet(ipv4(udp(MEDIA), fragment=flags))) == PacketKind.RTP


def test_ipv6_fragments_are_never_parsed_but_atomic_ones_are_whole():
    for field, kind in [
        (1, PacketKind.FRAGMENT),
        (8, PacketKind.FRAGMENT),
        (0, PacketKind.RTP),
        (6, PacketKind.RTP),
    ]:
        packet = ipv6(ipv6_fragment(udp(MEDIA), field), 44)
        assert kind_of(ethernet(packet, 0x86DD)) == kind


MAPPED = bytes(10) + b"\xff\xff" + bytes((192, 0, 2, 1))


@pytest.mark.parametrize("at", [8, 24], ids=["source", "destination"])
def test_an_ipv6_packet_from_ipv4_to_ipv6_is_malformed(at):
    packet = ipv6(udp(MEDIA))
    mixed = packet[:at] + MAPPED + packet[at + 16 :]
    assert kind_of(ethernet(mixed, 0x86DD)) == PacketKind.MALFORMED
    both = packet[:8] + MAPPED + MAPPED + packet[40:]
    assert kind_of(ethernet(both, 0x86DD)) == PacketKind.RTP


def test_ipv6_extension_headers():
    chain = b"\x3c" + bytes(7) + b"\x2b\1" + bytes(14) + b"\x33" + bytes(7) + b"\x11\4" + bytes(22)
    assert kind_of(ethernet(ipv6(chain + udp(MEDIA), 0), 0x86DD)) == PacketKind.RTP


@pytest.mark.parametrize("protocol", [1, 2, 50, 58, 59, 132, 255])
def test_other_protocols(protocol):
    assert kind_of(ethernet(ipv4(bytes(40), protocol))) == PacketKind.NOT_UDP
    assert kind_of(ethernet(ipv6(bytes(40), protocol), 0x86DD)) == PacketKind.NOT_UDP


@pytest.mark.parametrize(
    "packet",
    [
        ipv4(changed(udp(MEDIA), 4, 7)),
        ipv4(changed(udp(MEDIA), 4, 9 + len(MEDIA))),
        changed(ipv4(udp(MEDIA)), 2, 19),
        changed(ipv4(udp(MEDIA)), 0, 0x4400),
        changed(ipv4(udp(MEDIA)), 0, 0x5500),
        ipv4(changed(ipv4(udp(MEDIA)), 2, 1000), 4),
        ipv4(b"\0\1\0"),
        ipv4(udp(MEDIA))[:19],
    ],
    ids=[
        "UDP length below 8",
        "UDP longer than IP",
        "IP length below its header",
        "IP header length below 5",
        "IP version 5",
        "inner IP longer than outer",
        "no room for UDP",
        "no room for IP",
    ],
)
def test_contradictions_are_malformed(packet):
    assert kind_of(ethernet(packet)) == PacketKind.MALFORMED


def test_a_packet_that_the_capture_cut_is_truncated_and_keeps_what_is_there():
    frame = ethernet(ipv4(udp(b"\x40" + MEDIA[1:])))
    row = one(frame[:-100], missing=100)
    assert (row["kind"], row["length"], row["src_port"]) == (PacketKind.TRUNCATED, len(MEDIA) - 100, 40000)
    # The same when the capture does not say so: the headers announce more than the frame has.
    assert kind_of(frame[:-100]) == PacketKind.TRUNCATED


def test_a_cut_that_took_only_padding_does_no_harm():
    assert kind_of(ethernet(ipv4(udp(MEDIA))), missing=4) == PacketKind.RTP


def test_tcp_is_read_on_signalling_ports_only():
    row = one(ethernet(ipv4(tcp(b"INVITE", 5060, 40000, flags=0x18), 6)))
    assert (row["kind"], row["tcp_flags"], row["tcp_sequence"]) == (PacketKind.SIP_TCP, 0x18, 77)
    assert (row["length"], row["transport"]) == (6, 6)
    other = ethernet(ipv4(tcp(b"x", 5080, 40000), 6))
    assert kind_of(other) == PacketKind.NOT_UDP
    assert one(other, signalling_ports=(5060, 5080))["kind"] == PacketKind.SIP_TCP
    opening = one(ethernet(ipv4(tcp(b"", 40000, 5060, flags=2), 6)))
    assert (opening["kind"], opening["length"]) == (PacketKind.SIP_TCP, 0)


def test_a_broken_tcp_header_on_a_signalling_port_is_malformed():
    segment = tcp(b"")
    assert kind_of(ethernet(ipv4(segment[:12] + b"\x40" + segment[13:], 6))) == PacketKind.MALFORMED
    assert kind_of(ethernet(ipv4(segment[:12] + b"\xf0" + segment[13:], 6))) == PacketKind.MALFORMED
    assert kind_of(ethernet(ipv4(segment, 6))[:-4], missing=4) == PacketKind.TRUNCATED


def test_a_segment_longer_than_any_ip_datagram_is_malformed():
    datagram = changed(ipv4(tcp(b"x" * 60_000), 6), 2, 0)  # an IP length of zero: to the end of the frame
    assert one(ethernet(datagram))["length"] == 60_000
    assert kind_of(ethernet(datagram + bytes(5_536))) == PacketKind.MALFORMED


def test_wrong_arguments_are_refused():
    data, rows = records([ethernet(ipv4(udp(MEDIA)))])
    with pytest.raises(ValueError, match="record 0 reaches out"):
        dissect.dissect(data[:-1], rows)
    rows["offset"] = -1
    with pytest.raises(ValueError, match="record 0 reaches out"):
        dissect.dissect(data, rows)
    with pytest.raises(ValueError, match="uint8"):
        dissect.dissect(data.astype("u2"), rows)
    with pytest.raises(ValueError, match="do not fit"):
        dissect.dissect(data, rows, dissect.dissect(data, rows[:0]))
