"""The prior knowledge of the detector: a scorecard on the features of one call, and a card for its caller.

Each feature is cut into bins; each bin gives points, in natural-logarithm odds of spam; a value that is not
known has a bin of its own, so "not signed" or "first call" counts for what it meant in learning, never for
an average. The points of a call add up to its logit. One call is weak evidence, so the caller's card weighs
the mean logit of its calls by how many there were. prior_weights.py holds the numbers and how they were learned.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import compiled
from callprint.core.ground.errors import ModelError
from callprint.core.spam.features import LOGARITHMIC, NAMES

Floats = NDArray[np.float64]

# Of callers whom the points put lower, 3 in 10,000 were spammers in learning: nobody is beyond doubt.
LOWEST_LOGIT = -8.0
MOST_LOGIT = 12.0  # of the mean of a caller's calls, either way


@dataclass(frozen=True, slots=True)
class Scorecard:
    """Bins and points: the number of the bin of value v of feature j is how many of `edges[j]` are at most v."""

    edges: Floats  # (FEATURE_COUNT, b) on the transformed scale, short rows filled up with infinity
    setup_points: Floats  # (FEATURE_COUNT, b + 2), the last column for "not known"; END features have zeros
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

    def weigh(self, raw: Floats, at_end: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
        """Return the points of each feature of calls, the logits of the calls, and their standardised features.

        raw: (n, FEATURE_COUNT), as histories give it; at_end: (n,). The same figures as by `points`, `logits` and
        `standardise`.
        """
        points, standard = np.empty(raw.shape), np.empty(raw.shape)
        _weigh(
            *(raw, at_end, LOGARITHMIC, self.edges, self.setup_points, self.end_points),
            *(self.offset, self.scale, points, standard),
        )
        logits = points.sum(1) + np.where(at_end, self.end_intercept, self.setup_intercept)
        return points, logits, standard

    def prior_logit(self, mean_logit: float, calls: float, shift: float) -> float:
        """Return what `prior_logits` does, for one caller."""
        mean = min(max(mean_logit, -MOST_LOGIT), MOST_LOGIT)
        log = math.log(max(calls, 1.0))
        of_one, of_mean, of_both, of_log = map(float, self.caller_weights)
        logit = of_one + mean * of_mean + mean * log * of_both + log * of_log
        return max(logit + shift, LOWEST_LOGIT)

    def first_prior_logits(self, logits: Floats, shifts: Floats) -> Floats:
        """Return what `prior_logit` does for callers of one call each, to the bit; logits, shifts: (n,)."""
        of_one, of_mean, _, _ = map(float, self.caller_weights)  # the logarithm of one call is 0
        found = of_one + np.clip(logits, -MOST_LOGIT, MOST_LOGIT) * of_mean
        return np.maximum(found + shifts, LOWEST_LOGIT)


def caller_inputs(mean_logits: Floats, calls: Floats) -> Floats:
    """Return what the caller's card weighs, (n, 4). Logits beyond MOST_LOGIT count as that."""
    means = np.clip(mean_logits, -MOST_LOGIT, MOST_LOGIT)
    logs = np.log(np.maximum(calls, 1.0))
    return np.stack([np.ones_like(means), means, means * logs, logs], axis=-1)


def load(weights: dict[str, Any]) -> Scorecard:
    """Build a scorecard from plain numbers (`prior_weights.WEIGHTS`). Raises ModelError when they do not fit.

    A feature without the key "setup" or "end" has no points in that phase.
    """
    if tuple(weights.get("features", ())) != NAMES:
        raise ModelError("the scorecard was learned for other features; learn it anew: callprint spit learn")
    try:
        rows = list(weights["features"].values())
        bins = [len(row["edges"]) + 1 for row in rows]
        return Scorecard(
            edges=_filled([row["edges"] for row in rows], max(bins) - 1, np.inf),
            setup_points=_points(rows, "setup", bins),
            end_points=_points(rows, "end", bins),
            setup_intercept=float(weights["setup_intercept"]),
            end_intercept=float(weights["end_intercept"]),
            spammer_rate=float(weights["spammer_rate"]),
            caller_weights=np.array(weights["caller_weights"], float),
            offset=np.array([row["offset"] for row in rows], float),
            scale=np.array([row["scale"] for row in rows], float),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"the scorecard is damaged ({error}); learn it anew: callprint spit learn") from None


def _filled(rows: list[list[float]], width: int, filler: float) -> Floats:
    return np.array([[*row, *[filler] * (width - len(row))] for row in rows], dtype=np.float64)


def _points(rows: list[dict[str, Any]], phase: str, bins: list[int]) -> Floats:
    """Return points (n, most bins + 1) from rows of one value for each bin, then one for "not known"."""
    points = [row.get(phase, [0.0] * (count + 1)) for row, count in zip(rows, bins, strict=True)]
    if [len(row) - 1 for row in points] != bins:
        raise ValueError("bins without points")
    known = _filled([row[:-1] for row in points], max(bins), 0.0)
    return np.column_stack([known, [row[-1] for row in points]])


@compiled
def _look_up(values: Floats, edges: Floats, table: Floats, points: Floats) -> None:
    """Fill `points (n, d)` from `table (d, b + 2)` for values (n, d)."""
    for row in range(values.shape[0]):
        for column in range(values.shape[1]):
            points[row, column] = _points_of(values[row, column], edges, table, column)


@compiled
def _weigh(
    raw: Floats,
    at_end: Array,
    logarithmic: Array,
    edges: Floats,
    setup_table: Floats,
    end_table: Floats,
    offset: Floats,
    scale: Floats,
    points: Floats,
    standard: Floats,
) -> None:
    """Fill `points` and `standard` (n, d) for raw vectors; `logarithmic` (d,) bool: as `transform` does."""
    for row in range(raw.shape[0]):
        for column in range(raw.shape[1]):
            value = raw[row, column]
            if logarithmic[column] and not np.isnan(value):
                value = math.log1p(max(value, 0.0))
            if at_end[row]:
                points[row, column] = _points_of(value, edges, end_table, column)
            else:
                points[row, column] = _points_of(value, edges, setup_table, column)
            standard[row, column] = 0.0 if np.isnan(value) else (value - offset[column]) / scale[column]


@compiled
def _points_of(value: float, edges: Floats, table: Floats, column: int) -> Any:
    bins = edges.shape[1]
    if np.isnan(value):
        return table[column, bins + 1]
    number = 0
    while number < bins and edges[column, number] <= value:
        number += 1
    return table[column, number]
