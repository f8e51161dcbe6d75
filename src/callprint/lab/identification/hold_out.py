"""What a network makes of what training has not seen: other versions, other applications, other engines.

Of each application with several versions every version is left out once, as long as enough flows of the others remain.
Every application is left out once, among known siblings, and so is every engine with all of its applications. To be
economical a round leaves out several at once: versions of different applications, and applications of different
engines. One call in four is held out as well: it calibrates the round's network, and shows what other calls of the
same versions come to.
"""

import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from callprint.core.flow.layout import NO_APPLICATION
from callprint.core.identify.card import Policy
from callprint.core.identify.decision import SURE, decide
from callprint.training.calibration import (
    HeldOut,
    calibration_views,
    call_folds,
    novelty_thresholds,
    temperatures,
    view_scores,
)
from callprint.training.classes import TRAINING_SPLITS, classes_of, training_flows
from callprint.training.dataset import Dataset
from callprint.training.models import SURE_PACKETS, THRESHOLD
from callprint.training.novelty import ENGINE_SHARE, KNOWN_SHARE
from callprint.training.sampling import EARLY, FINAL, View
from callprint.training.settings import TrainingSettings
from callprint.training.train import network_novelty, train_network

SETTINGS = TrainingSettings(epochs=8, members=2)
"""There is a network for each round, so they are trained quickly."""

VERSIONS, APPLICATIONS, ENGINES = "versions", "applications", "engines"
SAME = "same versions, other calls"
HELD_OUT_FOLDS = 4
APPLICATION_ROUNDS = 6
LEAST_LEFT = 10  # flows of other versions of an application, for a version of it to be left out
VIEWS = (EARLY, View("first 40 packets", 0, 40, False), FINAL)
FORMAT = 1  # of the cache


@dataclass(frozen=True, slots=True)
class Round:
    """What is left out together, by (application, version); a version of "" stands for all."""

    kind: str  # VERSIONS, APPLICATIONS or ENGINES
    left_out: tuple[tuple[str, str], ...]

    def chosen(self, dataset: Dataset) -> np.ndarray:
        """Return which flows are left out, (flows of the dataset,) bool."""
        found = np.zeros(len(dataset.packets), np.bool_)
        for application, version in self.left_out:
            found |= (dataset.application == application) & ((dataset.version == version) | (version == ""))
        return found


@dataclass(frozen=True, slots=True)
class Judged:
    """What networks made of one view of flows that they have not been trained on; arrays of (n,)."""

    flow: np.ndarray  # int64 into the dataset
    named: np.ndarray  # str, the best guess
    sure: np.ndarray  # bool, of the application
    engine: np.ndarray  # str, the engine that is sure; "" for none


Found = dict[tuple[str, str], list[Judged]]
"""By what was left out (or SAME) and view."""


def rounds_of(dataset: Dataset) -> list[Round]:
    """Return what to leave out together."""
    flows = training_flows(dataset, TRAINING_SPLITS)
    applications, engines, _target = classes_of(dataset, flows)
    turns: list[list[tuple[str, str]]] = []
    for application in applications:
        own = flows[dataset.application[flows] == application]
        versions, counts = np.unique(dataset.version[own], return_counts=True)
        leaving = [
            str(version)
            for version, count in zip(versions, counts, strict=True)
            if count < len(own) and len(own) - count >= LEAST_LEFT
        ]
        for turn, version in enumerate(leaving):
            turns += [[]] if turn == len(turns) else []
            turns[turn].append((application, version))
    by_engine = [(name, "") for _, name in sorted(zip(engines, applications, strict=True))]
    shared = [name for name, engine in zip(applications, engines, strict=True) if engines.count(engine) > 1]
    dealt = (by_engine[i::APPLICATION_ROUNDS] for i in range(APPLICATION_ROUNDS))
    return [
        *(Round(VERSIONS, tuple(turn)) for turn in turns),
        # Siblings are neighbours in this order, so no round leaves out two of them.
        *(Round(APPLICATIONS, tuple(turn)) for turn in dealt if turn),
        *([Round(ENGINES, tuple((name, "") for name in shared))] if shared else []),
    ]


def hold_out(
    dataset: Dataset,
    cache: Path,
    settings: TrainingSettings = SETTINGS,
    on_round: Callable[[int, int], None] = lambda _done, _all: None,
) -> Found:
    """Let a network for each round judge what it has not seen; rounds that `cache` has are not repeated."""
    cache.mkdir(parents=True, exist_ok=True)
    found: Found = {}
    rounds = rounds_of(dataset)
    for done, of in enumerate(rounds):
        on_round(done, len(rounds))
        identity = json.dumps(
            [FORMAT, dataset.digest, asdict(settings), asdict(of), KNOWN_SHARE, ENGINE_SHARE]
        )
        file = cache / f"{done}.npz"
        arrays = _kept(file, identity)
        if arrays is None:
            arrays = dict(_judge_round(dataset, of, settings))
            _keep(file, identity, arrays)
        for kind in (of.kind, SAME):
            for view in VIEWS:
                part = Judged(*(arrays[f"{kind}/{view.name}/{name}"] for name in Judged.__slots__))
                found.setdefault((kind, view.name), []).append(part)
    return found


def _judge_round(dataset: Dataset, of: Round, settings: TrainingSettings) -> Iterator[tuple[str, np.ndarray]]:
    flows = training_flows(dataset, TRAINING_SPLITS)
    fold = call_folds(dataset, flows, HELD_OUT_FOLDS, settings.seed)
    out = of.chosen(dataset)[flows]
    seen, held = flows[~out & (fold > 0)], flows[~out & (fold == 0)]
    classes, engines, target = classes_of(dataset, seen)
    network = train_network(dataset, seen, target, len(classes), settings)
    novelty = network_novelty(network, dataset, seen, target)

    def scores(of_flows: np.ndarray, view: View) -> HeldOut | None:
        return view_scores(network, novelty, dataset, of_flows, target, view)

    calibrating = {view: part for view in calibration_views() if (part := scores(held, view)) is not None}
    policy = Policy(
        THRESHOLD,
        temperatures(calibrating),
        novelty_thresholds(calibrating, KNOWN_SHARE),
        novelty_thresholds(calibrating, ENGINE_SHARE),
        SURE_PACKETS,
    )
    for kind, of_flows in ((of.kind, flows[out]), (SAME, held)):
        for view in VIEWS:
            part = scores(of_flows, view)
            assert part is not None, "a flow that counts has at least ten packets"
            packets = np.full(len(part.flow), view.packets)
            said = decide(policy, engines, 2, part.logits, part.novelty, packets)
            engine = np.where(said.engine == NO_APPLICATION, "", np.array(engines)[said.engine])
            columns = (part.flow, np.array(classes)[said.application], said.reason == SURE, engine)
            for name, column in zip(Judged.__slots__, columns, strict=True):
                yield f"{kind}/{view.name}/{name}", column


def _keep(file: Path, identity: str, arrays: dict[str, np.ndarray]) -> None:
    partial = file.with_suffix(".partial")
    with partial.open("wb") as stream:
        np.savez(stream, identity=np.array(identity), **arrays)  # type: ignore[arg-type]
    partial.replace(file)


def _kept(file: Path, identity: str) -> dict[str, np.ndarray] | None:
    try:
        with np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, zipfile.BadZipFile):
        return None  # made again
    return arrays if str(arrays.pop("identity", "")) == identity else None
