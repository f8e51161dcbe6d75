"""What the agents of one site sent, put back in the order of capture: many partitions, several agents, one time.

Each agent run (source) says in marks what it has sent. When everything is there that a mark counts, the part of
the capture between it and the mark before is whole, a *step*: the flows that ended in it, its messages in the
order of capture, the latest packet time. Messages of several sources are merged by packet time, up to the clock of
the source that is furthest behind; within a source they keep their order even where the capture's clock goes back.

What comes out depends on what was taken in, and in which order, alone.
"""

import heapq
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from callprint.core.calls.settings import NEVER_NS
from callprint.core.relay.site_inputs import FlowResults, RecordOffset
from callprint.core.signalling.reader import RawMessage
from callprint.core.wire.progress import Progress
from callprint.core.wire.signalling import SignallingBatch

MOST_WAITING = 250_000
"""Messages, and batches of flows, that wait for a mark; more are taken without it, to bound memory (`hurried`)."""
MOST_SOURCES = 1_024
"""Runs that are remembered; the ones that ended first are forgotten first."""


class Topic(IntEnum):
    """Where a batch stood."""

    MEDIA = 0
    SIGNALLING = 1


class Waiting(NamedTuple):
    """A message that is complete for its own source. Ordered by time; `place` and `message` never decide."""

    time_ns: int  # the latest packet time of its source up to it
    source: int
    number: int
    place: RecordOffset
    message: RawMessage


@dataclass(slots=True)
class Step:
    """What may be worked off now: flows first, then messages, then time."""

    flows: list[FlowResults] = field(default_factory=list)
    messages: list[RawMessage] = field(default_factory=list)
    now_ns: int | None = None
    over: bool = False  # no source of the site is left


@dataclass(slots=True)
class Source:
    """What is known of one run of an agent."""

    heard: Counter[tuple[int, int]] = field(default_factory=Counter)  # (topic, partition): batches known
    waived: dict[tuple[int, int], int] = field(
        default_factory=dict
    )  # not waited for: from before we listened
    met: bool = False  # a mark of it was seen
    marks: deque[Progress] = field(default_factory=deque)  # not complete yet
    flows: list[FlowResults] = field(default_factory=list)  # not covered by a complete mark yet
    batches: dict[RecordOffset, SignallingBatch] = field(default_factory=dict)  # the same
    joined: bool = False  # a mark was complete, so its clock counts
    clock_ns: int = -NEVER_NS  # of the latest complete mark
    latest_ns: int = -NEVER_NS  # the largest that its clock has been
    told_ns: int = -NEVER_NS  # latest time of its messages so far
    ended: bool = False


class SiteOrder:
    """Takes news in as they come; `steps` gives what is complete."""

    def __init__(self) -> None:
        self.sources: dict[int, Source] = {}
        self.merged: list[Waiting] = []  # a heap
        self.waiting = 0  # messages in `merged` and in the batches of sources
        self.hurried = 0
        self._silent = False  # since the last steps a source fell silent

    def knows(self, source: int, topic: Topic, partition: int, sequence: int) -> bool:
        """Return whether a batch was taken before: it is a repeat."""
        found = self.sources.get(source)
        return found is not None and (found.ended or sequence < found.heard[topic, partition])

    def take_flows(self, news: FlowResults) -> None:
        """Take what became of a media batch, in the order of its partition; a gap was lost on the way."""
        source = self._source(news.source)
        source.heard[Topic.MEDIA, news.partition] = news.sequence + 1
        if news.verdicts or news.summaries:
            source.flows.append(news)

    def take(self, place: RecordOffset, record: SignallingBatch | Progress) -> None:
        """Take a record of the signalling topic, in the order of its partition."""
        origin = record.origin
        source = self._source(origin.source)
        source.heard[Topic.SIGNALLING, place.partition] = origin.sequence + 1
        if isinstance(record, Progress):
            if not source.met and record.number:
                # The run went on before anybody listened: what it sent before this mark is not waited for.
                source.waived = dict(_counts(record))
            source.met = True
            source.marks.append(record)
        else:
            source.batches[place] = record
            self.waiting += len(record.messages)

    def expire(self, number: int) -> None:
        """A source has fallen silent: what it sent is all there is. Should it wake up again, it joins again."""
        source = self.sources.get(number)
        if source is not None and not source.ended:
            source.marks.clear()
            source.joined = False
            self._silent = True

    def steps(self) -> Iterator[Step]:
        """Give what has become complete since the last time."""
        if self._silent:
            self._silent = False
            yield from self._leave()
        for number, source in list(self.sources.items()):
            while source.marks and _complete(source, source.marks[0]):
                mark = source.marks.popleft()
                step = Step(self._release(number, source, mark))
                source.clock_ns = mark.origin.clock_ns
                source.latest_ns = max(source.latest_ns, source.clock_ns)
                source.joined, source.ended = True, mark.ended
                yield self._timed(step)
        yield from self._relieve()

    def _timed(self, step: Step) -> Step:
        """Add the messages that are ready and the time."""
        alive = [source for source in self.sources.values() if source.joined and not source.ended]
        step.over = not alive
        until_ns = min((source.latest_ns for source in alive), default=NEVER_NS)
        while self.merged and (self.merged[0].time_ns <= until_ns or self.waiting > MOST_WAITING):
            self.waiting -= 1
            step.messages.append(heapq.heappop(self.merged).message)
        clocks = [source.clock_ns for source in alive or self.sources.values()]
        now_ns = min(clocks) if alive else max(clocks)
        step.now_ns = now_ns if abs(now_ns) < NEVER_NS else None
        return step

    def _leave(self) -> Iterator[Step]:
        """Let sources that fell silent go, with what they had."""
        step = Step()
        for number, source in self.sources.items():
            if not source.joined and not source.ended and not source.marks:
                step.flows += self._release(number, source, None)
        yield self._timed(step)

    def _relieve(self) -> Iterator[Step]:
        """Take flows and messages without their mark when too many wait."""
        while self.waiting > MOST_WAITING or sum(len(s.flows) for s in self.sources.values()) > MOST_WAITING:
            number, source = max(
                self.sources.items(), key=lambda entry: len(entry[1].batches) + len(entry[1].flows)
            )
            self.hurried += len(source.flows) + sum(len(batch.messages) for batch in source.batches.values())
            step = Step(self._release(number, source, None))
            while self.merged and self.waiting > MOST_WAITING:
                self.waiting -= 1
                step.messages.append(heapq.heappop(self.merged).message)
            yield step

    def _source(self, number: int) -> Source:
        source = self.sources.get(number)
        if source is None:
            while len(self.sources) >= MOST_SOURCES:
                oldest = next((n for n, s in self.sources.items() if s.ended), next(iter(self.sources)))
                self.waiting -= sum(len(b.messages) for b in self.sources.pop(oldest).batches.values())
            source = self.sources[number] = Source()
        return source

    def _release(self, number: int, source: Source, mark: Progress | None) -> list[FlowResults]:
        """Merge the messages that a complete mark counts, all without a mark; return its flows."""
        due = [
            place
            for place, batch in source.batches.items()
            if mark is None or batch.origin.sequence < _sent(mark.signalling_sent, place.partition)
        ]
        found = []
        for place in due:
            batch = source.batches.pop(place)
            found += [(n, place, message) for n, message in zip(batch.numbers, batch.messages, strict=True)]
        for n, place, message in sorted(found, key=lambda entry: entry[0]):
            source.told_ns = max(source.told_ns, message.time_ns)
            heapq.heappush(self.merged, Waiting(source.told_ns, number, n, place, message))
        flows, source.flows = source.flows, []
        if mark is not None:
            for news in flows:
                if news.sequence >= _sent(mark.media_sent, news.partition):
                    source.flows.append(news)
            flows = [news for news in flows if news.sequence < _sent(mark.media_sent, news.partition)]
        return flows


def _sent(counts: tuple[int, ...], partition: int) -> int:
    return counts[partition] if partition < len(counts) else 0


def _counts(mark: Progress) -> Iterator[tuple[tuple[int, int], int]]:
    """Give what a mark counts: (topic, partition), batches."""
    for topic, sent in ((Topic.MEDIA, mark.media_sent), (Topic.SIGNALLING, mark.signalling_sent)):
        for partition, batches in enumerate(sent):
            yield (topic, partition), batches


def _complete(source: Source, mark: Progress) -> bool:
    return all(
        batches <= source.heard[key] or batches <= source.waived.get(key, 0) for key, batches in _counts(mark)
    )
