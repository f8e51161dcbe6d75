"""Encapsulations between link and transport: VLAN tags, MPLS, PPPoE, GRE, and tunnels over UDP.

Every step takes the buffer, where its header begins and where the bytes end, and returns (layer, at).
"""

from callprint.core.dissect.layers import (
    ETHERNET,
    FDDI,
    GENEVE,
    GTP_U,
    IPV6,
    MPLS,
    NOT_IP,
    PPP,
    RAW_IP,
    SHORT,
    TEREDO,
    TZSP,
    VXLAN,
    WIFI,
    layer_behind,
    layer_of_ethertype,
    layer_of_type_or_length,
    layer_of_version,
)
from callprint.core.dissect.links import step_raw_ip
from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import compiled
from callprint.core.ground.loads import be16, load8

PORT_VXLAN = 4789
PORT_VXLAN_LINUX = 8472  # what the Linux kernel used before the number was assigned
PORT_GENEVE = 6081
PORT_GTP_U = 2152
PORT_TEREDO = 3544
PORT_TZSP = 37008


@compiled
def step_vlan(data: Array, at: int, end: int) -> tuple[int, int]:
    """A VLAN tag: tag control, then the next EtherType, or a length and LLC."""
    if end - at < 4:
        return SHORT, at
    return layer_of_type_or_length(be16(data, at + 2)), at + 4


@compiled
def step_vn_tag(data: Array, at: int, end: int) -> tuple[int, int]:
    """A VN-Tag: direction and interfaces in four bytes, then the next EtherType, or a length and LLC."""
    if end - at < 6:
        return SHORT, at
    return layer_of_type_or_length(be16(data, at + 4)), at + 6


@compiled
def step_cisco_metadata(data: Array, at: int, end: int) -> tuple[int, int]:
    """Cisco metadata (TrustSec): version 1, length in options of four bytes, these, then the next EtherType."""
    if end - at < 2:
        return SHORT, at
    size = 2 + 4 * load8(data, at + 1)
    if data[at] != 1:
        return NOT_IP, at
    if end - at < size + 2:
        return SHORT, at
    return layer_of_type_or_length(be16(data, at + size)), at + size + 2


@compiled
def step_mpls(data: Array, at: int, end: int) -> tuple[int, int]:
    """One MPLS label (RFC 3032). Nothing announces what follows the last label, so its first nibble decides."""
    if end - at < 4:
        return SHORT, at
    at += 4
    if data[at - 2] & 1 == 0:
        return MPLS, at
    if at >= end:
        return SHORT, at
    layer = layer_of_version(data[at])
    if layer != NOT_IP:
        return layer, at
    if data[at] >> 4 == 0 and end - at >= 4:  # the control word of a pseudowire (RFC 4385)
        return ETHERNET, at + 4
    return ETHERNET, at


@compiled
def step_pppoe(data: Array, at: int, end: int) -> tuple[int, int]:
    """A PPPoE session header (RFC 2516); code 0 is data."""
    if end - at < 6:
        return SHORT, at
    return (PPP, at + 6) if data[at] == 0x11 and data[at + 1] == 0 else (NOT_IP, at)


@compiled
def step_gre(data: Array, at: int, end: int) -> tuple[int, int]:
    """GRE (RFC 2784, 2890), enhanced GRE of PPTP (RFC 2637), ERSPAN (draft-foschiano-erspan)."""
    if end - at < 4:
        return SHORT, at
    flags, version = data[at], data[at + 1] & 7
    protocol = be16(data, at + 2)
    if flags & 0x40 or version > 1:  # source routing of RFC 1701, or a version that does not exist
        return NOT_IP, at
    sequence = flags & 0x10 != 0
    size = 4 + (4 if flags & 0x80 else 0) + (4 if flags & 0x20 else 0) + (4 if sequence else 0)
    if version == 1 and data[at + 1] & 0x80:
        size += 4  # acknowledgement
    if protocol == 0x88BE and sequence:
        size += 8  # type II; type I has neither sequence number nor header
    if protocol == 0x22EB:
        if end - at < size + 12:
            return SHORT, at
        size += 20 if data[at + size + 11] & 1 else 12  # type III, with or without the platform header
    erspan = protocol in (0x88BE, 0x22EB)
    return layer_behind(ETHERNET if erspan else layer_of_ethertype(protocol), at, size, end)


@compiled
def tunnel_of_port(data: Array, at: int, end: int, stop: int, source: int, destination: int) -> int:
    """Return the tunnel that a UDP payload from `source` to `destination` port holds, -1 for none.

    The payload ends at `stop`; what can be read of it ends at `end`, before that where the capture has cut it. A port
    number alone proves nothing (media ports are dynamic), so each tunnel's own header must fit too.
    """
    size = end - at
    if destination in (PORT_VXLAN, PORT_VXLAN_LINUX):
        # RFC 7348: flag I; extensions use the reserved rest, so the frame inside decides.
        if size >= 22 and data[at] & 0x08 and layer_of_ethertype(be16(data, at + 20)) != NOT_IP:
            return VXLAN
    elif destination == PORT_GENEVE:
        # RFC 8926: version 0, reserved bits zero, options fit.
        if size >= 8 and data[at] >> 6 == 0 and data[at + 1] & 0x3F == 0 and data[at + 7] == 0:
            return GENEVE
    elif PORT_GTP_U in (source, destination):
        # 3GPP TS 29.281: version 1, protocol GTP, a G-PDU whose length fits.
        if (
            size >= 8
            and data[at] & 0xF0 == 0x30
            and data[at + 1] == 255
            and be16(data, at + 2) <= stop - at - 8
        ):
            return GTP_U
    elif PORT_TEREDO in (source, destination):
        begin = _teredo_payload(data, at, end)
        if end - begin >= 40 and data[begin] >> 4 == 6 and be16(data, begin + 4) + 40 <= stop - begin:
            return TEREDO
    elif destination == PORT_TZSP and step_tzsp(data, at, end)[0] not in (NOT_IP, SHORT):
        return TZSP
    return -1


@compiled
def step_geneve(data: Array, at: int, end: int) -> tuple[int, int]:
    """Geneve (RFC 8926): eight bytes, options, then what the EtherType announces."""
    size = 8 + 4 * (load8(data, at) & 0x3F) if end - at >= 8 else 8
    if end - at < size:
        return SHORT, at
    return layer_of_ethertype(be16(data, at + 2)), at + size


@compiled
def step_gtp_u(data: Array, at: int, end: int) -> tuple[int, int]:
    """GTP-U: eight bytes, four more when any flag is set, extension headers, then the user's IP packet."""
    if end - at < 8:
        return SHORT, at
    flags = data[at]
    at += 8
    if flags & 7:
        if end - at < 4:
            return SHORT, at
        extension = data[at + 3] if flags & 4 else 0
        at += 4
        while extension:
            if at >= end:
                return SHORT, at
            size = 4 * load8(data, at)
            if size == 0:
                return NOT_IP, at
            if end - at < size:
                return SHORT, at
            at += size
            extension = data[at - 1]
    return step_raw_ip(data, at, end)


@compiled
def step_tzsp(data: Array, at: int, end: int) -> tuple[int, int]:
    """TaZmen Sniffer Protocol: version 1, a captured frame (type 0 or 1), its link, tagged fields, the frame."""
    if end - at < 5:
        return SHORT, at
    if data[at] != 1 or data[at + 1] > 1:  # keep-alives and configuration hold no frame
        return NOT_IP, at
    layer = _layer_of_tzsp(be16(data, at + 2))
    at += 4
    while True:
        if at >= end:
            return SHORT, at
        tag = data[at]
        if tag == 1:  # the end of the fields
            return layer_behind(layer, at, 1, end)
        if tag == 0:  # padding
            at += 1
        elif end - at < 2:
            return SHORT, at
        else:
            at += 2 + load8(data, at + 1)


@compiled
def _layer_of_tzsp(encapsulation: int) -> int:
    """Return the layer for a TZSP encapsulation, NOT_IP for token ring, SLIP, and 802.11 with Prism or AVS headers."""
    if encapsulation == 1:
        return ETHERNET
    if encapsulation == 4:
        return PPP
    if encapsulation == 5:
        return FDDI
    if encapsulation == 7:
        return RAW_IP
    if encapsulation == 18:
        return WIFI
    return NOT_IP


@compiled
def step_teredo(data: Array, at: int, end: int) -> tuple[int, int]:
    """Teredo (RFC 4380): optional indications, then an IPv6 packet."""
    begin = _teredo_payload(data, at, end)
    return (IPV6, begin) if begin < end else (SHORT, at)


@compiled
def _teredo_payload(data: Array, at: int, end: int) -> int:
    """Return where the IPv6 packet behind the authentication and origin indications begins."""
    if end - at >= 4 and data[at] == 0 and data[at + 1] == 1:
        at += 13 + load8(data, at + 2) + load8(data, at + 3)
    if end - at >= 8 and data[at] == 0 and data[at + 1] == 0:
        at += 8
    return min(at, end)
