"""Declared names in verdicts: what the evidence of a verdict says itself, read when the verdict is given."""

import numpy as np

from callprint.core.declared.evidence_texts import declared_in
from callprint.core.declared.name import Declared
from callprint.core.declared.table import NameTable
from callprint.core.flow.engine import FlowEvents
from callprint.core.ground.arrays import Array
from callprint.core.verdict import Verdict


def declare_all(
    verdicts: list[Verdict], drain: FlowEvents, given: Array, names: NameTable
) -> dict[int, Declared]:
    """Put declared names into the verdicts that the events `given`, (v,) int64, led to.

    Returns the names by the index of their verdict.
    """
    spans = np.column_stack([drain.events["start"][given], drain.events["end"][given]])
    found = declared_in(drain.evidence, spans, names)
    for i, declared in found.items():
        verdicts[i] = names.declare(verdicts[i], declared)
    return found
