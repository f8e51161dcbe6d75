"""IPv4 and IPv6 headers: addresses into the PACKET row, which protocol is inside, where the datagram ends."""

import numpy as np

from callprint.core.dissect.layers import FRAGMENT, MALFORMED, SHORT, layer_of_protocol
from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import Row, compiled
from callprint.core.ground.loads import be16, be32, be64, load8

IPV4_MAPPED = np.uint64(0x0000_FFFF_0000_0000)

TO_THE_END = -1
"""The length field is zero: segmentation offload, or a jumbogram; the datagram fills what there is."""


@compiled
def step_ipv4(data: Array, at: int, end: int, row: Row) -> tuple[int, int, int]:
    """Read an IPv4 header (RFC 791); return (layer, at, where the datagram ends or TO_THE_END)."""
    if end - at < 20:
        return SHORT, at, TO_THE_END
    header = (load8(data, at) & 0x0F) * 4
    total = be16(data, at + 2)
    if data[at] >> 4 != 4 or header < 20 or (total != 0 and total < header):
        return MALFORMED, at, TO_THE_END
    row.src_hi = np.uint64(0)
    row.src_lo = IPV4_MAPPED | np.uint64(be32(data, at + 12))
    row.dst_hi = np.uint64(0)
    row.dst_lo = IPV4_MAPPED | np.uint64(be32(data, at + 16))
    if end - at < header:
        return SHORT, at, TO_THE_END
    stop = at + total if total else TO_THE_END
    if be16(data, at + 6) & 0x3FFF:  # more fragments, or an offset
        return FRAGMENT, at, stop
    protocol = load8(data, at + 9)
    if protocol == 51:
        return _authentication(data, at + header, end, stop)
    return layer_of_protocol(protocol), at + header, stop


@compiled
def _authentication(data: Array, at: int, end: int, stop: int) -> tuple[int, int, int]:
    """Skip an IPsec authentication header (RFC 4302): it signs the packet, but does not encrypt it."""
    if end - at < 12:
        return SHORT, at, stop
    size = (load8(data, at + 1) + 2) * 4
    if end - at < size:
        return SHORT, at, stop
    return layer_of_protocol(load8(data, at)), at + size, stop


@compiled
def step_ipv6(data: Array, at: int, end: int, row: Row) -> tuple[int, int, int]:
    """Read an IPv6 header and its extension headers (RFC 8200); return what `step_ipv4` returns."""
    if end - at < 40:
        return SHORT, at, TO_THE_END
    if data[at] >> 4 != 6:
        return MALFORMED, at, TO_THE_END
    length = be16(data, at + 4)
    stop = at + 40 + length if length else TO_THE_END
    row.src_hi = be64(data, at + 8)
    row.src_lo = be64(data, at + 16)
    row.dst_hi = be64(data, at + 24)
    row.dst_lo = be64(data, at + 32)
    if is_mapped(row.src_hi, row.src_lo) != is_mapped(row.dst_hi, row.dst_lo):
        return MALFORMED, at, TO_THE_END  # no flow goes from IPv4 to IPv6 (RFC 4291 2.5.5.2)
    header = load8(data, at + 6)
    at += 40
    # The datagram ends at `stop`; bytes behind it are padding, not extension headers.
    end = end if stop == TO_THE_END else min(end, stop)
    while True:
        if header in (0, 43, 60, 135, 139, 140):  # hop-by-hop, routing, destination, mobility, HIP, shim6
            if end - at < 8:
                return SHORT, at, stop
            size = (load8(data, at + 1) + 1) * 8
        elif header == 51:
            if end - at < 8:
                return SHORT, at, stop
            size = (load8(data, at + 1) + 2) * 4
        elif header == 44:
            if end - at < 8:
                return SHORT, at, stop
            # An offset, or more fragments; else it is an atomic fragment (RFC 6946), which is a whole packet.
            if be16(data, at + 2) & 0xFFF9:
                return FRAGMENT, at, stop
            size = 8
        else:
            return layer_of_protocol(header), at, stop
        if end - at < size:
            return SHORT, at, stop
        header = load8(data, at)
        at += size


@compiled
def is_mapped(high: np.uint64, low: np.uint64) -> bool:
    """Return whether these are the halves of ::ffff:a.b.c.d, the form in which rows hold IPv4 addresses."""
    return bool(high == np.uint64(0) and low >> np.uint64(32) == np.uint64(0xFFFF))
