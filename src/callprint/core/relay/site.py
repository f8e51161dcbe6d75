"""The one home of a site's calls: assembly, histories, detector. Inputs in, judged rows out.

What agents tell of one site comes in pieces, in any interleaving of partitions, some of it twice. A home takes
every piece once, in the order in which it comes; the rows depend on that order alone, so that a home which is
rebuilt from a snapshot and the inputs after it (journal.py) says the same again.
"""

from collections import OrderedDict
from collections.abc import Iterable

from callprint.core.call import CallRecord, Vote
from callprint.core.calls.assembly import CallAssembler
from callprint.core.calls.events import CallEvent
from callprint.core.calls.settings import CallSettings
from callprint.core.relay.order import SiteOrder, Step, Topic
from callprint.core.relay.site_inputs import FlowResults, SignallingRecord, SiteInput, VoteUpdate
from callprint.core.signalling.identity import IdentityReader
from callprint.core.spam.detectors import CallDetector
from callprint.core.spam.judging import CallJudge
from callprint.core.verdict import (
    REASON_TOO_SHORT,
    UNKNOWN,
    FlowKey,
    FlowReport,
    FlowSummary,
    Verdict,
)
from callprint.core.wire.source import is_named

MOST_VERDICTS = 262_144
"""Flows whose final verdict waits for their end; of more, the ones judged first are forgotten."""


class SiteCalls:
    """Everything about the calls of one site. Times are packet times."""

    def __init__(
        self,
        site: int,
        detector: CallDetector,
        identities: IdentityReader | None = None,
        settings: CallSettings | None = None,
    ) -> None:
        """Start with nothing known. `detector` may have been taught."""
        self.site = site
        self.settings = settings or CallSettings()
        self.identities = identities or IdentityReader()
        self.detector = detector
        self.order = SiteOrder()
        self.assembler = CallAssembler(self.settings, self.identities)
        self.judge = CallJudge(detector=detector, maximum_calls=self.settings.maximum_calls + 1)
        self.verdicts: OrderedDict[FlowKey, Verdict] = OrderedDict()
        self.heard: dict[tuple[str, str], Vote] = {}  # (user, caller): the vote that was heard last
        self.over = False  # nothing will come any more: the site was one run, and that has ended
        self.repeats = 0

    def take(self, news: SiteInput) -> list[CallRecord]:
        """Take one input in; return the rows that it completes. An input that was taken before gives none."""
        if isinstance(news, VoteUpdate):
            self.judge.allowed = set(news.allowed)
            self.heard |= {(vote.user, vote.caller): vote for vote in news.votes}
            if news.votes:
                self.detector.hear(news.votes, max(vote.given_at_ns for vote in news.votes))
            return []
        if self.is_repeat(news):
            self.repeats += 1
            return []
        self.over = False  # a run that was taken for dead may wake up again
        events: list[CallEvent] = []
        if isinstance(news, FlowResults):
            self.order.take_flows(news)
        elif isinstance(news, SignallingRecord):
            self.order.take(news.at, news.record)
        else:
            self.order.expire(news.source)
        for step in self.order.steps():
            events += self._work_off(step)
        rows = (self.judge.judge(event) for event in events)
        return [row for row in rows if row is not None]

    def news_of(self, votes: Iterable[Vote], allowed: frozenset[str]) -> VoteUpdate | None:
        """Return what is new in the votes that count and the allow-list, None when nothing is."""
        fresh = tuple(vote for vote in votes if self.heard.get((vote.user, vote.caller)) != vote)
        return VoteUpdate(fresh, allowed) if fresh or allowed != self.judge.allowed else None

    def is_repeat(self, news: SiteInput) -> bool:
        """Return whether an input was taken before."""
        if isinstance(news, FlowResults):
            return self.order.knows(news.source, Topic.MEDIA, news.partition, news.sequence)
        if isinstance(news, SignallingRecord):
            origin = news.record.origin
            return self.order.knows(origin.source, Topic.SIGNALLING, news.at.partition, origin.sequence)
        return False

    def _work_off(self, step: Step) -> list[CallEvent]:
        events: list[CallEvent] = []
        for news in step.flows:
            events += self.assembler.add_flows(self._reports(news))
        for message in step.messages:
            events += self.assembler.message(message)
        if step.now_ns is not None:
            events += self.assembler.advance(step.now_ns)
        if step.over:
            events += self.assembler.finish()
            self.assembler = CallAssembler(self.settings, self.identities)
            self.verdicts.clear()
            self.over = not is_named(self.site)
        return events

    def _reports(self, news: FlowResults) -> Iterable[FlowReport]:
        """Put the final verdicts of flows together with their ends."""
        for verdict in news.verdicts:
            self.verdicts[verdict.flow] = verdict
        while len(self.verdicts) > MOST_VERDICTS:
            self.verdicts.popitem(last=False)
        for summary in news.summaries:
            known = summary.flow in self.verdicts
            yield FlowReport(self.verdicts.pop(summary.flow) if known else _not_judged(summary), summary)


def _not_judged(summary: FlowSummary) -> Verdict:
    """Return the verdict of a flow whose own was not seen or had to be forgotten."""
    last_ns = summary.last_seen_ns
    return Verdict(
        summary.flow, UNKNOWN, None, 0.0, 0, True, "none", False, last_ns, last_ns, REASON_TOO_SHORT
    )
