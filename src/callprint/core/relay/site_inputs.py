"""The inputs of a site's calls (site.py): immutable values, each of which may come twice."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from callprint.core.call import Vote
from callprint.core.verdict import RUNNING, FlowSummary, RunningFlow, Verdict
from callprint.core.wire.frame import Origin
from callprint.core.wire.progress import Progress
from callprint.core.wire.signalling import SignallingBatch


class RecordOffset(NamedTuple):
    """Where a record of the signalling topic is in Kafka, so that it can be read again."""

    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class FlowResults:
    """What identification made of one media batch."""

    source: int
    partition: int
    sequence: int
    verdicts: tuple[Verdict, ...]  # final ones
    summaries: tuple[FlowSummary, ...]  # of flows that have ended
    running: tuple[RunningFlow, ...] = ()  # of those that go on, as agents report them once a minute

    @property
    def rows(self) -> int:
        """How much it holds."""
        return len(self.verdicts) + len(self.summaries) + len(self.running)

    @classmethod
    def of(
        cls, origin: Origin, partition: int, verdicts: Iterable[Verdict], summaries: Iterable[FlowSummary]
    ) -> "FlowResults":
        """Return what calls need of the verdicts and summaries of a batch."""
        summaries = list(summaries)
        return cls(
            origin.source,
            partition,
            origin.sequence,
            tuple(verdict for verdict in verdicts if verdict.final),
            tuple(summary for summary in summaries if summary.ended != RUNNING),
            tuple(
                RunningFlow(summary.flow, summary.last_seen_ns)
                for summary in summaries
                if summary.ended == RUNNING
            ),
        )


@dataclass(frozen=True, slots=True)
class SignallingRecord:
    """A record of the signalling topic."""

    at: RecordOffset
    record: SignallingBatch | Progress


@dataclass(frozen=True, slots=True)
class SourceSilent:
    """A source from which nothing has come for too long."""

    source: int


@dataclass(frozen=True, slots=True)
class VoteUpdate:
    """The votes that are new since the last update, and the allow-list as it stands."""

    votes: tuple[Vote, ...]
    allowed: frozenset[str]


SiteInput = FlowResults | SignallingRecord | SourceSilent | VoteUpdate
