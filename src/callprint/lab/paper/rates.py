"""The paper's true and false positive rates."""

import numpy as np


def positive_rates(named: np.ndarray, target: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return TPR and FPR (classes,) of each class, equations 5 and 6 of the paper; nan where nothing was asked."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (target, named), 1)
    positives = counts.sum(1).astype(float)
    negatives = counts.sum() - positives
    hits = np.diag(counts)
    with np.errstate(invalid="ignore", divide="ignore"):
        return hits / positives, (counts.sum(0) - hits) / negatives
