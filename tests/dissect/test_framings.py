"""What relays and applications put before media is taken off, and never where no media is behind it."""

import struct

import pytest
from capture_files import pcap
from frames import ethernet, ipv4, records, rtcp, rtp, udp
from link_samples import BY_SERVER, DYNAMIC, EXTENDED, FRAMED, MEDIA, multiplexed, zoom

import callprint
from callprint.core import dissect
from callprint.core.packets import PacketKind


def one(payload: bytes, ports: tuple[int, int] = (40000, 40002)):
    data, rows = records([ethernet(ipv4(udp(payload, *ports)))])
    return dissect.dissect(data, rows)[0]


def kind_of(payload: bytes, ports: tuple[int, int] = (40000, 40002)) -> PacketKind:
    return PacketKind(int(one(payload, ports)["kind"]))


@pytest.mark.parametrize("name", FRAMED)
def test_media_behind_a_framing(name):
    payload, ports, media = FRAMED[name]
    row = one(payload, ports)
    assert (row["kind"], row["depth"], row["length"]) == (kind_of(media), 1, len(media))
    assert row["offset"] == 42 + payload.index(media)
    assert (row["src_port"], row["dst_port"]) == ports


@pytest.mark.parametrize("name", FRAMED)
def test_every_cut_of_a_framing_is_other_udp_or_shorter_media(name):
    payload, ports, media = FRAMED[name]
    begin = payload.index(media)
    for size in range(1, len(payload)):
        row = one(payload[:size], ports)
        if row["depth"]:
            assert (row["offset"], row["length"]) == (42 + begin, min(size, begin + len(media)) - begin)
        else:
            assert (row["kind"], row["offset"], row["length"]) == (PacketKind.NOT_RTP, 42, size)


@pytest.mark.parametrize(
    ("payload", "ports"),
    [
        (multiplexed(b"hello, world, how are you?"), (40000, 3478)),
        (multiplexed(MEDIA, len(MEDIA) + 9), (40000, 3478)),
        (multiplexed(MEDIA, len(MEDIA) + 4), (40000, 3478)),
        (multiplexed(MEDIA, 3), (40000, 3478)),
        (b"\xff\x11" + multiplexed(MEDIA)[2:], (40000, 3478)),
        (BY_SERVER + zoom(15, 19, DYNAMIC), (8800, 8811)),
        (BY_SERVER + zoom(15, 19, MEDIA), (8801, 40000)),
        (BY_SERVER + zoom(30, 20, DYNAMIC), (8801, 40000)),
        (BY_SERVER + zoom(13, 27, DYNAMIC), (8801, 40000)),
        (BY_SERVER + zoom(21, 19, DYNAMIC), (8801, 40000)),
        (zoom(13, 27, DYNAMIC, {7: 30}), (40000, 40002)),
        (zoom(15, 19, MEDIA), (40000, 40002)),
        (zoom(16, 24, DYNAMIC), (40000, 40002)),
        (zoom(33, 16, rtcp(192)), (40000, 40002)),
        (b"\xce\xc0" + EXTENDED, (48564, 7985)),
        (b"\xce\x40" + DYNAMIC, (48564, 7985)),
        (b"\xce\x40" + rtp(EXTENDED[12:], 8, first=0x90), (48564, 7985)),
        (b"\xce\x40" + rtp(b"\xbe\xde\1\0" + bytes(60), 107, first=0x90), (48564, 7985)),
        (b"\xce\x40\x0a\0" + rtcp(), (48564, 7985)),
        (b"\xce\xc0\x0b\0" + rtcp(), (48564, 7985)),
        (b"\xce\xc0\x0a\0" + rtcp() + bytes(4), (48564, 7985)),
        (b"\xce\xc0\x0a\0" + rtcp(202) + rtcp(), (48564, 7985)),
    ],
    ids=[
        "text",
        "longer",
        "shorter",
        "shorter than its header",
        "another channel",
        "not Zoom's ports",
        "a static payload type",
        "screen of a party from a server",
        "another subtype",
        "another type",
        "screen of a server from a party",
        "static type between parties",
        "video without its mark",
        "no RTCP of RFC 3550",
        "RTP in a message of Viber",
        "RTP without an extension",
        "static type behind two bytes",
        "an extension that does not fit",
        "RTCP without the bit of a message",
        "another message of Viber",
        "more than RTCP",
        "RTCP that begins with no report",
    ],
)
def test_what_is_no_framing_of_media(payload, ports):
    row = one(payload, ports)
    assert (row["kind"], row["depth"], row["length"]) == (PacketKind.NOT_RTP, 0, len(payload))


@pytest.mark.parametrize("number", [b"\x80\0", b"\xa0\x16", b"\0\1", b"\x16\x7e", b"\x40\0", b"SI"])
def test_the_two_bytes_of_viber_may_look_like_another_protocol(number):
    message = bytes([number[0], number[1] | 0x80])
    assert (one(number + EXTENDED)["kind"], one(number + EXTENDED)["offset"]) == (PacketKind.RTP, 44)
    row = one(message + b"\x0a\0" + rtcp())
    assert (row["kind"], row["offset"]) == (PacketKind.RTCP, 46)


def test_a_flow_behind_two_bytes_is_confirmed_by_its_sequence_numbers():
    def flows_of(sequences: range) -> list[int]:
        packets = [b"\xce\x40" + rtp(EXTENDED[12:], 107, at, 0x90) for at in sequences]
        frames = [ethernet(ipv4(udp(packet, 48564, 7985))) for packet in packets]
        return [flow.packets for flow in callprint.identify(pcap(frames), model="none")]

    assert flows_of(range(100, 150)) == [50]
    assert flows_of(range(0, 65000, 1300)) == []


@pytest.mark.parametrize(
    ("packet", "kind"),
    [
        (rtp(b"\xd1\x37\x91\x02" + bytes(60), 120, first=0x90), PacketKind.RTP),
        (rtp(b"\xd1\x37\x91\x02" + bytes(300), 120, first=0x92), PacketKind.RTP_LONG),
        (rtp(b"\xd1\x37\x91\x02" + bytes(60), 8, first=0x90), PacketKind.RTP_INVALID),
        (rtp(b"\xbe\xde\x91\x02" + bytes(60), 120, first=0x90), PacketKind.RTP_INVALID),
        (rtp(b"\x10\x05\x91\x02" + bytes(60), 120, first=0x90), PacketKind.RTP_INVALID),
        (rtp(b"\xd1\x37\x91", 120, first=0x90), PacketKind.RTP_INVALID),
    ],
    ids=["encrypted", "long", "static type", "readable", "readable, two bytes", "does not fit"],
)
def test_an_extension_whose_length_is_encrypted_proves_nothing(packet, kind):
    assert kind_of(packet) == kind


def test_bacnet_is_not_rtp():
    message = b"\x81\x0a" + struct.pack("!H", 40) + bytes(36)
    assert kind_of(message, (47808, 47808)) == kind_of(message, (50000, 47810)) == PacketKind.NOT_RTP
    assert kind_of(message) == kind_of(message + b"\0", (47808, 47808)) == PacketKind.RTP
