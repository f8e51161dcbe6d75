"""What a network read when it gave verdicts: with it a verdict can be made again, without a byte of voice.

A network that reads features needs one row of numbers for a verdict (core/identify/feature_list.py). Rows are kept with
all their bits. A network that reads whole payloads (k-matrices) leaves none: its verdicts are not made again.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from callprint.core.declared.name import declared_in_verdict
from callprint.core.declared.table import NameTable
from callprint.core.flow.layout import FLOW
from callprint.core.ground.arrays import Array
from callprint.core.identify.evidence_tables import logs_by_headers
from callprint.core.identify.feature_row import FEATURE_NAMES
from callprint.core.verdict import FlowKey, Verdict
from callprint.core.verdicts.identifier import Judgements, Names
from callprint.core.verdicts.rule import ANSWER, write_answer
from callprint.core.verdicts.values import flow_verdicts

MOST_FLOWS = 20_000
"""Kept until the calls are known that they belong to, some 3 KB each; of more the first ones go."""

ROW_BYTES = 4 * len(FEATURE_NAMES)

FeatureRows = Callable[[Array, Array], Array]
"""From evidence, (bytes,) uint8, and spans, (n, 2) int64, to what the network reads, (n, F) float32."""


class Look(NamedTuple):
    """What a network read of a flow."""

    row: bytes  # float32, little-endian: ROW_BYTES
    by_headers: bool  # the evidence was the headers of packets

    @property
    def features(self) -> Array:
        """The row, (F,) float32."""
        return np.frombuffer(self.row, "<f4")


class JudgedLook(NamedTuple):
    """A verdict, and what the network read for it; None where none was asked, or it reads payloads."""

    verdict: Verdict
    look: Look | None


class LookKeeper:
    """Keeps verdicts and what they were based on, by flow."""

    def __init__(self, rows: FeatureRows | None, minimum_k: int = 0) -> None:
        """rows: what the network reads; None: no features. minimum_k: the fewest packets that it judges."""
        self._rows = rows
        self._minimum_k = minimum_k
        self._looks: dict[
            FlowKey, dict[tuple[int, bool], Look]
        ] = {}  # by k, and whether it was the final one
        self._verdicts: dict[FlowKey, list[Verdict]] = {}

    def take_looks(self, verdicts: list[Verdict], evidence: Array, spans: Array) -> None:
        """Take verdicts that were just given with their evidence logs; spans: (n, 2) int64."""
        if self._rows is None:
            return
        asked = [
            i
            for i, verdict in enumerate(verdicts)
            if verdict.k >= self._minimum_k and spans[i, 1] > spans[i, 0]
        ]
        if not asked:
            return
        rows = np.ascontiguousarray(self._rows(evidence, spans[asked]), "<f4")
        for i, row, by_headers in zip(asked, rows, logs_by_headers(evidence, spans[asked]), strict=True):
            looks = self._looks.setdefault(verdicts[i].flow, {})
            looks[verdicts[i].k, verdicts[i].final] = Look(row.tobytes(), bool(by_headers))
        while len(self._looks) > MOST_FLOWS:
            del self._looks[next(iter(self._looks))]

    def take_verdict(self, verdict: Verdict) -> None:
        """Take a verdict, also one that signalling brought later."""
        self._verdicts.setdefault(verdict.flow, []).append(verdict)
        if len(self._verdicts) > MOST_FLOWS:
            del self._verdicts[next(iter(self._verdicts))]

    def of(self, flow: FlowKey) -> list[JudgedLook]:
        """Return the verdicts on a flow, in the order in which they were given."""
        looks = self._looks.get(flow, {})
        return [
            JudgedLook(verdict, looks.get((verdict.k, verdict.final)))
            for verdict in self._verdicts.get(flow, [])
        ]


def made_again(judged: list[Verdict], answers: Judgements, names: Names, table: NameTable) -> list[Verdict]:
    """Return verdicts as the network's answers make them, one for each of `judged`.

    Time, packets, fingerprint and declared names are those of `judged`: no network gives them.
    """
    flows = np.zeros(len(judged), FLOW)
    for name in ANSWER.names or ():
        write_answer(flows, name, getattr(answers, name), np.ones(len(judged), np.bool_))
    found = []
    for before, fresh in zip(judged, flow_verdicts(flows, names, [None] * len(judged)), strict=True):
        verdict = replace(
            before,
            **{name: getattr(fresh, name) for name in _OF_NETWORK},
            declared_application=None,
            declared_version=None,
            declared_by=None,
        )
        declared = declared_in_verdict(before)
        found.append(verdict if declared is None else table.declare(verdict, declared))
    return found


_OF_NETWORK = (
    *("application", "best_application", "confidence", "reason"),
    *("model", "model_digest", "engine", "engine_confidence"),
)
