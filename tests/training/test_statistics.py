"""Intervals and temperatures against values known from elsewhere."""

import numpy as np
import pytest

from callprint.core.identify.decision import softmax
from callprint.training.statistics import Proportion, fit_temperature, share, wilson


def test_wilson_intervals():
    # R: prop.test(228, 234, correct = FALSE) and binom::binom.wilson(0, 10)
    assert wilson(228, 234) == pytest.approx((0.94512, 0.98820), abs=1e-4)
    assert wilson(0, 10) == pytest.approx((0.0, 0.27753), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)


def test_shares_have_intervals():
    assert share(228, 234) == str(Proportion(228, 234)) == "97.4% (94.5%–98.8%)"
    assert share(0, 0) == "–"
    assert np.isnan(Proportion(0, 0).share)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_made_the_labels_is_found(temperature):
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(6_000, 4)).astype(np.float32) * 3
    probabilities = softmax(logits, np.full(len(logits), temperature, np.float32))
    target = (probabilities.cumsum(1) < rng.random((len(logits), 1))).sum(1).clip(0, 3)
    assert fit_temperature(logits, target) == pytest.approx(temperature, rel=0.08)
