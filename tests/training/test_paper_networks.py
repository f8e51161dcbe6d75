"""The paper's networks: their size, their ONNX form, their training procedure, and heads on their features."""

from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest

pytestmark = pytest.mark.training

CLASSES = 4
MODULES = ("cells", "graphs", "head_graphs", "heads", "networks", "procedure", "windows")
K = 2


@pytest.fixture(scope="module")
def paper():
    """The modules that need torch, imported only when these tests run."""
    torch = pytest.importorskip("torch", reason="needs the extra `train`")
    torch.set_num_threads(1)  # the machine has other tests to run
    modules = {name: import_module(f"callprint.training.paper.{name}") for name in MODULES}
    lab = {name: import_module(f"callprint.lab.paper.{name}") for name in ("published", "tables")}
    return SimpleNamespace(torch=torch, **modules, **lab)


@pytest.fixture(scope="module")
def images():
    """Windows whose class shows in their second byte, like a payload type."""
    rng = np.random.default_rng(5)
    target = np.arange(160) % CLASSES
    found = rng.integers(0, 30, (160, K, 256)).astype(np.uint8)
    found[:, :, 1:40] += (50 * target).astype(np.uint8)[:, np.newaxis, np.newaxis]
    return found, target


def small_cnn(paper, k=K, classes=CLASSES):
    paper.torch.manual_seed(1)
    return paper.networks.make_network(paper.networks.CNN, k, classes).eval()


def test_parameters_are_those_of_table_ii_within_two_per_cent(paper):
    counts = {k: paper.tables.counted("AlexNet", k, 10) for k in paper.published.PARAMETERS}
    for k, published in paper.published.PARAMETERS.items():
        assert counts[k] == pytest.approx(published, rel=0.02)
    rows = {k: -(-k // 4) for k in counts}
    for k, count in counts.items():
        assert count - counts[2] == 16_777_216 * (rows[k] - rows[2])


@pytest.mark.parametrize(("kind", "k"), [("AlexNet", 2), ("AlexNet", 6), ("CNN", 20), ("GoogLeNet", 20)])
def test_the_graph_says_what_the_network_says(paper, kind, k):
    paper.torch.manual_seed(3)
    network = paper.networks.make_network(kind, k, CLASSES)
    rows = np.random.default_rng(1).random((3, 1, k, 256)).astype(np.float32)
    if kind == "GoogLeNet":
        network.train()(paper.torch.from_numpy(rows))  # running means that are not the initial ones
    network.eval()
    session = paper.cells.session(paper.graphs.network_model(network).SerializeToString(), 1)
    logits, features = session.run(["logits", "features"], {"k_matrix": rows})
    with paper.torch.no_grad():
        np.testing.assert_allclose(logits, network(paper.torch.from_numpy(rows)).numpy(), atol=1e-4)
        np.testing.assert_allclose(
            features, network.features(paper.torch.from_numpy(rows)).numpy(), atol=1e-4
        )


@pytest.mark.parametrize("present", [(0, 1, 2, 3), (1, 3)], ids=["all classes", "two of four"])
@pytest.mark.parametrize("name", ["SVM", "random forest", "decision tree", "naive Bayes"])
def test_network_and_head_as_one_graph_equal_python(paper, images, name, present):
    network = small_cnn(paper)
    found, target = images
    rows = paper.windows.as_input(found)
    with paper.torch.no_grad():
        features = network.features(paper.torch.from_numpy(rows)).numpy()
    training = np.isin(target, present) & (np.arange(len(target)) < 100)
    head = paper.heads.fit_head(name, features[training], target[training], CLASSES, seed=1)
    graph = paper.head_graphs.combined_model(paper.graphs.network_model(network), head)
    assert [one.name for one in graph.graph.input] == ["k_matrix"]
    (logits,) = paper.cells.session(graph.SerializeToString(), 1).run(["logits"], {"k_matrix": rows})
    expected = paper.heads.head_logits(head, features)
    # The scores of a head: decision values of the SVM, probabilities of the others.
    scores = (logits, expected) if name == "SVM" else (np.exp(logits), np.exp(expected))
    np.testing.assert_allclose(*scores, atol=1e-4)
    known = np.isin(target, present)
    assert (logits.argmax(1) == target)[known].mean() > 0.7
    assert set(logits.argmax(1)) <= set(present)


def test_the_rate_decays_after_two_epochs(paper):
    procedure = paper.procedure.Procedure("CNN", K, decay=0.5)
    rates = [paper.procedure.decayed_rate(procedure, epoch) for epoch in (1, 2, 3, 4)]
    assert rates == pytest.approx([0.01, 0.01, 0.01 / 2.5, 0.01 / 2.5 / 3.0])


@pytest.fixture
def train(paper, images, tmp_path):
    found, target = images
    windows = paper.windows.Images(found, np.arange(len(found)))

    def run(state="state", digest="data", on_epoch=lambda _result: None, keep_every_s=None, **settings):
        procedure = paper.procedure.Procedure("CNN", K, **{"epochs": 3, "batch": 40} | settings)
        device = paper.torch.device("cpu")
        return paper.procedure.train(
            procedure,
            paper.procedure.HostWindows(windows, target, device),
            CLASSES,
            digest=digest,
            state_file=tmp_path / state,
            device=device,
            on_epoch=on_epoch,
            keep_every_s=keep_every_s,
        )

    return run


def weights(network):
    return np.concatenate([value.flatten().numpy() for value in network.state_dict().values()])


def test_an_interrupted_run_goes_on_to_the_same_network(train):
    class InterruptError(Exception):
        pass

    def interrupt(result):
        if result.epoch == 2:
            raise InterruptError

    with pytest.raises(InterruptError):
        train(on_epoch=interrupt)
    epochs = []
    resumed = train(on_epoch=lambda result: epochs.append(result.epoch))
    assert epochs == [3]
    np.testing.assert_array_equal(weights(resumed), weights(train(state="another")))


def test_a_state_of_other_data_is_refused(paper, train):
    from callprint.core.ground.errors import ModelError  # noqa: PLC0415

    train()
    with pytest.raises(ModelError, match="other settings or data"):
        train(digest="other")


def test_penalties_keep_weights_small(train):
    plain = np.square(weights(train(state="a"))).sum()
    assert np.square(weights(train(state="b", l2=0.05))).sum() < 0.9 * plain
    assert np.abs(weights(train(state="c", l1=0.02))).sum() < 0.9 * np.abs(weights(train(state="d"))).sum()


def test_a_run_that_is_killed_within_an_epoch_goes_on_to_the_same_network(
    paper, images, tmp_path, monkeypatch
):
    monkeypatch.setattr(paper.procedure, "PAUSE_STEPS", 1)
    device = paper.torch.device("cpu")
    found, target = images

    class KilledError(Exception):
        pass

    class Dying(paper.procedure.HostWindows):
        left = 6  # of the batches of two epochs of four

        def batch(self, part):
            Dying.left -= 1
            if Dying.left < 0:
                raise KilledError
            return super().batch(part)

    def run(kind, state):
        results = []
        network = paper.procedure.train(
            paper.procedure.Procedure("CNN", K, epochs=2, batch=40),
            kind(paper.windows.Images(found, np.arange(len(found))), target, device),
            CLASSES,
            digest="data",
            state_file=tmp_path / state,
            device=device,
            keep_every_s=0.0,
            on_epoch=results.append,
        )
        return network, results

    with pytest.raises(KilledError):
        run(Dying, "killed")
    Dying.left = 2  # what the second epoch still lacks
    resumed, results = run(Dying, "killed")
    whole, expected = run(paper.procedure.HostWindows, "whole")
    assert results == expected[1:]
    np.testing.assert_array_equal(weights(resumed), weights(whole))


def test_training_learns(train):
    results = []
    train(on_epoch=results.append, epochs=8)
    assert results[-1].loss < 0.7 * results[0].loss
    assert results[-1].accuracy > 0.5
