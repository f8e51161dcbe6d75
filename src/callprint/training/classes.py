"""What a dataset trains: the flows of its training splits, and their applications as classes."""

import numpy as np

from callprint.core.ground.errors import DatasetError
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
    number = {name: i for i, name in enumerate(classes)}
    target = np.array([number.get(str(name), -1) for name in dataset.application], np.int64)
    return classes, tuple(engines), target
