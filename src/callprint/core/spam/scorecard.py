"""The prior knowledge of the detector: a scorecard on the features of one call, and a card for its caller.

Each feature is cut into bins; each bin gives points, in natural-logarithm odds of spam; a value that is not
known has a bin of its own, so "not signed" or "first call" is judged by what it meant in learning, never as
an average. The points of a call add up to its logit. One call is weak evidence, so the caller's card weighs
the mean logit of its calls by how many there were. `prior_weights` holds the numbers and how they came.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from callprint.core.ground.compiled import compiled
from callprint.core.ground.errors import ModelError
from callprint.core.spam.features import FEATURE_COUNT, NAMES

Floats = NDArray[np.float64]

# Of those whom the points put lower, 3 in 10,000 were spammers in learning: nobody is beyond doubt.
LOWEST_LOGIT = -8.0


@dataclass(frozen=True, slots=True)
class Scorecard:
    """Bins and points: value v of feature j is in the bin numbered by how many of `edges[j]` are at most v."""

    edges: Floats  # (FEATURE_COUNT, b) on the transformed scale, short rows filled up with infinity
    setup_points: (
        Floats  # (FEATURE_COUNT, b + 2); the last column is for "not known"; END features hold zeros
    )
    end_points: Floats  # the same for a call that is over
    setup_intercept: float
    end_intercept: float
    spammer_rate: float  # share of spammers among the callers learned from
    caller_weights: Floats  # (4,) of 1, mean logit, mean logit * ln(calls), ln(calls)
    offset: Floats  # (FEATURE_COUNT,) mean of each transformed feature in learning
    scale: Floats  # (FEATURE_COUNT,) its standard deviation

    def points(self, transformed: Floats, at_end: bool) -> Floats:
        """Return the points of each feature, (n, FEATURE_COUNT), for transformed vectors of the same shape."""
        points = np.empty(transformed.shape)
        _look_up(transformed, self.edges, self.end_points if at_end else self.setup_points, points)
        return points

    def logits(self, transformed: Floats, at_end: bool) -> Floats:
        """Return the logit of each call (n,)."""
        intercept = self.end_intercept if at_end else self.setup_intercept
        return np.asarray(self.points(transformed, at_end).sum(1) + intercept)

    def caller_logits(self, mean_logits: Floats, calls: Floats) -> Floats:
        """Return the logit of each caller from the mean logit of its calls and their number."""
        return np.asarray(caller_inputs(mean_logits, calls) @ self.caller_weights)

    def prior_logits(self, mean_logits: Floats, calls: Floats, shift: float) -> Floats:
        """Return the logit of each caller before any vote, at a base rate that is `shift` from the learned one."""
        return np.asarray(np.maximum(self.caller_logits(mean_logits, calls) + shift, LOWEST_LOGIT))

    def standardise(self, transformed: Floats) -> Floats:
        """Return vectors in standard deviations from what is usual; 0 where a value is not known."""
        return np.nan_to_num((transformed - self.offset) / self.scale, nan=0.0)


def caller_inputs(mean_logits: Floats, calls: Floats) -> Floats:
    """Return what the caller's card weighs, (n, 4). Logits beyond 12 say no more than 12 does."""
    means = np.clip(mean_logits, -12.0, 12.0)
    logs = np.log(np.maximum(calls, 1.0))
    return np.stack([np.ones_like(means), means, means * logs, logs], axis=-1)


def load(weights: dict[str, Any]) -> Scorecard:
    """Build a scorecard from plain numbers (`prior_weights.WEIGHTS`). Raises ModelError when they do not fit."""
    if tuple(weights.get("features", ())) != NAMES:
        raise ModelError("the scorecard was learned for other features; learn it anew: callprint spit learn")
    try:
        width = max(len(row) for row in weights["edges"])
        card = Scorecard(
            edges=_filled(weights["edges"], width, np.inf),
            setup_points=_points(weights["setup_points"], weights["edges"], width),
            end_points=_points(weights["end_points"], weights["edges"], width),
            setup_intercept=float(weights["setup_intercept"]),
            end_intercept=float(weights["end_intercept"]),
            spammer_rate=float(weights["spammer_rate"]),
            caller_weights=np.array(weights["caller_weights"], float),
            offset=np.array(weights["offset"], float),
            scale=np.array(weights["scale"], float),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"the scorecard is damaged ({error}); learn it anew: callprint spit learn") from None
    shapes = (card.edges.shape[0], card.offset.shape[0], card.scale.shape[0], card.setup_points.shape[0])
    if shapes != (FEATURE_COUNT,) * 4 or card.end_points.shape != card.setup_points.shape:
        raise ModelError("the scorecard lacks features; learn it anew: callprint spit learn")
    return card


def _filled(rows: list[list[float]], width: int, filler: float) -> Floats:
    return np.array([[*row, *[filler] * (width - len(row))] for row in rows], dtype=np.float64)


def _points(rows: list[list[float]], edges: list[list[float]], width: int) -> Floats:
    """Return points (n, width + 2) from rows of one value for each bin, then one for "not known"."""
    for row, bounds in zip(rows, edges, strict=True):
        if len(row) != len(bounds) + 2:
            raise ValueError("bins without points")
    known = _filled([row[:-1] for row in rows], width + 1, 0.0)
    return np.column_stack([known, [row[-1] for row in rows]])


@compiled
def _look_up(values: Floats, edges: Floats, table: Floats, points: Floats) -> None:
    """Fill `points (n, d)` from `table (d, b + 2)` for values (n, d)."""
    bins = edges.shape[1]
    for row in range(values.shape[0]):
        for column in range(values.shape[1]):
            value = values[row, column]
            if np.isnan(value):
                points[row, column] = table[column, bins + 1]
                continue
            place = 0
            while place < bins and edges[column, place] <= value:
                place += 1
            points[row, column] = table[column, place]
