"""Hashes of quad-tuples: the same in every process, so they may also route packets between machines."""

import numpy as np

from callprint.core.ground.compiled import Row, compiled
from callprint.core.ground.mixing import mix

_M1 = np.uint64(0xFF51AFD7ED558CCD)
_M2 = np.uint64(0xC4CEB9FE1A85EC53)
_M3 = np.uint64(0x9E3779B97F4A7C15)
_S32 = np.uint64(32)
_S16 = np.uint64(16)
_EVEN = np.uint64(0xFFFE)


@compiled
def half_session_hash(row: Row) -> np.uint32:
    """Return the hash of one direction of a media session: the lowest port bits do not count.

    A flow and the RTCP that its sender sends on the next port thus share it (RFC 3550 section 11). `row` is a PACKET
    or FLOW row, or any other with the fields of two endpoints.
    """
    source, destination = np.uint64(row.src_port), np.uint64(row.dst_port)
    return _hash(row.src_hi, row.src_lo, source, row.dst_hi, row.dst_lo, destination)


@compiled
def sender_hash(row: Row) -> np.uint32:
    """Return the hash of the source of a PACKET or FLOW row, whatever its destination."""
    zero = np.uint64(0)
    return _hash(row.src_hi, row.src_lo, np.uint64(row.src_port), zero, zero, zero)


@compiled
def hosts_hash(row: Row) -> np.uint32:
    """Return the hash of the two addresses of a PACKET or FLOW row, whatever its ports."""
    zero = np.uint64(0)
    return _hash(row.src_hi, row.src_lo, zero, row.dst_hi, row.dst_lo, zero)


@compiled
def media_session_hash(row: Row) -> np.uint32:
    """Return the hash of a media session: equal for a flow, its RTCP and its reverse direction.

    This is what Kafka partitions by and Storm groups by.
    """
    source, destination = np.uint64(row.src_port), np.uint64(row.dst_port)
    forward = _hash(row.src_hi, row.src_lo, source, row.dst_hi, row.dst_lo, destination)
    reverse = _hash(row.dst_hi, row.dst_lo, destination, row.src_hi, row.src_lo, source)
    low = min(forward, reverse)
    high = max(forward, reverse)
    return np.uint32(mix((np.uint64(high) << _S32) | np.uint64(low)) >> _S32)


@compiled
def source_hash(row: Row, ssrc: np.uint32) -> np.uint32:
    """Return the hash of a source between two addresses, whatever its ports."""
    return np.uint32(mix((np.uint64(hosts_hash(row)) << _S32) | np.uint64(ssrc)) >> _S32)


@compiled
def answering_source_hash(row: Row, ssrc: np.uint32) -> np.uint32:
    """Return the hash of a source in the other direction: from the destination to the source of a packet."""
    zero = np.uint64(0)
    addresses = _hash(row.dst_hi, row.dst_lo, zero, row.src_hi, row.src_lo, zero)
    return np.uint32(mix((np.uint64(addresses) << _S32) | np.uint64(ssrc)) >> _S32)


@compiled
def _hash(
    src_hi: np.uint64,
    src_lo: np.uint64,
    src_port: np.uint64,
    dst_hi: np.uint64,
    dst_lo: np.uint64,
    dst_port: np.uint64,
) -> np.uint32:
    ports = ((src_port & _EVEN) << _S16) | (dst_port & _EVEN)
    value = mix(src_lo * _M3 ^ mix(dst_lo ^ ports * _M1))
    value = mix(value ^ src_hi * _M2 ^ (dst_hi + _M3) * _M1)
    return np.uint32(value >> _S32)
