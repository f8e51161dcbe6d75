"""HEP3, the Homer Encapsulation Protocol: a captured payload in UDP, with the endpoints that it was captured between.

    HEP3, total length (2 bytes), then chunks: vendor (2), type (2), length with these six bytes (2), value

Chunks of vendor 0: 3 and 4 are the IPv4 source and destination, 5 and 6 the IPv6 ones, 7 and 8 the ports, 15 the
payload. The time of capture (9 and 10) is not used: it is another machine's clock, and agents send late and out of
order, while the times of a capture's packets are what flows and calls are ordered by.
"""

import numpy as np

from callprint.core.dissect.network import IPV4_MAPPED, is_mapped
from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import Row, compiled
from callprint.core.ground.loads import be16, be32, be64

_CHUNK_HEADER = 6

NO_PAYLOAD = -1
"""A whole HEP3 packet without endpoints or plain payload: a keep-alive, a log line, a compressed payload."""
BROKEN = -2
"""Chunks that reach out of the packet, or are shorter than what they hold."""


@compiled
def is_hep(data: Array, at: int, end: int) -> bool:
    """Return whether the payload of a UDP datagram is one HEP3 packet. Agents use any port, often 9060."""
    return end - at >= 6 and be32(data, at) == 0x48455033 and be16(data, at + 4) == end - at


@compiled
def read_hep(data: Array, at: int, end: int, row: Row) -> tuple[int, int]:
    """Put the endpoints of a HEP3 packet into `row`; return (where its payload begins, how long it is).

    The length is NO_PAYLOAD or BROKEN where there is none to be read, and then `row` stays as it is.
    """
    source = destination = source6 = destination6 = source_port = destination_port = payload = -1
    length = 0
    chunk = at + 6
    while chunk < end:
        if end - chunk < _CHUNK_HEADER:
            return at, BROKEN
        vendor, kind, size = be16(data, chunk), be16(data, chunk + 2), be16(data, chunk + 4)
        value = chunk + _CHUNK_HEADER
        wanted = 0
        if vendor == 0:
            if kind in (3, 4):
                wanted = 4
            elif kind in (5, 6):
                wanted = 16
            elif kind in (7, 8):
                wanted = 2
        if size < _CHUNK_HEADER + wanted or size > end - chunk:
            return at, BROKEN
        if vendor == 0:
            if kind == 3:
                source = value
            elif kind == 4:
                destination = value
            elif kind == 5:
                source6 = value
            elif kind == 6:
                destination6 = value
            elif kind == 7:
                source_port = value
            elif kind == 8:
                destination_port = value
            elif kind == 15:
                payload = value
                length = size - _CHUNK_HEADER
        chunk += size
    if source_port < 0 or destination_port < 0 or payload < 0:
        return at, NO_PAYLOAD
    if source >= 0 and destination >= 0:
        row.src_hi = row.dst_hi = np.uint64(0)
        row.src_lo = IPV4_MAPPED | np.uint64(be32(data, source))
        row.dst_lo = IPV4_MAPPED | np.uint64(be32(data, destination))
    elif source6 >= 0 and destination6 >= 0:
        from_hi, from_lo = be64(data, source6), be64(data, source6 + 8)
        to_hi, to_lo = be64(data, destination6), be64(data, destination6 + 8)
        if is_mapped(from_hi, from_lo) != is_mapped(to_hi, to_lo):
            return at, BROKEN
        row.src_hi, row.src_lo = from_hi, from_lo
        row.dst_hi, row.dst_lo = to_hi, to_lo
    else:
        return at, NO_PAYLOAD
    row.src_port = np.uint16(be16(data, source_port))
    row.dst_port = np.uint16(be16(data, destination_port))
    return payload, length
