"""Identification over a source of captured frames: the loop that the command line puts a terminal around."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np

from callprint.core.call import CallRecord
from callprint.core.calls.ended_flow import EndedFlow, ended_flows
from callprint.core.calls.events import nobody_listens
from callprint.core.calls.settings import RUNNING_EVERY_NS
from callprint.core.capture.packet_order import OrderedBatch, PacketOrder
from callprint.core.capture.time_marks import TimeMarks
from callprint.core.dissect import SIGNALLING_PORTS, dissect
from callprint.core.ground.table import Rows, ValueTable
from callprint.core.packets import RECORD, Outcome
from callprint.core.spam.call_pipeline import CallPipeline
from callprint.core.verdict import FlowReport, FlowSummary, Verdict
from callprint.core.verdicts.pipeline import IdentificationPipeline, PipelineOutput
from callprint.judging_ahead import JudgingAhead, WaitingBatch
from callprint.sources.batch import PacketSource
from callprint.stores import VerdictStore

_NO_DATA, _NO_RECORDS = np.empty(0, np.uint8), np.empty(0, RECORD)

STORE_BATCH = 2_000
"""Verdicts, flows and calls that are stored together: one transaction of some 20 ms."""

END_BATCH = 25 * STORE_BATCH
"""The same when a capture ends: most flows are written once then, with all that is said of them when they settle."""

EVIDENCE_WEIGHT = 10
"""How many other rows an evidence log counts for in a batch: it holds some 20 KB."""


@dataclass(slots=True)
class CaptureRun:
    """Runs batches of frames through the pipeline and call assembly; the results go to the store and the callbacks."""

    pipeline: IdentificationPipeline
    store: VerdictStore | None
    on_verdict: Callable[[Verdict], None] = nobody_listens
    on_report: Callable[[FlowReport], None] = nobody_listens
    calls: CallPipeline | None = None
    on_call: Callable[[CallRecord], None] = nobody_listens
    signalling_ports: tuple[int, ...] = SIGNALLING_PORTS  # of SIP over TCP
    on_announced: Callable[[FlowSummary], None] = nobody_listens  # completes the row of its flow
    order: PacketOrder = field(default_factory=PacketOrder)
    on_packets: Callable[[np.ndarray, np.ndarray, np.ndarray], None] = lambda _data, _packets, _records: None
    # The next three hear what the others do, together, as columns for the most part.
    on_verdicts: Callable[[Rows[Verdict]], None] = nobody_listens
    on_flows: Callable[[list[EndedFlow]], None] = nobody_listens
    on_calls: Callable[[Rows[CallRecord]], None] = nobody_listens
    ahead: JudgingAhead | None = None  # judges flows in a thread; callbacks then come a batch later
    packets: int = 0
    flows: int = 0
    _waiting: WaitingBatch | None = None
    _marks: TimeMarks = field(default_factory=lambda: TimeMarks(RUNNING_EVERY_NS))
    _verdicts: Rows[Verdict] = field(default_factory=Rows)
    _reports: Rows[FlowReport] = field(default_factory=Rows)
    _announced: Rows[FlowSummary] = field(default_factory=Rows)
    _calls: Rows[CallRecord] = field(default_factory=Rows)
    _unknown: list[tuple[Verdict, bytes]] = field(default_factory=list)

    def process(self, data: np.ndarray, records: np.ndarray, capture: str | None = None) -> None:
        """Process frames whose times are right; data: (bytes,) uint8, records: (n,) RECORD; `capture`: their origin."""
        self.packets += len(records)
        packets = dissect(data, records, signalling_ports=self.signalling_ports)
        self.on_packets(data, packets, records)
        done = 0
        for at, mark_ns in self._marks.passed(packets["time_ns"]):
            self._process_until_mark(data, packets[done:at], records[done:at], capture)
            self.catch_up()
            self._note_running(mark_ns)
            done = at
        self._process_until_mark(data, packets[done:], records[done:], capture)
        self._store_many()

    def _process_until_mark(
        self, data: np.ndarray, packets: np.ndarray, records: np.ndarray, capture: str | None
    ) -> None:
        if self.ahead is None:
            output = self.pipeline.process(data, packets, capture=capture)
            self._work_off(output, data, packets, records, capture)
            return
        before = self._waiting
        self._waiting = self.ahead.begin(self.pipeline, data, packets, records, capture)
        try:
            self._complete(before)
        except Exception:
            self._waiting = None  # as if it had not been read
            raise

    def catch_up(self) -> None:
        """Complete what waits for its verdicts. Raises what the network raises, as `process` does."""
        waiting, self._waiting = self._waiting, None
        self._complete(waiting)

    def _complete(self, waiting: WaitingBatch | None) -> None:
        if waiting is not None:
            output = waiting.complete(self.pipeline)
            self._work_off(output, waiting.data, waiting.packets, waiting.records, waiting.capture)

    def _work_off(
        self,
        output: PipelineOutput,
        data: np.ndarray,
        packets: np.ndarray,
        records: np.ndarray,
        capture: str | None,
    ) -> None:
        self._add_output(output)
        # Flows and calls come out in the order in which packets caused them, whatever the size of the batch: call
        # assembly gets the packets up to a flow's end, then the flow, then the packets from there on.
        done = 0
        ended = zip(output.report_packets, ended_flows(output.reports), strict=True)
        for at, flows in groupby(ended, key=lambda pair: pair[0]):
            self._assemble_calls(data, packets[done:at], records[done:at], capture)
            done = at
            self._report_flows([flow for _, flow in flows])
        self._assemble_calls(data, packets[done:], records[done:], capture)

    def _note_running(self, mark_ns: int) -> None:
        """Let calls that would time out soon know which of their flows go on."""
        if self.calls is None:
            return
        silent = self.calls.assembler.calls_soon_silent(mark_ns)
        if silent:
            parties = [party for call in silent for party in (call.caller, call.callee)]
            endpoints = {endpoint for party in parties for endpoint in party.endpoints}
            ssrcs = {ssrc for party in parties for ssrc in party.ssrcs}
            self.calls.assembler.add_running(self.pipeline.running(endpoints, ssrcs))

    def process_all(self, source: PacketSource) -> Iterable[None]:
        """Take batch after batch and yield after each, so that the caller can show progress or stop."""
        dropped = 0
        for data, records in source:
            self.take(data, records, source.capture, source.clock, source.buffer, source.rows)
            if source.dropped > dropped:
                dropped = source.dropped
                self.pipeline.engine.note_drops()
            yield
        if source.dropped > dropped:
            self.take(_NO_DATA, _NO_RECORDS)
            self.pipeline.engine.note_drops()

    def take(
        self,
        data: np.ndarray,
        records: np.ndarray,
        capture: str | None = None,
        clock: int = 0,
        buffer: np.ndarray | None = None,
        rows: np.ndarray | None = None,
    ) -> None:
        """Take a batch in any order of time; the arguments are those of PacketOrder.take.

        An empty batch, when nothing came for a while, brings out what waits for earlier packets.
        """
        ordered = (
            self.order.take(data, records, capture, clock, buffer, rows)
            if len(records)
            else self.order.flush()
        )
        self._process_ordered(ordered)

    def finish(self) -> None:
        """Report what is still open and store the rest: also after an interruption or a damaged capture."""
        self._process_ordered(self.order.flush())
        self.catch_up()
        self._end()
        self.store_rest()

    def _process_ordered(self, batches: Iterable[OrderedBatch]) -> None:
        for batch in batches:
            if batch.begins_anew:
                self.catch_up()
                self._end()
            self.process(batch.data, batch.records, batch.capture)

    def _end(self) -> None:
        """End all flows and calls: their capture is over. In parts, as a flood leaves a million flows open."""
        parts = self.pipeline.finish_in_parts(None if self.ahead is None else self.ahead.submit)
        try:
            for output in parts:
                self._add_output(output)
                self._report_flows(list(ended_flows(output.reports)))
                self._store_many(END_BATCH)
        finally:
            for output in parts:  # a callback failed: the rest is stored all the same
                self._keep(output)
        if self.calls is not None:
            for calls in self.calls.finish_in_parts():
                self._add_calls(self.calls, calls)
                self._store_many(END_BATCH)
        self._store_many()

    @property
    def counters(self) -> list[int]:
        """Packets by outcome, in the order of Outcome."""
        outcomes = self.pipeline.engine.outcomes
        return [outcomes[outcome] for outcome in Outcome]

    def _keep(self, output: PipelineOutput) -> None:
        self._verdicts.extend(output.verdicts)
        self._reports.extend(output.reports)
        self._unknown += output.unknown

    def _add_output(self, output: PipelineOutput) -> None:
        # Kept for the store before any callback runs: one may fail, as when the reader of standard output leaves.
        self._keep(output)
        self.flows = self.pipeline.engine.gauges["flows_created"]
        self.on_verdicts(output.verdicts)
        if self.on_verdict is not nobody_listens:  # who counts only needs no objects
            for verdict in output.verdicts:
                self.on_verdict(verdict)

    def _report_flows(self, flows: list[EndedFlow]) -> None:
        said = flows if self.calls is None else self.calls.assembler.with_announced(flows)
        if self.on_report is not nobody_listens:
            for flow in said:
                self.on_report(flow.report)
        self.on_flows(said)
        if self.calls is not None:
            self._add_calls(self.calls, self.calls.add_flows(flows))

    def _assemble_calls(
        self, data: np.ndarray, packets: np.ndarray, records: np.ndarray, capture: str | None
    ) -> None:
        if self.calls is not None and len(packets):
            self._add_calls(self.calls, self.calls.process(data, packets, records, capture))

    def _add_calls(self, pipeline: CallPipeline, calls: Rows[CallRecord]) -> None:
        self._calls.extend(calls)
        announced, declared = pipeline.assembler.said.take()
        self._announced.extend(announced)
        if self.on_announced is not nobody_listens:
            for summary in announced:
                self.on_announced(summary)
        self._verdicts.extend(declared)
        self.on_verdicts(Rows(declared))
        for verdict in declared:
            self.on_verdict(verdict)
        self.on_calls(calls)
        if self.on_call is not nobody_listens:
            for call in calls:
                self.on_call(call)

    def _store_many(self, enough: int = STORE_BATCH) -> None:
        """Store when there is enough, of whole batches: then most flows come with all that is said of them."""
        waiting = len(self._verdicts) + len(self._reports) + len(self._calls)
        if waiting + EVIDENCE_WEIGHT * len(self._unknown) >= enough:
            self.store_rest()

    def store_rest(self) -> None:
        """Store what was found and is not stored yet. `finish` does so at the end; call it after a failure."""
        if self.store is not None:
            self.store.put_verdicts(self._verdicts)
            self.store.put_flows(_summaries(self._reports, self._announced))
            self.store.put_calls(self._calls)
            self.store.put_unknown_evidence(self._unknown)
        self._verdicts.clear()
        self._reports.clear()
        self._announced.clear()
        self._calls.clear()
        self._unknown.clear()


def _summaries(reports: Rows[FlowReport], announced: Rows[FlowSummary]) -> Rows[FlowSummary]:
    """Return the summaries of reports, and what was announced.

    That completes what its flow ended with: one row of a store, not two.
    """
    complete = set(zip(announced.cells("flow"), announced.cells("last_seen_ns"), strict=True))
    found: Rows[FlowSummary] = Rows()
    for part in reports.parts:
        summaries = (
            part.columns["summary"] if isinstance(part, ValueTable) else [each.summary for each in part]
        )
        if isinstance(summaries, ValueTable):
            ended = zip(summaries.cells("flow"), summaries.cells("last_seen_ns"), strict=True)
            found.extend(summaries.chosen([at for at, which in enumerate(ended) if which not in complete]))
        else:
            found.extend(each for each in summaries if (each.flow, each.last_seen_ns) not in complete)
    found.extend(announced)
    return found
