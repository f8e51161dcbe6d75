"""What earlier works looked at, as classifiers on the same flows: what our network has to beat.

Each is trained on windows of the training split and judges the first 10 packets of flows of the other splits.
They follow the idea of each work; its code is not public.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import AdaBoostClassifier, ExtraTreesClassifier
from sklearn.tree import DecisionTreeClassifier

from callprint.core.identify.feature_row import FEATURE_NAMES, group_columns
from callprint.core.identify.features import features
from callprint.core.identify.k_matrix import k_matrices
from callprint.training.dataset import Dataset
from callprint.training.examine import LEAST_PACKETS
from callprint.training.sampling import RENEGOTIATED_SHARE, Rows, View, training_rows, view_rows
from callprint.training.windows import Windows, cut_windows

SEED = 1
K = 10
WINDOWS_PER_FLOW = 8
TREES = 100  # over our own features
LEAKY_SHARE = 0.8  # the paper, section VIII: 80 % of the windows train, 20 % validate

SSRC_COLUMNS = slice(8, 12)
HEADER_COLUMNS = slice(2, 12)  # sequence number, timestamp, SSRC
BYTES = 256


@dataclass(frozen=True, slots=True)
class Baseline:
    """A way to look at a window, and a classifier."""

    name: str
    look: Callable[[Windows], np.ndarray]  # -> (n, columns) float32
    classifier: Callable[[int], object]  # seed -> a scikit-learn classifier
    leaky: bool = False  # also measured by the paper's random split of windows


@dataclass(frozen=True, slots=True)
class BaselineResult:
    """Flows named right, by split; and the accuracy by window that the paper's protocol would report."""

    name: str
    right: dict[str, tuple[int, int]]  # split -> (right, flows)
    leaky_accuracy: float | None


@dataclass(frozen=True, slots=True)
class TreesResult:
    """Flows that trees over our own features name right."""

    name: str
    right: dict[tuple[str, str], tuple[int, int]]  # (split, view) -> (right, flows)


def _columns(*groups: str, names: tuple[str, ...] = ()) -> Callable[[Windows], np.ndarray]:
    chosen = [np.arange(len(FEATURE_NAMES))[group_columns(group)] for group in groups]
    chosen.append(np.array([FEATURE_NAMES.index(name) for name in names], np.int64))
    columns = np.concatenate(chosen)
    return lambda windows: features(windows.buffer, windows.spans, K)[:, columns]


def _bytes(hidden: slice = slice(0, 0), only: slice = slice(0, BYTES)) -> Callable[[Windows], np.ndarray]:
    def look(windows: Windows) -> np.ndarray:
        images, _packets = k_matrices(windows.buffer, windows.spans, K)
        images[:, :, hidden] = 0.0
        return images[:, :, only].reshape(len(images), -1)

    return look


def _trees(seed: int) -> object:
    return ExtraTreesClassifier(60, random_state=seed, class_weight="balanced")


def _boosted(seed: int) -> object:
    return AdaBoostClassifier(
        DecisionTreeClassifier(max_depth=8, random_state=seed), n_estimators=25, random_state=seed
    )


BASELINES = (
    Baseline("SSRC alone (must be near chance), trees", _bytes(only=SSRC_COLUMNS), _trees),
    Baseline("payload sizes (Yildirim), trees", _columns("sizes"), _trees),
    Baseline(
        "entropy and codec (Gomes), trees",
        _columns("type", names=("payload_entropy", "payload_usual", "payload_deviation", "payload_distinct")),
        _trees,
    ),
    Baseline(
        "flow statistics (Alshammari), decision tree",
        _columns("sizes", "arrival"),
        lambda seed: DecisionTreeClassifier(random_state=seed, class_weight="balanced"),
    ),
    Baseline("flow statistics (Alshammari), AdaBoost", _columns("sizes", "arrival"), _boosted),
    Baseline("k = 10 byte images (the paper's input), trees", _bytes(), _trees, leaky=True),
    Baseline(
        "the same without sequence, timestamp and SSRC", _bytes(hidden=HEADER_COLUMNS), _trees, leaky=True
    ),
)


def _windows(dataset: Dataset, flow: np.ndarray, first: np.ndarray) -> Windows:
    return cut_windows(dataset.buffer, dataset.spans, flow, first, K)


def measure_baselines(
    dataset: Dataset, target: np.ndarray, training_split: str, splits: list[str], seed: int
) -> list[BaselineResult]:
    """Train and examine every baseline; target: (flows of the dataset,) class."""
    rng = np.random.default_rng(seed)
    flows = dataset.of_split(training_split, LEAST_PACKETS)
    flow = np.repeat(flows, WINDOWS_PER_FLOW)
    first = np.floor(rng.random(len(flow)) * (dataset.packets[flow] - K + 1)).astype(np.int64)
    first[::WINDOWS_PER_FLOW] = 0  # every flow's start is among its windows
    training = _windows(dataset, flow, first)
    examined = {
        split: _windows(dataset, of_split, np.zeros(len(of_split), np.int64))
        for split in splits
        if len(of_split := dataset.of_split(split, LEAST_PACKETS))
    }
    results = []
    for baseline in BASELINES:
        rows = baseline.look(training)
        try:
            classifier = baseline.classifier(seed).fit(rows, target[flow])  # type: ignore[attr-defined]
        except ValueError:  # boosting refuses what is no better than chance
            continue
        right = {
            split: (
                int((classifier.predict(baseline.look(windows)) == target[windows.flow]).sum()),
                len(windows.flow),
            )
            for split, windows in examined.items()
        }
        leaky = None
        if baseline.leaky:
            order = rng.permutation(len(flow))
            seen, unseen = np.split(order, [int(LEAKY_SHARE * len(order))])
            again = baseline.classifier(seed).fit(rows[seen], target[flow[seen]])  # type: ignore[attr-defined]
            leaky = float((again.predict(rows[unseen]) == target[flow[unseen]]).mean())
        results.append(BaselineResult(baseline.name, right, leaky))
    return results


def measure_trees(
    dataset: Dataset,
    target: np.ndarray,
    training_split: str,
    splits: list[str],
    views: tuple[View, ...],
    seed: int,
) -> list[TreesResult]:
    """Train trees on the features that our network has, and ask them about every view; target: (flows,) class."""
    flows = dataset.of_split(training_split, LEAST_PACKETS)
    asked = {
        (split, view.name): _long_enough(view_rows(dataset, of_split, view), view)
        for split in splits
        for view in views
        if len(of_split := dataset.of_split(split, LEAST_PACKETS))
    }
    results = []
    for name, renegotiated in (
        ("trees, recorded windows", 0.0),
        ("trees, renegotiated as well", RENEGOTIATED_SHARE),
    ):
        rows = training_rows(dataset, flows, WINDOWS_PER_FLOW, seed, renegotiated)
        trees = ExtraTreesClassifier(TREES, random_state=seed, class_weight="balanced")
        trees.fit(rows.features, target[rows.flow])
        right = {
            where: (int((trees.predict(found.features) == target[found.flow]).sum()), len(found.flow))
            for where, found in asked.items()
            if len(found.flow)
        }
        results.append(TreesResult(name, right))
    return results


def _long_enough(rows: Rows, view: View) -> Rows:
    kept = rows.packets >= min(LEAST_PACKETS, view.packets)
    return Rows(rows.features[kept], rows.flow[kept], rows.packets[kept])
