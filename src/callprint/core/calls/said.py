"""What signalling says about a flow: the codec of its payload type, and the program that sends it."""

from collections.abc import Iterable

from callprint.core.calls.party import Party, announced
from callprint.core.declared.name import Declared
from callprint.core.declared.table import NameTable
from callprint.core.ground.changed import changed
from callprint.core.quality.measures import with_codec
from callprint.core.verdict import RUNNING, FlowReport, FlowSummary, Verdict

Parties = list[tuple[Party, Party]]
"""The sender and the receiver of a flow in each call that it fits, the best first."""


class SaidOfFlows:
    """Completes flows with what signalling says, and keeps what is to be stored of it until it is taken."""

    def __init__(self, names: NameTable, settles_after_ns: int) -> None:
        """`settles_after_ns`: how long after its last packet a flow settles."""
        self.names = names
        self._settles_after_ns = settles_after_ns
        self._summaries: list[FlowSummary] = []
        self._verdicts: list[Verdict] = []
        # By the id of a flow that fits no call: the flow, and what is said of it, until it settles.
        self._so_far: dict[int, tuple[FlowReport, FlowReport]] = {}

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

    def so_far(self, report: FlowReport, parties: Parties) -> FlowReport:
        """Return what `of` does, for a flow that goes on, or that has ended and will settle."""
        said = self.of(report, parties)
        if not parties and report.summary.ended != RUNNING:  # most flows: what costs time is not done again
            self._so_far[id(report)] = report, said
        return said

    def settle(self, report: FlowReport, parties: Parties) -> FlowReport:
        """Keep what signalling says about a flow that settles; return the flow with it."""
        known = self._so_far.pop(id(report), None)
        said = self.of(report, parties) if parties or known is None else known[1]
        if said.summary is not report.summary:
            self._summaries.append(said.summary)
        if said.verdict is not report.verdict:
            self._verdicts.append(said.verdict)
        return said

    def take(self) -> tuple[list[FlowSummary], list[Verdict]]:
        """Return, once, the summaries of settled flows to which signalling adds something, and the later verdicts."""
        taken = self._summaries, self._verdicts
        self._summaries, self._verdicts = [], []
        return taken


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
