"""Shares of windows and flows named right, and the paper's true and false positive rates."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Count:
    """How many of what was asked was named right."""

    right: int
    asked: int

    @property
    def share(self) -> float:
        """Right over asked; nan when nothing was asked."""
        return self.right / self.asked if self.asked else float("nan")


def count_right(named: np.ndarray, target: np.ndarray) -> Count:
    """Count; both (n,) int64."""
    return Count(int((named == target).sum()), len(target))


def positive_rates(named: np.ndarray, target: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return TPR and FPR (classes,) of each class, equations 5 and 6 of the paper; nan where nothing was asked."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (target, named), 1)
    positives = counts.sum(1).astype(float)
    negatives = counts.sum() - positives
    hits = np.diag(counts)
    with np.errstate(invalid="ignore", divide="ignore"):
        return hits / positives, (counts.sum(0) - hits) / negatives
