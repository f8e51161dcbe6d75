"""Sources in probation (RFC 3550 A.1): a bounded set-associative table, apart from the flows.

A flood of packets that merely look like RTP fills this table and nothing else. Each entry holds at most
one RTP and one RTCP packet, because a source is valid as soon as two packets follow one another, and
what stood before an out-of-sequence packet is rejected.
"""

import numpy as np

from callprint.core.flow.headers import header_bytes
from callprint.core.flow.layout import HELD_BYTES, Tables
from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import Row, by_reference, compiled, copy_bytes
from callprint.core.ground.endpoints import occupy, same_port_pairs
from callprint.core.ground.sets import WAYS, entry_to_claim, first_of_set, keyed
from callprint.core.packets import Outcome, PacketKind

_RTP = int(PacketKind.RTP)
UNCONFIRMED = int(Outcome.UNCONFIRMED)
ORPHAN_RTCP = int(Outcome.ORPHAN_RTCP)
CANDIDATE_EVICTED = int(Outcome.CANDIDATE_EVICTED)


@compiled
def find(tables: Tables, key_hash: np.uint32, packet: Row, ssrc: np.uint32, is_rtp: bool) -> int:
    """Return the entry of this packet's media source, -1 when there is none.

    RTP must match the ports and the SSRC of the RTP held, so that sources that share a flow's ports (audio
    and video) do not disturb each other; RTCP, or RTP where only RTCP is held, matches the port pair.
    """
    first = first_of_set(tables.candidates.shape[0], keyed(key_hash, tables.state[0].set_key))
    for way in range(first, first + WAYS):
        entry = tables.candidates[way]
        if (
            entry.used
            and entry.hash == key_hash
            and same_port_pairs(entry, packet)
            and (
                not is_rtp
                or not entry.has_rtp
                or (
                    entry.ssrc == ssrc
                    and entry.src_port == packet.src_port
                    and entry.dst_port == packet.dst_port
                )
            )
        ):
            return int(way)
    return -1


@compiled
def drop_rtp(tables: Tables, way: int, outcome: int) -> None:
    """Count the held RTP packet, if there is one, and forget it."""
    entry = tables.candidates[way]
    if entry.has_rtp:
        entry.has_rtp = 0
        tables.outcomes[outcome] += 1
        tables.state[0].held -= 1


@compiled
def drop_rtcp(tables: Tables, way: int, outcome: int) -> None:
    """Count the held RTCP packet, if there is one, and forget it."""
    entry = tables.candidates[way]
    if entry.rtcp_length != 0:
        entry.rtcp_length = 0
        tables.outcomes[outcome] += 1
        tables.state[0].held -= 1


@compiled
def claim(tables: Tables, key_hash: np.uint32, packet: Row, stale_before_ns: int) -> int:
    """Return an entry for a new source: an empty or stale one of its set, else any one of them.

    What the old tenant held is counted: unconfirmed when it had its time, or when it makes room for another source
    on its own ports (a protocol that merely looks like RTP names a new source in every packet); evicted when
    others push it out.
    """
    state = tables.state[0]
    state.claims += 1
    way = entry_to_claim(tables.candidates, keyed(key_hash, state.set_key), stale_before_ns, state.claims)
    entry = tables.candidates[way]
    if entry.used:
        if same_port_pairs(entry, packet) or entry.time_ns < stale_before_ns:
            drop_rtp(tables, way, UNCONFIRMED)
            drop_rtcp(tables, way, ORPHAN_RTCP)
        else:
            drop_rtp(tables, way, CANDIDATE_EVICTED)
            drop_rtcp(tables, way, CANDIDATE_EVICTED)
    occupy(entry, key_hash, packet)
    entry.has_rtp = 0
    entry.rtcp_length = 0
    return way


@compiled
def hold_rtp(tables: Tables, way: int, data: Array, packet: Row, ssrc: np.uint32, sequence: int) -> None:
    """Keep this packet as the possible first one of its source."""
    entry = tables.candidates[way]
    entry.time_ns = packet.time_ns
    entry.rtp_time_ns = packet.time_ns
    entry.src_port = packet.src_port
    entry.dst_port = packet.dst_port
    entry.ssrc = ssrc
    entry.sequence = sequence
    entry.has_rtp = 1
    entry.rtp_kind = packet.kind
    entry.rtp_length = packet.length + packet.missing
    if packet.kind == _RTP:
        entry.rtp_kept = packet.length
    else:
        entry.rtp_kept = header_bytes(data, packet.offset, packet.length)
    copy_bytes(tables.held_rtp, way * HELD_BYTES, data, packet.offset, entry.rtp_kept)
    tables.state[0].held += 1


@compiled
def hold_rtcp(tables: Tables, way: int, data: Array, packet: Row) -> None:
    """Keep this RTCP packet for the flow that may follow."""
    entry = tables.candidates[way]
    entry.time_ns = packet.time_ns
    entry.rtcp_time_ns = packet.time_ns
    entry.rtcp_length = packet.length
    copy_bytes(tables.held_rtcp, way * HELD_BYTES, data, packet.offset, packet.length)
    tables.state[0].held += 1


@compiled
def release(tables: Tables, way: int) -> None:
    """Free an entry whose packets went on to a flow."""
    entry = tables.candidates[way]
    entry.used = 0
    entry.has_rtp = 0
    entry.rtcp_length = 0


@compiled
def drop_all(tables: Tables) -> None:
    """Count whatever is still in probation as unconfirmed: the capture has ended."""
    tables = by_reference(tables)
    for way in range(tables.candidates.shape[0]):
        if tables.candidates[way].used:
            drop_rtp(tables, way, UNCONFIRMED)
            drop_rtcp(tables, way, ORPHAN_RTCP)
            tables.candidates[way].used = 0
