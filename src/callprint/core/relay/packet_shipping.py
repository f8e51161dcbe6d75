"""From an agent's packets to batches of whole media packets, for agents that ship more than verdicts need."""

import numpy as np

from callprint.core.flow.engine import EngineSettings, FlowEngine
from callprint.core.flow.hashing import media_session_hash
from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import Row, compiled, read_only
from callprint.core.packets import MAXIMUM_PAYLOAD, PACKET, PacketKind
from callprint.core.wire.frame import Origin
from callprint.core.wire.packets import MEDIA_KINDS, WHOLE_PACKET, PacketBatch

_RTP = int(PacketKind.RTP)
_RTP_LONG = int(PacketKind.RTP_LONG)
_RTP_CUT = int(PacketKind.RTP_CUT)
_RTCP = int(PacketKind.RTCP)

MAXIMUM_PAYLOAD_BYTES = 256 << 10
ALL = 1 << 62
"""As a flow's head: all of its packets."""


@compiled
def _is_short(packet: Row) -> bool:
    """Return whether an RTP packet is one of those that the filter accepts: whole, or before the capture cut it."""
    is_media = packet.kind in (_RTP, _RTP_CUT)
    return bool(is_media and packet.length + packet.missing <= MAXIMUM_PAYLOAD)


@compiled
def _choose(
    packets: Array, rows: Array, flows: Array, horizon: int, head: int, seen: Array, wanted: Array
) -> None:
    """Write to wanted[i] whether RTP packet i is within the head of its flow and not in its evidence.

    rows[i]: the flow of packets[i], -1 for none. seen: (maximum_flows, 2) zeros, and zeros again at the end. The
    flows have counted the whole batch already, so a packet's number in its flow is counted backwards.
    """
    for i in range(packets.shape[0]):
        if rows[i] >= 0:
            seen[rows[i], 0] += _is_short(packets[i])
            seen[rows[i], 1] += 1
    for i in range(packets.shape[0]):
        row = rows[i]
        wanted[i] = False
        if row < 0:
            continue
        short = _is_short(packets[i])
        number_short = flows[row].packets - seen[row, 0] + 1
        number = flows[row].packets + flows[row].long_packets - seen[row, 1] + 1
        # Of a flow that is judged by headers, a few whole packets are evidence as well: these are shipped twice.
        is_evidence = packets[i].kind == _RTP and number_short <= horizon and flows[row].evidence_headers == 0
        wanted[i] = number <= head and not is_evidence
        seen[row, 0] -= short
        seen[row, 1] -= 1


@compiled
def _hash_packets(packets: Array, hashes: Array) -> None:
    """As `session_hashes` of flows, for packets: one function for both would need Numba to choose between them."""
    for i in range(packets.shape[0]):
        hashes[i] = media_session_hash(packets[i])


@compiled
def _gather(data: Array, packets: Array, payload: Array) -> None:
    at = 0
    for i in range(packets.shape[0]):
        begin = packets[i].offset
        for j in range(packets[i].length):
            payload[at + j] = data[begin + j]
        at += packets[i].length


class PacketShipper:
    """Picks from each batch the media packets that no evidence log holds, and gives them out as batches."""

    def __init__(self, source: int, partitions: int, maximum_flows: int, horizon: int, head: int) -> None:
        """`head`: how many RTP packets of a flow are shipped in all, those of its evidence included; or ALL."""
        self._source = source
        self._horizon = horizon
        self._head = head
        self._seen = np.zeros((maximum_flows, 2), dtype=np.int64)
        self._waiting: list[list[tuple[Array, Array]]] = [[] for _ in range(partitions)]
        self._bytes = [0] * partitions
        self._sequences = [0] * partitions
        self._clock_ns = -(1 << 63)
        self.packets = 0

    def take(self, data: Array, packets: Array, engine: FlowEngine) -> list[tuple[int, PacketBatch]]:
        """Take a batch that the engine has processed; return the batches that became full.

        data: (bytes,) uint8, packets: (n,) PACKET. All RTCP is taken, and RTP of flows that the engine follows.
        """
        kinds = packets["kind"]
        media = packets[np.isin(kinds, MEDIA_KINDS)]
        is_rtp = np.isin(media["kind"], (_RTP, _RTP_LONG, _RTP_CUT))
        rtp = media[is_rtp]
        wanted = np.empty(len(rtp), dtype=np.bool_)
        rows = engine.lookup(data, rtp)
        _choose(rtp, rows, engine.flows, self._horizon, self._head, self._seen, wanted)
        keep = ~is_rtp
        keep[is_rtp] = wanted
        chosen = media[keep]
        if not len(chosen):
            return []
        self.packets += len(chosen)
        self._clock_ns = max(self._clock_ns, int(chosen["time_ns"].max()))
        hashes = np.empty(len(chosen), dtype=np.uint32)
        _hash_packets(chosen, hashes)
        partition = hashes % len(self._waiting)
        full = []
        for number in np.unique(partition).tolist():
            full += self._add(number, data, chosen[partition == number])
        return full

    def flush(self) -> list[tuple[int, PacketBatch]]:
        """Return a batch for every partition in which something waits."""
        return [(number, self._cut(number)) for number, some in enumerate(self._waiting) if some]

    def _add(self, number: int, data: Array, packets: Array) -> list[tuple[int, PacketBatch]]:
        full = []
        ends = np.cumsum(packets["length"], dtype=np.int64)
        start = 0
        while start < len(packets):
            room = MAXIMUM_PAYLOAD_BYTES - self._bytes[number] + (int(ends[start - 1]) if start else 0)
            end = int(np.searchsorted(ends, room, side="right"))
            if end == start and self._waiting[number]:
                full.append((number, self._cut(number)))
                continue
            end = max(end, start + 1)
            self._put(number, data, packets[start:end])
            start = end
        return full

    def _put(self, number: int, data: Array, packets: Array) -> None:
        table = np.zeros(len(packets), dtype=WHOLE_PACKET)
        for name in WHOLE_PACKET.names or ():
            table[name] = packets[name]
        payload = np.empty(int(packets["length"].sum(dtype=np.int64)), dtype=np.uint8)
        _gather(read_only(data), read_only(packets), payload)
        self._waiting[number].append((table, payload))
        self._bytes[number] += len(payload)

    def _cut(self, number: int) -> PacketBatch:
        tables, payloads = zip(*self._waiting[number], strict=True)
        origin = Origin(self._source, self._sequences[number], self._clock_ns)
        self._sequences[number] += 1
        self._waiting[number] = []
        self._bytes[number] = 0
        return PacketBatch(origin, np.concatenate(tables), np.concatenate(payloads))


def warm_up() -> None:
    """Compile (or load from the cache) what shipping packets runs."""
    engine = FlowEngine(
        EngineSettings(
            maximum_flows=4, maximum_candidates=4, maximum_handshakes=4, evidence_memory_bytes=1 << 16
        )
    )
    packets = np.zeros(1, dtype=PACKET)
    packets["kind"] = _RTCP  # which is always taken, so that everything runs
    packets["length"] = 12
    PacketShipper(0, 1, 4, 0, ALL).take(np.zeros(64, dtype=np.uint8), packets, engine)
