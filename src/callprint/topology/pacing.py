"""Heartbeats from a bolt during long work: between the slices of a network's work, and beside work without slices.

Storm kills a worker when a component is silent for `topology.subprocess.timeout.secs` (30 s by default). Any message
from the component counts as a heartbeat, even a `sync` that nobody asked for (ShellBolt.java of Storm 2.8 updates
the heartbeat for each command that it reads). So a bolt sends one between two slices of its work.
"""

import threading
import time
from collections.abc import Callable

import numpy as np

from callprint.core.ground.arrays import Array
from callprint.core.identify.decision import Decisions
from callprint.core.verdicts.identifier import Identifier, Judgements

BEAT_EVERY_S = 2.0
LONGEST_BEATING_S = 300.0  # longer work hangs
SLICE_S = 1.0
FIRST_ROWS = 16  # while the network's speed is not known yet
MOST_ROWS = 1 << 14


class Pulse:
    """Calls `heartbeat` every now and then during `with pulse: ...`, from a thread of its own.

    It is for work that cannot be cut into slices: loading a network, compiling machine code on its first use. Work
    that takes longer than `longest_s` gets no more heartbeats, and Storm ends it.
    """

    def __init__(
        self,
        heartbeat: Callable[[], None],
        every_s: float = BEAT_EVERY_S,
        longest_s: float = LONGEST_BEATING_S,
    ) -> None:
        self._heartbeat = heartbeat
        self._every_s = every_s
        self._longest_s = longest_s
        self._since_s: float | None = None  # when the current work began
        self._thread = threading.Thread(target=self._beat, name="pulse", daemon=True)
        self._thread.start()

    def _beat(self) -> None:
        while True:
            time.sleep(self._every_s)
            since_s = self._since_s
            if since_s is None:
                continue
            at_work_s = time.monotonic() - since_s
            if self._every_s <= at_work_s <= self._longest_s:
                self._heartbeat()

    def __enter__(self) -> None:
        """Work begins."""
        self._since_s = time.monotonic()

    def __exit__(self, *_: object) -> None:
        """The work is done."""
        self._since_s = None


class PacedIdentifier:
    """An identifier that is asked about as many logs at a time as it can judge in about a second.

    `heartbeat` is called after each slice that took longer than a tenth of that. Slices grow and shrink with the
    measured time, so neither a small network on many logs nor a large one on few blocks a bolt for long.
    """

    def __init__(
        self,
        identifier: Identifier,
        heartbeat: Callable[[], None],
        slice_s: float = SLICE_S,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = identifier.name
        self.digest = identifier.digest
        self.applications = identifier.applications
        self.engines = identifier.engines
        self.minimum_k = identifier.minimum_k
        self._identifier = identifier
        self._heartbeat = heartbeat
        self._slice_s = slice_s
        self._now_s = now_s
        self._rows = FIRST_ROWS

    def identify(self, evidence: Array, spans: Array) -> Judgements:
        """Judge the logs evidence[spans[i, 0]:spans[i, 1]], as the identifier itself does."""
        slices = []
        at = 0
        while at < len(spans) or not slices:
            some = spans[at : at + self._rows]
            began_s = self._now_s()
            slices.append(self._identifier.identify(evidence, some))
            took_s = self._now_s() - began_s
            at += len(some)
            self._adapt(len(some), took_s)
            if took_s > self._slice_s / 10:
                self._heartbeat()
        if len(slices) == 1:
            return slices[0]
        columns = ([getattr(some, name) for some in slices] for name in Decisions.__slots__)
        return Decisions(*map(np.concatenate, columns))

    def _adapt(self, rows: int, took_s: float) -> None:
        fit = int(rows * self._slice_s / max(took_s, 1e-6))
        if fit < self._rows:
            self._rows = max(1, fit)
        elif rows == self._rows:
            self._rows = min(fit, 4 * self._rows, MOST_ROWS)
