"""Every link header and encapsulation around the same RTP packet gives the same packet."""

import pytest
from frames import DESTINATION, SOURCE, ethernet, ipv4, records, udp, vlan
from link_samples import FRAME, IPV4, LINKS, MEDIA, SNAP, TUNNELS, gtp, wifi

from callprint.core import dissect
from callprint.core.dissect.layers import MAXIMUM_DEPTH
from callprint.core.packets import PacketKind


def one(frame: bytes, link_type: int = 1, missing: int = 0):
    data, rows = records([frame], link_type, missing)
    return dissect.dissect(data, rows)[0]


def kind_of(frame: bytes, link_type: int = 1, missing: int = 0) -> PacketKind:
    return PacketKind(int(one(frame, link_type, missing)["kind"]))


@pytest.mark.parametrize("name", LINKS)
def test_links(name):
    link_type, frame = LINKS[name]
    row = one(frame, link_type)
    assert PacketKind(int(row["kind"])) == PacketKind.RTP
    assert (row["src_port"], row["dst_port"], row["transport"]) == (40000, 40002, 17)
    assert frame[row["offset"] : row["offset"] + row["length"]] == MEDIA
    for size in range(len(frame) - 1):
        expected = {PacketKind.TRUNCATED, PacketKind.NOT_IP}  # NOT_IP where the cut leaves a shorter header
        assert kind_of(frame[:size], link_type, missing=len(frame) - size) in expected


@pytest.mark.parametrize("name", TUNNELS)
def test_encapsulations(name):
    frame, depth = TUNNELS[name]
    row = one(frame)
    assert PacketKind(int(row["kind"])) == PacketKind.RTP
    assert frame[row["offset"] : row["offset"] + row["length"]] == MEDIA
    assert (row["src_port"], row["dst_port"], row["depth"]) == (40000, 40002, depth)
    for size in range(14, len(frame) - 1):
        assert kind_of(frame[:size], missing=len(frame) - size) in {PacketKind.TRUNCATED, PacketKind.NOT_IP}


def test_the_key_is_that_of_the_innermost_packet():
    inner = ipv4(udp(MEDIA, 1111, 2222), source="10.0.0.1", destination="10.0.0.2")
    row = one(ethernet(ipv4(udp(gtp(inner), 2152, 2152), source=SOURCE, destination=DESTINATION)))
    assert (row["src_hi"], row["src_lo"], row["dst_lo"]) == (0, 0xFFFF_0A00_0001, 0xFFFF_0A00_0002)
    assert (row["src_port"], row["dst_port"]) == (1111, 2222)


@pytest.mark.parametrize("port", [4789, 8472, 6081, 2152, 3544])
def test_rtp_on_a_tunnel_port_is_still_rtp(port):
    assert kind_of(ethernet(ipv4(udp(MEDIA, port, port)))) == PacketKind.RTP


def test_encapsulations_beyond_the_limit_are_not_taken_off():
    tags = IPV4
    for index in range(MAXIMUM_DEPTH):
        tags = vlan(tags, 0x0800 if index == 0 else 0x8100)
    assert kind_of(ethernet(tags, 0x8100)) == PacketKind.RTP
    assert kind_of(ethernet(vlan(tags, 0x8100), 0x8100)) == PacketKind.TOO_DEEP


@pytest.mark.parametrize(
    ("frame", "link_type"),
    [
        (ethernet(bytes(28), 0x0806), 1),
        (ethernet(b"\x11\x09\0\0\0\0", 0x8863), 1),
        (bytes(12) + b"\0\x26\x42\x42\x03" + bytes(35), 1),
        (wifi(bytes(20), 0x80), 105),
        (wifi(SNAP + IPV4, 0x08, 0x42), 105),
        (b"\0\0\0\x07" + bytes(20), 0),
    ],
    ids=["ARP", "PPPoE discovery", "spanning tree", "802.11 beacon", "802.11 encrypted", "loopback family"],
)
def test_frames_without_ip(frame, link_type):
    assert kind_of(frame, link_type) == PacketKind.NOT_IP


def test_an_unknown_link_type_is_counted_as_such():
    assert kind_of(FRAME, 9999) == PacketKind.UNKNOWN_LINK
