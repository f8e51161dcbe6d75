"""Drift: how far today's flows are from those that a model was made with. Pure arithmetic on counts.

The measure is the Jensen-Shannon divergence (Lin 1991) of two distributions over the same bins, to base 2: 0 when
they are equal, 1 when they share no bin. Unlike the population stability index it stays finite for empty bins. For
features it is the mean over all columns. Small samples diverge by chance, so the limit depends on the number of
flows; the card's limits were measured on calls that are known not to have drifted.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from callprint.core.ground.arrays import Array
from callprint.core.identify.feature_row import FEATURE_NAMES
from callprint.core.identify.reference import (
    CONFIDENCE_EDGES,
    MOST_BINS,
    OUTCOMES,
    PARTS,
    FeatureBins,
    Reference,
)

LEAST_FLOWS = 50
"""Fewer flows are not judged."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Final verdicts at the evidence horizon."""

    application: Array  # (n,) int64, best class; -1 for a class that the model does not have
    confidence: Array  # (n,) float
    outcome: Array  # (n,) int64 into OUTCOMES
    features: Array | None = None
    """(m, F) float32, of flows of the same time; None when they were not looked at."""

    @property
    def flows(self) -> int:
        """How many verdicts there are."""
        return len(self.confidence)


@dataclass(frozen=True, slots=True)
class Drift:
    """The drift of one of reference.PARTS."""

    part: str
    flows: int
    divergence: float  # 0..1
    limit: float
    moved: tuple[tuple[str, float, float], ...]
    """What moved most: (what, its share then, its share now); for a feature (name, 0, its own divergence)."""

    @property
    def alarm(self) -> bool:
        """Whether the divergence is beyond what chance explains."""
        return self.divergence > self.limit


def divergence(one: Array, other: Array) -> Array:
    """Return the Jensen-Shannon divergence of counts (..., bins), base 2, over the last axis; 0 where one is empty."""
    totals = one.sum(-1, keepdims=True), other.sum(-1, keepdims=True)
    p, q = one / np.maximum(totals[0], 1), other / np.maximum(totals[1], 1)
    middle = (p + q) / 2

    def relative(a: Array) -> Array:
        filled = a > 0
        ratio = np.where(filled, a, 1.0) / np.where(filled, middle, 1.0)
        terms: Array = np.where(filled, a * np.log2(ratio), 0.0)
        total: Array = terms.sum(-1)
        return total

    found = np.maximum(0.0, (relative(p) + relative(q)) / 2)
    comparable: Array = np.where((totals[0][..., 0] > 0) & (totals[1][..., 0] > 0), found, 0.0)
    return comparable


def confidence_counts(confidence: Array) -> Array:
    """Return flows by bin of CONFIDENCE_EDGES, (bins,) int64."""
    bin_of = np.searchsorted(np.array(CONFIDENCE_EDGES), confidence, side="right")
    return np.bincount(bin_of, minlength=len(CONFIDENCE_EDGES) + 1)


def outcome_counts(outcome: Array) -> Array:
    """Return flows by OUTCOMES, (3,) int64."""
    return np.bincount(outcome, minlength=len(OUTCOMES))


def application_counts(application: Array, classes: int) -> Array:
    """Return flows by best class, (classes,) int64."""
    return np.bincount(application[application >= 0], minlength=classes)


def feature_counts(features: tuple[FeatureBins, ...], rows: Array) -> Array:
    """Return flows by bin of every column, (F, MOST_BINS) int64; rows: (n, F) float32."""
    counts = np.zeros((len(features), MOST_BINS), np.int64)
    for i, bins in enumerate(features):
        bin_of = np.searchsorted(np.array(bins.edges, np.float32), rows[:, i], side="right")
        counts[i] = np.bincount(bin_of, minlength=MOST_BINS)
    return counts


def reference_counts(features: tuple[FeatureBins, ...]) -> Array:
    """Return the counts of the reference in the form of `feature_counts`."""
    counts = np.zeros((len(features), MOST_BINS), np.int64)
    for i, bins in enumerate(features):
        counts[i, : len(bins.counts)] = bins.counts
    return counts


def limit_of(reference: Reference, part: int, flows: int) -> float:
    """Return the limit of a part for so many flows: that of the largest measured number not above it."""
    chosen = reference.limits[0]
    for limit in reference.limits:
        if limit.flows <= flows:
            chosen = limit
    return chosen.values[part]


def _moved(
    names: tuple[str, ...], then: Array, now: Array, most: int
) -> tuple[tuple[str, float, float], ...]:
    before, after = then / max(then.sum(), 1), now / max(now.sum(), 1)
    order = np.argsort(-np.abs(after - before), kind="stable")[:most]
    return tuple((names[i], float(before[i]), float(after[i])) for i in order if before[i] != after[i])


def confidence_names() -> tuple[str, ...]:
    """Return the names of the bins of CONFIDENCE_EDGES."""
    inner = (f"{low:g} to {high:g}" for low, high in pairwise(CONFIDENCE_EDGES))
    return (f"below {CONFIDENCE_EDGES[0]:g}", *inner, f"{CONFIDENCE_EDGES[-1]:g} and above")


def measure(reference: Reference, classes: tuple[str, ...], sample: Sample, most: int = 5) -> list[Drift]:
    """Return the drift of every part that can be judged; `most`: how many of what moved to name for each.

    A part with fewer than LEAST_FLOWS flows is left out.
    """
    found = []
    counted = (
        (confidence_names(), reference.confidence, confidence_counts(sample.confidence)),
        (OUTCOMES, reference.outcomes, outcome_counts(sample.outcome)),
        (classes, reference.applications, application_counts(sample.application, len(classes))),
    )
    if sample.flows >= LEAST_FLOWS:
        for part, (names, then, now) in enumerate(counted):
            before = np.array(then)
            found.append(
                Drift(
                    PARTS[part],
                    sample.flows,
                    float(divergence(before, now)),
                    limit_of(reference, part, sample.flows),
                    _moved(names, before, now, most),
                )
            )
    rows = sample.features
    if rows is not None and len(rows) >= LEAST_FLOWS and reference.features:
        columns = divergence(reference_counts(reference.features), feature_counts(reference.features, rows))
        order = np.argsort(-columns, kind="stable")[:most]
        found.append(
            Drift(
                PARTS[3],
                len(rows),
                float(columns.mean()),
                limit_of(reference, 3, len(rows)),
                tuple((FEATURE_NAMES[i], 0.0, float(columns[i])) for i in order),
            )
        )
    return found
