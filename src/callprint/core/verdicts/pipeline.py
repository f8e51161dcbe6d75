"""The identification pipeline: packet columns in, verdicts and flow reports out. Every host of the core runs it.

A host (command line, Storm bolt) hands in batches and an `Identifier` (the network), and stores what comes
back. The order of verdicts of one flow is provisional ones with rising k, at most one of them sure, then
the final one, then the report at the flow's end.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from callprint.core.flow.engine import EngineSettings, FlowEngine, FlowEvents
from callprint.core.flow.layout import EVENT_CHECKPOINT, EVENT_END, NO_APPLICATION
from callprint.core.flow.rtp_statistics import CODEC_NAMES, expected_packets
from callprint.core.ground.addresses import address_text
from callprint.core.ground.compiled import Array, Row
from callprint.core.identify.decision import CONFIDENCE_DECIMALS
from callprint.core.verdict import (
    ENDED_NAMES,
    REASON_LOW_CONFIDENCE,
    REASON_NOVEL,
    REASON_TOO_SHORT,
    UNKNOWN,
    FlowKey,
    FlowReport,
    FlowSummary,
    Verdict,
)

REASONS = (None, REASON_TOO_SHORT, REASON_LOW_CONFIDENCE, REASON_NOVEL)
"""Reasons by the number that a flow row and a judgement hold."""


class Judgements(Protocol):
    """What an identifier says of n evidence logs."""

    @property
    def application(self) -> Array:
        """(n,) int16: the best class of each."""

    @property
    def confidence(self) -> Array:
        """(n,) float32: its calibrated probability."""

    @property
    def reason(self) -> Array:
        """(n,) uint8 into REASONS: 0 for sure, otherwise why the application is unknown."""


class Identifier(Protocol):
    """Names the applications behind evidence logs (core/evidence.py)."""

    @property
    def name(self) -> str:
        """Name and version of the model, as verdicts give it."""

    @property
    def applications(self) -> tuple[str, ...]:
        """The names of the classes."""

    @property
    def minimum_k(self) -> int:
        """The fewest RTP packets that it judges."""

    def identify(self, evidence: Array, spans: Array) -> Judgements:
        """Judge the logs evidence[spans[i, 0]:spans[i, 1]]; evidence: (bytes,) uint8, spans: (n, 2) int64."""


@dataclass(slots=True)
class PipelineOutput:
    """What one batch brought about, in the order in which it came about."""

    verdicts: list[Verdict] = field(default_factory=list)
    reports: list[FlowReport] = field(default_factory=list)
    report_packets: list[int] = field(default_factory=list)
    """For each report the index in the batch of the packet at which its flow's end was noticed; -1: by `finish`."""
    unknown: list[tuple[Verdict, bytes]] = field(default_factory=list)
    """Final verdicts that name no application with their evidence logs, where these are asked for."""


def flow_key(flow: Row) -> FlowKey:
    """Return the key of a FLOW row."""
    return FlowKey(
        address_text(int(flow["src_hi"]), int(flow["src_lo"])),
        int(flow["src_port"]),
        address_text(int(flow["dst_hi"]), int(flow["dst_lo"])),
        int(flow["dst_port"]),
        int(flow["ssrc"]),
        int(flow["first_seen_ns"]),
    )


def flow_summary(flow: Row, key: FlowKey, ended: int) -> FlowSummary:
    """Return the counters and statistics of a FLOW row."""
    received = int(flow["received"]) - int(flow["duplicates"])
    expected = expected_packets(flow)
    rate = int(flow["clock_rate_hz"])
    payload_type = int(flow["payload_type"])
    return FlowSummary(
        flow=key,
        payload_type=payload_type,
        codec=CODEC_NAMES.get(payload_type, "dynamic"),
        clock_rate_hz=rate,
        packets=int(flow["packets"]),
        bytes=int(flow["bytes"]),
        long_packets=int(flow["long_packets"]),
        rtcp_packets=int(flow["rtcp_packets"]),
        expected=expected,
        lost=max(0, expected - received),
        duplicates=int(flow["duplicates"]),
        reordered=int(flow["reordered"]),
        jitter_ms=round(float(flow["jitter"]) * 1e3 / rate, 3) if rate else 0.0,
        last_seen_ns=int(flow["last_rtp_ns"]),
        ended=ENDED_NAMES[ended],
    )


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
    ) -> None:
        """Reserve the engine's memory. `keep_unknown`: also give the evidence of flows that stay unknown.

        Raises ConfigError for settings that cannot be.
        """
        self.engine = FlowEngine(settings)
        self._identifier = identifier
        self._keep_unknown = keep_unknown

    def process(self, data: Array, packets: Array, source_start_ns: int | None = None) -> PipelineOutput:
        """Take a batch in; data: (bytes,) uint8, packets: (n,) PACKET."""
        return self._collect(self.engine.process(data, packets, source_start_ns))

    def finish(self) -> PipelineOutput:
        """Judge and report every flow that is still open."""
        return self._collect(self.engine.finish())

    def _collect(self, drains: Iterator[FlowEvents]) -> PipelineOutput:
        output = PipelineOutput()
        for drain in drains:
            self._settle(drain, output)
        return output

    def _settle(self, drain: FlowEvents, output: PipelineOutput) -> None:
        """Judge the evidence of a drain, write the verdicts into the map, and give them out."""
        events = drain.events
        # The map as of this drain: an event's flow is a copy from before the verdicts below were known.
        flows = drain.flows.copy()
        # A verdict is asked for where there is evidence, and at the end of a flow that never had any: of RTP that
        # is too long for the filter, as video is, nothing is kept.
        asked = (events["end"] > events["start"]) | ((events["kind"] == EVENT_END) & (flows["packets"] == 0))
        # A flow with a sure provisional verdict gets no second one.
        asked &= (events["kind"] != EVENT_CHECKPOINT) | (flows["sure_k"] == 0)
        self._judge(events, flows, drain.evidence, asked)
        latest: dict[tuple[int, int], int] = {}  # (row, generation) -> newest event with a verdict
        for i in range(len(events)):
            event, flow = events[i], flows[i]
            who = (int(event["row"]), int(flow["generation"]))
            before = latest.get(who)
            if before is not None:
                self._carry_over(flows[before], flow, bool(asked[i]))
            if asked[i] and self._tell(event, flow, output):
                latest[who] = i
                if self._keep_unknown and flow["final"] and flow["unknown"] and event["end"] > event["start"]:
                    log = drain.evidence[event["start"] : event["end"]].tobytes()
                    output.unknown.append((output.verdicts[-1], log))
            if event["kind"] == EVENT_END:
                output.reports.append(self._report(event, flow))
                output.report_packets.append(int(event["packet"]))
        if latest:
            told = np.fromiter(latest.values(), dtype=np.int64)
            self.engine.set_verdicts(events[told], flows[told])

    def _judge(self, events: Array, flows: Array, evidence: Array, asked: Array) -> None:
        """Write what the identifier says of each event's evidence into the copies of the flows.

        asked: (n,) bool, the events that a verdict is asked for.
        """
        fresh = np.flatnonzero(asked)
        flows["unknown"][fresh] = 1
        flows["application"][fresh] = NO_APPLICATION
        flows["confidence"][fresh] = 0.0
        flows["reason"][fresh] = REASONS.index(REASON_TOO_SHORT)
        flows["verdict_k"][fresh] = events["k"][fresh]
        flows["decided_at_ns"][fresh] = events["time_ns"][fresh]
        flows["final"][fresh] = events["kind"][fresh] != EVENT_CHECKPOINT
        if self._identifier is None:
            return
        judged = np.flatnonzero(asked & (events["k"] >= self._identifier.minimum_k))
        if not len(judged):
            return
        spans = np.column_stack([events["start"][judged], events["end"][judged]])
        said = self._identifier.identify(evidence, spans)
        flows["application"][judged] = said.application
        flows["confidence"][judged] = said.confidence
        flows["reason"][judged] = said.reason
        flows["unknown"][judged] = said.reason != 0

    @staticmethod
    def _carry_over(before: Row, flow: Row, has_verdict: bool) -> None:
        """Give a later event of the same drain what an earlier one decided."""
        flow["sure_k"] = before["sure_k"]
        if not has_verdict:
            for name in (
                "final",
                "unknown",
                "reason",
                "application",
                "verdict_k",
                "confidence",
                "decided_at_ns",
            ):
                flow[name] = before[name]

    def _tell(self, event: Row, flow: Row, output: PipelineOutput) -> bool:
        """Give a verdict out when it counts: the first sure provisional one, and the final one."""
        sure = not flow["unknown"]
        if event["kind"] == EVENT_CHECKPOINT:
            if not sure or flow["sure_k"]:
                return False
            flow["sure_k"] = flow["verdict_k"]
        elif sure and not flow["sure_k"]:
            flow["sure_k"] = flow["verdict_k"]
        output.verdicts.append(self._verdict(flow))
        return True

    def _verdict(self, flow: Row) -> Verdict:
        application = int(flow["application"])
        best = self._identifier.applications[application] if self._identifier and application >= 0 else None
        return Verdict(
            flow=flow_key(flow),
            application=best if best is not None and not flow["unknown"] else UNKNOWN,
            best_application=best,
            confidence=round(float(flow["confidence"]), CONFIDENCE_DECIMALS),
            k=int(flow["verdict_k"]),
            final=bool(flow["final"]),
            model=self._identifier.name if self._identifier and best is not None else "none",
            started_midflow=bool(flow["started_midflow"]),
            last_seen_ns=int(flow["evidence_last_ns"]),
            decided_at_ns=int(flow["decided_at_ns"]),
            reason=REASONS[int(flow["reason"])],
        )

    def _report(self, event: Row, flow: Row) -> FlowReport:
        verdict = self._verdict(flow)
        return FlowReport(verdict, flow_summary(flow, verdict.flow, int(event["ended"])))
