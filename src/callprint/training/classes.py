"""What a dataset trains: the flows of its training splits, and their applications as classes."""

from collections.abc import Iterable

import numpy as np

from callprint.core.ground.errors import DatasetError
from callprint.core.identify.card_fields import LONGEST_TEXT
from callprint.core.verdict import UNKNOWN
from callprint.training.dataset import Dataset

TRAINING_SPLIT = "dataset1"
"""What experiments train on."""

TRAINING_SPLITS = (TRAINING_SPLIT, "versions")
"""What networks that serve train on: other versions of the same applications as well."""


def training_flows(dataset: Dataset, splits: tuple[str, ...] = (TRAINING_SPLIT,)) -> np.ndarray:
    """Return the flows that train, (n,) int64 into the dataset. Raises DatasetError when there are none."""
    flows = np.sort(np.concatenate([dataset.of_split(split) for split in splits]))
    if not len(flows):
        raise DatasetError(f"the dataset has no flow of {' or '.join(splits)}, which trains")
    return flows


def check_names(applications: Iterable[str], engines: Iterable[str]) -> None:
    """Raise DatasetError unless these can be names in a card, and no application is called `unknown`."""
    for name in (*applications, *engines):
        if not 0 < len(name) <= LONGEST_TEXT or not name.isprintable():
            raise DatasetError(
                f"{name!r:.80} cannot name an application or engine: it takes 1 to {LONGEST_TEXT} printable characters"
            )
    if UNKNOWN in map(str.lower, applications):
        raise DatasetError(f"no application can be called {UNKNOWN}: that is what flows without a name are")


def classes_of(dataset: Dataset, flows: np.ndarray) -> tuple[tuple[str, ...], tuple[str, ...], np.ndarray]:
    """Return class names, their engines, and the class of every flow of the dataset (-1: none of them).

    Raises DatasetError when an application has two engines.
    """
    classes = tuple(str(name) for name in np.unique(dataset.application[flows]))
    engines = []
    for name in classes:
        found = np.unique(dataset.engine[flows[dataset.application[flows] == name]])
        if len(found) != 1:
            raise DatasetError(f"application {name} has several engines: {', '.join(map(str, found))}")
        engines.append(str(found[0]))
    check_names(classes, engines)
    number = {name: i for i, name in enumerate(classes)}
    target = np.array([number.get(str(name), -1) for name in dataset.application], np.int64)
    return classes, tuple(engines), target
