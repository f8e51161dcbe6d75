"""Sources in probation (RFC 3550 A.1): a bounded set-associative table, apart from the flows.

A flood of packets that merely look like RTP fills this table and nothing else. Each entry holds at most
one RTP and one RTCP packet, because a source is valid as soon as two packets follow one another, and
what stood before an out-of-sequence packet is rejected.
"""

import numpy as np

from callprint.core.flow.hashing import mix
from callprint.core.flow.layout import HELD, WAYS, Tables
from callprint.core.ground.compiled import Array, Row, compiled, copy_bytes
from callprint.core.packets import Outcome

UNCONFIRMED = int(Outcome.UNCONFIRMED)
ORPHAN_RTCP = int(Outcome.ORPHAN_RTCP)
CANDIDATE_EVICTED = int(Outcome.CANDIDATE_EVICTED)


@compiled
def find(tables: Tables, key_hash: np.uint32, packet: Row, ssrc: np.uint32, is_rtp: bool) -> int:
    """Return the entry of this packet's media source, -1 when there is none.

    RTP must match the ports and the SSRC of the RTP held, so that sources that share a flow's ports (audio
    and video) do not disturb each other; RTCP, or RTP where only RTCP is held, matches the port pair.
    """
    sets = tables.candidates.shape[0] // WAYS
    first = (np.int64(key_hash) & (sets - 1)) * WAYS
    for way in range(first, first + WAYS):
        entry = tables.candidates[way]
        if (
            entry.used
            and entry.hash == key_hash
            and entry.src_lo == packet.src_lo
            and entry.dst_lo == packet.dst_lo
            and (entry.src_port | 1) == (packet.src_port | 1)
            and (entry.dst_port | 1) == (packet.dst_port | 1)
            and entry.src_hi == packet.src_hi
            and entry.dst_hi == packet.dst_hi
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

    "Any" is drawn by a counter: taking the oldest would let a few more calls than ways, all sending every
    20 ms, push each other out for ever. What the old tenant held is counted: unconfirmed when it had its
    time, or when it makes room for one more source on its own ports (a protocol that merely looks like RTP names a
    new source in every packet); evicted when others push it out.
    """
    sets = tables.candidates.shape[0] // WAYS
    first = (np.int64(key_hash) & (sets - 1)) * WAYS
    state = tables.state[0]
    state.claims += 1
    best = first + np.int64(mix(np.uint64(state.claims)) & np.uint64(WAYS - 1))
    for way in range(first, first + WAYS):
        if not tables.candidates[way].used or tables.candidates[way].time_ns < stale_before_ns:
            best = way
            break
    entry = tables.candidates[best]
    if entry.used:
        same_ports = (
            entry.src_lo == packet.src_lo
            and entry.dst_lo == packet.dst_lo
            and (entry.src_port | 1) == (packet.src_port | 1)
            and (entry.dst_port | 1) == (packet.dst_port | 1)
            and entry.src_hi == packet.src_hi
            and entry.dst_hi == packet.dst_hi
        )
        if same_ports or entry.time_ns < stale_before_ns:
            drop_rtp(tables, best, UNCONFIRMED)
            drop_rtcp(tables, best, ORPHAN_RTCP)
        else:
            drop_rtp(tables, best, CANDIDATE_EVICTED)
            drop_rtcp(tables, best, CANDIDATE_EVICTED)
    entry.used = 1
    entry.hash = key_hash
    entry.src_hi = packet.src_hi
    entry.src_lo = packet.src_lo
    entry.dst_hi = packet.dst_hi
    entry.dst_lo = packet.dst_lo
    entry.src_port = packet.src_port
    entry.dst_port = packet.dst_port
    entry.has_rtp = 0
    entry.rtcp_length = 0
    return int(best)


@compiled
def hold_rtp(
    tables: Tables, way: int, data: Array, packet: Row, ssrc: np.uint32, sequence: int, long: bool
) -> None:
    """Keep this packet as the possible first one of its source."""
    entry = tables.candidates[way]
    entry.time_ns = packet.time_ns
    entry.rtp_time_ns = packet.time_ns
    entry.src_port = packet.src_port
    entry.dst_port = packet.dst_port
    entry.ssrc = ssrc
    entry.sequence = sequence
    entry.has_rtp = 1
    entry.rtp_length = 0 if long else packet.length
    # Of a long packet only the header is wanted, for the statistics.
    kept = 12 if long else packet.length
    copy_bytes(tables.held_rtp, way * HELD, data, packet.offset, kept)
    tables.state[0].held += 1


@compiled
def hold_rtcp(tables: Tables, way: int, data: Array, packet: Row) -> None:
    """Keep this RTCP packet for the flow that may follow."""
    entry = tables.candidates[way]
    entry.time_ns = packet.time_ns
    entry.rtcp_time_ns = packet.time_ns
    entry.rtcp_length = packet.length
    copy_bytes(tables.held_rtcp, way * HELD, data, packet.offset, packet.length)
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
    """The capture has ended: whatever is still in probation was not confirmed."""
    for way in range(tables.candidates.shape[0]):
        if tables.candidates[way].used:
            drop_rtp(tables, way, UNCONFIRMED)
            drop_rtcp(tables, way, ORPHAN_RTCP)
            tables.candidates[way].used = 0
