"""What the two ends of a session say before their media: a bounded set-associative table, apart from the flows.

ICE begins with STUN Binding requests (RFC 8445), DTLS-SRTP with a ClientHello and a ServerHello (RFC 5764), from
and to the ports of the media that follows. They are the first thing that a media stack writes by itself. The
packets end in the counters of their kind; of each end the first of both is kept for the flows that may follow,
several of which can share the ports. A flood of STUN or DTLS fills this table and nothing else.
"""

import numpy as np

from callprint.core.evidence import EVIDENCE_DTLS, EVIDENCE_STUN
from callprint.core.flow import evidence_pool
from callprint.core.flow.hashing import mix
from callprint.core.flow.layout import HELD, WAYS, Tables
from callprint.core.ground.compiled import Array, Row, compiled, copy_bytes
from callprint.core.ground.loads import be16, be32
from callprint.core.packets import MAXIMUM_PAYLOAD

_BINDING_REQUEST = 0x0001
_MAGIC_COOKIE = 0x2112A442
_HANDSHAKE = 22  # DTLS content type
_CLIENT_HELLO = 1
_SERVER_HELLO = 2
_HANDSHAKE_TYPE_AT = 13  # behind the record header


@compiled
def _find(tables: Tables, key_hash: np.uint32, end: Row) -> int:
    """Return the entry of this end (any row with a quad-tuple), -1 when there is none. Ports must be the very same."""
    sets = tables.handshakes.shape[0] // WAYS
    first = (np.int64(key_hash) & (sets - 1)) * WAYS
    for way in range(first, first + WAYS):
        entry = tables.handshakes[way]
        if (
            entry.used
            and entry.hash == key_hash
            and entry.src_lo == end.src_lo
            and entry.dst_lo == end.dst_lo
            and entry.src_port == end.src_port
            and entry.dst_port == end.dst_port
            and entry.src_hi == end.src_hi
            and entry.dst_hi == end.dst_hi
        ):
            return int(way)
    return -1


@compiled
def _claim(tables: Tables, key_hash: np.uint32, packet: Row) -> int:
    """Return an entry for a new end: an empty or stale one of its set, else any one of them, which is counted."""
    sets = tables.handshakes.shape[0] // WAYS
    first = (np.int64(key_hash) & (sets - 1)) * WAYS
    state = tables.state[0]
    state.claims += 1
    best = first + np.int64(mix(np.uint64(state.claims)) & np.uint64(WAYS - 1))
    stale_before_ns = packet.time_ns - state.idle_timeout_ns
    found = False
    for way in range(first, first + WAYS):
        if not tables.handshakes[way].used or tables.handshakes[way].time_ns < stale_before_ns:
            best = way
            found = True
            break
    if not found:
        state.handshakes_evicted += 1
    entry = tables.handshakes[best]
    entry.used = 1
    entry.hash = key_hash
    entry.src_hi = packet.src_hi
    entry.src_lo = packet.src_lo
    entry.dst_hi = packet.dst_hi
    entry.dst_lo = packet.dst_lo
    entry.src_port = packet.src_port
    entry.dst_port = packet.dst_port
    entry.stun_length = 0
    entry.dtls_length = 0
    return int(best)


@compiled
def _entry_of(tables: Tables, key_hash: np.uint32, packet: Row) -> int:
    """Return the entry of the end that sent this packet: its own one, emptied when it is stale, or a new one."""
    way = _find(tables, key_hash, packet)
    if way < 0:
        way = _claim(tables, key_hash, packet)
    entry = tables.handshakes[way]
    if abs(packet.time_ns - entry.time_ns) > tables.state[0].idle_timeout_ns:
        entry.stun_length = 0
        entry.dtls_length = 0
    entry.time_ns = packet.time_ns
    return way


@compiled
def note_stun(tables: Tables, data: Array, packet: Row, key_hash: np.uint32) -> None:
    """Keep a Binding request when it is the first one of its end; repeated ones keep the entry alive."""
    at = packet.offset
    if be16(data, at) != _BINDING_REQUEST or be32(data, at + 4) != _MAGIC_COOKIE:
        return
    way = _entry_of(tables, key_hash, packet)
    entry = tables.handshakes[way]
    if entry.stun_length == 0:
        entry.stun_time_ns = packet.time_ns
        entry.stun_length = min(packet.length, MAXIMUM_PAYLOAD)
        copy_bytes(tables.held_stun, way * HELD, data, at, entry.stun_length)


@compiled
def note_dtls(tables: Tables, data: Array, packet: Row, key_hash: np.uint32) -> None:
    """Keep a ClientHello or ServerHello when it is the first one of its end."""
    at = packet.offset
    if data[at] != _HANDSHAKE or packet.length <= _HANDSHAKE_TYPE_AT:
        return
    message = data[at + _HANDSHAKE_TYPE_AT]
    if message not in (_CLIENT_HELLO, _SERVER_HELLO):
        return
    way = _entry_of(tables, key_hash, packet)
    entry = tables.handshakes[way]
    if entry.dtls_length == 0:
        entry.dtls_time_ns = packet.time_ns
        entry.dtls_length = min(packet.length, MAXIMUM_PAYLOAD)
        copy_bytes(tables.held_dtls, way * HELD, data, at, entry.dtls_length)


@compiled
def recall(tables: Tables, row: int) -> None:
    """Write what the sender of a new flow said before it as the flow's first evidence."""
    flow = tables.flows[row]
    way = _find(tables, flow.hash, flow)
    if way < 0:
        return
    entry = tables.handshakes[way]
    if abs(flow.first_seen_ns - entry.time_ns) > tables.state[0].idle_timeout_ns:
        return
    held = way * HELD
    if entry.stun_length != 0:
        evidence_pool.append(
            tables, row, tables.held_stun, held, entry.stun_length, entry.stun_time_ns, EVIDENCE_STUN
        )
    if entry.dtls_length != 0:
        evidence_pool.append(
            tables, row, tables.held_dtls, held, entry.dtls_length, entry.dtls_time_ns, EVIDENCE_DTLS
        )
