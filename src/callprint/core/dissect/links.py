"""Link headers: which layer a link type begins with, and one step for each kind of link header.

Every step takes the buffer, where its header begins and where the bytes end, and returns (layer, at).
"""

from callprint.core.dissect.layers import (
    CISCO_HDLC,
    COOKED,
    COOKED2,
    ETHERNET,
    FDDI,
    FRAGMENT,
    FRAME_RELAY,
    IPV4,
    IPV6,
    LLC,
    LOOPBACK,
    MPLS,
    NOT_IP,
    PPI,
    PPP,
    PPPOE,
    RADIOTAP,
    RAW_IP,
    SHORT,
    UNKNOWN_LINK,
    WIFI,
    layer_behind,
    layer_of_ethertype,
    layer_of_type_or_length,
    layer_of_version,
)
from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import compiled
from callprint.core.ground.loads import be16, le16, load8


@compiled
def layer_of_link(link_type: int) -> int:
    """Return the layer that frames of a LINKTYPE_ number of the tcpdump registry begin with."""
    if link_type == 1:
        return ETHERNET
    # RAW is 12 on most BSDs and 14 on OpenBSD; some writers put both IP versions under IPV4 (228).
    if link_type in (12, 14, 101, 228, 229):
        return RAW_IP
    if link_type == 113:
        return COOKED
    if link_type == 276:
        return COOKED2
    if link_type in (0, 108):
        return LOOPBACK
    if link_type in (9, 50, 166):
        return PPP
    if link_type == 51:
        return PPPOE
    if link_type == 104:
        return CISCO_HDLC
    if link_type == 107:
        return FRAME_RELAY
    if link_type == 100:  # ATM (RFC 1483): nothing before LLC
        return LLC
    if link_type == 10:
        return FDDI
    if link_type == 105:
        return WIFI
    if link_type == 127:
        return RADIOTAP
    if link_type == 192:
        return PPI
    return UNKNOWN_LINK


@compiled
def step_ethernet(data: Array, at: int, end: int) -> tuple[int, int]:
    """Ethernet II or 802.3: two addresses and a type, or a length and LLC."""
    if end - at < 14:
        return SHORT, at
    return layer_of_type_or_length(be16(data, at + 12)), at + 14


@compiled
def step_fddi(data: Array, at: int, end: int) -> tuple[int, int]:
    """FDDI: frame control (LLC frames are 0x50..0x5f), two addresses, LLC."""
    if end - at < 13:
        return SHORT, at
    return (LLC, at + 13) if data[at] & 0xF0 == 0x50 else (NOT_IP, at)


@compiled
def step_llc(data: Array, at: int, end: int) -> tuple[int, int]:
    """802.2 LLC; with a SNAP header (RFC 1042) an EtherType follows."""
    if end - at < 3:
        return SHORT, at
    if data[at] == 0x06 and data[at + 1] == 0x06 and data[at + 2] == 0x03:  # the SAP of IP itself
        return IPV4, at + 3
    if data[at] != 0xAA or data[at + 1] != 0xAA or data[at + 2] != 0x03:
        return NOT_IP, at
    if end - at < 8:
        return SHORT, at
    if data[at + 3] != 0 or data[at + 4] != 0 or data[at + 5] not in (0, 0xF8):
        return NOT_IP, at  # another organisation's numbers
    return layer_of_ethertype(be16(data, at + 6)), at + 8


@compiled
def step_loopback(data: Array, at: int, end: int) -> tuple[int, int]:
    """BSD loopback: the address family as 32 bits, in the byte order of the machine that captured."""
    if end - at < 4:
        return SHORT, at
    low, high = be16(data, at), be16(data, at + 2)
    # One half of the word is zero; which one depends on the byte order.
    family = high if low == 0 else le16(data, at)
    if low != 0 and high != 0:
        return NOT_IP, at
    if family == 2:
        return IPV4, at + 4
    if family in (10, 24, 28, 30):  # AF_INET6 of Linux, NetBSD, FreeBSD, macOS
        return IPV6, at + 4
    return NOT_IP, at


@compiled
def step_raw_ip(data: Array, at: int, end: int) -> tuple[int, int]:
    """No link header: the first nibble is the IP version."""
    if end - at < 1:
        return SHORT, at
    return layer_of_version(data[at]), at


@compiled
def step_cooked(data: Array, at: int, end: int) -> tuple[int, int]:
    """Linux cooked capture v1: 16 bytes, the EtherType at their end."""
    if end - at < 16:
        return SHORT, at
    return _cooked(be16(data, at + 2), be16(data, at + 14), at + 16)


@compiled
def step_cooked2(data: Array, at: int, end: int) -> tuple[int, int]:
    """Linux cooked capture v2: 20 bytes, the EtherType at their start."""
    if end - at < 20:
        return SHORT, at
    return _cooked(be16(data, at + 8), be16(data, at), at + 20)


@compiled
def _cooked(device_type: int, protocol: int, at: int) -> tuple[int, int]:
    if device_type == 824:  # netlink: the protocol field is a netlink family
        return NOT_IP, at
    if device_type == 803:  # radiotap
        return RADIOTAP, at
    if device_type == 801:  # 802.11
        return WIFI, at
    if protocol == 4:  # 802.2 frames
        return LLC, at
    return layer_of_ethertype(protocol), at


@compiled
def step_ppp(data: Array, at: int, end: int) -> tuple[int, int]:
    """PPP (RFC 1661, 1662): optional address and control, a protocol of one or two bytes."""
    # pppd captures carry the direction (0 or 1) where the address 0xff was.
    if end - at >= 2 and data[at + 1] == 0x03 and data[at] in (0xFF, 0x00, 0x01):
        at += 2
    elif end - at >= 2 and data[at] in (0x0F, 0x8F) and data[at + 1] == 0:
        return CISCO_HDLC, at  # serial links capture either under the same link type
    if end - at < 2:
        return SHORT, at
    protocol, size = load8(data, at), 1
    if protocol & 1 == 0:  # the low bit of the first byte is set when the protocol is compressed to it
        protocol, size = be16(data, at), 2
    if protocol == 0x21:
        return IPV4, at + size
    if protocol == 0x57:
        return IPV6, at + size
    if protocol in (0x281, 0x283):
        return MPLS, at + size
    return NOT_IP, at


@compiled
def step_cisco_hdlc(data: Array, at: int, end: int) -> tuple[int, int]:
    """Cisco HDLC: address, control, EtherType."""
    if end - at < 4:
        return SHORT, at
    return layer_of_ethertype(be16(data, at + 2)), at + 4


@compiled
def step_frame_relay(data: Array, at: int, end: int) -> tuple[int, int]:
    """Frame Relay (RFC 2427): an address of two to four bytes, then NLPID, or Cisco's bare EtherType."""
    size = 0
    while True:
        if at + size >= end:
            return SHORT, at
        last = data[at + size] & 1
        size += 1
        if last:
            break
        if size == 4:
            return NOT_IP, at
    at += size
    if end - at < 2:
        return SHORT, at
    if data[at] != 0x03:
        return layer_of_ethertype(be16(data, at)), at + 2
    at += 1
    if data[at] == 0:  # a padding byte aligns what follows
        at += 1
        if at >= end:
            return SHORT, at
    if data[at] == 0xCC:
        return IPV4, at + 1
    if data[at] == 0x8E:
        return IPV6, at + 1
    if data[at] == 0x80:  # SNAP: organisation code and EtherType
        if end - at < 6:
            return SHORT, at
        if data[at + 1] == 0 and data[at + 2] == 0 and data[at + 3] == 0:
            return layer_of_ethertype(be16(data, at + 4)), at + 6
    return NOT_IP, at


@compiled
def step_radiotap(data: Array, at: int, end: int) -> tuple[int, int]:
    """Radiotap: a header of its own length (little-endian), then an 802.11 frame."""
    if end - at < 8:
        return SHORT, at
    return _behind_own_length(WIFI, data, at, end)


@compiled
def _behind_own_length(layer: int, data: Array, at: int, end: int) -> tuple[int, int]:
    length = le16(data, at + 2)
    return layer_behind(layer, at, length, end) if length >= 8 else (NOT_IP, at)


@compiled
def step_wifi(data: Array, at: int, end: int) -> tuple[int, int]:
    """802.11: data frames that are not encrypted carry LLC; management and control frames carry no IP."""
    if end - at < 2:
        return SHORT, at
    control, flags = data[at], data[at + 1]
    if control & 0x0C != 0x08 or control & 0x40 or flags & 0x40:
        return NOT_IP, at  # not data, data without payload, or encrypted
    size = 24
    if flags & 0x03 == 0x03:  # between access points: a fourth address
        size += 6
    quality = control & 0x80 != 0
    if end - at < size + 2:
        return SHORT, at
    if flags & 0x04 or data[at + 22] & 0x0F:
        return FRAGMENT, at
    if quality:
        if data[at + size] & 0x80:
            return NOT_IP, at  # several frames in one (A-MSDU)
        size += 6 if flags & 0x80 else 2  # with or without the HT control field
    return layer_behind(LLC, at, size, end)


@compiled
def step_ppi(data: Array, at: int, end: int) -> tuple[int, int]:
    """Per-packet information: a header of its own length (little-endian) that names the link type inside."""
    if end - at < 8:
        return SHORT, at
    return _behind_own_length(layer_of_link(le16(data, at + 4)), data, at, end)
