"""The paper's windows: their bytes, their steps, and its leaky split."""

import numpy as np
import pytest
from evidence_logs import pack, sender_report, steady_flow

from callprint.lab.paper.rates import positive_rates
from callprint.training.dataset import Dataset
from callprint.training.paper.windows import (
    cut_images,
    first_windows,
    leaky_windows,
    window_starts,
    windows_by_flow,
)

PACKETS = (5, 40, 60, 9)


@pytest.fixture
def dataset() -> Dataset:
    logs = [sender_report(0, 1, 2) + steady_flow(count, ssrc=i, kind=i) for i, count in enumerate(PACKETS)]
    buffer, spans = pack(logs)
    text = np.array([f"application{i % 2}" for i in range(len(logs))])
    split = np.full(len(logs), "dataset1")
    return Dataset(buffer, spans, np.array(PACKETS), text, text, split, text, text, text, text, text)


@pytest.mark.parametrize("k", [2, 10, 40])
def test_steps_are_random_in_one_to_k_and_windows_fit(k):
    starts = window_starts(50_000, k, np.random.default_rng(1))
    steps = np.diff(starts)
    assert starts[0] == 0
    assert set(steps) == set(range(1, k + 1))
    assert starts[-1] + k <= 50_000 < starts[-1] + 3 * k
    assert np.bincount(steps)[1:].min() > 0.4 * len(steps) / k
    assert len(window_starts(k, k, np.random.default_rng(1))) == 1
    assert len(window_starts(k - 1, k, np.random.default_rng(1))) == 0


def test_an_image_is_the_packets_bytes_without_rtcp(dataset):
    found = cut_images(dataset, np.array([1, 0, 2]), np.array([3, 4, 58]), 2)
    assert found.flow.tolist() == [1, 2]  # flow 0 has no two packets from its fourth on
    assert found.images.shape == (2, 2, 256)
    assert found.images[:, :, :4].tolist() == [
        [[0x80, 1, 0, 3], [0x80, 1, 0, 4]],
        [[0x80, 2, 0, 58], [0x80, 2, 0, 59]],
    ]
    assert (found.images[:, :, 12:172] == 0xFF).all()
    assert not found.images[:, :, 172:].any()


def test_first_windows_are_of_flows_that_have_them(dataset):
    assert first_windows(dataset, np.arange(4), 10).flow.tolist() == [1, 2]
    assert (
        windows_by_flow(dataset, np.arange(4), 4, 3, seed=1).flow.tolist()
        == [0, 1, 1, 1, 2, 2, 2, 3, 3, 3][: len(windows_by_flow(dataset, np.arange(4), 4, 3, seed=1).flow)]
    )


def test_the_leaky_split_is_80_to_20_and_no_window_is_on_both_sides(dataset):
    target = np.array([0, 1, 0, 1])
    training, validation = leaky_windows(dataset, np.arange(4), target, 2, (None, None), seed=1)
    count = len(training.flow) + len(validation.flow)
    assert len(training.flow) == int(0.8 * count)
    seen = {image.tobytes() for image in training.images}
    assert not any(image.tobytes() in seen for image in validation.images)
    assert set(training.flow) & set(validation.flow)  # windows of one call on both sides: that is what leaks
    few, fewer = leaky_windows(dataset, np.arange(4), target, 2, (3, 1), seed=1)
    assert np.bincount(target[few.flow]).tolist() == [3, 3]
    assert np.bincount(target[fewer.flow]).tolist() == [1, 1]


def test_positive_rates_are_equations_5_and_6():
    target = np.array([0, 0, 0, 0, 1, 1])
    named = np.array([0, 0, 0, 1, 1, 0])
    true_rates, false_rates = positive_rates(named, target, 3)
    np.testing.assert_allclose(true_rates, [0.75, 0.5, np.nan])
    np.testing.assert_allclose(false_rates, [0.5, 0.25, 0.0])
