"""Flow events whose verdicts come later: the flow engine goes on meanwhile.

A flow's row, as it stood at an event, then lacks what was decided about the flow while the engine was ahead. `Decided`
brings it in, so that the rule of verdicts sees the same map as if nothing had waited.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from callprint.core.flow.engine import FlowEvents
from callprint.core.flow.layout import MAP_FIELDS
from callprint.core.ground.arrays import Array

Submit = Callable[..., Callable[[], Array]]
"""Runs a function with its arguments, now or elsewhere; what it returns waits, and gives the result or raises."""


class Begun(NamedTuple):
    """Events that an identifier is being asked about."""

    drain: FlowEvents  # of our own: what the engine gives out is valid until it runs again
    answers: Callable[[], Array]  # waits; (n,) ANSWER


def copied(drain: FlowEvents) -> FlowEvents:
    """Return a copy of events that stays valid."""
    return FlowEvents(
        drain.events.copy(),
        drain.flows.copy(),
        drain.evidence.copy(),
        drain.windows.copy(),
        drain.reported.copy(),
    )


class Decided(NamedTuple):
    """What was decided about some flows."""

    keys: Array  # (n,) int64, rising: one for each flow
    flows: Array  # (n,) FLOW

    @classmethod
    def of(cls, events: Array, flows: Array) -> "Decided":
        """events: (n,) EVENT, each of another flow; flows: (n,) FLOW, with their verdicts."""
        keys = _keys(events, flows)
        order = np.argsort(keys)
        return cls(keys[order], flows[order])

    def write(self, events: Array, flows: Array) -> None:
        """Write it into rows of these flows; events: (m,) EVENT, flows: (m,) FLOW at each."""
        if not len(self.keys):
            return
        keys = _keys(events, flows)
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        same = np.flatnonzero(self.keys[at] == keys)
        for name in MAP_FIELDS:
            flows[name][same] = self.flows[name][at[same]]


def _keys(events: Array, flows: Array) -> Array:
    """Return what identifies the flow of each event: its row, and which tenant of the row it is."""
    keys: Array = events["row"].astype(np.int64) << 32 | flows["generation"]
    return keys
