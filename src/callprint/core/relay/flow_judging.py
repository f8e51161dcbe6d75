"""Verdicts on assembled flows: the rule of verdicts (core/verdicts/rule.py) behind Kafka instead of a flow engine.

What a flow engine's verdict map remembers between two events of a flow is kept here, for one partition, beside the
evidence logs. Batches of several partitions are judged together, because one run of a network over many logs takes
less time than many runs over few.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from callprint.core.capture import name as capture_name
from callprint.core.declared.table import NO_NAMES, NameTable
from callprint.core.evidence import is_summarised
from callprint.core.flow.engine import FlowEvents
from callprint.core.flow.layout import EVENT, EVENT_END, FLOW
from callprint.core.flow.window_layout import REPORTED
from callprint.core.ground.arrays import Array, joined, rows_of
from callprint.core.quality.measures import FlowWindows
from callprint.core.relay.evidence_logs import EvidenceLogs
from callprint.core.relay.flow_assembly import FlowId, flow_ids
from callprint.core.relay.shipping import rows_at
from callprint.core.verdict import ENDED_NAMES, RUNNING, FlowSummary, Verdict
from callprint.core.verdicts.declaring import declared_of, with_declared
from callprint.core.verdicts.fingerprints import fingerprints_of, texts_of
from callprint.core.verdicts.identifier import Identifier, Names, ask
from callprint.core.verdicts.rule import resolve
from callprint.core.verdicts.values import flow_keys, flow_summaries, flow_verdicts, unknown_evidence
from callprint.core.wire.media import SHIPPED_FLOW_FIELDS, MediaBatch, PartKind

_FINAL = (PartKind.HORIZON, PartKind.END)
_SLICE_PARTS = 1024  # parts whose logs are put together at a time
_MOST_EVIDENCE = 32 << 20  # bytes of logs that are judged together: it bounds memory


@dataclass(slots=True)
class JudgeOutput:
    """What one batch of assembled parts came to."""

    verdicts: list[Verdict] = field(default_factory=list)
    summaries: list[FlowSummary] = field(default_factory=list)  # of flows that go on, and of flows that ended
    unknown: list[tuple[Verdict, bytes]] = field(default_factory=list)
    """Final verdicts that name no application with their evidence logs, where these are asked for and whole."""


@dataclass(frozen=True, slots=True)
class _Slice:
    """Parts of one batch with the logs of their flows, ready to be judged."""

    judge: "PartJudge"
    output: JudgeOutput  # of the batch
    parts: Array  # (n,) PART
    flows: list[FlowId]  # of each part
    windows: Array  # (w,) WINDOW, of the parts that bring them
    evidence: Array  # (bytes,) uint8
    spans: Array  # (n, 2) int64: the log of each part in the evidence


class PartJudge:
    """Judges the assembled parts of one partition: keeps its evidence logs, and which flows were sure."""

    def __init__(
        self, identifier: Identifier | None, *, keep_unknown: bool = False, names: NameTable = NO_NAMES
    ) -> None:
        """Without an identifier every flow is unknown, as in the pipeline. `keep_unknown`: give their evidence.

        names: of what packets say themselves; judges whose batches are judged together share it.
        """
        self.identifier = identifier  # it may be replaced between batches; flows that were sure stay so
        self.keep_unknown = keep_unknown
        self.names = names
        self._logs = EvidenceLogs()
        self._sure_k: dict[FlowId, int] = {}  # flows with a sure provisional verdict and no final one yet

    def judge(self, batch: MediaBatch) -> JudgeOutput:
        """Judge what `PartitionAssembly` passes on: each part adds its records to its flow's log, and asks about it."""
        (output,) = judge_together([(self, batch)])
        return output

    def slices(self, batch: MediaBatch, output: JudgeOutput) -> Iterator[_Slice]:
        """Add the records of parts to the logs of their flows; yield the parts with these logs, some at a time."""
        packet_at = np.concatenate(([0], np.cumsum(batch.parts["records"], dtype=np.int64)))
        byte_at = np.concatenate(([0], np.cumsum(batch.packets["length"], dtype=np.int64)))[packet_at]
        window_at = np.concatenate(([0], np.cumsum(batch.parts["windows"], dtype=np.int64)))
        for start in range(0, len(batch.parts), _SLICE_PARTS):
            end = min(start + _SLICE_PARTS, len(batch.parts))
            parts = batch.parts[start:end]
            packets = batch.packets[packet_at[start] : packet_at[end]]
            payload = batch.payload[byte_at[start] : byte_at[end]]
            flows = flow_ids(batch.origin.source, parts)
            evidence, spans = self._logs.take(MediaBatch(batch.origin, parts, packets, payload), flows)
            windows = batch.windows[window_at[start] : window_at[end]]
            yield _Slice(self, output, parts, flows, windows, evidence, spans)

    def sure_k(self, flow: FlowId) -> int:
        """Return k of the sure provisional verdict of a flow; 0 if it has none, or has a final one already."""
        return self._sure_k.get(flow, 0)

    def remember(self, flow: FlowId, verdict: Verdict) -> None:
        """Keep what later verdicts of the flow depend on."""
        if verdict.final:
            self._sure_k.pop(flow, None)
        else:
            self._sure_k[flow] = verdict.k


def judge_together(work: Sequence[tuple[PartJudge, MediaBatch]]) -> list[JudgeOutput]:
    """Judge batches, each by the judge of its partition, in as few runs of the network as possible.

    The result is the same as judging them one after the other. Batches of one partition must be in order.
    """
    outputs = [JudgeOutput() for _ in work]
    waiting: dict[int, list[_Slice]] = {}  # by identifier
    evidence_bytes = 0
    for (judge, batch), output in zip(work, outputs, strict=True):
        for part_slice in judge.slices(batch, output):
            waiting.setdefault(id(judge.identifier), []).append(part_slice)
            evidence_bytes += len(part_slice.evidence)
            if evidence_bytes > _MOST_EVIDENCE:
                _judge_all(waiting)
                waiting, evidence_bytes = {}, 0
    _judge_all(waiting)
    return outputs


def _judge_all(waiting: dict[int, list[_Slice]]) -> None:
    for slices in waiting.values():
        _judge_slices(slices[0].judge.identifier, slices)


def _judge_slices(identifier: Identifier | None, slices: list[_Slice]) -> None:
    """Judge parts of several batches as one drain of events; add the results to the outputs of the batches."""
    drain = _drain_of(slices)
    resolution = resolve(drain.events, drain.flows, ask(identifier, drain))
    given = resolution.given
    found = texts_of(fingerprints_of(drain, given))
    undeclared = flow_verdicts(rows_of(resolution.flows, given), Names.of(identifier), found)
    table = slices[0].judge.names
    verdicts = list(with_declared(undeclared, declared_of(drain, given, table), table))
    kinds = drain.events["kind"]
    summed = np.flatnonzero((kinds == PartKind.STATISTICS) | (kinds == EVENT_END))
    names, drain.flows["capture"] = np.unique(
        joined([each.parts["capture"] for each in slices]), return_inverse=True
    )
    captures = [capture_name.decoded(name) for name in names.tolist()]
    windows = FlowWindows(
        rows_at(drain.windows, drain.events["first_window"][summed], drain.events["windows"][summed]),
        drain.events["windows"][summed],
        drain.reported[summed],
    )
    summaries = _summaries(rows_of(drain.events, summed), rows_of(drain.flows, summed), captures, windows)

    begins = np.cumsum([0, *(len(each.parts) for each in slices)])  # of each slice's parts among all
    given_at, summed_at = np.searchsorted(given, begins).tolist(), np.searchsorted(summed, begins).tolist()
    for number, each in enumerate(slices):
        own = slice(given_at[number], given_at[number + 1])
        each.output.verdicts += verdicts[own]
        each.output.summaries += summaries[summed_at[number] : summed_at[number + 1]]
        if each.judge.keep_unknown:
            kept = unknown_evidence(verdicts[own], drain.events[given[own]], drain.evidence)
            each.output.unknown += [(verdict, log) for verdict, log in kept if not is_summarised(log)]
        for i, verdict in zip((given[own] - begins[number]).tolist(), verdicts[own], strict=True):
            each.judge.remember(each.flows[i], verdict)


def _drain_of(slices: list[_Slice]) -> FlowEvents:
    """Return parts as the events of a flow engine, with what is remembered of their flows.

    STATISTICS parts are among them: they have no evidence, and so ask for no verdict.
    """
    parts = joined([each.parts for each in slices])
    events = np.zeros(len(parts), dtype=EVENT)
    flows = np.zeros(len(parts), dtype=FLOW)  # what was not shipped stays zero
    for name in ("time_ns", "k", "kind", "ended"):
        events[name] = parts[name]
    for name in SHIPPED_FLOW_FIELDS:
        flows[name] = parts[name]
    begins = np.cumsum([0, *(len(each.evidence) for each in slices)])  # of each slice's logs among all
    spans = np.concatenate([each.spans + begin for each, begin in zip(slices, begins, strict=False)])
    events["start"], events["end"] = spans[:, 0], spans[:, 1]
    events["row"], flows["sure_k"] = _rows_of(slices)
    events["windows"] = parts["windows"]
    events["first_window"] = np.cumsum(parts["windows"], dtype=np.int64) - parts["windows"]
    return FlowEvents(
        events,
        flows,
        joined([each.evidence for each in slices]),
        joined([each.windows for each in slices]),
        np.frombuffer(parts["reported"].tobytes(), REPORTED),
    )


def _rows_of(slices: list[_Slice]) -> tuple[list[int], list[int]]:
    """Return for each part a number that stands for its flow, and k of the flow's sure verdict so far, 0 for none."""
    rows: list[int] = []
    sure: list[int] = []
    known: dict[tuple[PartJudge, FlowId], tuple[int, int]] = {}
    for each in slices:
        for flow, kind in zip(each.flows, each.parts["kind"].tolist(), strict=True):
            key = each.judge, flow
            part = len(rows)
            row, sure_k = known.get(key) or (2 * part, each.judge.sure_k(flow))
            # Parts after a final one, as in a forged batch, count as another flow: as they would in a later drain.
            known[key] = (2 * part + 1, 0) if kind in _FINAL else (row, sure_k)
            rows.append(row)
            sure.append(sure_k)
    return rows, sure


def _summaries(
    events: Array, flows: Array, captures: list[str | None], windows: FlowWindows
) -> list[FlowSummary]:
    """Return the summaries of flows that go on or ended. events: (n,) EVENT; flows: (n,) FLOW of each, to be changed.

    The summary of a flow that goes on claims to have seen a nanosecond less, so that stores prefer the one at the end,
    which may have seen no further packet.
    """
    running = events["kind"] == PartKind.STATISTICS
    flows["last_rtp_ns"] -= running
    ended = [
        RUNNING if goes_on else ENDED_NAMES[number]
        for goes_on, number in zip(running.tolist(), events["ended"].tolist(), strict=True)
    ]
    return list(flow_summaries(flows, flow_keys(flows), ended, captures, windows))
