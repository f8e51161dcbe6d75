"""All calls of one site: assembly, histories, detector. Inputs in, judged rows out.

What the agents of a site send arrives in pieces, its partitions interleaved in any way, some pieces twice. Each piece
is taken once, in the order of arrival, and the rows depend on that order alone: a SiteCalls that is rebuilt from a
snapshot and the inputs after it (journal.py) gives the same rows again.
"""

from collections import OrderedDict
from collections.abc import Iterable

from callprint.core.call import CallRecord, Vote
from callprint.core.calls.assembly import CallAssembler
from callprint.core.calls.events import CallEvent
from callprint.core.calls.media_only import MediaOnlyCall
from callprint.core.calls.settings import CallSettings
from callprint.core.declared.table import NO_NAMES, NameTable
from callprint.core.relay.order import ReadyStep, SiteOrder, Topic
from callprint.core.relay.site_inputs import FlowResults, SignallingRecord, SiteInput, VoteUpdate
from callprint.core.signalling.identity import IdentityReader
from callprint.core.spam.interface import SpamDetector
from callprint.core.spam.judging import CallJudge
from callprint.core.spam.user_votes import UserVotes
from callprint.core.verdict import REASON_TOO_SHORT, UNKNOWN, FlowKey, FlowReport, FlowSummary, Verdict
from callprint.core.wire.source import is_named

MOST_VERDICTS = 262_144
"""Most flows whose final verdict waits for their end; beyond that, those judged first are forgotten."""


class SiteCalls:
    """Everything about the calls of one site. Times are packet times."""

    def __init__(
        self,
        site: int,
        detector: SpamDetector,
        identities: IdentityReader | None = None,
        settings: CallSettings | None = None,
        names: NameTable = NO_NAMES,
    ) -> None:
        """Start with nothing known; `detector` may already have been taught.

        names: of what messages declare about the programs that sent them.
        """
        self.site = site
        self.settings = settings or CallSettings()
        self.identities = identities or IdentityReader()
        self.detector = detector
        self.order = SiteOrder()
        self.names = names
        self.assembler = CallAssembler(self.settings, self.identities, names)
        self.judge = CallJudge(detector=detector, maximum_calls=self.settings.maximum_calls + 1)
        self.verdicts: OrderedDict[FlowKey, Verdict] = OrderedDict()
        self.user_votes = UserVotes(self.judge)
        # Of the last input: flows that settled, about whose payload type SDP says something.
        self.announced: list[FlowSummary] = []
        self.declared: list[Verdict] = []  # of the last input: on flows that settled, whose sender SIP names
        self.over = False  # nothing more will come: the site was one run of one agent, which has ended
        self.repeats = 0

    def take(self, site_input: SiteInput) -> list[CallRecord]:
        """Take an input; return the rows that it completes. An input that was taken before gives none.

        `announced` then holds the summaries of flows that settled, where SDP announced their payload types, and
        `declared` their last verdicts, where signalling declares who sends them.
        """
        self.announced, self.declared = [], []
        if isinstance(site_input, VoteUpdate):
            self.user_votes.take(site_input.votes, site_input.allowed)
            return []
        if self.is_repeat(site_input):
            self.repeats += 1
            return []
        self.over = False  # a run that was taken for dead may wake up again
        events: list[CallEvent | MediaOnlyCall] = []
        if isinstance(site_input, FlowResults):
            self.order.take_flows(site_input)
        elif isinstance(site_input, SignallingRecord):
            self.order.take(site_input.at, site_input.record)
        else:
            self.order.expire(site_input.source)
        for step in self.order.steps():
            events += self._work_off(step)
        return list(self.judge.judge_all(events))

    def vote_update(self, votes: Iterable[Vote], allowed: frozenset[str]) -> VoteUpdate | None:
        """Return what is new in the votes that count and the allow-list, None when nothing is."""
        new = self.user_votes.new(votes)
        return VoteUpdate(new, allowed) if new or allowed != self.judge.allowed else None

    def is_repeat(self, site_input: SiteInput) -> bool:
        """Return whether an input was taken before."""
        if isinstance(site_input, FlowResults):
            source, partition = site_input.source, site_input.partition
            return self.order.knows(source, Topic.MEDIA, partition, site_input.sequence)
        if isinstance(site_input, SignallingRecord):
            origin, partition = site_input.record.origin, site_input.at.partition
            return self.order.knows(origin.source, Topic.SIGNALLING, partition, origin.sequence)
        return False

    def _work_off(self, step: ReadyStep) -> list[CallEvent | MediaOnlyCall]:
        events: list[CallEvent | MediaOnlyCall] = []
        for results in step.flows:
            self.assembler.add_running(results.running)
            events += self.assembler.add_flows(self._reports(results))
        for message in step.messages:
            events += self.assembler.message(message)
        if step.now_ns is not None:
            events += self.assembler.advance(step.now_ns)
        if step.over or step.begins_anew:
            events += self.assembler.finish()
            self._take_said()
            self.assembler = CallAssembler(self.settings, self.identities, self.names)
            self.verdicts.clear()
            self.over = step.over and not is_named(self.site)
        self._take_said()
        return events

    def _take_said(self) -> None:
        announced, declared = self.assembler.said.take()
        self.announced += announced
        self.declared += declared

    def _reports(self, results: FlowResults) -> Iterable[FlowReport]:
        """Pair the final verdicts of flows with their ends."""
        for verdict in results.verdicts:
            self.verdicts[verdict.flow] = verdict
        while len(self.verdicts) > MOST_VERDICTS:
            self.verdicts.popitem(last=False)
        for summary in results.summaries:
            known = summary.flow in self.verdicts
            yield FlowReport(self.verdicts.pop(summary.flow) if known else _not_judged(summary), summary)


def _not_judged(summary: FlowSummary) -> Verdict:
    """Return a verdict for a flow whose own was not seen or had to be forgotten."""
    last_ns = summary.last_seen_ns
    return Verdict(
        summary.flow, UNKNOWN, None, 0.0, 0, True, "none", False, last_ns, last_ns, REASON_TOO_SHORT
    )
