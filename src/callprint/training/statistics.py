"""Figures of an examination: proportions with their intervals, and the temperature that calibrates confidence."""

import math
from dataclasses import dataclass

import numpy as np

from callprint.core.identify.decision import softmax


@dataclass(frozen=True, slots=True)
class Proportion:
    """How many of those that were asked about were hits."""

    hits: int
    asked: int

    @property
    def share(self) -> float:
        """Hits over asked; nan when nothing was asked."""
        return self.hits / self.asked if self.asked else float("nan")

    def __str__(self) -> str:
        """The share with its 95 % Wilson interval."""
        return share(self.hits, self.asked)


def right_of(named: np.ndarray, target: np.ndarray) -> Proportion:
    """Return how many of the classes named are those of the target; both (n,) int64."""
    return Proportion(int((named == target).sum()), len(target))


def wilson(right: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """Return the Wilson score interval of a share (95 % for z = 1.96); (0, 1) when nothing was counted."""
    if count == 0:
        return 0.0, 1.0
    share = right / count
    centre = share + z * z / (2 * count)
    spread = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def share(right: int, count: int) -> str:
    """Return a share with its 95 % Wilson interval, as text."""
    if not count:
        return "–"
    low, high = wilson(right, count)
    return f"{right / count:.1%} ({low:.1%}–{high:.1%})"


def fit_temperature(logits: np.ndarray, target: np.ndarray) -> float:
    """Return the softmax temperature with the least log loss; logits: (n, classes), target: (n,)."""

    def loss(log_temperature: float) -> float:
        scaled = softmax(logits, np.full(len(logits), math.exp(log_temperature), np.float32))
        return float(-np.log(np.maximum(scaled[np.arange(len(target)), target], 1e-12)).mean())

    low, high = math.log(0.05), math.log(20.0)
    golden = (math.sqrt(5) - 1) / 2
    for _ in range(40):  # golden-section search: the loss has one minimum in the temperature
        left, right = high - golden * (high - low), low + golden * (high - low)
        if loss(left) < loss(right):
            high = right
        else:
            low = left
    return math.exp((low + high) / 2)
