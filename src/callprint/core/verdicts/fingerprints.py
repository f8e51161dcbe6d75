"""Fingerprints in verdicts: those of the evidence that a verdict is based on, kept until the flow's report."""

import numpy as np

from callprint.core.fingerprint.fingerprint import FINGERPRINT, fingerprints
from callprint.core.flow.engine import FlowEvents
from callprint.core.ground.arrays import Array, aligned_zeros


def fingerprints_of(drain: FlowEvents, given: Array) -> Array:
    """Return the fingerprints of the evidence of the events `given`, (v,) int64, as (v,) FINGERPRINT."""
    spans = np.column_stack([drain.events["start"][given], drain.events["end"][given]])
    return fingerprints(drain.evidence, spans)


def texts_of(found: Array) -> list[str | None]:
    """Return fingerprints, (n,) FINGERPRINT, as texts; None for none."""
    return [text.decode() or None for text in found.tolist()]


class KeptFingerprints:
    """The last fingerprint of each flow that goes on, by the rows of a flow engine."""

    def __init__(self, rows: int) -> None:
        """Reserve memory for so many flows; what is not used is not touched."""
        self._found = aligned_zeros(rows, FINGERPRINT)
        self._generation = aligned_zeros(rows, np.uint32)  # of the flow; rows are reused

    def of(self, rows: Array, generations: Array) -> list[str | None]:
        """Return the fingerprints of flows by their rows, (n,) int, and generations, (n,) uint32."""
        found = self._found[rows]
        found[self._generation[rows] != generations] = b""
        return texts_of(found)

    def take(
        self, drain: FlowEvents, flows: Array, given: Array, ends: Array
    ) -> tuple[list[str | None], list[str | None]]:
        """Return the fingerprints of verdicts that are given and of flows that end; keep the former.

        flows: (n,) FLOW of each event; given, ends: (v,) and (e,) int64, indices of events.
        """
        rows, generations = drain.events["row"], flows["generation"]
        found = fingerprints_of(drain, given)
        texts = texts_of(found)
        # A row may have two tenants in one drain: what the array holds afterwards is the second one's.
        before = self.of(rows[ends], generations[ends])
        new = dict(
            zip(zip(rows[given].tolist(), generations[given].tolist(), strict=True), texts, strict=True)
        )
        self._found[rows[given]] = found
        self._generation[rows[given]] = generations[given]
        ended = zip(rows[ends].tolist(), generations[ends].tolist(), strict=True)
        return texts, [new.get(flow, old) for flow, old in zip(ended, before, strict=True)]
