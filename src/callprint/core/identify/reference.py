"""What verdicts and features looked like when a model was made: what drift.py compares with, part of the model card.

All of it was measured at the evidence horizon, on calls that the judging network had not been trained on (folds of
the training split, by call). Counts are flows.
"""

from dataclasses import dataclass

CONFIDENCE_EDGES = (0.5, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99)
"""Borders of the bins of confidences; most confidences are high, so most bins are."""

OUTCOMES = ("sure", "low_confidence", "novel")
PARTS = ("confidence", "outcomes", "applications", "features")
MOST_BINS = 32  # of one feature


@dataclass(frozen=True, slots=True)
class FeatureBins:
    """The distribution of one feature: `counts` has one entry more than `edges`."""

    edges: tuple[float, ...]  # rising
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Limit:
    """The divergences below which so many flows of an unchanged world stay, by part (drift.py)."""

    flows: int
    values: tuple[float, ...]  # in the order of PARTS


@dataclass(frozen=True, slots=True)
class Reference:
    """The distributions of held-out calls of the training data."""

    confidence: tuple[int, ...]  # flows in each bin of CONFIDENCE_EDGES
    outcomes: tuple[int, ...]  # flows by OUTCOMES
    applications: tuple[int, ...]  # flows by best class, in the order of the card
    features: tuple[FeatureBins, ...]  # by column; none for a network that reads no features
    limits: tuple[Limit, ...]  # rising in flows
