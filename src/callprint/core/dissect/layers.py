"""The states of the dissector: which header comes next, or the kind that the packet turned out to be.

A step reads one header and returns (layer, at): the next state and where its header begins. States from FIRST_KIND
on end the walk: `FIRST_KIND + PacketKind`. So does SHORT: the header does not fit into what is left, which the
dissector turns into TRUNCATED (the capture cut the frame) or MALFORMED (the frame is whole).
"""

from callprint.core.ground.compiled import compiled
from callprint.core.packets import PacketKind

# Layers that belong to the link, or to an encapsulation that is counted elsewhere.
ETHERNET = 0
LLC = 1
LOOPBACK = 2
RAW_IP = 3
COOKED = 4
COOKED2 = 5
PPP = 6
CISCO_HDLC = 7
FRAME_RELAY = 8
WIFI = 9
RADIOTAP = 10
IPV4 = 11
IPV6 = 12
UDP = 13
TCP = 14
FDDI = 15
# Layers that are encapsulations: each one that is taken off counts as one level of depth.
FIRST_ENCAPSULATION = 20
VLAN = 20
MPLS = 21
PPPOE = 22
GRE = 23
IPV4_IN_IP = 24
IPV6_IN_IP = 25
ETHERNET_IN_IP = 26
VXLAN = 27
GTP_U = 28
GENEVE = 29
TEREDO = 30
PPI = 31
VN_TAG = 32
TZSP = 33
CISCO_METADATA = 34
BACKBONE = 35

FIRST_KIND = 100
SHORT = FIRST_KIND - 1
NOT_IP = FIRST_KIND + int(PacketKind.NOT_IP)
NOT_UDP = FIRST_KIND + int(PacketKind.NOT_UDP)
FRAGMENT = FIRST_KIND + int(PacketKind.FRAGMENT)
TRUNCATED = FIRST_KIND + int(PacketKind.TRUNCATED)
MALFORMED = FIRST_KIND + int(PacketKind.MALFORMED)
UNKNOWN_LINK = FIRST_KIND + int(PacketKind.UNKNOWN_LINK)

MAXIMUM_DEPTH = 16
"""Most encapsulations that are taken off. Real networks stack up to about eight, hostile packets any number."""


@compiled
def layer_behind(layer: int, at: int, size: int, end: int) -> tuple[int, int]:
    """Return (`layer`, where it begins behind `size` bytes from `at`), or (SHORT, at) when they do not fit."""
    return (layer, at + size) if size <= end - at else (SHORT, at)


@compiled
def layer_of_version(first_byte: int) -> int:
    """Return the IP version that the first nibble of a packet announces, NOT_IP for any other."""
    version = first_byte >> 4
    if version == 4:
        return IPV4
    if version == 6:
        return IPV6
    return NOT_IP


@compiled
def layer_of_ethertype(ethertype: int) -> int:
    """Return the layer that an EtherType announces, NOT_IP for what cannot hold IP."""
    if ethertype == 0x0800:
        return IPV4
    if ethertype == 0x86DD:
        return IPV6
    if ethertype in (0x8100, 0x88A8, 0x9100, 0x9200):  # 802.1Q, 802.1ad and the QinQ numbers before it
        return VLAN
    if ethertype in (0x8847, 0x8848):
        return MPLS
    if ethertype == 0x8864:
        return PPPOE
    if ethertype == 0x8926:  # the VN-Tag of Cisco's fabric extenders (802.1BR's predecessor)
        return VN_TAG
    if ethertype == 0x8909:  # between the VLAN tag and the packet, where TrustSec tags groups
        return CISCO_METADATA
    if ethertype == 0x88E7:
        return BACKBONE
    if ethertype == 0x6558:  # transparent Ethernet bridging, in GRE and Geneve
        return ETHERNET
    if ethertype in (0x880B, 0x876B):  # PPP as EtherType: enhanced GRE, TCP/IP compression
        return PPP
    return NOT_IP


@compiled
def layer_of_type_or_length(value: int) -> int:
    """Return the layer that an EtherType announces; below 1,536 it is a length (IEEE 802.3 3.2.6), and LLC follows."""
    return LLC if value < 0x600 else layer_of_ethertype(value)


@compiled
def layer_of_protocol(protocol: int) -> int:
    """Return the layer that an IP protocol number announces, NOT_UDP for any that is not read."""
    if protocol == 17:
        return UDP
    if protocol == 6:
        return TCP
    if protocol == 4:
        return IPV4_IN_IP
    if protocol == 41:
        return IPV6_IN_IP
    if protocol == 47:
        return GRE
    if protocol == 97:
        return ETHERNET_IN_IP
    if protocol == 137:
        return MPLS
    return NOT_UDP
