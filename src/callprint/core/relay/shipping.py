"""From the events of an agent's flow engine to media batches: one stream of batches for each partition."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from callprint.core.capture import name as capture_name
from callprint.core.flow.engine import FlowEvents, no_windows
from callprint.core.flow.hashing import media_session_hash
from callprint.core.flow.layout import EVENT, EVENT_END, FLOW
from callprint.core.flow.window_layout import REPORTED, WINDOW
from callprint.core.ground.arrays import Array, joined, rows_of
from callprint.core.ground.compiled import compiled
from callprint.core.relay.logs import join_logs, split_logs
from callprint.core.relay.summarising import Summariser
from callprint.core.wire.frame import Origin
from callprint.core.wire.media import PART, SHIPPED_FLOW_FIELDS, SHIPPED_PACKET, MediaBatch, PartKind

MAXIMUM_PARTS = 128
"""Of a batch. A reader may have a whole evidence log for each, so this bounds its work on one batch."""
MAXIMUM_PAYLOAD_BYTES = 256 << 10  # with the windows behind it


@compiled
def _hash_rows(flows: Array, hashes: Array) -> None:
    for i in range(flows.shape[0]):
        hashes[i] = media_session_hash(flows[i])


def session_hashes(flows: Array) -> Array:
    """Return the media session hash of each row, (n,) uint32: the same in every process. flows: (n,) FLOW."""
    hashes = np.empty(len(flows), dtype=np.uint32)
    _hash_rows(flows, hashes)
    return hashes


@compiled
def _move_in(tenant: Array, sent: Array, row: int, generation: int) -> None:
    """Let a flow's count of what was sent begin at zero when another flow had its row before."""
    if tenant[row] != generation:
        tenant[row] = generation
        sent[row] = 0


@compiled
def _find_new(events: Array, generations: Array, tenant: Array, sent_bytes: Array, starts: Array) -> None:
    """Write to starts[i] where the bytes of event i's log begin that no earlier event had."""
    for i in range(events.shape[0]):
        event = events[i]
        row = event.row
        _move_in(tenant, sent_bytes, row, generations[i])
        starts[i] = event.end
        if event.end > event.start:
            starts[i] = event.start + sent_bytes[row]
            sent_bytes[row] = event.end - event.start


@compiled
def _number(
    events: Array,
    generations: Array,
    records: Array,
    tenant: Array,
    sent_records: Array,
    running: Array,
    first_record: Array,
) -> None:
    """Write to first_record[i] how many records of its flow came before those of event i."""
    for i in range(events.shape[0]):
        row = events[i].row
        _move_in(tenant, sent_records, row, generations[i])
        first_record[i] = sent_records[row]
        sent_records[row] += records[i]
        running[row] = events[i].kind != EVENT_END


@dataclass(slots=True)
class _Waiting:
    """What waits to become a batch of one partition."""

    parts: list[Array] = field(default_factory=list)
    packets: list[Array] = field(default_factory=list)
    payload: list[Array] = field(default_factory=list)
    windows: list[Array] = field(default_factory=list)
    rows: int = 0
    payload_bytes: int = 0
    sequence: int = 0  # of the next batch


class Shipper:
    """Turns events into parts, collects these by partition, and gives them out as batches.

    Every evidence record is shipped once. Memory is bounded by `maximum_flows` and the size of a batch.
    """

    def __init__(
        self, source: int, partitions: int, maximum_flows: int, summariser: Summariser | None = None
    ) -> None:
        """`source` identifies this run among all runs of all agents; `maximum_flows` is the engine's.

        With a summariser evidence holds no more than a network of features looks at.
        """
        self._summariser = summariser
        self._source = source
        self._partitions = partitions
        self._bytes_tenant = np.zeros(maximum_flows, dtype=np.uint32)
        self._sent_bytes = np.zeros(maximum_flows, dtype=np.int64)
        self._records_tenant = np.zeros(maximum_flows, dtype=np.uint32)
        self._sent_records = np.zeros(maximum_flows, dtype=np.int64)
        self._running = np.zeros(maximum_flows, dtype=np.bool_)  # rows of flows that had an event and go on
        self._waiting = [_Waiting() for _ in range(partitions)]
        self._clock_ns = -(1 << 63)

    @property
    def sent(self) -> list[int]:
        """How many batches of each partition were given out, for the agent's progress."""
        return [waiting.sequence for waiting in self._waiting]

    def take(
        self, drain: FlowEvents, captures: Sequence[str | None] = (None,)
    ) -> list[tuple[int, MediaBatch]]:
        """Take events in; return the batches that became full, each with its partition.

        `captures`: the engine's names of captures.
        """
        events, flows = drain.events, drain.flows
        generations = np.ascontiguousarray(flows["generation"])
        starts = np.empty(len(events), dtype=np.int64)
        _find_new(events, generations, self._bytes_tenant, self._sent_bytes, starts)
        evidence, ends = drain.evidence, events["end"]
        if self._summariser is not None:
            evidence, starts, ends = self._summariser.take(evidence, starts, events, generations)
        partition = session_hashes(flows) % self._partitions
        order = np.argsort(partition, kind="stable")
        records, packets, payload = split_logs(evidence, starts[order], ends[order])
        in_event_order = np.empty(len(events), dtype=np.int64)
        in_event_order[order] = records
        first_record = np.empty(len(events), dtype=np.int64)
        _number(
            *(events, generations, in_event_order),
            *(self._records_tenant, self._sent_records, self._running, first_record),
        )
        parts = _parts_of(rows_of(flows, order), captures)
        for name in ("time_ns", "k", "kind", "ended"):
            parts[name] = events[name][order]
        parts["first_record"] = first_record[order]
        parts["records"] = records
        parts["windows"] = events["windows"][order]
        parts["reported"] = np.frombuffer(drain.reported.tobytes(), parts["reported"].dtype)[order]
        windows = rows_at(drain.windows, events["first_window"][order], events["windows"][order])
        self._clock_ns = max(self._clock_ns, int(flows["last_active_ns"].max()))
        return self._collect(partition[order], parts, packets, payload, windows)

    def statistics(
        self, flows: Array, now_ns: int, captures: Sequence[str | None] = (None,)
    ) -> list[tuple[int, MediaBatch]]:
        """Take the statistics of every flow that goes on.

        flows: the engine's rows; now_ns: packet time; captures: the engine's names of captures.
        """
        rows = np.flatnonzero(self._running)
        if not len(rows):
            return []
        running = rows_of(flows, rows)
        partition = session_hashes(running) % self._partitions
        order = np.argsort(partition, kind="stable")
        parts = _parts_of(rows_of(running, order), captures)
        parts["kind"] = PartKind.STATISTICS
        parts["time_ns"] = now_ns
        parts["first_record"] = self._sent_records[rows][order]
        self._clock_ns = max(self._clock_ns, now_ns)
        return self._collect(
            partition[order],
            parts,
            np.zeros(0, dtype=SHIPPED_PACKET),
            np.zeros(0, dtype=np.uint8),
            no_windows(),
        )

    def flush(self) -> list[tuple[int, MediaBatch]]:
        """Return a batch for every partition in which something waits."""
        return [
            (number, self._cut(number)) for number in range(self._partitions) if self._waiting[number].rows
        ]

    def _collect(
        self, partition: Array, parts: Array, packets: Array, payload: Array, windows: Array
    ) -> list[tuple[int, MediaBatch]]:
        """Add parts, sorted by partition, to what waits; return the batches that are full."""
        full: list[tuple[int, MediaBatch]] = []
        packet_at = np.concatenate(([0], np.cumsum(parts["records"], dtype=np.int64)))  # (n + 1,)
        byte_at = np.concatenate(([0], np.cumsum(packets["length"], dtype=np.int64)))[packet_at]  # (n + 1,)
        window_at = np.concatenate(([0], np.cumsum(parts["windows"], dtype=np.int64)))  # (n + 1,)
        # Long calls that end together bring as many bytes of windows as of evidence: a record must hold both.
        size_at = byte_at + window_at * WINDOW.itemsize
        start = 0
        while start < len(parts):
            number = int(partition[start])
            waiting = self._waiting[number]
            end = int(np.searchsorted(partition, number, side="right"))
            room = waiting.payload_bytes + size_at - size_at[start] <= MAXIMUM_PAYLOAD_BYTES  # (n + 1,)
            end = min(end, start + MAXIMUM_PARTS - waiting.rows, int(np.searchsorted(~room, True)) - 1)
            if end > start:
                waiting.parts.append(parts[start:end])
                waiting.packets.append(packets[packet_at[start] : packet_at[end]])
                waiting.payload.append(payload[byte_at[start] : byte_at[end]])
                waiting.windows.append(windows[window_at[start] : window_at[end]])
                waiting.rows += end - start
                waiting.payload_bytes += int(size_at[end] - size_at[start])
                start = end
            if (end < len(parts) and partition[end] == number) or waiting.rows == MAXIMUM_PARTS:
                full.append((number, self._cut(number)))
        return full

    def _cut(self, number: int) -> MediaBatch:
        waiting = self._waiting[number]
        batch = MediaBatch(
            Origin(self._source, waiting.sequence, self._clock_ns),
            joined(waiting.parts),
            joined(waiting.packets),
            joined(waiting.payload),
            joined(waiting.windows),
        )
        self._waiting[number] = _Waiting(sequence=waiting.sequence + 1)
        return batch


def rows_at(rows: Array, firsts: Array, counts: Array) -> Array:
    """Return the runs of rows that begin at `firsts` and are `counts` long, one after the other."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    return rows_of(rows, np.arange(total) + np.repeat(firsts - (ends - counts), counts))


def _parts_of(flows: Array, captures: Sequence[str | None]) -> Array:
    """Return parts that quote FLOW rows, (n,) PART."""
    parts = np.zeros(len(flows), dtype=PART)
    for name in SHIPPED_FLOW_FIELDS:
        parts[name] = flows[name]
    numbers, each = np.unique(flows["capture"], return_inverse=True)
    names = np.array([capture_name.encoded(captures[number]) for number in numbers.tolist()])
    parts["capture"] = names[each]
    return parts


def warm_up() -> None:
    """Compile (or load from the cache) everything that agents and bolts run to ship and assemble flows."""
    nothing = FlowEvents(np.zeros(1, dtype=EVENT), np.zeros(1, dtype=FLOW), np.zeros(0, dtype=np.uint8))
    nothing = replace(nothing, reported=np.zeros(1, dtype=REPORTED))
    shipper = Shipper(0, 1, 1, Summariser(1))
    shipper.take(nothing)
    ((_, batch),) = shipper.flush()
    join_logs(batch.parts["records"], batch.packets, batch.payload)
