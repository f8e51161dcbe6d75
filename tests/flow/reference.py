"""The flow engine's rules in plain Python: dictionaries, no bounds, no speed. The oracle of test_engine.py.

It is written from the rules (docs/how/flow-engine.md), not from the compiled code, and knows no eviction.
"""

from dataclasses import dataclass, field

from flow.packet_rows import Packet

from callprint.core.evidence import (
    EVIDENCE_ALLOCATE,
    EVIDENCE_DTLS,
    EVIDENCE_H225,
    EVIDENCE_RTCP,
    EVIDENCE_RTP,
    EVIDENCE_RTP_HEADER,
    EVIDENCE_STUN,
)
from callprint.core.flow import EngineSettings
from callprint.core.packets import Outcome, PacketKind


@dataclass
class Flow:
    key: tuple
    first_seen_ns: int
    last_active_ns: int
    packets: int = 0
    whole: int = 0  # whole RTP packets in the log
    headers: int = 0  # headers in the log, as long as they count
    long_packets: int = 0
    bytes: int = 0
    rtcp_packets: int = 0
    log: list = field(default_factory=list)
    rtcp_in_log: int = 0
    horizon_ns: int | None = None
    decided: bool = False  # a packet came after the latest horizon

    @property
    def k(self) -> int:
        return self.whole + self.headers


@dataclass
class Candidate:
    rtp: Packet | None = None
    rtcp: Packet | None = None
    time_ns: int = 0


@dataclass
class Handshake:
    time_ns: int
    stun: Packet | None = None
    dtls: Packet | None = None
    allocate: Packet | None = None


@dataclass
class Maker:
    packet: Packet  # the last one that says most
    time_ns: int  # of the last one
    doubt_ns: int | None = None  # of the last one before another maker spoke


class ReferenceEngine:
    """Feed packets one by one; `reported` collects (kind, key, k, log) as the engine's events should be."""

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self.flows: dict[tuple, Flow] = {}
        self.handshakes: dict[tuple, Handshake] = {}
        self.allocates: dict[tuple, Packet] = {}
        self.makers: dict[tuple, Maker] = {}
        self.candidates: dict[tuple, list[tuple[tuple, Candidate]]] = {}
        self.outcomes = dict.fromkeys(Outcome, 0)
        self.reported: list[tuple] = []

    def process(self, packet: Packet) -> None:
        if packet.kind > PacketKind.RTP_LONG and packet.kind != PacketKind.RTP_CUT:
            self.outcomes[Outcome(int(packet.kind))] += 1
            self._handshake(packet)
        elif packet.kind == PacketKind.RTCP:
            self._rtcp(packet)
        else:
            self._rtp(packet)

    def finish(self) -> None:
        for entries in self.candidates.values():
            for _, candidate in entries:
                self._drop(candidate, "rtp", Outcome.UNCONFIRMED)
                self._drop(candidate, "rtcp", Outcome.ORPHAN_RTCP)
        for key in list(self.flows):
            self._end(key, "capture_end")

    def _too_old(self, one_ns: int, other_ns: int, timeouts: int = 1) -> bool:
        return abs(one_ns - other_ns) > timeouts * self.settings.idle_timeout_s * 1e9

    def _handshake(self, packet: Packet) -> None:
        request = packet.kind == PacketKind.STUN and packet.payload_type == 1
        hello = packet.kind == PacketKind.DTLS and packet.payload_type in (1, 2)
        if packet.kind == PacketKind.H225:
            hosts = packet.source, packet.destination
            maker = self.makers.get(hosts)
            if maker is None or self._too_old(packet.time_ns, maker.time_ns, 2):
                doubt_ns = None if maker is None else maker.doubt_ns
                self.makers[hosts] = Maker(packet, packet.time_ns, doubt_ns)
                return
            before, now = maker.packet.vendor(), packet.vendor()
            if before.number != now.number or (
                before.product and now.product and before.product != now.product
            ):
                self.makers[hosts] = Maker(packet, packet.time_ns, maker.time_ns)
                return
            maker.time_ns = packet.time_ns
            if now.product or not before.product:
                maker.packet = packet
            return
        if packet.kind == PacketKind.STUN and packet.payload_type == 0x0003:
            self.allocates[self._key(packet)[:2]] = packet  # of a socket, whichever server it asks
            return
        answer = packet.kind == PacketKind.STUN and packet.payload_type == 0x0103
        if not request and not hello and not answer:
            return
        sent = self.handshakes.setdefault(self._key(packet), Handshake(packet.time_ns))
        if answer:
            sent.allocate = packet
            return
        if self._too_old(packet.time_ns, sent.time_ns):
            sent.stun = sent.dtls = None
        sent.time_ns = packet.time_ns
        if request:
            sent.stun = sent.stun or packet
        else:
            sent.dtls = sent.dtls or packet

    @staticmethod
    def _key(packet: Packet) -> tuple:
        return (packet.source, packet.source_port, packet.destination, packet.destination_port)

    @staticmethod
    def _pair(key: tuple) -> tuple:
        return (key[0], key[1] // 2, key[2], key[3] // 2)

    def _live(self, key: tuple | None, time_ns: int) -> Flow | None:
        flow = self.flows.get(key) if key else None
        if flow and self._too_old(time_ns, flow.last_active_ns):
            self._end(key, "idle")
            return None
        return flow

    def _candidate(self, packet: Packet) -> Candidate:
        key = self._key(packet)
        source = (*key, packet.ssrc)
        entries = self.candidates.setdefault(self._pair(key), [])
        for i, (held_source, candidate) in enumerate(entries):
            if packet.kind == PacketKind.RTCP or candidate.rtp is None or held_source == source:
                if self._too_old(packet.time_ns, candidate.time_ns):
                    self._drop(candidate, "rtp", Outcome.UNCONFIRMED)
                    self._drop(candidate, "rtcp", Outcome.ORPHAN_RTCP)
                if packet.kind != PacketKind.RTCP:
                    entries[i] = (source, candidate)
                return candidate
        for i, (_, candidate) in enumerate(entries):  # an entry that has had its time makes room
            if self._too_old(packet.time_ns, candidate.time_ns):
                self._drop(candidate, "rtp", Outcome.UNCONFIRMED)
                self._drop(candidate, "rtcp", Outcome.ORPHAN_RTCP)
                entries[i] = (source, Candidate())
                return entries[i][1]
        entries.append((source, Candidate()))
        return entries[-1][1]

    def _drop(self, candidate: Candidate, what: str, outcome: Outcome) -> None:
        if getattr(candidate, what) is not None:
            self.outcomes[outcome] += 1
            setattr(candidate, what, None)

    def _rtp(self, packet: Packet) -> None:
        key = (*self._key(packet), packet.ssrc)
        flow = self._live(key, packet.time_ns)
        if flow is None:
            candidate = self._candidate(packet)
            held = candidate.rtp
            if held is None or (held.sequence + 1 - packet.sequence) % 65536 != 0:
                self._drop(candidate, "rtp", Outcome.UNCONFIRMED)
                candidate.rtp = packet
                candidate.time_ns = packet.time_ns
                return
            flow = self._promote(key, candidate)
        self._known(flow, packet)

    def _promote(self, key: tuple, candidate: Candidate) -> Flow:
        held = candidate.rtp
        flow = self.flows[key] = Flow(key, held.time_ns, held.time_ns)
        flow.log += self._sent_before(key, held.time_ns)
        # In the order in which they came; for equal times the engine cannot know it and takes RTCP first.
        before = [p for p in (candidate.rtcp, held) if p is not None]
        for packet in sorted(before, key=lambda p: (p.time_ns, p.kind != PacketKind.RTCP)):
            if packet.kind == PacketKind.RTCP:
                self._accept_rtcp(flow, packet)
            else:
                self._accept(flow, packet)
        pair = self._pair(key)
        self.candidates[pair] = [e for e in self.candidates[pair] if e[1] is not candidate]
        return flow

    def _sent_before(self, key: tuple, time_ns: int) -> list[tuple]:
        def fresh(packet: Packet | None, kind: int, of_ns: int) -> list[tuple]:
            if packet is None or self._too_old(time_ns, of_ns):
                return []
            return [(packet.time_ns, kind, packet.payload()[:255])]

        sent = self.handshakes.get(key[:4], Handshake(time_ns))
        allocates = [
            found
            for packet in (sent.allocate, self.allocates.get(key[:2]))
            if packet and (found := fresh(packet, EVIDENCE_ALLOCATE, packet.time_ns))
        ]
        shook_hands = fresh(sent.stun, EVIDENCE_STUN, sent.time_ns) + fresh(
            sent.dtls, EVIDENCE_DTLS, sent.time_ns
        )
        if allocates or shook_hands:
            return shook_hands + (allocates[0] if allocates else [])
        return self._maker(key, time_ns)

    def _maker(self, key: tuple, time_ns: int) -> list[tuple]:
        maker = self.makers.get((key[0], key[2]))
        if maker is None or self._too_old(time_ns, maker.time_ns):
            return []
        if maker.doubt_ns is not None and not self._too_old(time_ns, maker.doubt_ns, 2):
            return []
        vendor = maker.packet.vendor()
        record = bytes([vendor.flags()]) + vendor.fixed() + vendor.texts()
        return [(maker.time_ns, EVIDENCE_H225, record)]

    def _known(self, flow: Flow, packet: Packet) -> None:
        flow.last_active_ns = max(flow.last_active_ns, packet.time_ns)
        self._accept(flow, packet)

    def _accept(self, flow: Flow, packet: Packet) -> None:
        length = len(packet.payload()) + packet.missing
        flow.bytes += length
        self.outcomes[Outcome(int(packet.kind))] += 1
        if length > 255:
            flow.long_packets += 1
        else:
            flow.packets += 1
        if flow.k == self.settings.horizon_packets or flow.decided:
            return
        is_whole = packet.kind == PacketKind.RTP
        if not is_whole and flow.whole >= self.settings.whole_enough:
            return
        if flow.horizon_ns is not None and packet.time_ns > flow.horizon_ns:
            flow.decided = True
            return
        if is_whole:
            flow.whole += 1
            flow.headers *= flow.whole < self.settings.whole_enough
            flow.log.append((packet.time_ns, EVIDENCE_RTP, packet.payload()))
        else:
            flow.headers += 1
            header = length.to_bytes(2, "little") + packet.payload()[:12]
            flow.log.append((packet.time_ns, EVIDENCE_RTP_HEADER, header))
        if flow.k == 1:
            flow.horizon_ns = packet.time_ns + int(self.settings.horizon_at_latest_s * 1e9)
        if flow.k in self.settings.checkpoints:
            self.reported.append(("checkpoint", flow.key, flow.k, tuple(flow.log)))
        if flow.k == self.settings.horizon_packets:
            after_ns = packet.time_ns + int(self.settings.horizon_after_s * 1e9)
            flow.horizon_ns = min(flow.horizon_ns, after_ns)

    def _rtcp(self, packet: Packet) -> None:
        ports = self._key(packet)
        siblings = [
            key
            for key, flow in self.flows.items()
            if self._pair(key) == self._pair(ports) and not self._too_old(packet.time_ns, flow.last_active_ns)
        ]
        # Equal ranks do not occur in the tests: the rules leave open which of two equal flows is reported on.
        rank = {k: 3 if k[4] == packet.ssrc else 2 if k[:4] == ports else 1 for k in siblings}
        key = max(rank, key=rank.get, default=None)
        if key:
            flow = self.flows[key]
            flow.last_active_ns = max(flow.last_active_ns, packet.time_ns)
            self._accept_rtcp(flow, packet)
            return
        waiting = self.candidates.get(self._pair(ports), [])
        flow = self._by_source(packet)
        if flow and not (waiting and waiting[0][1].rtp):
            flow.rtcp_packets += 1
            self.outcomes[Outcome.ACCEPTED_RTCP] += 1
            return
        candidate = self._candidate(packet)
        self._drop(candidate, "rtcp", Outcome.ORPHAN_RTCP)
        candidate.rtcp = packet
        candidate.time_ns = packet.time_ns

    def _by_source(self, packet: Packet) -> Flow | None:
        """Return the flow of the reporting SSRC between the same addresses that was active last."""
        wanted = (packet.source, packet.destination, packet.ssrc)
        flows = [
            flow
            for (source, _, destination, _, ssrc), flow in self.flows.items()
            if (source, destination, ssrc) == wanted
            and not self._too_old(packet.time_ns, flow.last_active_ns)
        ]
        return max(flows, key=lambda flow: flow.last_active_ns, default=None)

    def _accept_rtcp(self, flow: Flow, packet: Packet) -> None:
        self.outcomes[Outcome.ACCEPTED_RTCP] += 1
        flow.rtcp_packets += 1
        in_time = not flow.decided and (flow.horizon_ns is None or packet.time_ns <= flow.horizon_ns)
        if flow.rtcp_in_log < self.settings.horizon_rtcp_packets and in_time:
            flow.rtcp_in_log += 1
            flow.log.append((packet.time_ns, EVIDENCE_RTCP, packet.payload()))

    def _end(self, key: tuple, why: str) -> None:
        flow = self.flows.pop(key)
        self.reported.append(("final", key, flow.k, tuple(flow.log)))
        self.reported.append(
            ("end", key, why, (flow.packets, flow.long_packets, flow.rtcp_packets, flow.bytes))
        )
