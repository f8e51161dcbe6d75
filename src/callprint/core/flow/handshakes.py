"""What the two endpoints of a session send before their media: a bounded set-associative table, apart from the flows.

ICE begins with STUN Binding requests (RFC 8445), DTLS-SRTP with a ClientHello and a ServerHello (RFC 5764),
from and to the ports of the media that follows. They are the first thing that a media stack writes by itself.
The packets end in the counters of their kind; of each direction, the first STUN and the first DTLS packet are
kept for the flows that may follow, several of which can share the ports.

Two more messages name the product that sends media, though they do not go the same way:

A socket asks TURN servers for a relay with an Allocate (RFC 8656), whose last request has the realm that the server
asked for. Its media go through one of those servers or, where ICE finds a shorter way, past all of them from the
same socket. So requests have an entry of their socket. A server's answer counts for what that server sends.

An H.323 endpoint says who made it in call signalling (core/dissect/h225.py), over TCP between the hosts that send each
other media a little later. The entry is that of the two hosts, the weakest tie of all: it counts for no sender with a
handshake of its own, which H.323 does not have, and where two makers behind one address speak, neither counts.

A flood of such messages fills this table and nothing else.
"""

import numpy as np

from callprint.core.dissect.h225 import FIXED_BYTES, NO_VENDOR, PRODUCT, vendor_in
from callprint.core.dissect.payload import ALLOCATE_REQUEST, ALLOCATES
from callprint.core.evidence import EVIDENCE_ALLOCATE, EVIDENCE_DTLS, EVIDENCE_H225, EVIDENCE_STUN
from callprint.core.flow import evidence_pool
from callprint.core.flow.hashing import half_session_hash, hosts_hash, sender_hash
from callprint.core.flow.layout import HELD_BYTES, Tables
from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import Row, compiled, compiled_apart, copy_bytes
from callprint.core.ground.endpoints import occupy, same_endpoints, same_hosts, same_source
from callprint.core.ground.loads import be16, be32, load8
from callprint.core.ground.sets import WAYS, entry_to_claim, first_of_set, keyed
from callprint.core.packets import MAXIMUM_PAYLOAD

_BINDING_REQUEST = 0x0001
_MAGIC_COOKIE = 0x2112A442
_HANDSHAKE = 22  # DTLS content type
_CLIENT_HELLO = 1
_SERVER_HELLO = 2
_HANDSHAKE_TYPE_AT = 13  # behind the record header


_DOUBTED_TIMEOUTS = 2  # idle time-outs for which a maker is in doubt after another one spoke
_ENDPOINTS, _SOCKET, _HOSTS = range(3)
"""Whose an entry is: of one endpoint towards another, of one towards all, of one host towards another."""


@compiled
def _key_of(row: Row, whose: int) -> np.uint32:
    """Return the hash of an entry for a row with endpoints."""
    if whose == _ENDPOINTS:
        return half_session_hash(row)
    return sender_hash(row) if whose == _SOCKET else hosts_hash(row)


@compiled
def _is_of(entry: Row, row: Row, whose: int) -> bool:
    """Return whether an entry is the one for a row with endpoints."""
    if entry.whose != whose:
        return False
    if whose == _ENDPOINTS:
        return same_endpoints(entry, row)
    return same_source(entry, row) if whose == _SOCKET else same_hosts(entry, row)


@compiled
def _find(tables: Tables, row: Row, whose: int) -> int:
    """Return the entry for any row that has endpoints; -1 when there is none."""
    key_hash = _key_of(row, whose)
    first = first_of_set(tables.handshakes.shape[0], keyed(key_hash, tables.state[0].set_key))
    for way in range(first, first + WAYS):
        entry = tables.handshakes[way]
        if entry.used and entry.hash == key_hash and _is_of(entry, row, whose):
            return int(way)
    return -1


@compiled
def _claim(tables: Tables, packet: Row, whose: int) -> int:
    """Return an entry for a new sender: an empty or stale one of its set, else any one of them, which is counted."""
    state = tables.state[0]
    state.claims += 1
    stale_before_ns = packet.time_ns - state.idle_timeout_ns
    key_hash = _key_of(packet, whose)
    way = entry_to_claim(tables.handshakes, keyed(key_hash, state.set_key), stale_before_ns, state.claims)
    entry = tables.handshakes[way]
    if entry.used and entry.time_ns >= stale_before_ns:
        state.handshakes_evicted += 1
    occupy(entry, key_hash, packet)
    entry.whose = whose
    entry.stun_length = 0
    entry.dtls_length = 0
    entry.name_length = 0
    entry.doubtful = 0
    return way


@compiled
def _way_of(tables: Tables, packet: Row, whose: int) -> int:
    """Return the entry of the sender of this packet, its own one or a new one, which counts again from now on."""
    way = _find(tables, packet, whose)
    if way < 0:
        way = _claim(tables, packet, whose)
    tables.handshakes[way].time_ns = packet.time_ns
    return way


@compiled
def _entry_of(tables: Tables, packet: Row) -> int:
    """Return the entry of the sender of a handshake, without the one before when that is stale."""
    way = _way_of(tables, packet, _ENDPOINTS)
    entry = tables.handshakes[way]
    if abs(packet.time_ns - entry.handshake_time_ns) > tables.state[0].idle_timeout_ns:
        entry.stun_length = 0
        entry.dtls_length = 0
    entry.handshake_time_ns = packet.time_ns
    return way


@compiled
def _keep(held: Array, way: int, data: Array, packet: Row) -> int:
    """Copy as much of a packet as is kept into the bytes of an entry; return how much that is."""
    length = min(int(packet.length), MAXIMUM_PAYLOAD)
    copy_bytes(held, way * HELD_BYTES, data, packet.offset, length)
    return length


@compiled
def _note_allocate(tables: Tables, data: Array, packet: Row, message: int) -> None:
    """Keep the last Allocate of a sender. It has an age of its own: it keeps no STUN request and no hello alive."""
    way = _way_of(tables, packet, _SOCKET if message == ALLOCATE_REQUEST else _ENDPOINTS)
    entry = tables.handshakes[way]
    entry.name_time_ns = packet.time_ns
    entry.name_length = _keep(tables.held_name, way, data, packet)


@compiled_apart
def note_stun(tables: Tables, data: Array, packet: Row) -> None:
    """Keep the first Binding request of a sender, which repeated ones keep alive, and its last Allocate."""
    at = packet.offset
    message = be16(data, at)
    if be32(data, at + 4) != _MAGIC_COOKIE:
        return
    if message in ALLOCATES:
        _note_allocate(tables, data, packet, message)
    if message != _BINDING_REQUEST:
        return
    way = _entry_of(tables, packet)
    entry = tables.handshakes[way]
    if entry.stun_length == 0:
        entry.stun_time_ns = packet.time_ns
        entry.stun_length = _keep(tables.held_stun, way, data, packet)


@compiled_apart
def note_dtls(tables: Tables, data: Array, packet: Row) -> None:
    """Keep a ClientHello or ServerHello when it is the first one of its sender."""
    at = packet.offset
    if data[at] != _HANDSHAKE or packet.length <= _HANDSHAKE_TYPE_AT:
        return
    message = data[at + _HANDSHAKE_TYPE_AT]
    if message not in (_CLIENT_HELLO, _SERVER_HELLO):
        return
    way = _entry_of(tables, packet)
    entry = tables.handshakes[way]
    if entry.dtls_length == 0:
        entry.dtls_time_ns = packet.time_ns
        entry.dtls_length = _keep(tables.held_dtls, way, data, packet)


@compiled
def _is_other_maker(held_name: Array, held: int, data: Array, at: int, texts: int) -> bool:
    """Return whether a vendor in `data` is another than the one held: by number, and by product where both say it."""
    size = FIXED_BYTES
    if held_name[held] & texts & PRODUCT:
        size += 2 + load8(data, at + FIXED_BYTES)
    differs = False
    for i in range(size):
        differs |= held_name[held + 1 + i] != data[at + i]
    return differs


@compiled_apart
def note_h225(tables: Tables, data: Array, packet: Row) -> None:
    """Keep the vendor that a message of H.323 call signalling names, as EVIDENCE_H225 has it."""
    at, length, texts = vendor_in(data, packet.offset, packet.length)
    if at == NO_VENDOR or length >= MAXIMUM_PAYLOAD:
        return
    way = _way_of(tables, packet, _HOSTS)
    entry = tables.handshakes[way]
    held = way * HELD_BYTES
    doubted_ns = _DOUBTED_TIMEOUTS * tables.state[0].idle_timeout_ns
    known = entry.name_length != 0 and abs(packet.time_ns - entry.name_time_ns) <= doubted_ns
    other = known and _is_other_maker(tables.held_name, held, data, at, texts)
    if other:
        entry.doubtful = 1
        entry.doubt_time_ns = entry.name_time_ns
    entry.name_time_ns = packet.time_ns
    if known and not other and tables.held_name[held] & ~texts & PRODUCT:
        return  # what it said of itself before says more
    entry.name_length = 1 + length
    tables.held_name[held] = texts
    copy_bytes(tables.held_name, held + 1, data, at, length)


@compiled
def _recall_name(tables: Tables, row: int, way: int, kind: int) -> bool:
    """Make what names the sender of a new flow evidence; return whether an entry has such that still counts."""
    if way < 0:
        return False
    entry = tables.handshakes[way]
    first_ns, idle_timeout_ns = tables.flows[row].first_seen_ns, tables.state[0].idle_timeout_ns
    if entry.name_length == 0 or abs(first_ns - entry.name_time_ns) > idle_timeout_ns:
        return False
    if entry.doubtful and abs(first_ns - entry.doubt_time_ns) <= _DOUBTED_TIMEOUTS * idle_timeout_ns:
        return False
    held, time_ns = way * HELD_BYTES, entry.name_time_ns
    evidence_pool.append(tables, row, tables.held_name, held, entry.name_length, time_ns, kind)
    return True


@compiled_apart
def recall(tables: Tables, row: int) -> None:
    """Make what the sender of a new flow sent before its media the flow's first evidence."""
    flow = tables.flows[row]
    way = _find(tables, flow, _ENDPOINTS)
    shook_hands = False
    if way >= 0:
        entry = tables.handshakes[way]
        fresh = abs(flow.first_seen_ns - entry.handshake_time_ns) <= tables.state[0].idle_timeout_ns
        held = way * HELD_BYTES
        shook_hands = fresh and (entry.stun_length != 0 or entry.dtls_length != 0)
        if fresh and entry.stun_length != 0:
            evidence_pool.append(
                tables, row, tables.held_stun, held, entry.stun_length, entry.stun_time_ns, EVIDENCE_STUN
            )
        if fresh and entry.dtls_length != 0:
            evidence_pool.append(
                tables, row, tables.held_dtls, held, entry.dtls_length, entry.dtls_time_ns, EVIDENCE_DTLS
            )
    if _recall_name(tables, row, way, EVIDENCE_ALLOCATE):
        return
    if _recall_name(tables, row, _find(tables, flow, _SOCKET), EVIDENCE_ALLOCATE) or shook_hands:
        return
    _recall_name(tables, row, _find(tables, flow, _HOSTS), EVIDENCE_H225)
