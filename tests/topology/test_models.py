"""The network of a topology: which one is loaded, with which threshold, on which device; one with another head."""

import hashlib
import logging
import os
from dataclasses import replace

import numpy as np
import pytest
from evidence_logs import pack, steady_flow
from model_cards import CARD

from callprint.core.identify.card import INPUT_MATRIX, ModelInput, Policy, card_text, parse_card
from callprint.core.identify.decision import LOW_CONFIDENCE
from callprint.inference import DEFAULT_MODEL
from callprint.model_names import registration
from callprint.topology import blobs
from callprint.topology.models import ModelFile
from callprint.topology.settings import TopologySettings

K = 2
CLASSES = 3


def settings(model, **changes):
    return TopologySettings.from_options(
        {
            "callprint.model": str(model),
            "callprint.model_from": "path",
            **{f"callprint.{key}": value for key, value in changes.items()},
        }
    )


@pytest.fixture
def evidence():
    return pack([steady_flow(100), steady_flow(40)])


def test_the_threshold_of_the_settings_replaces_that_of_the_card(evidence):
    by_the_card = ModelFile(settings(DEFAULT_MODEL)).load()
    strictest = ModelFile(settings(DEFAULT_MODEL, threshold=1)).load()
    assert strictest.card.policy == replace(by_the_card.card.policy, threshold=1.0)
    usual, strict = by_the_card.identify(*evidence), strictest.identify(*evidence)
    assert np.array_equal(usual.confidence, strict.confidence)
    assert (strict.reason == LOW_CONFIDENCE).all()
    everything = ModelFile(settings(DEFAULT_MODEL, threshold=0)).load().identify(*evidence)
    assert not (everything.reason == LOW_CONFIDENCE).any()


def test_a_missing_cuda_device_that_was_asked_for_is_a_warning(evidence, caplog, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with caplog.at_level(logging.INFO):
        model = ModelFile(settings(DEFAULT_MODEL, device=3)).load()
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "3"
    warned = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert bool(warned) == (model.provider != "CUDAExecutionProvider")
    assert all("callprint.device" in record.getMessage() for record in warned)


def test_no_device_asked_for_changes_nothing_in_the_process(caplog, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    ModelFile(settings(DEFAULT_MODEL)).load()
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
    ours = [record for record in caplog.records if record.name.startswith("callprint")]
    assert not [record for record in ours if record.levelno == logging.WARNING]


def test_the_registration_names_the_model_and_contains_its_card():
    model = ModelFile(settings(DEFAULT_MODEL)).load()
    registered = registration(model, 7)
    assert (registered.name, registered.digest, registered.first_used_ns) == (
        model.name,
        hashlib.sha256(DEFAULT_MODEL.read_bytes()).hexdigest(),
        7,
    )
    assert parse_card(registered.card) == model.card


@pytest.mark.parametrize(("place", "status"), [("127.0.0.1:1", 1), ("nonsense", 2), ("host:", 2)])
def test_a_nimbus_that_cannot_be_reached_is_one_line(place, status, monkeypatch, capsys):
    pytest.importorskip("streamparse", reason="the extra `cluster` is not installed")
    monkeypatch.setattr("sys.argv", ["blobs", str(DEFAULT_MODEL), "--nimbus", place])
    try:
        found = blobs.main()
    except SystemExit as ended:
        found = ended.code
    assert found == status
    *_, said = capsys.readouterr().err.splitlines()
    assert "error: " in said
    assert place in said


@pytest.mark.training
def test_a_network_with_an_svm_on_its_features_is_chosen_like_any_other(tmp_path, evidence):
    """`callprint.model` is one ONNX graph; what follows its deep features is the graph's own business."""
    torch = pytest.importorskip("torch", reason="needs the extra `train`")
    from callprint.training.paper import graphs, head_graphs, heads, networks  # noqa: PLC0415 - needs torch

    torch.manual_seed(1)
    network = networks.make_network(networks.CNN, K, CLASSES).eval()
    chance = np.random.default_rng(5)
    target = np.arange(90) % CLASSES
    images = (chance.random((90, 1, K, 256)) * 0.1 + 0.3 * target[:, None, None, None]).astype(np.float32)
    with torch.no_grad():
        features = network.features(torch.from_numpy(images)).numpy()
    head = heads.fit_head("SVM", features, target, CLASSES, seed=1)
    graph = head_graphs.combined_model(graphs.network_model(network), head).SerializeToString()
    card = replace(
        CARD,
        input=ModelInput(INPUT_MATRIX, 256, 0, K, K),
        checkpoints=(K,),
        policy=Policy(0.0, ((K, 1.0),), ()),
        onnx_file="svm.onnx",
        onnx_sha256=hashlib.sha256(graph).hexdigest(),
        reference=None,
        headers=None,
    )
    (tmp_path / "svm.onnx").write_bytes(graph)
    (tmp_path / "svm.json").write_text(card_text(card))
    model = ModelFile(settings(tmp_path / "svm.onnx")).load()
    logits, _, _ = model.scores(*evidence)
    # The same with two packets of the flow as the network's image, and the head in Python.
    from callprint.core.identify.k_matrix import k_matrices  # noqa: PLC0415

    rows = k_matrices(*evidence, K)[0][:, np.newaxis]
    with torch.no_grad():
        wanted = heads.head_logits(head, network.features(torch.from_numpy(rows)).numpy())
    np.testing.assert_allclose(logits, wanted, atol=1e-4)
    assert np.array_equal(model.identify(*evidence).application, wanted.argmax(1))
