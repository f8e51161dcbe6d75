"""The identification pipeline: packet columns in, verdicts and flow reports out. The embedded path runs it.

Flow engine, rule of verdicts (`rule.py`) and identifier: a host hands in batches and an `Identifier` (the network),
and stores what comes back. The verdicts of one flow come in this order: at most one provisional one, of which the
network is sure, then the final one, then the report at the flow's end.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from callprint.core.declared.name import Declared
from callprint.core.declared.table import NO_NAMES, NameTable
from callprint.core.flow.engine import EngineSettings, FlowEngine, FlowEvents
from callprint.core.flow.layout import EVENT_END, NEVER_NS, NO_APPLICATION
from callprint.core.ground.addresses import Endpoint
from callprint.core.ground.arrays import Array
from callprint.core.ground.table import Column, Rows, ValueTable
from callprint.core.identify.decision import LOW_CONFIDENCE, TOO_SHORT
from callprint.core.quality.measures import FlowWindows
from callprint.core.verdict import ENDED_NAMES, RUNNING, FlowKey, FlowReport, RunningFlow, Verdict
from callprint.core.verdicts.ahead import Begun, Decided, Submit, copied
from callprint.core.verdicts.declaring import declared_of, with_declared
from callprint.core.verdicts.fingerprints import KeptFingerprints
from callprint.core.verdicts.identifier import Identifier, Names, ask
from callprint.core.verdicts.rule import resolve
from callprint.core.verdicts.running import running_flows
from callprint.core.verdicts.values import flow_summaries, flow_verdicts, unknown_evidence


@dataclass(slots=True)
class PipelineOutput:
    """What one batch brought about, in the order in which it came about."""

    verdicts: Rows[Verdict] = field(default_factory=Rows)
    reports: Rows[FlowReport] = field(default_factory=Rows)
    report_packets: list[int] = field(default_factory=list)
    """For each report the index in the batch of the packet at which its flow's end was noticed; -1: by `finish`."""
    unknown: list[tuple[Verdict, bytes]] = field(default_factory=list)
    """Final verdicts that name no application with their evidence logs, where these are asked for."""


class IdentificationPipeline:
    """Runs the flow engine, asks the identifier, and turns its answers into verdicts.

    Without an identifier every flow is reported as unknown (model "none"): flow statistics alone.
    """

    def __init__(
        self,
        identifier: Identifier | None,
        settings: EngineSettings | None = None,
        *,
        keep_unknown: bool = False,
        names: NameTable = NO_NAMES,
    ) -> None:
        """Reserve the engine's memory. `keep_unknown`: also give the evidence of flows that stay unknown.

        names: by which what packets say themselves becomes declared names.

        Raises ConfigError for settings that cannot be.
        """
        self.engine = FlowEngine(settings)
        self._identifier = identifier
        self._keep_unknown = keep_unknown
        self._names = names
        self.on_looks: Callable[[list[Verdict], Array, Array], None] | None = None
        """Hears verdicts with the evidence, (bytes,) uint8, that they are based on, and its spans, (n, 2) int64."""
        self._fingerprints = KeptFingerprints(self.engine.settings.maximum_flows)
        self._declared: dict[FlowKey, Declared] = {}  # by flows that go on; most declare nothing
        self._decided: list[Decided] = []  # by the batch before, while the engine was ahead of it

    def process(
        self, data: Array, packets: Array, source_start_ns: int | None = None, capture: str | None = None
    ) -> PipelineOutput:
        """Take a batch in; the arguments are those of FlowEngine.process."""
        return self._collect(self.engine.process(data, packets, source_start_ns, capture))

    def begin(self, data: Array, packets: Array, capture: str | None, submit: Submit) -> list[Begun]:
        """Take a batch in, as `process` does, and only begin to ask about it; `complete` does the rest.

        Of the batches before at most one may wait to be completed, and it is to be completed first.
        """
        return [self._begun(drain, submit) for drain in self.engine.process(data, packets, capture=capture)]

    def _begun(self, drain: FlowEvents, submit: Submit) -> Begun:
        own = copied(drain)
        return Begun(own, submit(ask, self._identifier, own))

    def complete(self, begun: list[Begun]) -> PipelineOutput:
        """Return what a batch brought about, once all answers are there. Raises what the identifier raises."""
        output = PipelineOutput()
        before, self._decided = self._decided, []
        for drain, answers in begun:
            found = answers()  # first: until then somebody else reads the flows
            for decided in (*before, *self._decided):
                decided.write(drain.events, drain.flows)
            self._decided.append(Decided.of(*self._judge(drain, output, found)))
        return output

    def finish(self) -> PipelineOutput:
        """Judge and report every flow that is still open."""
        return self._collect(self.engine.finish())

    def finish_in_parts(self, submit: Submit | None = None) -> Iterator[PipelineOutput]:
        """Do what `finish` does, some thousand flows at a time: a million may still be open.

        With `submit` the identifier is asked about the next part while the host deals with this one.
        """
        if submit is None:
            yield from (self._collect(iter([drain])) for drain in self.engine.finish())
            return
        waiting: list[Begun] = []
        for drain in self.engine.finish():
            begun = self._begun(drain, submit)
            if waiting:
                yield self.complete(waiting)
            waiting = [begun]
        if waiting:
            yield self.complete(waiting)
        self._decided = []  # the engine has it all

    def reports_so_far(self) -> list[FlowReport]:
        """Report the flows that go on as they stand now, by their first packets; nothing changes for them.

        One without a verdict so far has k 0 and counts as decided at its last packet; a look that would have been sure
        would have given it one.
        """
        rows, due_ns = self.engine.rows_in_use
        flows = rows[due_ns != NEVER_NS]
        waiting = (flows["application"] == NO_APPLICATION) & (flows["verdict_k"] == 0)
        flows["decided_at_ns"][waiting] = flows["last_rtp_ns"][waiting]
        looked_at = flows["next_checkpoint"] > 0 if self._identifier else np.zeros(len(flows), np.bool_)
        flows["reason"][waiting] = np.where(looked_at, LOW_CONFIDENCE, TOO_SHORT)[waiting]
        in_use = np.flatnonzero(due_ns != NEVER_NS)
        found = self._fingerprints.of(in_use, flows["generation"])
        names = Names.of(self._identifier)
        verdicts = list(map(self._with_declared, flow_verdicts(flows, names, found)))
        keys = [verdict.flow for verdict in verdicts]
        windows = self.engine.quality_of(in_use)
        summaries = flow_summaries(
            flows, keys, [RUNNING] * len(keys), self.engine.captures, FlowWindows(*windows)
        )
        reports = map(FlowReport, verdicts, summaries)
        return sorted(reports, key=lambda report: (report.verdict.flow.first_seen_ns, report.verdict.flow))

    def running(self, endpoints: Iterable[Endpoint], ssrcs: Iterable[int]) -> list[RunningFlow]:
        """Return the flows that go on from or to any of these endpoints, or of these sources."""
        return running_flows(*self.engine.rows_in_use, endpoints, ssrcs)

    def _collect(self, drains: Iterator[FlowEvents]) -> PipelineOutput:
        output = PipelineOutput()
        for drain in drains:
            self._judge(drain, output, ask(self._identifier, drain))
        self._decided = []  # the engine has it all
        return output

    def _judge(self, drain: FlowEvents, output: PipelineOutput, answers: Array) -> tuple[Array, Array]:
        """Apply the rule to a drain, write the verdicts into the engine's map, and give them out.

        answers: (n,) ANSWER. Returns what was written into the map: events, (w,) EVENT, and flows, (w,) FLOW.
        """
        events = drain.events
        resolution = resolve(events, drain.flows, answers)
        decided = events[resolution.newest], resolution.flows[resolution.newest]
        self.engine.set_verdicts(*decided)
        names = Names.of(self._identifier)
        ends = np.flatnonzero(events["kind"] == EVENT_END)
        found, last_found = self._fingerprints.take(drain, resolution.flows, resolution.given, ends)
        undeclared = flow_verdicts(resolution.flows[resolution.given], names, found)
        declared = declared_of(drain, resolution.given, self._names)
        verdicts = with_declared(undeclared, declared, self._names)
        for at, name in declared.items():
            self._declared[verdicts.cell("flow", at)] = name
        output.verdicts.extend(verdicts)
        if self.on_looks is not None and len(verdicts):
            given = events[resolution.given]
            self.on_looks(list(verdicts), drain.evidence, np.column_stack([given["start"], given["end"]]))
        if self._keep_unknown:
            output.unknown += unknown_evidence(verdicts, events[resolution.given], drain.evidence)
        # Most flows get their verdict when they end.
        last = (
            undeclared
            if np.array_equal(ends, resolution.given)
            else flow_verdicts(resolution.flows[ends], names, last_found)
        )
        keys = [*last.cells("flow")]
        said = {at: self._declared[key] for at, key in enumerate(keys) if key in self._declared}
        for at in said:
            self._declared.pop(keys[at], None)
        causes = [ENDED_NAMES[number] for number in events["ended"][ends].tolist()]
        windows = FlowWindows(drain.windows, events["windows"][ends], drain.reported[ends])
        summaries = flow_summaries(resolution.flows[ends], keys, causes, self.engine.captures, windows)
        columns: dict[str, Column] = {"verdict": with_declared(last, said, self._names), "summary": summaries}
        output.reports.extend(ValueTable(FlowReport, columns, len(keys)))
        output.report_packets += events["packet"][ends].tolist()
        return decided

    def _with_declared(self, verdict: Verdict) -> Verdict:
        declared = self._declared.get(verdict.flow)
        return verdict if declared is None else self._names.declare(verdict, declared)
