"""Every link header and encapsulation around the same RTP packet gives the same packet."""

import pytest
from frames import DESTINATION, SOURCE, ethernet, ipv4, records, udp, vlan
from link_samples import FRAME, IPV4, IPV6_ENDS, LINKS, MEDIA, SNAP, TUNNELS, chunk, gtp, hep, wifi

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
        cut = one(frame[:size], link_type, missing=len(frame) - size)
        if 12 <= size - row["offset"] < len(MEDIA):
            assert_cut(cut, row, size)
        else:  # NOT_IP where the cut leaves a shorter header
            assert cut["kind"] in {PacketKind.TRUNCATED, PacketKind.NOT_IP, row["kind"]}


def assert_cut(cut, row, size):
    """`row` is the packet before the capture cut its frame to `size` bytes."""
    assert cut["kind"] == PacketKind.RTP_CUT
    assert (cut["offset"], cut["length"]) == (row["offset"], size - row["offset"])
    assert cut["length"] + cut["missing"] == row["length"]
    for name in ("src_hi", "src_lo", "dst_hi", "dst_lo", "src_port", "dst_port"):
        assert cut[name] == row[name]


@pytest.mark.parametrize("more", [0, 1, 1000])
def test_a_length_of_udp_beyond_the_datagram_is_no_cut_of_the_capture(more):
    segment = udp(MEDIA, 40000, 40002)
    longer = segment[:4] + (len(segment) + more).to_bytes(2, "big") + segment[6:]
    frame = ethernet(ipv4(longer))
    for cut in (0, 20):
        row = one(frame[: len(frame) - cut], missing=cut)
        whole = PacketKind.RTP_CUT if cut else PacketKind.RTP
        assert PacketKind(int(row["kind"])) == (PacketKind.MALFORMED if more else whole)


@pytest.mark.parametrize("name", TUNNELS)
def test_encapsulations(name):
    frame, depth = TUNNELS[name]
    row = one(frame)
    assert PacketKind(int(row["kind"])) == PacketKind.RTP
    assert frame[row["offset"] : row["offset"] + row["length"]] == MEDIA
    assert (row["src_port"], row["dst_port"], row["depth"]) == (40000, 40002, depth)
    framed = name.startswith(("HEP3", "TURN"))  # only lengths that agree with what is there prove these
    for size in range(14, len(frame) - 1):
        cut = one(frame[:size], missing=len(frame) - size)
        if 12 <= size - row["offset"] < len(MEDIA) and not framed:
            assert_cut(cut, row, size)
        else:
            assert cut["kind"] in {PacketKind.TRUNCATED, PacketKind.NOT_IP, row["kind"]}


def test_the_key_is_that_of_the_innermost_packet():
    inner = ipv4(udp(MEDIA, 1111, 2222), source="10.0.0.1", destination="10.0.0.2")
    row = one(ethernet(ipv4(udp(gtp(inner), 2152, 2152), source=SOURCE, destination=DESTINATION)))
    assert (row["src_hi"], row["src_lo"], row["dst_lo"]) == (0, 0xFFFF_0A00_0001, 0xFFFF_0A00_0002)
    assert (row["src_port"], row["dst_port"]) == (1111, 2222)


@pytest.mark.parametrize("port", [4789, 8472, 6081, 2152, 3544, 37008, 9060])
def test_rtp_on_a_tunnel_port_is_still_rtp(port):
    assert kind_of(ethernet(ipv4(udp(MEDIA, port, port)))) == PacketKind.RTP


INVITE = b"INVITE sip:bob@example.org SIP/2.0\r\nVia: x\r\n\r\n"


def captured(packet: bytes):
    return one(ethernet(ipv4(udp(packet, 33333, 9060))))


def test_what_hep_encapsulates_has_its_own_endpoints():
    row = captured(hep(INVITE, ports=(5060, 5070)))
    assert (PacketKind(int(row["kind"])), row["length"]) == (PacketKind.SIP_UDP, len(INVITE))
    assert (row["src_lo"], row["dst_lo"]) == (0xFFFF_C000_0209, 0xFFFF_C633_6409)
    assert (row["src_port"], row["dst_port"], row["transport"]) == (5060, 5070, 17)
    row = captured(hep(MEDIA, IPV6_ENDS))
    assert (row["src_hi"], row["src_lo"], row["dst_lo"]) == (0, 1, 2)


@pytest.mark.parametrize(
    "packet",
    [
        hep(MEDIA, b""),
        hep(MEDIA, chunk(3, bytes(4)) + chunk(6, bytes(16))),
        hep(MEDIA)[:4] + b"\0\1" + hep(MEDIA)[6:],
        hep(MEDIA) + b"\0",
        b"HEP3\0\6",
        b"HEP3\0",
    ],
    ids=["no addresses", "mixed addresses", "too short", "too long", "nothing in it", "cut"],
)
def test_hep_without_a_payload_between_endpoints_is_other_udp(packet):
    row = captured(packet)
    assert (PacketKind(int(row["kind"])), row["depth"], row["length"]) == (PacketKind.NOT_RTP, 0, len(packet))
    assert (row["src_lo"], row["src_port"], row["dst_port"]) == (0xFFFF_C000_0201, 33333, 9060)


@pytest.mark.parametrize(
    "addresses",
    [
        chunk(3, bytes(3)) + chunk(4, bytes(4)),
        chunk(5, bytes(16)) + chunk(6, bytes(15)),
        b"\0\0\0\1\0\5",
        b"\0\0\0\1\xff\xff",
        chunk(5, bytes(10) + b"\xff\xff" + bytes(4)) + chunk(6, bytes(16)),
    ],
    ids=["short IPv4", "short IPv6", "shorter than its header", "reaches out", "from IPv4 to IPv6"],
)
def test_hep_whose_chunks_contradict_each_other_is_malformed(addresses):
    row = captured(hep(MEDIA, addresses))
    assert PacketKind(int(row["kind"])) == PacketKind.MALFORMED


@pytest.mark.parametrize("head", [b"\2\0\0\1\1", b"\1\4\0\1\1", b"\1\0\0\2\1", b"\1\0\0\1\x0a\xff"], ids=repr)
def test_tzsp_that_holds_no_frame_is_other_udp(head):
    frame = ethernet(ipv4(udp(head + FRAME, 50000, 37008)))
    assert kind_of(frame) == PacketKind.NOT_RTP


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
