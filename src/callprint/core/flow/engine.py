"""The flow engine as Python sees it: batches of packets in, events out."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from callprint.core.evidence import (
    ENOUGH_WHOLE,
    EVIDENCE_HEADER,
    HANDSHAKE_RECORDS,
    HEADER_LENGTH,
    HORIZON_AFTER_NS,
    HORIZON_AT_LATEST_NS,
    HORIZON_PACKETS,
    HORIZON_RTCP_PACKETS,
)
from callprint.core.flow import candidates, process, windows
from callprint.core.flow.events import EVENTS_PER_PACKET
from callprint.core.flow.layout import (
    BLOCK,
    CANDIDATE,
    EVENT,
    FLOW,
    HANDSHAKE,
    HASHES,
    HELD_BYTES,
    LEAST_SLOTS,
    MAP_FIELDS,
    NEVER_NS,
    STATE,
    TYPE,
    TYPES_OF_FLOW,
    Tables,
)
from callprint.core.flow.sweep import SWEEP_EVERY_NS, sweep
from callprint.core.flow.window_layout import DROP_MOMENTS, OPEN, REPORTED, WINDOW, WINDOWS_KEPT
from callprint.core.ground.arrays import Array, aligned_zeros
from callprint.core.ground.compiled import read_only
from callprint.core.ground.errors import ConfigError
from callprint.core.ground.sets import AS_HASHED, WAYS
from callprint.core.packets import MAXIMUM_PAYLOAD, OUTCOMES, PACKET, Outcome

MOST_CAPTURES = 1 << 16
"""Captures whose names are kept, as many as the field of a FLOW row can number."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Limits and times of a flow engine. Memory is reserved up front, but touched only as far as it is used."""

    maximum_flows: int = 1 << 20
    maximum_candidates: int = 1 << 15  # sources in probation
    maximum_handshakes: int = 1 << 14  # directions of sessions whose STUN or DTLS may precede media
    evidence_memory_bytes: int = 256 << 20  # pending packets at their real length
    window_memory_bytes: int = (
        256 << 20
    )  # windows of flows that last longer than one: 5 KB for each such flow
    idle_timeout_s: float = 60.0
    horizon_packets: int = HORIZON_PACKETS
    horizon_rtcp_packets: int = HORIZON_RTCP_PACKETS
    horizon_after_s: float = HORIZON_AFTER_NS / 1e9
    horizon_at_latest_s: float = (
        HORIZON_AT_LATEST_NS / 1e9
    )  # after the first RTP packet, however slow the flow is
    checkpoints: tuple[int, ...] = (10, 20, 40, 100)  # k of the provisional verdicts
    whole_enough: int = (
        ENOUGH_WHOLE  # whole packets from which on headers of others are no evidence; 0: never
    )
    index_key: int = (
        0x9E3779B97F4A7C15  # 64 bits that choose where flows lie; at best random ones, which no sender knows
    )
    set_key: int = (
        AS_HASHED  # the same for candidates and handshakes: with another key others of a flood make room
    )

    def __post_init__(self) -> None:
        """Raise ConfigError naming the first impossible setting."""
        for name in (
            "maximum_flows",
            "maximum_candidates",
            "maximum_handshakes",
            "evidence_memory_bytes",
            "window_memory_bytes",
            "horizon_packets",
        ):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("index_key", "set_key"):
            if not 0 <= getattr(self, name) < 1 << 64:
                raise ConfigError(f"{name} must have 64 bits")
        if self.horizon_packets > 65535:
            raise ConfigError(f"horizon_packets must be at most 65535, not {self.horizon_packets}")
        if list(self.checkpoints) != sorted(set(self.checkpoints)) or min(self.checkpoints, default=1) < 1:
            raise ConfigError(f"checkpoints must rise from 1 on, not {self.checkpoints}")
        for name in ("idle_timeout_s", "horizon_after_s", "horizon_at_latest_s"):
            if not 0 <= getattr(self, name) <= 1e6:
                raise ConfigError(f"{name} must be between 0 and a million seconds")


def no_windows() -> Array:
    """Return the windows of no flow, (0,) WINDOW."""
    return np.zeros(0, dtype=WINDOW)


def nothing_reported() -> Array:
    """Return what is reported of no flow, (0,) REPORTED."""
    return np.zeros(0, dtype=REPORTED)


@dataclass(frozen=True, slots=True)
class FlowEvents:
    """Events in the order in which they happened, as views that are valid until the engine runs again."""

    events: Array  # (n,) EVENT
    flows: Array  # (n,) FLOW as it stood at the event
    evidence: Array  # (bytes,) uint8: the evidence logs, from events[i].start to events[i].end
    # (m,) WINDOW: those of the flows that have ended, as `first_window` and `windows` of their events say.
    windows: Array = field(default_factory=no_windows)
    reported: Array = field(default_factory=nothing_reported)  # (n,) REPORTED, of these flows


def _power_of_two(least: int) -> int:
    return 1 << max(0, (least - 1).bit_length())


class FlowEngine:
    """Follows RTP flows through packet batches, in bounded memory.

    `process` and `finish` yield `FlowEvents`; verdicts come back through `set_verdicts` into the flow table, which is
    the paper's map database. Counters: `outcomes` plus `held` always add up to the packets read.
    """

    def __init__(self, settings: EngineSettings | None = None) -> None:
        """Reserve the tables. Raises ConfigError (by EngineSettings) for impossible limits."""
        self.settings = settings or EngineSettings()
        s = self.settings
        ways = _power_of_two(max(s.maximum_candidates, WAYS))
        handshake_ways = _power_of_two(max(s.maximum_handshakes, WAYS))
        slots = _power_of_two(max(LEAST_SLOTS, 4 * s.maximum_flows))
        blocks = max(1, s.evidence_memory_bytes // BLOCK)
        window_slots = max(1, s.window_memory_bytes // (WINDOWS_KEPT * WINDOW.itemsize))
        # As many headers may have come before enough whole packets.
        longest_log = (2 * s.horizon_packets + s.horizon_rtcp_packets + HANDSHAKE_RECORDS) * (
            EVIDENCE_HEADER + MAXIMUM_PAYLOAD
        )
        due_ns = aligned_zeros(s.maximum_flows, dtype=np.int64)
        due_ns.fill(NEVER_NS)
        self._tables = Tables(
            flows=aligned_zeros(s.maximum_flows, dtype=FLOW),
            due_ns=due_ns,
            free_rows=aligned_zeros(s.maximum_flows, dtype=np.int32),
            types=aligned_zeros(TYPES_OF_FLOW * s.maximum_flows, dtype=TYPE),
            open=aligned_zeros(s.maximum_flows, dtype=OPEN),
            reported=aligned_zeros(s.maximum_flows, dtype=REPORTED),
            windows=aligned_zeros(window_slots * WINDOWS_KEPT, dtype=WINDOW),
            free_window_slots=aligned_zeros(window_slots, dtype=np.int32),
            drop_moments_ns=np.full(DROP_MOMENTS, -NEVER_NS, dtype=np.int64),
            slots=aligned_zeros(slots, dtype=np.uint64),
            sources=aligned_zeros(slots, dtype=np.uint64),
            hashes=aligned_zeros(HASHES, dtype=np.uint32),
            candidates=aligned_zeros(ways, dtype=CANDIDATE),
            held_rtp=aligned_zeros(ways * HELD_BYTES, dtype=np.uint8),
            held_rtcp=aligned_zeros(ways * HELD_BYTES, dtype=np.uint8),
            handshakes=aligned_zeros(handshake_ways, dtype=HANDSHAKE),
            held_stun=aligned_zeros(handshake_ways * HELD_BYTES, dtype=np.uint8),
            held_dtls=aligned_zeros(handshake_ways * HELD_BYTES, dtype=np.uint8),
            held_name=aligned_zeros(handshake_ways * HELD_BYTES, dtype=np.uint8),
            blocks=aligned_zeros(blocks * BLOCK, dtype=np.uint8),
            next_block=aligned_zeros(blocks, dtype=np.int32),
            free_blocks=aligned_zeros(blocks, dtype=np.int32),
            events=aligned_zeros(4096, dtype=EVENT),
            event_flows=aligned_zeros(4096, dtype=FLOW),
            event_windows=aligned_zeros(4096 + EVENTS_PER_PACKET * (WINDOWS_KEPT + 1), dtype=WINDOW),
            event_reported=aligned_zeros(4096, dtype=REPORTED),
            evidence=aligned_zeros(max(8 << 20, 2 * EVENTS_PER_PACKET * longest_log), dtype=np.uint8),
            scratch=aligned_zeros(EVIDENCE_HEADER + HEADER_LENGTH, dtype=np.uint8),
            outcomes=np.zeros(OUTCOMES, dtype=np.int64),
            checkpoints=np.array(s.checkpoints, dtype=np.int64),
            state=np.zeros(1, dtype=STATE),
        )
        state = self._tables.state
        state["sweep_row"] = -1
        state["slot_mask"] = LEAST_SLOTS - 1
        state["index_key"] = s.index_key | 1
        state["set_key"] = s.set_key
        state["longest_log"] = longest_log
        state["whole_enough"] = s.whole_enough
        state["idle_timeout_ns"] = round(s.idle_timeout_s * 1e9)
        state["horizon_packets"] = s.horizon_packets
        state["horizon_rtcp_packets"] = s.horizon_rtcp_packets
        state["horizon_after_ns"] = round(s.horizon_after_s * 1e9)
        state["horizon_at_latest_ns"] = round(s.horizon_at_latest_s * 1e9)
        self._started = False
        self.captures: list[str | None] = [None]
        """Names of captures by the numbers in FLOW rows."""
        self._capture_numbers: dict[str | None, int] = {None: 0}

    def process(
        self,
        data: Array,
        packets: Array,
        source_start_ns: int | None = None,
        capture: str | None = None,
    ) -> Iterator[FlowEvents]:
        """Take a batch in and yield its events, in several parts when there are many.

        data: (bytes,) uint8, packets: (n,) PACKET. `source_start_ns`: when the capture began, by default the
        first packet's time. `capture`: the name of the file or interface that the batch is from. Deal with
        each part (set its verdicts) before asking for the next.
        """
        if not len(packets):
            return
        if not self._started:
            self._started = True
            first_ns = int(packets["time_ns"][0])
            state = self._tables.state
            state["clock_ns"] = first_ns
            state["next_sweep_ns"] = first_ns + SWEEP_EVERY_NS
            state["source_start_ns"] = first_ns if source_start_ns is None else source_start_ns
        self._tables.state["capture"] = self._number_of(capture)
        data = read_only(data)
        done = 0
        while done < len(packets):
            done = process.process(self._tables, data, packets, done)
            yield from self._drain()

    def finish(self) -> Iterator[FlowEvents]:
        """End every flow and count every packet in probation: the capture has ended."""
        candidates.drop_all(self._tables)
        self._tables.state["sweep_all"] = 1
        self._tables.state["packet"] = -1
        complete = False
        while not complete:
            complete = sweep(self._tables)
            yield from self._drain()
        self._tables.state["sweep_all"] = 0
        self._started = False

    def _number_of(self, capture: str | None) -> int:
        """Return the number of a capture; of more than FLOW rows can tell apart, the rest is not known."""
        number = self._capture_numbers.get(capture)
        if number is None and len(self.captures) < MOST_CAPTURES:
            number = self._capture_numbers[capture] = len(self.captures)
            self.captures.append(capture)
        return number or 0

    def _drain(self) -> Iterator[FlowEvents]:
        state = self._tables.state
        count = int(state["events"][0])
        if count:
            yield FlowEvents(
                self._tables.events[:count],
                self._tables.event_flows[:count],
                self._tables.evidence[: int(state["evidence_used"][0])],
                self._tables.event_windows[: int(state["windows_used"][0])],
                self._tables.event_reported[:count],
            )
            state["events"] = 0
            state["windows_used"] = 0
            state["evidence_used"] = 0

    def set_verdicts(self, events: Array, verdicts: Array) -> None:
        """Write verdicts into the map. events: (n,) EVENT; verdicts: (n,) FLOW, read for its verdict alone.

        Rows whose flow is gone by now (they have another generation) are left alone.
        """
        rows = events["row"]
        alive = self._tables.flows["generation"][rows] == verdicts["generation"]
        rows, verdicts = rows[alive], verdicts[alive]
        for name in MAP_FIELDS:
            self._tables.flows[name][rows] = verdicts[name]

    def lookup(self, data: Array, packets: Array) -> Array:
        """Return the FLOW rows of RTP packets, (n,) int32 into `flows`, -1 where there is none.

        data: (bytes,) uint8, packets: (n,) PACKET.
        """
        rows = np.empty(len(packets), dtype=np.int32)
        process.lookup(self._tables, read_only(data), packets, rows)
        return rows

    @property
    def flows(self) -> Array:
        """All rows, used and free: (maximum_flows,) FLOW. For look-ups with `lookup`."""
        return self._tables.flows

    @property
    def rows_in_use(self) -> tuple[Array, Array]:
        """The rows that were ever used, (n,) FLOW, with when each is due, (n,) int64: NEVER_NS for one that is free."""
        end = int(self._tables.state["fresh_row"][0])
        return self._tables.flows[:end], self._tables.due_ns[:end]

    def quality_of(self, rows: Array) -> tuple[Array, Array, Array]:
        """Return the windows of flows that go on, how many each has, and what else is known of their quality.

        rows: (n,) int64 into `flows`. Returns (m,) WINDOW, (n,) int64, (n,) REPORTED.
        """
        found = np.zeros(len(rows) * (WINDOWS_KEPT + 1), dtype=WINDOW)
        counts = np.zeros(len(rows), dtype=np.int64)
        reported = np.zeros(len(rows), dtype=REPORTED)
        used = windows.gather_all(self._tables, rows, found, counts, reported)
        return found[:used], counts, reported

    def note_drops(self) -> None:
        """Note that the capture has just lost packets: no MOS is claimed for flows that go on now."""
        state = self._tables.state
        self._tables.drop_moments_ns[int(state["drop_moments"][0]) % DROP_MOMENTS] = state["clock_ns"][0]
        state["drop_moments"] += 1

    @property
    def outcomes(self) -> dict[Outcome, int]:
        """Packets by the one counter that each ended in."""
        return {outcome: int(self._tables.outcomes[outcome]) for outcome in Outcome}

    @property
    def held(self) -> int:
        """Packets in probation: read, but not yet in a counter."""
        return int(self._tables.state["held"][0])

    @property
    def gauges(self) -> dict[str, int]:
        """Flows now and ever, evictions, how often the evidence memory was full, packets that found a verdict."""
        names = (
            "flows",
            "flows_created",
            "flows_evicted",
            "handshakes_evicted",
            "evidence_exhausted",
            "windows_exhausted",
            "verdict_hits",
        )
        return {name: int(self._tables.state[name][0]) for name in names}


def warm_up() -> None:
    """Compile (or load from the cache) everything that `FlowEngine` runs."""
    engine = FlowEngine(
        EngineSettings(
            maximum_flows=4, maximum_candidates=4, maximum_handshakes=4, evidence_memory_bytes=1 << 16
        )
    )
    packets = np.zeros(1, dtype=PACKET)
    packets["length"] = 12
    data = np.zeros(64, dtype=np.uint8)
    list(engine.process(data, packets))
    list(engine.finish())
    engine.lookup(data, packets)
    engine.quality_of(np.zeros(1, dtype=np.int64))
