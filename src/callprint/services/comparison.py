"""The embedded path beside the distributed one: the rows that a store must hold, and how what it holds differs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from callprint.core.spam.detector_names import OWN
from callprint.core.spam.detectors import make_detector
from callprint.core.verdict import FlowKey, FlowReport, FlowSummary, Verdict
from callprint.core.verdicts.identifier import Identifier
from callprint.sources import open_captures
from callprint.stores import CallQuery, VerdictQuery, VerdictStore
from callprint.stores.base import StoredVerdict
from callprint.usual_run import usual_run


@dataclass(frozen=True, slots=True)
class Expected:
    """The rows that the embedded path makes of some captures."""

    verdicts: frozenset[Verdict]
    summaries: dict[FlowKey, FlowSummary]
    calls: frozenset[str]  # as text: an unknown feature is NaN, which does not equal itself


def embedded(captures: Sequence[str | Path], identifier: Identifier | None, detector: str = OWN) -> Expected:
    """Run captures through the embedded path."""
    verdicts: set[Verdict] = set()
    summaries: dict[FlowKey, FlowSummary] = {}
    calls: set[str] = set()

    def take_report(report: FlowReport) -> None:
        # Without what SDP announced by now: what is stored of that is known when the flow has settled.
        summary = replace(report.summary, announced_codec=None, announced_clock_rate_hz=None)
        summaries[summary.flow] = summary

    def take_announced(summary: FlowSummary) -> None:
        summaries[summary.flow] = summary

    run, _ = usual_run(identifier, detector=make_detector(detector))
    run.on_verdict, run.on_report, run.on_announced = verdicts.add, take_report, take_announced
    run.on_call = lambda call: calls.add(repr(call))
    for _ in run.process_all(open_captures([str(capture) for capture in captures])):
        pass
    run.finish()
    return Expected(frozenset(verdicts), summaries, frozenset(calls))


@dataclass(frozen=True, slots=True)
class Difference:
    """Rows that are missing from a store, rows that were not expected, and flows whose statistics differ."""

    missing: list[Verdict]
    unexpected: list[Verdict]
    summaries: list[FlowKey]
    missing_calls: list[str]
    unexpected_calls: list[str]

    @property
    def none(self) -> bool:
        """Whether the store holds exactly what it must."""
        return not (
            self.missing or self.unexpected or self.summaries or self.missing_calls or self.unexpected_calls
        )

    def text(self) -> str:
        """Return it as a few lines of text."""
        if self.none:
            return "identical"
        lines = [
            f"{len(self.missing)} verdicts missing, {len(self.unexpected)} unexpected, "
            f"{len(self.summaries)} summaries differ, {len(self.missing_calls)} call rows missing, "
            f"{len(self.unexpected_calls)} unexpected"
        ]
        lines += [f"  missing:    {verdict}" for verdict in self.missing[:3]]
        lines += [f"  unexpected: {verdict}" for verdict in self.unexpected[:3]]
        lines += [f"  summary:    {flow}" for flow in self.summaries[:3]]
        lines += [f"  missing:    {call}" for call in self.missing_calls[:3]]
        lines += [f"  unexpected: {call}" for call in self.unexpected_calls[:3]]
        return "\n".join(lines)


def compare(store: VerdictStore, expected: Expected) -> Difference:
    """Compare every row of a store with what it must hold."""
    stored: list[StoredVerdict] = list(store.verdicts(VerdictQuery(last_only=False)))
    verdicts = {row.verdict for row in stored}
    summaries = {row.verdict.flow: row.summary for row in stored}
    calls = {repr(call) for call in store.calls(CallQuery(last_only=False))}
    return Difference(
        sorted(expected.verdicts - verdicts, key=repr),
        sorted(verdicts - expected.verdicts, key=repr),
        sorted(flow for flow, summary in expected.summaries.items() if summaries.get(flow) != summary),
        sorted(expected.calls - calls),
        sorted(calls - expected.calls),
    )
