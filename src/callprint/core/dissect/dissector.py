"""The walk from a captured frame down to its UDP payload: RECORD rows in, PACKET rows out.

One compiled loop over the batch. Each header is one small step that returns the next layer, and LLVM inlines
the steps, so the common way (Ethernet, IPv4, UDP, RTP) is a short run of compares without a call, and rare headers
cost only the packets that have them. Rows are filled in place: nothing is allocated for a packet.
"""

import numpy as np

from callprint.core.dissect.h225 import H225_PORT
from callprint.core.dissect.hep import BROKEN, is_hep, read_hep
from callprint.core.dissect.layers import (
    BACKBONE,
    CISCO_HDLC,
    CISCO_METADATA,
    COOKED,
    COOKED2,
    ETHERNET,
    ETHERNET_IN_IP,
    FDDI,
    FIRST_ENCAPSULATION,
    FIRST_KIND,
    FRAME_RELAY,
    GENEVE,
    GRE,
    GTP_U,
    IPV4,
    IPV4_IN_IP,
    IPV6,
    IPV6_IN_IP,
    LLC,
    LOOPBACK,
    MALFORMED,
    MAXIMUM_DEPTH,
    MPLS,
    NOT_UDP,
    PPP,
    PPPOE,
    RADIOTAP,
    RAW_IP,
    SHORT,
    TCP,
    TEREDO,
    TRUNCATED,
    TZSP,
    UDP,
    VLAN,
    VN_TAG,
    VXLAN,
    WIFI,
    layer_behind,
)
from callprint.core.dissect.links import (
    layer_of_link,
    step_cisco_hdlc,
    step_cooked,
    step_cooked2,
    step_ethernet,
    step_fddi,
    step_frame_relay,
    step_llc,
    step_loopback,
    step_ppi,
    step_ppp,
    step_radiotap,
    step_raw_ip,
    step_wifi,
)
from callprint.core.dissect.network import TO_THE_END, step_ipv4, step_ipv6
from callprint.core.dissect.payload import classify_udp, is_cut_rtp
from callprint.core.dissect.tunnels import (
    step_cisco_metadata,
    step_geneve,
    step_gre,
    step_gtp_u,
    step_mpls,
    step_pppoe,
    step_teredo,
    step_tzsp,
    step_vlan,
    step_vn_tag,
    tunnel_of_port,
)
from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import Row, compiled, read_only
from callprint.core.ground.loads import be16, be32, load8
from callprint.core.packets import PACKET, RECORD, PacketKind

SIGNALLING_PORTS = (5060,)
"""TCP ports whose segments are SIP, unless the caller names others."""

_TOO_DEEP = FIRST_KIND + int(PacketKind.TOO_DEEP)
_SIP_TCP = FIRST_KIND + int(PacketKind.SIP_TCP)
_RTP_CUT = FIRST_KIND + int(PacketKind.RTP_CUT)
_H225 = FIRST_KIND + int(PacketKind.H225)
_LONGEST_PAYLOAD = 0xFFFF
_FAR = 1 << 62  # behind every byte of a capture


def dissect(
    data: Array,
    records: Array,
    packets: Array | None = None,
    signalling_ports: tuple[int, ...] = SIGNALLING_PORTS,
) -> Array:
    """Dissect the frames that `records` ((n,) RECORD) delimits in `data` ((m,) uint8).

    Fills and returns the first n rows of `packets` ((>= n,) PACKET), or a new array. Every row has exactly
    one kind, and its payload lies inside its record: of packets that the capture has cut, `length` is what it
    holds. The key is that of the innermost IP and UDP header.

    Raises ValueError when a record is not inside `data`, or `packets` is too short.
    """
    if packets is None:
        packets = np.empty(len(records), PACKET)
    if data.dtype != np.uint8 or records.dtype != RECORD or packets.dtype != PACKET:
        raise ValueError("dissect wants uint8 data, RECORD records and PACKET packets")
    if len(packets) < len(records):
        raise ValueError(f"{len(records)} records do not fit into {len(packets)} packets")
    ports = np.array(signalling_ports, np.uint16)
    bad = dissect_records(read_only(data), records, packets, ports)
    if bad >= 0:
        raise ValueError(f"record {bad} reaches out of the buffer")
    return packets[: len(records)]


@compiled
def dissect_records(
    data: Array,  # (m,) uint8
    records: Array,  # (n,) RECORD
    packets: Array,  # (>= n,) PACKET, written
    signalling_ports: Array,  # (p,) uint16
) -> int:
    """Fill `packets`; return -1, or the index of the first record that is not inside `data`."""
    for i in range(records.shape[0]):
        record = records[i]
        begin = record.offset
        end = begin + np.int64(record.captured)
        if begin < 0 or end > data.shape[0]:
            return i
        row = packets[i]
        row.time_ns = record.time_ns
        row.src_hi = row.src_lo = row.dst_hi = row.dst_lo = np.uint64(0)
        row.tcp_sequence = np.uint32(0)
        row.length = row.missing = row.src_port = row.dst_port = np.uint16(0)
        row.transport = row.tcp_flags = np.uint8(0)
        cut = record.captured < record.original
        layer, at, depth = _descend(
            data, begin, end, cut, layer_of_link(record.link_type), row, signalling_ports
        )
        row.kind = np.uint8(layer - FIRST_KIND)
        row.depth = np.uint8(depth)
        row.offset = at
    return -1


@compiled
def _descend(
    data: Array,
    at: int,
    end: int,  # behind the last byte that may be read
    cut: bool,  # whether bytes that a header announced are missing behind `end`
    layer: int,
    row: Row,
    signalling_ports: Array,
) -> tuple[int, int, int]:
    """Walk the headers of one frame; return (FIRST_KIND + kind, where the payload begins, depth)."""
    depth = 0
    enclosed = False  # whether a whole outer datagram ends at `end`, so that nothing can be missing behind it
    announced = _FAR  # where the innermost datagram ends, as its header says; the capture may end before
    while True:
        if layer >= FIRST_ENCAPSULATION and layer < SHORT:
            if depth == MAXIMUM_DEPTH:
                return _TOO_DEEP, at, depth
            depth += 1
        if layer == IPV4_IN_IP:
            layer = IPV4
        elif layer == IPV6_IN_IP:
            layer = IPV6

        if layer in (IPV4, IPV6):
            if layer == IPV4:
                layer, at, stop = step_ipv4(data, at, end, row)
            else:
                layer, at, stop = step_ipv6(data, at, end, row)
            announced = _FAR if stop == TO_THE_END else stop
            if stop == TO_THE_END:
                pass
            elif stop <= end:
                end = stop  # what follows is the padding of a short Ethernet frame, or a check sequence
                cut = False
                enclosed = True
            elif enclosed and not cut:
                layer = MALFORMED  # longer than the datagram around it
            else:
                cut = True
            if layer == SHORT:
                return (TRUNCATED if cut else MALFORMED), at, depth
        elif layer == UDP:
            if end - at < 8:
                return (TRUNCATED if cut else MALFORMED), at, depth
            length = be16(data, at + 4)
            row.transport = np.uint8(17)
            source, destination = be16(data, at), be16(data, at + 2)
            row.src_port, row.dst_port = np.uint16(source), np.uint16(destination)
            at += 8
            if length < 8:
                return MALFORMED, at, depth
            length -= 8
            here = end - at  # bytes of the payload, as far as they can be read
            if length > here and (not cut or at + length > announced):
                row.length = np.uint16(here)
                return MALFORMED, at, depth
            tunnel = tunnel_of_port(data, at, min(at + length, end), at + length, source, destination)
            if tunnel < 0:
                if length > here:
                    row.length = np.uint16(here)
                    if not is_cut_rtp(data, at, end, length, source, destination):
                        return TRUNCATED, at, depth
                    row.missing = np.uint16(length - here)
                    return _RTP_CUT, at, depth
                if is_hep(data, at, at + length):
                    begin, inside = read_hep(data, at, at + length, row)
                    if inside == BROKEN:
                        return MALFORMED, at, depth
                    if inside >= 0:
                        at, length = begin, inside
                        depth += 1
                kind, begin, length = classify_udp(data, at, length, source, destination)
                if begin != at:
                    depth += 1
                row.length = np.uint16(length)
                return FIRST_KIND + kind, begin, depth
            row.transport = np.uint8(0)
            row.src_port = row.dst_port = np.uint16(0)
            layer = tunnel
            if length <= here:
                end = at + length
                cut = False
                enclosed = True
        elif layer == TCP:
            return _finish_tcp(data, at, end, cut, row, signalling_ports), _tcp_payload(data, at, end), depth
        elif layer >= SHORT:
            if layer == SHORT:
                layer = TRUNCATED if cut else MALFORMED
            return layer, at, depth
        else:
            layer, at = _step(layer, data, at, end)


@compiled
def _step(layer: int, data: Array, at: int, end: int) -> tuple[int, int]:
    """Take off one link header or encapsulation."""
    if layer == ETHERNET:
        return step_ethernet(data, at, end)
    if layer == VLAN:
        return step_vlan(data, at, end)
    if layer == MPLS:
        return step_mpls(data, at, end)
    if layer == PPPOE:
        return step_pppoe(data, at, end)
    if layer == PPP:
        return step_ppp(data, at, end)
    if layer == GRE:
        return step_gre(data, at, end)
    if layer in (ETHERNET_IN_IP, VXLAN):  # a frame behind 2 (RFC 3378) or 8 bytes (RFC 7348)
        return layer_behind(ETHERNET, at, 2 if layer == ETHERNET_IN_IP else 8, end)
    if layer == GTP_U:
        return step_gtp_u(data, at, end)
    if layer == GENEVE:
        return step_geneve(data, at, end)
    if layer == TEREDO:
        return step_teredo(data, at, end)
    if layer == VN_TAG:
        return step_vn_tag(data, at, end)
    if layer == TZSP:
        return step_tzsp(data, at, end)
    if layer == CISCO_METADATA:
        return step_cisco_metadata(data, at, end)
    if layer == BACKBONE:
        return layer_behind(ETHERNET, at, 4, end)  # behind the service tag of a provider (IEEE 802.1ah)
    if layer == COOKED:
        return step_cooked(data, at, end)
    if layer == COOKED2:
        return step_cooked2(data, at, end)
    if layer == LOOPBACK:
        return step_loopback(data, at, end)
    if layer == RAW_IP:
        return step_raw_ip(data, at, end)
    if layer == LLC:
        return step_llc(data, at, end)
    if layer == CISCO_HDLC:
        return step_cisco_hdlc(data, at, end)
    if layer == FRAME_RELAY:
        return step_frame_relay(data, at, end)
    if layer == FDDI:
        return step_fddi(data, at, end)
    if layer == WIFI:
        return step_wifi(data, at, end)
    if layer == RADIOTAP:
        return step_radiotap(data, at, end)
    return step_ppi(data, at, end)


@compiled
def _tcp_payload(data: Array, at: int, end: int) -> int:
    """Return where the payload of the TCP segment at `at` begins, at most `end`."""
    if end - at < 20:
        return at
    return min(at + (load8(data, at + 12) >> 4) * 4, end)


@compiled
def _finish_tcp(data: Array, at: int, end: int, cut: bool, row: Row, signalling_ports: Array) -> int:
    """Fill the TCP fields of a segment on a port of signalling; every other segment is NOT_UDP."""
    if end - at < 4:
        return TRUNCATED if cut else MALFORMED
    source, destination = be16(data, at), be16(data, at + 2)
    row.transport = np.uint8(6)
    row.src_port, row.dst_port = np.uint16(source), np.uint16(destination)
    kind = _H225 if H225_PORT in (source, destination) else NOT_UDP
    for port in signalling_ports:
        if port in (source, destination):
            kind = _SIP_TCP
    if kind == NOT_UDP:
        return NOT_UDP
    header = (load8(data, at + 12) >> 4) * 4 if end - at >= 20 else 20
    if header < 20:
        return MALFORMED
    # No IP datagram holds more; without this a frame whose IP length is zero could.
    if end - at < header or end - at - header > _LONGEST_PAYLOAD:
        return TRUNCATED if cut else MALFORMED
    row.length = np.uint16(end - at - header)
    row.tcp_flags = data[at + 13]
    row.tcp_sequence = np.uint32(be32(data, at + 4))
    return TRUNCATED if cut else kind
