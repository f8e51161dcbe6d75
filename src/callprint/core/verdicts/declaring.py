"""Declared names in verdicts: what the evidence of a verdict says itself, read when the verdict is given."""

from collections.abc import Mapping

import numpy as np

from callprint.core.declared.evidence_texts import declared_in
from callprint.core.declared.name import Declared
from callprint.core.declared.table import NameTable
from callprint.core.flow.engine import FlowEvents
from callprint.core.ground.arrays import Array
from callprint.core.ground.table import ValueTable
from callprint.core.verdict import Verdict


def declared_of(drain: FlowEvents, given: Array, names: NameTable) -> dict[int, Declared]:
    """Return what packets say in the evidence of the events `given`, (v,) int64, by the place of each in `given`."""
    spans = np.column_stack([drain.events["start"][given], drain.events["end"][given]])
    return declared_in(drain.evidence, spans, names)


def with_declared(
    verdicts: ValueTable[Verdict], declared: Mapping[int, Declared], names: NameTable
) -> ValueTable[Verdict]:
    """Return verdicts with the declared names of some, by their place."""
    return verdicts.changed({at: names.declare(verdicts[at], name) for at, name in declared.items()})
