"""The same RTP packet under every link header and encapsulation that the dissector reads."""

import struct

from frames import ethernet, ipv4, ipv6, mpls, rtcp, rtp, udp, vlan, vn_tag

MEDIA = rtp()
IPV4 = ipv4(udp(MEDIA))
IPV6 = ipv6(udp(MEDIA))
FRAME = ethernet(IPV4)
SNAP = b"\xaa\xaa\x03\0\0\0\x08\0"


def gtp(payload: bytes, flags: int = 0x30, optional: bytes = b"") -> bytes:
    return struct.pack("!BBHI", flags, 255, len(optional + payload), 1) + optional + payload


def wifi(payload: bytes, control: int = 0x08, flags: int = 0x02, extra: bytes = b"") -> bytes:
    return bytes([control, flags]) + bytes(22) + extra + payload


def chunk(kind: int, value: bytes, vendor: int = 0) -> bytes:
    """Return one chunk of a HEP3 packet."""
    return struct.pack("!HHH", vendor, kind, 6 + len(value)) + value


def hep(payload: bytes, addresses: bytes | None = None, ports: tuple[int, int] = (40000, 40002)) -> bytes:
    """Return a HEP3 packet around a captured payload; `addresses` are two chunks."""
    if addresses is None:
        addresses = chunk(3, bytes([192, 0, 2, 9])) + chunk(4, bytes([198, 51, 100, 9]))
    about = chunk(1, b"\2") + chunk(2, b"\x11") + addresses
    about += b"".join(chunk(kind, struct.pack("!H", port)) for kind, port in zip((7, 8), ports, strict=True))
    about += chunk(9, bytes(4)) + chunk(10, bytes(4)) + chunk(11, b"\4") + chunk(99, b"x", 0x8000)
    chunks = about + chunk(15, payload)
    return b"HEP3" + struct.pack("!H", 6 + len(chunks)) + chunks


IPV6_ENDS = chunk(5, bytes(15) + b"\1") + chunk(6, bytes(15) + b"\2")


def indication(media: bytes, method: int = 0x0016, cookie: int = 0x2112A442) -> bytes:
    """Return a TURN Send (0x0016) or Data (0x0017) indication: a peer's address, media, a fingerprint."""
    peer = struct.pack("!HHHHI", 0x0012, 8, 1, 0x3333, 0x12345678)
    value = struct.pack("!HH", 0x0013, len(media)) + media + bytes(-len(media) % 4)
    attributes = peer + value + struct.pack("!HHI", 0x8028, 4, 0)
    return struct.pack("!HHI12x", method, len(attributes), cookie) + attributes


LINKS = {
    "Ethernet": (1, FRAME),
    "802.3 with SNAP": (1, bytes(12) + struct.pack("!H", len(IPV4) + 8) + SNAP + IPV4),
    "raw": (101, IPV4),
    "raw BSD": (12, IPV6),
    "raw OpenBSD": (14, IPV4),
    "raw IPv4": (228, IPV4),
    "raw IPv6": (229, IPV6),
    "null little-endian": (0, b"\x02\0\0\0" + IPV4),
    "null big-endian": (0, b"\0\0\0\x02" + IPV4),
    "null macOS IPv6": (0, b"\x1e\0\0\0" + IPV6),
    "loop": (108, b"\0\0\0\x18" + IPV6),
    "cooked": (113, bytes(14) + b"\x08\0" + IPV4),
    "cooked with VLAN": (113, bytes(14) + b"\x81\0" + vlan(IPV4)),
    "cooked v2": (276, b"\x86\xdd" + bytes(18) + IPV6),
    "PPP": (9, b"\xff\x03\0\x21" + IPV4),
    "PPP compressed": (9, b"\x21" + IPV4),
    "PPP IPv6": (50, b"\0\x57" + IPV6),
    "PPP serial with HDLC": (50, b"\x0f\0\x08\0" + IPV4),
    "PPP of pppd": (166, b"\x01\x03\0\x21" + IPV4),
    "PPPoE without Ethernet": (51, b"\x11\0\0\x01\0\0\0\x21" + IPV4),
    "Cisco HDLC": (104, b"\x0f\0\x08\0" + IPV4),
    "Frame Relay NLPID": (107, b"\x18\x41\x03\xcc" + IPV4),
    "Frame Relay SNAP": (107, b"\x18\x41\x03\0\x80\0\0\0\x08\0" + IPV4),
    "Frame Relay Cisco": (107, b"\x18\x41\x08\0" + IPV4),
    "ATM LLC": (100, SNAP + IPV4),
    "FDDI": (10, b"\x50" + bytes(12) + SNAP + IPV4),
    "802.11": (105, wifi(SNAP + IPV4)),
    "802.11 QoS with HT control": (105, wifi(SNAP + IPV4, 0x88, 0x82, bytes(6))),
    "802.11 between access points": (105, wifi(SNAP + IPV4, 0x08, 0x03, bytes(6))),
    "radiotap": (127, b"\0\0\x0a\0" + bytes(6) + wifi(SNAP + IPV4)),
    "PPI": (192, b"\0\0\x08\0\x01\0\0\0" + FRAME),
}


LABELS = mpls(mpls(IPV4), last=False)
TUNNELS = {
    "VLAN": (ethernet(vlan(IPV4), 0x8100), 1),
    "QinQ": (ethernet(vlan(vlan(IPV6, 0x86DD), 0x8100), 0x88A8), 2),
    "VLAN with SNAP": (ethernet(vlan(SNAP + IPV4, len(IPV4) + 8), 0x8100), 1),
    "VLAN and Cisco metadata": (ethernet(vlan(b"\1\1\0\1\0\x64\x08\0" + IPV4, 0x8909), 0x8100), 2),
    "802.1ah": (ethernet(vlan(b"\0\0\0\1" + FRAME, 0x88E7), 0x88A8), 2),
    "MPLS": (ethernet(LABELS, 0x8847), 2),
    "MPLS pseudowire": (ethernet(mpls(bytes(4) + FRAME), 0x8847), 1),
    "PPPoE": (ethernet(b"\x11\0\0\x01\0\0\0\x21" + IPV4, 0x8864), 1),
    "GRE": (ethernet(ipv4(b"\0\0\x08\0" + IPV4, 47)), 1),
    "GRE with all fields": (ethernet(ipv4(b"\xb0\0\x08\0" + bytes(12) + IPV4, 47)), 1),
    "GRE bridging": (ethernet(ipv6(b"\0\0\x65\x58" + FRAME, 47), 0x86DD), 1),
    "PPTP": (ethernet(ipv4(b"\x30\x81\x88\x0b" + bytes(12) + b"\xff\x03\0\x21" + IPV4, 47)), 1),
    "ERSPAN I": (ethernet(ipv4(b"\0\0\x88\xbe" + FRAME, 47)), 1),
    "ERSPAN II": (ethernet(ipv4(b"\x10\0\x88\xbe" + bytes(12) + FRAME, 47)), 1),
    "ERSPAN III": (ethernet(ipv4(b"\x10\0\x22\xeb" + bytes(15) + b"\1" + bytes(8) + FRAME, 47)), 1),
    "4in4": (ethernet(ipv4(IPV4, 4)), 1),
    "6in4": (ethernet(ipv4(IPV6, 41)), 1),
    "4in6": (ethernet(ipv6(IPV4, 4), 0x86DD), 1),
    "6in6": (ethernet(ipv6(IPV6, 41), 0x86DD), 1),
    "EtherIP": (ethernet(ipv4(b"\x30\0" + FRAME, 97)), 1),
    "MPLS in IP": (ethernet(ipv4(mpls(IPV4), 137)), 1),
    "VXLAN": (ethernet(ipv4(udp(b"\x08\0\0\0\0\0\x64\0" + FRAME, 50000, 4789))), 1),
    "VXLAN of Linux": (ethernet(ipv4(udp(b"\x08\0\0\0\0\0\x64\0" + FRAME, 50000, 8472))), 1),
    "Geneve": (ethernet(ipv4(udp(b"\x01\0\x65\x58\0\0\x64\0" + bytes(4) + FRAME, 50000, 6081))), 1),
    "GTP-U": (ethernet(ipv4(udp(gtp(IPV4), 2152, 2152))), 1),
    "GTP-U extensions": (ethernet(ipv4(udp(gtp(IPV6, 0x34, b"\0\0\0\x85\1\0\0\0"), 2152, 2152))), 1),
    "Teredo": (ethernet(ipv4(udp(IPV6, 3544, 50000))), 1),
    "Teredo indications": (ethernet(ipv4(udp(b"\0\1\0\0" + bytes(9) + bytes(8) + IPV6, 3544, 3544))), 1),
    "VN-Tag": (ethernet(vn_tag(IPV4), 0x8926), 1),
    "VN-Tag before VLAN": (ethernet(vn_tag(vlan(IPV6, 0x86DD), 0x8100), 0x8926), 2),
    "TZSP": (ethernet(ipv4(udp(b"\1\0\0\1\1" + FRAME, 50000, 37008))), 1),
    "TZSP with fields": (
        ethernet(ipv4(udp(b"\1\1\0\x12" + b"\0\x0a\1\xb0\0\x28\2\1\2\1" + wifi(SNAP + IPV4), 50000, 37008))),
        1,
    ),
    "HEP3": (ethernet(ipv4(udp(hep(MEDIA), 33333, 9060))), 1),
    "HEP3 over IPv6 about IPv6": (
        ethernet(
            ipv6(udp(hep(MEDIA, chunk(5, bytes(15) + b"\1") + chunk(6, bytes(15) + b"\2")), 1, 2)), 0x86DD
        ),
        1,
    ),
    "TURN Send indication": (ethernet(ipv4(udp(indication(MEDIA)))), 1),
    "TURN Data indication": (ethernet(ipv4(udp(indication(MEDIA, 0x0017)))), 1),
    "authentication header": (ethernet(ipv4(b"\x11\4" + bytes(22) + udp(MEDIA), 51)), 0),
    "VLAN, MPLS, GTP-U, 6in4": (
        ethernet(vlan(mpls(ipv4(udp(gtp(ipv4(IPV6, 41)), 2152, 2152))), 0x8847), 0x8100),
        4,
    ),
}


def multiplexed(media: bytes, length: int | None = None) -> bytes:
    """Return a multiplexed TURN message of Microsoft's relays."""
    return struct.pack("!HHQ", 0xFF10, 8 + len(media) if length is None else length, 77) + media


def zoom(kind: int, size: int, media: bytes, changes: dict[int, int] | None = None) -> bytes:
    """Return media behind a media header of Zoom of `size` bytes, some of which are changed."""
    header = bytearray([kind]) + b"\1\0\xfb\x90\x14\x11\4\xff" + bytes(size - 9)
    for at, value in (changes or {}).items():
        header[at] = value
    return bytes(header) + media


BY_SERVER = b"\5\0\3\0\x4f\x83\x79\4"
DYNAMIC = rtp(payload_type=112)
# RTP as Viber sends it: payload type 107, an extension of one byte
EXTENDED = rtp(b"\xbe\xde\0\1\x10\x9b\0\0" + bytes(60), 107, first=0x90)
# name -> (UDP payload, ports, the media in it)
FRAMED = {
    "multiplexed TURN": (multiplexed(MEDIA), (40000, 3478), MEDIA),
    "multiplexed TURN, padded": (multiplexed(rtcp()) + b"\0\0", (3478, 40000), rtcp()),
    "Zoom audio": (BY_SERVER + zoom(15, 19, DYNAMIC), (8801, 40000), DYNAMIC),
    "Zoom video": (BY_SERVER + zoom(16, 20, DYNAMIC), (40000, 8810), DYNAMIC),
    "Zoom video with frame": (BY_SERVER + zoom(16, 24, DYNAMIC, {20: 2}), (8801, 40000), DYNAMIC),
    "Zoom screen": (BY_SERVER + zoom(13, 27, DYNAMIC, {7: 30}), (8801, 40000), DYNAMIC),
    "Zoom RTCP": (BY_SERVER + zoom(33, 16, rtcp()), (40000, 8801), rtcp()),
    "Zoom audio between parties": (zoom(15, 19, DYNAMIC), (40000, 40002), DYNAMIC),
    "Zoom video between parties": (zoom(16, 24, DYNAMIC, {20: 2}), (40000, 40002), DYNAMIC),
    "Zoom screen between parties": (zoom(30, 20, DYNAMIC), (40000, 40002), DYNAMIC),
    "Zoom RTCP between parties": (zoom(35, 16, rtcp()), (40000, 40002), rtcp()),
    "Viber": (b"\xce\x40" + EXTENDED, (48564, 7985), EXTENDED),
    "Viber RTCP": (b"\xce\xc0\x0a\0" + rtcp() * 2, (48564, 7985), rtcp() * 2),
}
