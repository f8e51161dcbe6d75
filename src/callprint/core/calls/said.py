"""What signalling says about a flow: the codec of its payload type, and the program that sends it."""

from collections.abc import Iterable

from callprint.core.calls.ended_flow import EndedFlow, EndedFlows
from callprint.core.calls.party import Party, announced
from callprint.core.declared.name import Declared
from callprint.core.declared.table import NameTable
from callprint.core.ground.changed import changed
from callprint.core.ground.table import Rows
from callprint.core.quality.measures import with_codec
from callprint.core.verdict import FlowReport, FlowSummary, Verdict

Parties = list[tuple[Party, Party]]
"""The sender and the receiver of a flow in each call that it fits, the best first."""


class SaidOfFlows:
    """Completes flows with what signalling says, and keeps what is to be stored of it until it is taken."""

    def __init__(self, names: NameTable, settles_after_ns: int) -> None:
        """`settles_after_ns`: how long after its last packet a flow settles."""
        self.names = names
        self._settles_after_ns = settles_after_ns
        self._summaries: list[FlowSummary] = []
        self._rated: dict[EndedFlows, list[int]] = {}  # settled without signalling, by their place
        self._verdicts: list[Verdict] = []

    def of(self, report: FlowReport, parties: Parties) -> FlowReport:
        """Return a flow that has ended with what signalling says about it.

        With a declared name its verdict is another, later one, of when the flow settles: one that is stored never
        changes (ADR 0014).
        """
        if not parties:
            return FlowReport(report.verdict, with_codec(report.summary, None))
        settled_ns = report.summary.last_seen_ns + self._settles_after_ns
        return FlowReport(
            _declared(report.verdict, parties, self.names, settled_ns), _announced(report.summary, parties)
        )

    def so_far(self, flow: EndedFlow, parties: Parties) -> EndedFlow:
        """Return what `of` does, for a flow that goes on, or that has ended and will settle."""
        if flow.flows is not None and not parties:
            return EndedFlow(flow.key, flow.last_seen_ns, flow.flows.unannounced, flow.at)
        return EndedFlow.of(self.of(flow.report, parties))

    def settle(self, flow: EndedFlow, parties: Parties) -> EndedFlow:
        """Keep what signalling says about a flow that settles; return the flow with it."""
        if flow.flows is not None and not parties:
            return self._settle_alone(flow, flow.flows.unannounced)
        report = flow.report
        said = self.of(report, parties)
        if said.summary is not report.summary:
            self._summaries.append(said.summary)
        if said.verdict is not report.verdict:
            self._verdicts.append(said.verdict)
        return EndedFlow.of(said)

    def _settle_alone(self, flow: EndedFlow, unannounced: EndedFlows) -> EndedFlow:
        if flow.at not in unannounced.rated:
            return flow
        self._rated.setdefault(unannounced, []).append(flow.at)
        return EndedFlow(flow.key, flow.last_seen_ns, unannounced, flow.at)

    def take(self) -> tuple[Rows[FlowSummary], list[Verdict]]:
        """Return, once, the summaries of settled flows to which signalling adds something, and the later verdicts.

        A flow without signalling is among them if its rating waited for a codec.
        """
        summaries = Rows(self._summaries)
        for flows, places in self._rated.items():
            summaries.extend(flows.summaries.chosen(places))
        verdicts = self._verdicts
        self._summaries, self._rated, self._verdicts = [], {}, []
        return summaries, verdicts


def _announced(summary: FlowSummary, parties: Parties) -> FlowSummary:
    for sender, receiver in parties:
        found = announced(sender, receiver, summary.flow, summary.payload_type)
        if found is not None:
            return changed(
                with_codec(summary, found.codec),
                announced_codec=found.codec,
                announced_clock_rate_hz=found.clock_rate_hz,
            )
    return with_codec(summary, None)


def _declared(verdict: Verdict, parties: Parties, names: NameTable, settled_ns: int) -> Verdict:
    declared = _name_of_source(verdict.flow.src_ip, (sender for sender, _ in parties))
    stand_in = verdict.k == 0  # perhaps for one that this host has forgotten
    if declared is None or stand_in:
        return verdict
    found = names.declare(verdict, declared)
    return verdict if found is verdict else changed(found, decided_at_ns=settled_ns)


def _name_of_source(source_ip: str, senders: Iterable[Party]) -> Declared | None:
    """Return what the senders call themselves that are where the media comes from; None when they disagree.

    They do where a back-to-back user agent lies on the same host as the telephone whose media it stays out of.
    """
    claims = (sender.claim for sender in senders)
    found = [claim.declared for claim in claims if claim is not None and source_ip in claim.own_addresses]
    return found[0] if len({declared.application for declared in found}) == 1 else None
