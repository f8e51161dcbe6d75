"""The two endpoints of a PACKET or FLOW row, or of any row with fields of the same names, in compiled code."""

import numpy as np

from callprint.core.ground.compiled import Row, compiled


@compiled
def same_source(one: Row, other: Row) -> bool:
    """Return whether two rows have the same source."""
    return bool(one.src_lo == other.src_lo and one.src_port == other.src_port and one.src_hi == other.src_hi)


@compiled
def same_hosts(one: Row, other: Row) -> bool:
    """Return whether two rows have the same addresses, whatever their ports."""
    return bool(
        one.src_lo == other.src_lo
        and one.dst_lo == other.dst_lo
        and one.src_hi == other.src_hi
        and one.dst_hi == other.dst_hi
    )


@compiled
def same_endpoints(one: Row, other: Row) -> bool:
    """Return whether two rows have the same source and the same destination."""
    return bool(same_hosts(one, other) and one.src_port == other.src_port and one.dst_port == other.dst_port)


@compiled
def same_port_pairs(one: Row, other: Row) -> bool:
    """Return whether two rows have the same endpoints when the lowest port bits do not count.

    A flow and the RTCP that its sender sends on the next port do (RFC 3550 section 11).
    """
    return bool(
        same_hosts(one, other)
        and (one.src_port | 1) == (other.src_port | 1)
        and (one.dst_port | 1) == (other.dst_port | 1)
    )


@compiled
def occupy(entry: Row, key_hash: np.uint32, packet: Row) -> None:
    """Make an entry of a table that of this packet's endpoints. `key_hash` is theirs."""
    entry.used = 1
    entry.hash = key_hash
    copy_endpoints(entry, packet)


@compiled
def copy_endpoints(target: Row, source: Row) -> None:
    """Write the endpoints of `source` into `target`."""
    target.src_hi = source.src_hi
    target.src_lo = source.src_lo
    target.dst_hi = source.dst_hi
    target.dst_lo = source.dst_lo
    target.src_port = source.src_port
    target.dst_port = source.dst_port
