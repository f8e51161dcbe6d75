"""The clusters of unknown flows, found once for each state of the store, beside the pages that show them.

Clustering takes seconds. It runs in a thread of its own with a store of its own, so that no page waits for it; what it
found stays in memory until there is something else to cluster.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from callprint.console.background import Background
from callprint.console.hints import Hints, hints_of
from callprint.console.regroupings import Regroupings
from callprint.stores import VerdictStore, open_store
from callprint.stores.base import EvidenceState

if TYPE_CHECKING:
    from callprint.unknowns.clusters import UnknownMap

MOST_FLOWS = 2_000  # the latest; `callprint unknowns` takes them all
OLD_AFTER_S = 60.0  # from then on another state of the store is clustered without being asked


@dataclass(frozen=True, slots=True)
class Standing:
    """What was found."""

    whole: "UnknownMap"  # flows that have a name among it
    points: Any  # (flows, 2) float64: places on the picture
    engines: dict[str, str]  # of each application that the network knows
    hints: Hints
    state: EvidenceState  # of the store then
    made_at_s: float  # wall clock


@dataclass(frozen=True, slots=True)
class View:
    """What a page shows: the clusters as an analyst arranged them, without the flows that have a name."""

    found: "UnknownMap"
    points: Any
    standing: Standing


class StandingMap:
    """The clusters of one store."""

    def __init__(
        self, store_url: str, named: Path, regroupings: Regroupings, model: Callable[[], Path]
    ) -> None:
        """Find nothing yet. `model`: the network whose embedding is used, asked for each time."""

        def make() -> Standing:
            with open_store(store_url, create=False) as store:
                return _found(store, model())

        self.named = named
        self.regroupings = regroupings
        self.work = Background(make)
        self._view: tuple[Any, View] | None = None
        self._lock = threading.Lock()

    def look(self, state: EvidenceState | None, *, renew: bool = False) -> View | None:
        """Return what was found last, and start anew where that is due. None: nothing yet, or nothing can be found.

        `state`: that of the store now, where it is known.
        """
        found = self.work.found
        changed = found is None or (state is not None and state != found.value.state)
        if renew or (changed and self.work.age_s > OLD_AFTER_S and not self.work.problem):
            self.work.start()
        return None if found is None else self._arranged(found.value)

    def _arranged(self, standing: Standing) -> View:
        from callprint.unknowns.clusters import without  # noqa: PLC0415 - extra `spit`
        from callprint.unknowns.naming import named_flows  # noqa: PLC0415
        from callprint.unknowns.regroup import regrouped  # noqa: PLC0415

        steps, named = self.regroupings.steps(), named_flows(self.named)
        key = (standing.made_at_s, steps, named)
        with self._lock:
            if self._view is None or self._view[0] != key:
                whole = standing.whole
                rest = [i for i, flow in enumerate(whole.flows) if flow.digest not in named]
                found = without(regrouped(whole, steps), named)
                self._view = (key, View(found, standing.points[rest], standing))
            return self._view[1]


def _found(store: VerdictStore, model: Path) -> Standing:
    from callprint.inference import load_model  # noqa: PLC0415 - extras `cpu` and `spit`
    from callprint.unknowns.clusters import name_in, positions, whole_map  # noqa: PLC0415

    state = store.evidence_state()
    identifier = load_model(model)
    whole = whole_map(store.unknown_evidence(MOST_FLOWS), identifier, name_in(store))
    engines = dict(zip(identifier.card.classes, identifier.card.engines, strict=True))
    hints = hints_of(store, whole)
    return Standing(whole, positions(whole.embedding), engines, hints, state, time.time())
