"""Which record offset of a partition may be committed: nothing before it is needed any more.

An offset is needed while its batch is in flight, and as long as a flow that began in it is pending: a flow
is pending from its first part until the batch with its last part (HORIZON or END) and all batches before it are
done, which is when its verdicts are stored. After a crash the reader starts at the committed offset,
sees every pending flow from its first part, and writes the same rows again.

An agent that lost its broker sends again what was not confirmed, so a batch may be in the partition twice. Each
source numbers its batches of a partition; a batch whose number is not above the last one seen is a repeat and is
skipped. The numbers of the batches below the committed offset are committed with it (`sequences`).

No signalling is ever pending: whoever takes a batch keeps what it needs of it (docs/operate/guarantees.md). Only the
latest progress of a source that has not ended is held, so that a reader that starts afresh knows of the source and
notices when it falls silent.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Mapping

from callprint.core.flow.layout import DECIDED
from callprint.core.relay.flow_assembly import FlowId, flow_ids
from callprint.core.wire.media import MediaBatch, PartKind
from callprint.core.wire.progress import Progress
from callprint.core.wire.signalling import SignallingBatch

MAXIMUM_SOURCES = 64
"""Sources whose batch numbers are committed: as many as fit into the metadata of a commit."""
MAXIMUM_SEEN = 1 << 14
"""Sources whose batch numbers are known at all. A repeat from any other is judged again, and writes the same rows."""
MAXIMUM_FLOWS = 1 << 18
"""Pending flows that are held: far more than PartitionAssembly keeps, which evicts the oldest as well. So beyond these
the oldest flow has been judged once the batch that brought the newest one is done."""

Batch = MediaBatch | SignallingBatch | Progress
"""A record of a partition."""


class LowWater:
    """The bookkeeping of one partition since one start. Offsets are emitted in rising order."""

    def __init__(
        self, start: int, sequences: Mapping[int, int] | None = None, maximum_flows: int = MAXIMUM_FLOWS
    ) -> None:
        """`start` is the first offset that will be read; `sequences` is what was committed with it."""
        self._maximum_flows = maximum_flows
        self._next = start
        self._committed = dict(sequences or {})  # source: its last batch number below the mark
        self._seen = OrderedDict(
            self._committed
        )  # source: its last batch number of all, the latest source last
        self._numbers: deque[tuple[int, int, int]] = deque()  # offset, source, number; from the mark on
        self._in_flight: OrderedDict[int, tuple[FlowId, ...]] = OrderedDict()  # offset: flows that end there
        self._done: set[int] = set()  # offsets that are done while one before them is not
        self._first: dict[FlowId, int] = {}  # pending flow: offset of its first part
        self._beginnings: OrderedDict[int, int] = OrderedDict()  # offset: pending flows that began there
        self._by_source: Counter[int] = Counter()
        self.evicted = 0  # flows let go because there were too many

    @property
    def mark(self) -> int:
        """The offset to commit: the first that is still needed."""
        oldest = self._next
        if self._in_flight:
            oldest = min(oldest, next(iter(self._in_flight)))
        if self._beginnings:
            oldest = min(oldest, next(iter(self._beginnings)))
        return oldest

    @property
    def sequences(self) -> dict[int, int]:
        """The last batch number below the mark of each source, for the sources that sent last."""
        mark = self.mark
        while self._numbers and self._numbers[0][0] < mark:
            _, source, number = self._numbers.popleft()
            self._committed.pop(source, None)  # so that the latest stands last
            self._committed[source] = number
        while len(self._committed) > MAXIMUM_SOURCES:
            del self._committed[next(iter(self._committed))]
        return dict(self._committed)

    def is_repeat(self, batch: Batch) -> bool:
        """Return whether this batch, or a later one of its source, was in the partition before."""
        return batch.origin.sequence <= self._seen.get(batch.origin.source, -1)

    @property
    def in_flight(self) -> int:
        """Batches that were emitted and are not done."""
        return len(self._in_flight) - len(self._done)

    @property
    def held(self) -> int:
        """Batches that are in flight, or done while one before them is not."""
        return len(self._in_flight)

    def pending_of(self, source: int) -> int:
        """Return how many flows of one source are pending."""
        return self._by_source[source]

    def emitted(self, offset: int, batch: Batch | None) -> None:
        """Note that the batch at `offset` goes out; None: a record that was set aside, or a repeat."""
        self._next = offset + 1
        ends: list[FlowId] = []
        before = len(self._first)
        if batch is not None:
            origin = batch.origin
            self._seen[origin.source] = origin.sequence
            self._seen.move_to_end(origin.source)
            if len(self._seen) > MAXIMUM_SEEN:
                self._seen.popitem(last=False)
            self._numbers.append((offset, origin.source, origin.sequence))
            if isinstance(batch, MediaBatch):
                ends = self._flows(offset, batch)
            elif isinstance(batch, Progress):
                source = (origin.source, b"")
                self._forget([source])  # its earlier progress
                self._hold(source, offset)
                ends = [source] if batch.ended else []
            too_many = min(len(self._first) - before, len(self._first) - self._maximum_flows)
            ends += [self._let_go() for _ in range(too_many)]
        self._in_flight[offset] = tuple(ends)

    def _flows(self, offset: int, batch: MediaBatch) -> list[FlowId]:
        """Hold the flows that begin in the batch; return those that end in it."""
        ends: list[FlowId] = []
        parts = batch.parts
        kinds = parts["kind"].tolist()
        firsts = parts["first_record"].tolist()
        decided = (parts["evidence_state"] == DECIDED).tolist()
        for i, flow in enumerate(flow_ids(batch.origin.source, parts)):
            kind = kinds[i]
            if kind == PartKind.STATISTICS or (kind == PartKind.END and decided[i]):
                if decided[i] and flow in self._first:
                    ends.append(flow)  # the part that decided it was lost, or is in flight before this one
                continue
            if not firsts[i] and flow not in self._first:
                self._hold(flow, offset)
            if kind in (PartKind.HORIZON, PartKind.END):
                ends.append(flow)
        return ends

    def _hold(self, flow: FlowId, offset: int) -> None:
        self._first[flow] = offset
        self._beginnings[offset] = self._beginnings.get(offset, 0) + 1
        self._by_source[flow[0]] += 1

    def _let_go(self) -> FlowId:
        """Evict the flow that has been pending longest: it ends with the batch that is being emitted."""
        self.evicted += 1
        oldest = next(iter(self._first))
        self._first[oldest] = self._first.pop(oldest)  # held until then, but not chosen again
        return oldest

    def done(self, offset: int) -> None:
        """Note that the batch at `offset` is done: its verdicts are stored."""
        if offset not in self._in_flight:
            return
        self._done.add(offset)
        # In the order of offsets: earlier parts of a flow may still be in flight when its last one is done.
        while self._in_flight and (first := next(iter(self._in_flight))) in self._done:
            self._done.remove(first)
            self._forget(self._in_flight.pop(first))

    def expired(self, source: int) -> None:
        """Note that every pending flow of a silent source has been judged by what had come."""
        self._forget([flow for flow in self._first if flow[0] == source])

    def _forget(self, flows: Iterable[FlowId]) -> None:
        for flow in flows:
            offset = self._first.pop(flow, None)
            if offset is None:
                continue
            if self._by_source[flow[0]] == 1:
                del self._by_source[flow[0]]
            else:
                self._by_source[flow[0]] -= 1
            if self._beginnings[offset] == 1:
                del self._beginnings[offset]
            else:
                self._beginnings[offset] -= 1
