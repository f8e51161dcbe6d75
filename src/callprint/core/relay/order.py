"""What the agents of one site sent, put back in the order of capture: many partitions, several agents, one time.

Each agent run (source) reports its progress: what it has sent so far. When everything that a progress record counts
is there, the capture between it and the previous record is complete, a *step*: the flows that ended in it, its
messages in the order of capture, the latest packet time. Messages of several sources are merged by packet time, up to
the clock of the source that is furthest behind; within a source they keep their order even where the capture's clock
goes back.

The result depends only on what was taken in, and in which order.
"""

import heapq
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from callprint.core.calls.settings import NEVER_NS
from callprint.core.relay.site_inputs import FlowResults, RecordOffset
from callprint.core.signalling.reader import RawMessage
from callprint.core.wire.progress import Progress
from callprint.core.wire.signalling import SignallingBatch

MOST_WAITING = 250_000
"""Messages by weight, and rows of flows with progress, that wait; beyond that they are released early."""
BYTES_OF_WEIGHT = 4_096
"""A message weighs one, and one more for as many bytes: the largest are a hundred times the usual ones."""
MOST_SOURCES = 1_024
"""Runs that are remembered; those that ended are forgotten first, then those that fell silent."""


class Topic(IntEnum):
    """Where a batch was read."""

    MEDIA = 0
    SIGNALLING = 1


class WaitingMessage(NamedTuple):
    """A message whose source has progressed beyond it. Ordered by time; the last two fields never decide."""

    time_ns: int  # the latest packet time of its source's messages up to it
    source: int
    number: int
    at: RecordOffset
    message: RawMessage


@dataclass(slots=True)
class ReadyStep:
    """What may be worked off now: flows first, then messages, then time."""

    flows: list[FlowResults] = field(default_factory=list)
    messages: list[RawMessage] = field(default_factory=list)
    now_ns: int | None = None
    over: bool = False  # no source of the site is left
    begins_anew: bool = False  # the only source goes on with an earlier capture


@dataclass(slots=True)
class Source:
    """What is known of one run of an agent."""

    received: Counter[tuple[int, int]] = field(default_factory=Counter)  # (topic, partition): batches
    waived: dict[tuple[int, int], int] = field(
        default_factory=dict
    )  # batches sent before we read: not waited for
    progress_seen: bool = False
    progress: deque[Progress] = field(default_factory=deque)  # not complete yet
    flows: list[FlowResults] = field(default_factory=list)  # not covered by complete progress yet
    flow_rows: int = 0  # of `flows`
    batches: dict[RecordOffset, SignallingBatch] = field(default_factory=dict)  # the same
    joined: bool = False  # some progress was complete, so its clock counts
    clock_ns: int = -NEVER_NS  # of the latest complete progress
    latest_clock_ns: int = -NEVER_NS  # the largest that its clock has been
    latest_message_ns: int = -NEVER_NS  # the largest time of its messages that were merged
    ended: bool = False

    @property
    def weight(self) -> int:
        """Of its messages that are not merged yet."""
        return sum(weight_of(batch.messages) for batch in self.batches.values())

    def wait_with(self, flows: FlowResults) -> None:
        """Keep the results of a batch until progress covers it."""
        self.flows.append(flows)
        self.flow_rows += flows.rows


class SiteOrder:
    """Takes inputs as they come; `steps` gives what has become complete."""

    def __init__(self) -> None:
        self.sources: dict[int, Source] = {}
        self.merged: list[WaitingMessage] = []  # a heap
        self.waiting = 0  # weight of the messages in `merged` and in the batches of sources
        self.released_early = 0  # messages, and verdicts and ends of flows, that did not wait for progress
        self._silent = False  # a source fell silent since the last steps

    def knows(self, source: int, topic: Topic, partition: int, sequence: int) -> bool:
        """Return whether a batch was taken before: it is a repeat."""
        found = self.sources.get(source)
        return found is not None and (found.ended or sequence < found.received[topic, partition])

    def take_flows(self, flows: FlowResults) -> None:
        """Take the results of a media batch, in the order of its partition; batches in a gap are lost."""
        source = self._source(flows.source)
        source.received[Topic.MEDIA, flows.partition] = flows.sequence + 1
        if flows.rows:
            source.wait_with(flows)

    def take(self, at: RecordOffset, record: SignallingBatch | Progress) -> None:
        """Take a record of the signalling topic, in the order of its partition."""
        origin = record.origin
        source = self._source(origin.source)
        source.received[Topic.SIGNALLING, at.partition] = origin.sequence + 1
        if isinstance(record, Progress):
            if not source.progress_seen and record.number:
                # The run began before anybody read it: what it had sent by then is not waited for.
                source.waived = dict(_counts(record))
            source.progress_seen = True
            source.progress.append(record)
        elif record.messages:
            source.batches[at] = record
            self.waiting += weight_of(record.messages)

    def expire(self, number: int) -> None:
        """Take what a source has sent for all there is: it has fallen silent. If it wakes up, it joins again."""
        source = self.sources.get(number)
        if source is not None and not source.ended:
            source.progress.clear()
            source.joined = False
            self._silent = True

    def steps(self) -> Iterator[ReadyStep]:
        """Give what has become complete since the last call."""
        if self._silent:
            self._silent = False
            yield from self._leave()
        for number, source in list(self.sources.items()):
            while source.progress and _complete(source, source.progress[0]):
                progress = source.progress.popleft()
                step = ReadyStep(self._release(number, source, progress))
                source.clock_ns = progress.origin.clock_ns
                source.latest_clock_ns = max(source.latest_clock_ns, source.clock_ns)
                source.joined, source.ended = True, progress.ended
                timed = self._timed(step)
                timed.begins_anew = progress.begins_anew and self._alone(source)
                yield timed
        yield from self._relieve()

    def _timed(self, step: ReadyStep) -> ReadyStep:
        """Add the messages that are ready, and the time."""
        alive = [source for source in self.sources.values() if source.joined and not source.ended]
        step.over = not alive
        until_ns = min((source.latest_clock_ns for source in alive), default=NEVER_NS)
        while self.merged and (self.merged[0].time_ns <= until_ns or self.waiting > MOST_WAITING):
            step.messages.append(self._next_merged())
        clocks = [source.clock_ns for source in alive or self.sources.values()]
        now_ns = min(clocks) if alive else max(clocks)
        step.now_ns = now_ns if abs(now_ns) < NEVER_NS else None
        return step

    def _alone(self, source: Source) -> bool:
        return all(other is source or other.ended or not other.joined for other in self.sources.values())

    def _leave(self) -> Iterator[ReadyStep]:
        """Let sources that fell silent go, with what they had sent."""
        step = ReadyStep()
        for number, source in self.sources.items():
            if not source.joined and not source.ended and not source.progress:
                step.flows += self._release(number, source, None)
        yield self._timed(step)

    def _relieve(self) -> Iterator[ReadyStep]:
        """Release flows and messages without progress when too many wait."""
        while self.waiting > MOST_WAITING or self._rows_and_progress() > MOST_WAITING:
            number, source = max(
                self.sources.items(),
                key=lambda entry: entry[1].weight + entry[1].flow_rows + len(entry[1].progress),
            )
            while len(source.progress) > 1:  # the newest counts all that the others do
                source.progress.popleft()
            messages = sum(len(batch.messages) for batch in source.batches.values())
            self.released_early += source.flow_rows + messages
            step = ReadyStep(self._release(number, source, None))
            while self.merged and self.waiting > MOST_WAITING:
                step.messages.append(self._next_merged())
            yield step

    def _rows_and_progress(self) -> int:
        return sum(source.flow_rows + len(source.progress) for source in self.sources.values())

    def _next_merged(self) -> RawMessage:
        message = heapq.heappop(self.merged).message
        self.waiting -= weight_of([message])
        return message

    def _source(self, number: int) -> Source:
        source = self.sources.get(number)
        if source is None:
            while len(self.sources) >= MOST_SOURCES:
                # Of equals the oldest: an agent that dies again and again must not push out one that works.
                gone = min(self.sources, key=lambda known: _use_of(self.sources[known]))
                self.waiting -= self.sources.pop(gone).weight
            source = self.sources[number] = Source()
        return source

    def _release(self, number: int, source: Source, progress: Progress | None) -> list[FlowResults]:
        """Merge the messages that complete `progress` counts, all when it is None; return the flows of the same."""
        due = [
            at
            for at, batch in source.batches.items()
            if progress is None or batch.origin.sequence < _sent(progress.signalling_sent, at.partition)
        ]
        found = []
        for at in due:
            batch = source.batches.pop(at)
            found += [(n, at, message) for n, message in zip(batch.numbers, batch.messages, strict=True)]
        for n, at, message in sorted(found, key=lambda entry: entry[0]):
            source.latest_message_ns = max(source.latest_message_ns, message.time_ns)
            heapq.heappush(self.merged, WaitingMessage(source.latest_message_ns, number, n, at, message))
        flows, source.flows, source.flow_rows = source.flows, [], 0
        if progress is None:
            return flows
        released: list[FlowResults] = []
        for results in flows:
            if results.sequence < _sent(progress.media_sent, results.partition):
                released.append(results)
            else:
                source.wait_with(results)
        return released


def weight_of(messages: Sequence[RawMessage]) -> int:
    """Return what messages count in MOST_WAITING."""
    return len(messages) + sum(len(message.payload) // BYTES_OF_WEIGHT for message in messages)


def _use_of(source: Source) -> int:
    """Return how much would be lost with a source: 0 it has ended, 1 it fell silent and nothing waits, 2 all else."""
    if source.ended:
        return 0
    return 2 if source.joined or source.progress or source.batches or source.flows else 1


def _sent(counts: tuple[int, ...], partition: int) -> int:
    return counts[partition] if partition < len(counts) else 0


def _counts(progress: Progress) -> Iterator[tuple[tuple[int, int], int]]:
    """Give what progress counts: (topic, partition), batches."""
    for topic, sent in ((Topic.MEDIA, progress.media_sent), (Topic.SIGNALLING, progress.signalling_sent)):
        for partition, batches in enumerate(sent):
            yield (topic, partition), batches


def _complete(source: Source, progress: Progress) -> bool:
    return all(
        batches <= source.received[key] or batches <= source.waived.get(key, 0)
        for key, batches in _counts(progress)
    )
