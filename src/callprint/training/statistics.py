"""Figures of an accuracy report: intervals, calibration error, temperature."""

import math

import numpy as np

from callprint.core.identify.decision import softmax


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


def expected_calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = 10) -> float:
    """Return the ECE: mean distance of confidence and accuracy over equal-width bins, weighted by their size."""
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    error = 0.0
    for i in range(bins):
        inside = place == i
        if inside.any():
            error += inside.mean() * abs(float(confidence[inside].mean()) - float(right[inside].mean()))
    return error


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
