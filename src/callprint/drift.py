"""Collects the live flows that core/identify/drift.py compares: from a verdict store, or from captures."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from callprint.core.capture.packet_order import OrderedBatch, PacketOrder
from callprint.core.dissect import dissect
from callprint.core.flow import EngineSettings
from callprint.core.flow.engine import FlowEngine
from callprint.core.flow.layout import EVENT_CHECKPOINT
from callprint.core.identify.card import INPUT_FEATURES
from callprint.core.identify.decision import LOW_CONFIDENCE, NOVEL
from callprint.core.identify.drift import Sample
from callprint.core.identify.features import features
from callprint.core.verdict import (
    BASED_ON_HEADERS,
    REASON_CONTRADICTED,
    REASON_LOW_CONFIDENCE,
    REASON_NOVEL,
    Verdict,
)
from callprint.sources import open_captures

if TYPE_CHECKING:
    from callprint.inference import OnnxIdentifier

MOST_FLOWS = 200_000  # beyond that no distribution changes any more
OUTCOME_OF_REASON = {
    None: 0,
    REASON_CONTRADICTED: 0,  # the network was sure, and drift is about the network
    REASON_LOW_CONFIDENCE: 1,
    REASON_NOVEL: 2,
}
CAPTURE_FLOWS = 1 << 16


@dataclass(slots=True)
class ComparedFlows:
    """The flows that are compared with the model's reference, and how many say nothing about drift."""

    sample: Sample
    too_short: int = 0  # they ended before the evidence horizon
    midflow: int = 0  # they were running before they were first seen
    other_model: int = 0
    by_headers: int = 0  # only the headers of their packets were looked at


def from_verdicts(verdicts: Iterable[Verdict], identifier: "OnnxIdentifier") -> ComparedFlows:
    """Return the final verdicts at the horizon that `identifier` gave on flows seen from their start."""
    number = {name: i for i, name in enumerate(identifier.applications)}
    horizon = identifier.card.input.maximum_packets
    compared = ComparedFlows(Sample(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64)))
    rows: list[tuple[int, float, int]] = []
    for verdict in verdicts:
        if not verdict.final or verdict.k < horizon:
            compared.too_short += 1
        elif verdict.started_midflow:
            compared.midflow += 1
        elif verdict.model != identifier.name:
            compared.other_model += 1
        elif verdict.based_on == BASED_ON_HEADERS:
            compared.by_headers += 1
        else:
            best = number.get(verdict.best_application or "", -1)
            rows.append((best, verdict.confidence, OUTCOME_OF_REASON.get(verdict.reason, 1)))
        if len(rows) == MOST_FLOWS:
            break
    if rows:
        best_of, confidence, outcome = (np.array(column) for column in zip(*rows, strict=True))
        compared.sample = Sample(best_of, confidence, outcome)
    return compared


def from_captures(paths: Sequence[str | Path], identifier: "OnnxIdentifier") -> ComparedFlows:
    """Judge the flows of captures at the horizon; the sample has their features as well. Raises CaptureError."""
    horizon = identifier.card.input.maximum_packets
    # The reference is made of whole packets: headers alone are not evidence here.
    engine = FlowEngine(EngineSettings(maximum_flows=CAPTURE_FLOWS, checkpoints=(horizon,), whole_enough=0))
    compared = ComparedFlows(Sample(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64)))
    parts: list[Sample] = []

    def add(drains: Iterable[object]) -> None:
        for drain in drains:
            events, flows = drain.events, drain.flows  # type: ignore[attr-defined]
            final = (events["end"] > events["start"]) & (events["kind"] != EVENT_CHECKPOINT)
            enough = final & (events["k"] >= horizon)
            late = enough & (flows["started_midflow"] != 0)
            compared.too_short += int((final & ~enough).sum())
            compared.midflow += int(late.sum())
            asked = np.flatnonzero(enough & ~late)
            if len(asked):
                spans = np.column_stack([events["start"][asked], events["end"][asked]])
                parts.append(_judged(identifier, drain.evidence, spans))  # type: ignore[attr-defined]

    def process(batches: Iterable[OrderedBatch]) -> None:
        for batch in batches:
            if batch.begins_anew:
                add(engine.finish())
            add(engine.process(batch.data, dissect(batch.data, batch.records)))

    source, order = open_captures(paths), PacketOrder()
    for data, records in source:
        process(order.take(data, records, clock=source.clock, buffer=source.buffer, rows=source.rows))
    process(order.flush())
    add(engine.finish())
    if parts:
        rows = [part.features for part in parts if part.features is not None]
        compared.sample = Sample(
            np.concatenate([part.application for part in parts]),
            np.concatenate([part.confidence for part in parts]),
            np.concatenate([part.outcome for part in parts]),
            np.concatenate(rows) if rows else None,
        )
    return compared


def _judged(identifier: "OnnxIdentifier", evidence: np.ndarray, spans: np.ndarray) -> Sample:
    decisions = identifier.identify(evidence, spans)
    outcome = np.select([decisions.reason == LOW_CONFIDENCE, decisions.reason == NOVEL], [1, 2], 0)
    model_input = identifier.card.input
    reads_features = model_input.kind == INPUT_FEATURES
    rows = features(evidence, spans, model_input.maximum_packets) if reads_features else None
    return Sample(decisions.application.astype(np.int64), decisions.confidence, outcome, rows)
