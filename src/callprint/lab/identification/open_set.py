"""How well strangers are told from known applications: every application is left out of training, in turn.

Each application is a stranger once. The scores of its flows are compared with those of other calls of the applications
that were trained on: calls of dataset1, as they were and as if another peer had answered, which a limit may be set on,
and calls of the other splits, which only show what such a limit costs there.
"""

import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from callprint.lab.identification.open_set_scores import OpenMax, OpenSetScorer
from callprint.training.calibration import call_folds
from callprint.training.classes import TRAINING_SPLIT, classes_of
from callprint.training.dataset import Dataset
from callprint.training.novelty import HORIZON_VIEWS, fitting_rows
from callprint.training.sampling import FINAL, Rows, View, view_rows
from callprint.training.settings import TrainingSettings
from callprint.training.train import logits_of, train_network

QUICK = TrainingSettings(epochs=8, windows_per_flow=10, members=1)
"""There is a network for each application and seed, so they are trained quickly."""

HELD_OUT_FOLDS = 4  # one of them provides the calls of known applications
VARIED = View("horizon, renegotiated", FINAL.first, FINAL.packets, FINAL.tail, renegotiated=True)

KNOWN, KNOWN_VARIED, STRANGERS = "known", "varied", "strangers"
FORMAT = 3  # of the cache; it changes when scores are computed differently


@dataclass(frozen=True, slots=True)
class Round:
    """Scores of one training run, higher = stranger."""

    application: int  # the class that was left out
    seed: int
    scores: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    """Part (KNOWN, KNOWN_VARIED, STRANGERS or a split) -> score -> (flows,) float32."""


@dataclass(frozen=True, slots=True)
class _Material:
    """Feature rows that all rounds share; the class of a row is that of its flow."""

    fitting: Rows
    recorded: Rows
    varied: Rows
    splits: dict[str, Rows]

    @classmethod
    def cut(cls, dataset: Dataset, flows: np.ndarray, splits: Sequence[str]) -> "_Material":
        return cls(
            fitting_rows(dataset, flows, HORIZON_VIEWS),
            view_rows(dataset, flows, FINAL),
            view_rows(dataset, flows, VARIED),
            {split: view_rows(dataset, dataset.of_split(split), FINAL) for split in splits},
        )


def _of(rows: Rows, kept: np.ndarray) -> Rows:
    """Return the rows of the flows kept, (flows of the dataset,) bool."""
    chosen = kept[rows.flow]
    return Rows(rows.features[chosen], rows.flow[chosen], rows.packets[chosen])


def leave_applications_out(
    dataset: Dataset,
    settings: TrainingSettings,
    seeds: int,
    splits: Sequence[str],
    cache: Path,
    on_round: Callable[[int, int], None] = lambda _done, _all: None,
) -> list[Round]:
    """Train without each application in turn with seeds 1, 2, ...; runs that `cache` has are not repeated.

    `on_round(done, all)` is called after each.
    """
    flows = dataset.of_split(TRAINING_SPLIT)
    classes, _engines, target = classes_of(dataset, flows)
    cache.mkdir(parents=True, exist_ok=True)
    digest = dataset.digest
    material: _Material | None = None
    rounds = []
    for seed in range(1, seeds + 1):
        of_seed = replace(settings, seed=seed)
        for application in range(len(classes)):
            identity = {
                "format": FORMAT,
                "dataset": digest,
                "settings": asdict(of_seed),
                "splits": list(splits),
            }
            file = cache / f"{application}-seed-{seed}.npz"
            found = _kept(file, identity, Round(application, seed))
            if found is None:
                material = material or _Material.cut(dataset, flows, splits)
                found = _round(dataset, flows, target, material, of_seed, application)
                _keep(file, identity, found)
            rounds.append(found)
            on_round(len(rounds), seeds * len(classes))
    return rounds


def _round(
    dataset: Dataset,
    flows: np.ndarray,
    target: np.ndarray,
    material: _Material,
    settings: TrainingSettings,
    application: int,
) -> Round:
    own = np.where(target == application, -1, np.where(target > application, target - 1, target))
    classes = int(target[flows].max())  # one fewer than there are
    fold = np.full(len(target), -1)
    fold[flows] = call_folds(dataset, flows, HELD_OUT_FOLDS, settings.seed)
    seen, held = (own >= 0) & (fold > 0), (own >= 0) & (fold == 0)
    network = train_network(dataset, np.flatnonzero(seen), own, classes, settings)
    fitted = _of(material.fitting, seen)
    scorer = OpenSetScorer(network, fitted, own[fitted.flow])
    parts = {
        KNOWN: _of(material.recorded, held),
        KNOWN_VARIED: _of(material.varied, held),
        STRANGERS: _of(material.recorded, target == application),
        **{split: _of(rows, own >= 0) for split, rows in material.splits.items()},
    }
    # OpenMax fits its tails to held-out calls: each half of the calls is scored with tails from the other half.
    halves = np.zeros(len(target), np.int64)
    halves[flows] = call_folds(dataset, flows, 2, settings.seed + 1)
    logits = logits_of(network, fitted.features)
    openmax = []
    for half in (0, 1):
        other = _of(material.fitting, held & (halves == half))
        openmax.append(
            OpenMax.fit(logits, own[fitted.flow], logits_of(network, other.features), own[other.flow])
        )
    scores = {}
    for part, rows in parts.items():
        both = np.stack([one.score(logits_of(network, rows.features)) for one in openmax])
        unseen_half = both[1 - halves[rows.flow], np.arange(len(rows.flow))]
        of_openmax = unseen_half if part in (KNOWN, KNOWN_VARIED) else both.mean(0)
        scores[part] = scorer.scores(rows.features) | {"openmax": of_openmax}
    return Round(application, settings.seed, scores)


def _keep(file: Path, identity: dict[str, object], found: Round) -> None:
    arrays = {
        f"{part}/{score}": values.astype(np.float32)
        for part, scores in found.scores.items()
        for score, values in scores.items()
    }
    partial = file.with_suffix(".partial")
    with partial.open("wb") as stream:
        np.savez(stream, identity=np.array(json.dumps(identity, sort_keys=True)), **arrays)
    partial.replace(file)


def _kept(file: Path, identity: dict[str, object], empty: Round) -> Round | None:
    try:
        with np.load(file, allow_pickle=False) as stored:
            if str(stored["identity"]) != json.dumps(identity, sort_keys=True):
                return None
            for name in stored.files:
                part, slash, score = name.partition("/")
                if slash:
                    empty.scores.setdefault(part, {})[score] = stored[name]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return None  # made again
    return empty
