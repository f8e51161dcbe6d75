"""Verdicts on assembled flows: the identification pipeline behind Kafka instead of behind a flow engine.

The rules of which verdicts count (the first sure provisional one, then the final one) are the pipeline's own;
only what it remembers of a flow between two events is kept here, for one partition. Batches of several partitions
are judged together, because a network says more in one run over many logs than in many runs over few.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from callprint.core.flow.engine import EngineSettings, FlowEvents
from callprint.core.flow.layout import ENDED_IDLE, EVENT, FLOW
from callprint.core.ground.compiled import Array, Row
from callprint.core.relay.evidence_logs import EvidenceLogs
from callprint.core.relay.flow_assembly import FlowId, flow_ids
from callprint.core.verdict import RUNNING, FlowSummary, Verdict
from callprint.core.verdicts.pipeline import (
    IdentificationPipeline,
    Identifier,
    Judgements,
    PipelineOutput,
    flow_key,
    flow_summary,
)
from callprint.core.wire.media import SHIPPED_FLOW_FIELDS, MediaBatch, PartKind

_CHECKPOINT, _HORIZON, _END = int(PartKind.CHECKPOINT), int(PartKind.HORIZON), int(PartKind.END)
_NOBODY = np.iinfo(np.uint32).max  # a generation that no row of an engine has
_ROWS = 1024  # parts that are looked at together
_MOST_EVIDENCE = 32 << 20  # bytes of logs that are judged together: it bounds memory


@dataclass(slots=True)
class Judged:
    """What one batch of assembled parts came to."""

    verdicts: list[Verdict] = field(default_factory=list)
    summaries: list[FlowSummary] = field(default_factory=list)
    unknown: list[tuple[Verdict, bytes]] = field(
        default_factory=list
    )  # final unknowns and their evidence logs


class PartJudge(IdentificationPipeline):
    """Judges the assembled parts of one partition. The flow engine it inherits stays empty."""

    def __init__(self, identifier: Identifier | None, *, keep_unknown: bool = False) -> None:
        """Without an identifier every flow is unknown, as in the pipeline. `keep_unknown`: give their evidence."""
        super().__init__(
            identifier,
            EngineSettings(maximum_flows=_ROWS, maximum_candidates=1, evidence_memory_bytes=1),
            keep_unknown=keep_unknown,
        )
        self._logs = EvidenceLogs()
        self._sure_k: dict[FlowId, int] = {}  # flows with a sure provisional verdict and no final one yet

    def replace_identifier(self, identifier: Identifier | None) -> None:
        """Judge what comes from now on with another network. Flows that were sure keep that."""
        self._identifier = identifier

    def judge(self, batch: MediaBatch) -> Judged:
        """Judge what `PartitionAssembly` gives: each part adds its records to its flow's log and asks about it."""
        (judged,) = judge_together([(self, batch)])
        return judged

    def prepare(self, batch: MediaBatch) -> list["_Asked"]:
        """Add what the parts bring to the logs of their flows; return what is to be judged, in slices."""
        packet_at = np.concatenate(([0], np.cumsum(batch.parts["records"], dtype=np.int64)))
        byte_at = np.concatenate(([0], np.cumsum(batch.packets["length"], dtype=np.int64)))[packet_at]
        asked = []
        for start in range(0, len(batch.parts), _ROWS):
            end = min(start + _ROWS, len(batch.parts))
            parts = batch.parts[start:end]
            packets = batch.packets[packet_at[start] : packet_at[end]]
            some = MediaBatch(batch.origin, parts, packets, batch.payload[byte_at[start] : byte_at[end]])
            ids = flow_ids(batch.origin.source, parts)
            asked.append(_Asked(parts, ids, self._events(some, ids), self._identifier))
        return asked

    def settle(self, asked: "_Asked", judged: Judged) -> None:
        """Turn the answers to what `prepare` gave into verdicts. In the order of `prepare`."""
        parts, ids, told = asked.parts, asked.ids, asked.told
        running = _flows_of(parts[parts["kind"] == PartKind.STATISTICS])
        judged.summaries += [_running_summary(flow) for flow in running]
        # Known anew: a part before this one, of another batch, may have made its flow sure.
        now_sure = [self._sure_k.get(ids[i], 0) for i in asked.events_of]
        told.flows["sure_k"] = np.maximum(told.flows["sure_k"], now_sure)
        output = PipelineOutput()
        own, self._identifier = self._identifier, asked.answers or asked.identifier
        try:
            self._settle(told, output)
        finally:
            self._identifier = own
        judged.verdicts += output.verdicts
        judged.summaries += [report.summary for report in output.reports]
        judged.unknown += output.unknown
        self._remember(ids, parts, output)

    def _events(self, batch: MediaBatch, ids: list[FlowId]) -> FlowEvents:
        """Return the parts as a flow engine would have told them; those of one flow share a row."""
        evidence, spans = self._logs.take(batch, ids)
        events_of = np.flatnonzero(batch.parts["kind"] != PartKind.STATISTICS)
        events = np.zeros(len(events_of), dtype=EVENT)
        parts = batch.parts[events_of]
        for name in ("time_ns", "k", "kind", "ended"):
            events[name] = parts[name]
        flows = _flows_of(parts)
        events["start"] = spans[events_of, 0]
        events["end"] = spans[events_of, 1]
        rows: dict[FlowId, int] = {}
        events["row"] = [rows.setdefault(ids[i], len(rows)) for i in events_of]
        flows["generation"] = _NOBODY
        flows["sure_k"] = [self._sure_k.get(ids[i], 0) for i in events_of]
        return FlowEvents(events, flows, evidence)

    def _remember(self, ids: list[FlowId], parts: Array, output: PipelineOutput) -> None:
        sure = {verdict.flow: verdict.k for verdict in output.verdicts if not verdict.final}
        for i, (flow, kind) in enumerate(zip(ids, parts["kind"].tolist(), strict=True)):
            if kind in (_HORIZON, _END):
                self._sure_k.pop(flow, None)
            elif sure and kind == _CHECKPOINT:
                k = sure.get(flow_key(parts[i]))
                if k is not None:
                    self._sure_k[flow] = k


@dataclass(slots=True)
class _Asked:
    """Parts whose flows are to be judged, and by whom."""

    parts: Array  # (n,) PART
    ids: list[FlowId]  # of each part
    told: FlowEvents  # what the parts that are no statistics say
    identifier: Identifier | None
    answers: "_Answers | None" = None

    @property
    def events_of(self) -> list[int]:
        """The part of each event."""
        events: list[int] = np.flatnonzero(self.parts["kind"] != PartKind.STATISTICS).tolist()
        return events

    def spans(self) -> list[tuple[int, int]]:
        """The logs that the identifier may be asked about, each once: (start, end) in `told.evidence`."""
        if self.identifier is None:
            return []
        events = self.told.events
        wanted = (events["end"] > events["start"]) & (events["k"] >= self.identifier.minimum_k)
        wanted &= (events["kind"] != _CHECKPOINT) | (self.told.flows["sure_k"] == 0)
        starts, ends = events["start"][wanted].tolist(), events["end"][wanted].tolist()
        return list(dict.fromkeys(zip(starts, ends, strict=True)))


@dataclass(frozen=True, slots=True)
class _Said:
    application: Array  # (n,) int16
    confidence: Array  # (n,) float32
    reason: Array  # (n,) uint8


class _Answers:
    """An identifier that has been asked already: it knows what it said of each log."""

    def __init__(self, identifier: Identifier, said: Judgements, rows: dict[tuple[int, int], int]) -> None:
        """`rows` says where in `said` the answer to each (start, end) stands."""
        self.name = identifier.name
        self.applications = identifier.applications
        self.minimum_k = identifier.minimum_k
        self._said = said
        self._rows = rows

    def identify(self, _evidence: Array, spans: Array) -> _Said:
        """Return what was said."""
        rows = [self._rows[start, end] for start, end in spans.tolist()]
        return _Said(self._said.application[rows], self._said.confidence[rows], self._said.reason[rows])


def judge_together(work: Sequence[tuple[PartJudge, MediaBatch]]) -> list[Judged]:
    """Judge batches, each by the judge of its partition, in as few runs of the network as may be.

    The result is that of judging them one after the other. Batches of one partition stand in their order.
    """
    judged = [Judged() for _ in work]
    waiting: list[tuple[PartJudge, _Asked, Judged]] = []
    evidence_bytes = 0
    for (judge, batch), into in zip(work, judged, strict=True):
        for asked in judge.prepare(batch):
            waiting.append((judge, asked, into))
            evidence_bytes += len(asked.told.evidence)
            if evidence_bytes > _MOST_EVIDENCE:
                _settle_all(waiting)
                waiting, evidence_bytes = [], 0
    _settle_all(waiting)
    return judged


def _settle_all(waiting: list[tuple[PartJudge, _Asked, Judged]]) -> None:
    by_identifier: dict[int, list[_Asked]] = {}
    for _, asked, _ in waiting:
        by_identifier.setdefault(id(asked.identifier), []).append(asked)
    for some in by_identifier.values():
        _answer(some)
    for judge, asked, into in waiting:
        judge.settle(asked, into)


def _answer(some: list[_Asked]) -> None:
    """Ask the identifier that they share about all of them at once."""
    identifier = some[0].identifier
    spans = [asked.spans() for asked in some]
    if identifier is None or not any(spans):
        return
    sizes = [len(asked.told.evidence) for asked in some]
    evidence = (
        some[0].told.evidence if len(some) == 1 else np.concatenate([asked.told.evidence for asked in some])
    )
    moved = np.concatenate(
        [np.array(mine, dtype=np.int64).reshape(-1, 2) + sum(sizes[:i]) for i, mine in enumerate(spans)]
    )
    said = identifier.identify(evidence, moved)
    row = 0
    for asked, mine in zip(some, spans, strict=True):
        asked.answers = _Answers(identifier, said, {span: row + i for i, span in enumerate(mine)})
        row += len(mine)


def _flows_of(parts: Array) -> Array:
    """Return the FLOW rows that parts quote, (n,) FLOW; what was not shipped is zero."""
    flows = np.zeros(len(parts), dtype=FLOW)
    for name in SHIPPED_FLOW_FIELDS:
        flows[name] = parts[name]
    return flows


def _running_summary(flow: Row) -> FlowSummary:
    """Return the summary of a flow that goes on.

    It claims a nanosecond less than it saw, so that the summary at the end, which may have seen no packet more,
    is the one that stays.
    """
    summary = flow_summary(flow, flow_key(flow), ENDED_IDLE)
    return replace(summary, ended=RUNNING, last_seen_ns=summary.last_seen_ns - 1)
