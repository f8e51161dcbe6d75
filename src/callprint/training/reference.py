"""The reference of a model card: distributions on held-out calls, and how far a sample departs from them by chance."""

import numpy as np

from callprint.core.identify.card import Policy
from callprint.core.identify.decision import LOW_CONFIDENCE, NOVEL, decide
from callprint.core.identify.drift import (
    Sample,
    application_counts,
    confidence_counts,
    divergence,
    feature_counts,
    outcome_counts,
)
from callprint.core.identify.reference import FeatureBins, Limit, Reference
from callprint.training.calibration import HeldOut
from callprint.training.sampling import HORIZON

FEATURE_BINS = 8  # by quantiles; features with fewer values have fewer
LIMIT_FLOWS = (50, 100, 200, 400)
DRAWS = 300  # samples of unchanged calls for each limit
FALSE_ALARMS = 0.01  # share of them that may lie beyond it


def sample_of(held_out: HeldOut, policy: Policy, engines: tuple[str, ...]) -> Sample:
    """Return held-out flows at the horizon as `callprint drift` would see them."""
    packets = np.full(len(held_out.target), HORIZON)
    said = decide(policy, engines, 1, held_out.logits, held_out.novelty, packets)
    outcome = np.select([said.reason == LOW_CONFIDENCE, said.reason == NOVEL], [1, 2], 0)
    return Sample(said.application.astype(np.int64), said.confidence, outcome, held_out.features)


def feature_bins(rows: np.ndarray) -> tuple[FeatureBins, ...]:
    """Return the distribution of every column; rows: (n, F) float32."""
    bins = []
    for column in rows.T:
        values = np.unique(column)
        if len(values) <= FEATURE_BINS:
            edges = values[1:]  # each value is a bin
        else:
            quantiles = np.arange(1, FEATURE_BINS) / FEATURE_BINS
            edges = np.unique(np.quantile(column, quantiles, method="higher"))
        places = np.searchsorted(edges, column, side="right")
        counts = np.bincount(places, minlength=len(edges) + 1)
        bins.append(FeatureBins(tuple(map(float, edges)), tuple(map(int, counts))))
    return tuple(bins)


def make_reference(sample: Sample, calls: np.ndarray, classes: int, seed: int) -> Reference:
    """Return the reference of held-out flows; calls: (n,) the call of each.

    A limit is the divergence that all but FALSE_ALARMS of DRAWS samples stay below: whole calls are drawn from one
    half of the calls and compared with the other half, so that no call is on both sides.
    """
    rows = sample.features
    assert rows is not None  # `sample_of` gives them
    bins = feature_bins(rows)
    rng = np.random.default_rng(seed)
    limits = []
    for flows in LIMIT_FLOWS:
        found = []
        for _ in range(DRAWS):
            first, second = _halves(calls, rng)
            now = second[:flows]
            pairs = zip(_counts(sample, first, classes), _counts(sample, now, classes), strict=True)
            features = divergence(feature_counts(bins, rows[first]), feature_counts(bins, rows[now])).mean()
            found.append([*(float(divergence(one, other)) for one, other in pairs), float(features)])
        values = np.quantile(np.array(found), 1 - FALSE_ALARMS, axis=0)
        limits.append(Limit(flows, tuple(round(float(value), 4) for value in values)))
    everything = np.arange(sample.flows)
    confidence, outcomes, applications = (
        tuple(map(int, each)) for each in _counts(sample, everything, classes)
    )
    return Reference(confidence, outcomes, applications, bins, tuple(limits))


def _halves(calls: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the flows of a random half of the calls, and those of the other half, call after call."""
    names, number = np.unique(calls, return_inverse=True)
    place = rng.permutation(len(names))[number]
    order = np.argsort(place, kind="stable")
    middle = int((place < len(names) // 2).sum())
    return order[:middle], order[middle:]


def _counts(sample: Sample, flows: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return (
        confidence_counts(sample.confidence[flows]),
        outcome_counts(sample.outcome[flows]),
        application_counts(sample.application[flows], classes),
    )
