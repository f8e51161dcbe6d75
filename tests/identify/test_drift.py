"""Drift: the divergence of distributions, and what raises an alarm."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callprint.core.identify.drift import Sample, confidence_counts, divergence, feature_counts, measure
from callprint.core.identify.feature_row import FEATURE_NAMES
from callprint.core.identify.reference import MOST_BINS, FeatureBins, Limit, Reference

counts = st.lists(st.integers(0, 1000), min_size=4, max_size=4).map(np.array)
CLASSES = ("one", "two")
REFERENCE = Reference(
    confidence=(0, 0, 0, 0, 0, 10, 10, 40, 140),
    outcomes=(180, 10, 10),
    applications=(100, 100),
    features=tuple(FeatureBins((0.5,), (100, 100)) for _ in FEATURE_NAMES),
    limits=(Limit(50, (0.1, 0.1, 0.1, 0.1)), Limit(100, (0.01, 0.01, 0.01, 0.01))),
)


def sample(flows=100, confidence=0.995, application=(0, 1), outcome=0, features=None):
    return Sample(
        np.resize(application, flows), np.full(flows, confidence), np.full(flows, outcome), features
    )


@given(counts, counts)
def test_a_divergence_is_symmetric_and_between_nothing_and_one(one, other):
    found = divergence(one, other)
    assert 0.0 <= found <= 1.0 + 1e-12
    assert found == pytest.approx(divergence(other, one))
    assert divergence(one, 3 * one) == pytest.approx(0.0)


def test_distributions_without_a_common_bin_are_one_apart():
    assert divergence(np.array([5, 0]), np.array([0, 9])) == pytest.approx(1.0)
    # 1/2 (log2(4/3) + 1/2 log2(2/3) + 1/2 log2(2)), by hand
    assert divergence(np.array([2, 0]), np.array([1, 1])) == pytest.approx(0.3112781244591328)
    assert divergence(np.array([0, 0]), np.array([1, 1])) == 0.0


def test_confidences_on_a_border_belong_to_the_bin_above():
    assert confidence_counts(np.array([0.1, 0.5, 0.99, 1.0])).tolist() == [1, 1, 0, 0, 0, 0, 0, 0, 2]


def test_an_unchanged_world_is_quiet_and_what_changed_is_named():
    rng = np.random.default_rng(0)
    same = rng.choice([0.96, 0.975, 0.985, 0.999], 200, p=[0.0, 0.05, 0.2, 0.75])
    quiet = measure(
        REFERENCE, CLASSES, Sample(np.resize([0, 1], 200), same, np.resize([0] * 18 + [1, 2], 200))
    )
    assert [drift.part for drift in quiet] == ["confidence", "outcomes", "applications"]
    assert not any(drift.alarm for drift in quiet[1:])
    loud = measure(REFERENCE, CLASSES, sample(confidence=0.4, application=(1,), outcome=2))
    assert all(drift.alarm for drift in loud)
    assert loud[0].moved[0] in (("below 0.5", 0.0, 1.0), ("0.99 and above", 0.7, 0.0))
    assert loud[2].moved[0] == ("one", 0.5, 0.0)


def test_features_that_moved_are_named():
    rows = np.zeros((100, len(FEATURE_NAMES)), np.float32)
    rows[::2] = 1.0
    assert feature_counts(REFERENCE.features, rows).shape == (len(FEATURE_NAMES), MOST_BINS)
    assert not measure(REFERENCE, CLASSES, sample(features=rows))[-1].alarm
    rows[:, 7] = 1.0
    found = measure(REFERENCE, CLASSES, sample(features=rows))[-1]
    assert (found.part, found.moved[0][0]) == ("features", FEATURE_NAMES[7])
    assert found.divergence == pytest.approx(found.moved[0][2] / len(FEATURE_NAMES))


def test_few_flows_are_not_judged_and_the_limit_falls_with_their_number():
    assert measure(REFERENCE, CLASSES, sample(49)) == []
    assert measure(REFERENCE, CLASSES, sample(99))[0].limit == 0.1
    assert measure(REFERENCE, CLASSES, sample(5000))[0].limit == 0.01
