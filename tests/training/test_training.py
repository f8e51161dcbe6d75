"""The training loop on a few synthetic flows: seeded, resumable, and exported without changing its scores."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from three_kinds import three_kinds

from callprint.core.ground.errors import ModelError
from callprint.core.identify.feature_row import FEATURE_NAMES, group_columns
from callprint.core.identify.features import features
from callprint.inference import load_model
from callprint.training.dataset import Dataset
from callprint.training.examine import examine_view
from callprint.training.sampling import FINAL

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def torch():
    """torch, imported only when these tests run: it takes seconds and gigabytes."""
    module = pytest.importorskip("torch", reason="needs the extra `train`")
    module.set_num_threads(1)  # the machine has other tests to run
    return module


@pytest.fixture(scope="module")
def training(torch):
    from callprint.training import models, train  # noqa: PLC0415 - needs torch

    settings = train.TrainingSettings(seed=3, epochs=3, windows_per_flow=8, batch=64)
    return SimpleNamespace(models=models, train=train, settings=settings)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return three_kinds()


@pytest.fixture
def fit(training, dataset):
    """Train on the training split; returns the network."""
    target = np.unique(dataset.application, return_inverse=True)[1]
    flows = dataset.of_split("dataset1")

    def train(settings=training.settings, **more):
        return training.train.train_network(dataset, flows, target, 3, settings, **more)

    return train


def weights(network):
    return np.concatenate([value.flatten().numpy() for value in network.state_dict().values()])


def test_a_seed_gives_one_network(training, fit):
    one, again = fit(), fit()
    np.testing.assert_array_equal(weights(one), weights(again))
    assert (weights(one) != weights(fit(replace(training.settings, seed=4)))).any()


def test_an_interrupted_run_goes_on_to_the_same_network(fit, tmp_path):
    class InterruptError(Exception):
        pass

    def interrupt(progress):
        if progress.epoch == 2:
            raise InterruptError

    state = tmp_path / "state"
    with pytest.raises(InterruptError):
        fit(state_file=state, on_epoch=interrupt)
    epochs = []
    resumed = fit(state_file=state, on_epoch=lambda progress: epochs.append(progress.epoch))
    assert epochs == [3]
    np.testing.assert_array_equal(weights(resumed), weights(fit()))


def test_a_state_of_another_run_is_refused(training, fit, tmp_path):
    fit(state_file=tmp_path / "state")
    with pytest.raises(ModelError, match="other settings"):
        fit(replace(training.settings, seed=9), state_file=tmp_path / "state")


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04" + b"\0" * 40, [1], {"epoch": 1}])
def test_a_state_that_is_none_is_refused(torch, fit, tmp_path, content):
    state = tmp_path / "state"
    if isinstance(content, bytes):
        state.write_bytes(content)
    else:
        torch.save(content, state)
    with pytest.raises(ModelError, match="state holds no run that can go on"):
        fit(state_file=state)


def test_the_model_that_is_written_says_what_the_network_says(training, dataset, fit, tmp_path):
    path = tmp_path / "compact.onnx"
    settings = replace(training.settings, epochs=8)
    card = training.models.make_compact_model(dataset, path, settings, version="test", folds=2)
    model = load_model(path)
    assert model.card == card
    assert card.classes == ("alpha", "beta", "gamma")
    assert card.training["flows"] == 24
    assert card.accuracy["dataset2"]["horizon"]["flows"] == 12
    assert card.accuracy["dataset2"]["horizon"]["accuracy"] >= 0.9  # three header bytes tell them apart
    rows = features(dataset.buffer, dataset.spans, 100)
    assert rows.shape[1] == len(FEATURE_NAMES)
    network = fit(settings)
    target = np.unique(dataset.application, return_inverse=True)[1]
    logits = training.train.logits_of(network, rows)
    novelty = training.train.network_novelty(network, dataset, dataset.of_split("dataset1"), target)
    from_file, novelty_from_file, packets = model.scores(dataset.buffer, dataset.spans)
    np.testing.assert_allclose(from_file, logits, atol=1e-4)
    np.testing.assert_allclose(
        novelty_from_file,
        training.train.novelty_scores(network, novelty, rows),
        rtol=1e-3,
        atol=1e-3,
    )
    assert packets.tolist() == [100] * 36


def test_how_headers_alone_are_judged_is_fitted_on_the_same_folds(training, dataset, tmp_path):
    from callprint.lab.identification import header_limits  # noqa: PLC0415 - needs torch

    path = tmp_path / "compact.onnx"
    settings = replace(training.settings, epochs=8)
    card = training.models.make_compact_model(dataset, path, settings, version="test", folds=2)
    assert card.headers.minimum_packets == 10
    model = load_model(path)
    flows = dataset.of_split("dataset2")
    found = examine_view(dataset, model, flows, replace(FINAL, headers=True))
    assert found.packets.tolist() == [100] * 12
    assert found.right.mean() >= 0.9
    # A card that was written before this was known gets the same.
    means = header_limits.graph_means(path)
    later = header_limits.with_header_policy(replace(card, headers=None), means, dataset)
    assert later == card


def test_a_group_of_features_that_is_left_out_says_nothing(training, dataset, fit):
    network = fit(replace(training.settings, epochs=1), without=("sizes",))
    rows = features(dataset.buffer, dataset.spans, 100)
    other = rows.copy()
    other[:, group_columns("sizes")] += 100
    np.testing.assert_array_equal(
        training.train.logits_of(network, rows), training.train.logits_of(network, other)
    )
    other[:, group_columns("type")] += 100
    assert (training.train.logits_of(network, rows) != training.train.logits_of(network, other)).any()
