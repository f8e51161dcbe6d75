"""The shipped network as an identifier: what it takes, what it refuses, and that batches change nothing."""

import hashlib
import json
import shutil

import numpy as np
import pytest
from evidence_logs import headers_of, pack, sender_report, steady_flow

from callprint.core.ground.errors import ModelError
from callprint.core.identify.decision import LOW_CONFIDENCE, TOO_SHORT
from callprint.inference import DEFAULT_MODEL, load_model, onnx_identifier
from callprint.inference.onnx_identifier import card_path


@pytest.fixture(scope="module")
def shipped():
    return load_model(DEFAULT_MODEL)


@pytest.fixture
def copy(tmp_path):
    shutil.copy(DEFAULT_MODEL, tmp_path)
    shutil.copy(card_path(DEFAULT_MODEL), tmp_path)
    return tmp_path / DEFAULT_MODEL.name


def change_card(model, **changes):
    path = card_path(model)
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def logs():
    return pack(
        [
            steady_flow(100, sequence=1000 * i, timestamp=7 * i)
            + sender_report(1_700_000_003_000_000_000, 9, 9)
            for i in range(20)
        ]
        + [steady_flow(1), b"", steady_flow(2)]
    )


def test_what_the_pipeline_relies_on(shipped):
    assert shipped.name == f"{shipped.card.name} {shipped.card.version}"
    assert len(shipped.applications) == 22
    assert shipped.minimum_k >= 2
    decisions = shipped.identify(*logs())
    assert decisions.application.dtype == np.int16
    assert decisions.confidence.dtype == np.float32
    assert decisions.reason.dtype == np.uint8
    assert decisions.reason[-3:-1].tolist() == [TOO_SHORT, TOO_SHORT]
    assert ((decisions.confidence >= 0) & (decisions.confidence <= 1)).all()


def test_no_log_gives_no_decision(shipped):
    decisions = shipped.identify(np.zeros(0, np.uint8), np.zeros((0, 2), np.int64))
    assert len(decisions.application) == len(decisions.confidence) == len(decisions.reason) == 0


def test_the_batch_changes_nothing(shipped, monkeypatch):
    buffer, spans = logs()
    together = shipped.identify(buffer, spans)
    monkeypatch.setattr(onnx_identifier, "FEATURE_BATCH", 3)
    apart = shipped.identify(buffer, spans)
    np.testing.assert_array_equal(together.application, apart.application)
    np.testing.assert_array_equal(together.reason, apart.reason)
    np.testing.assert_allclose(together.confidence, apart.confidence, atol=1e-4)


def test_threads_change_nothing(shipped):
    buffer, spans = logs()
    np.testing.assert_allclose(
        load_model(DEFAULT_MODEL, threads=2).identify(buffer, spans).confidence,
        shipped.identify(buffer, spans).confidence,
        atol=1e-4,
    )


def test_a_missing_file(tmp_path, copy):
    with pytest.raises(ModelError, match="no model card"):
        load_model(tmp_path / "other.onnx")
    copy.unlink()
    with pytest.raises(ModelError, match="no model"):
        load_model(copy)


def test_a_file_that_the_card_does_not_describe(copy):
    graph = bytearray(copy.read_bytes())
    graph[len(graph) // 2] ^= 1
    copy.write_bytes(graph)
    with pytest.raises(ModelError, match="digest"):
        load_model(copy)


def test_a_file_that_is_not_a_graph(copy):
    copy.write_bytes(b"no graph")
    digest = hashlib.sha256(b"no graph").hexdigest()
    change_card(copy, onnx={"file": copy.name, "sha256": digest})
    with pytest.raises(ModelError, match="not a network"):
        load_model(copy)


def test_a_card_of_other_classes_than_the_graph(copy):
    change_card(copy, classes=["a", "b"], engines=["x", "y"], reference=None)
    with pytest.raises(ModelError, match="2 classes"):
        load_model(copy)


def test_a_card_of_a_k_matrix_network(copy):
    taken = {
        "kind": "k_matrix",
        "columns": 256,
        "feature_version": 0,
        "minimum_packets": 10,
        "maximum_packets": 10,
    }
    change_card(copy, input=taken, checkpoints=[10], reference=None)
    with pytest.raises(ModelError, match="k_matrix"):
        load_model(copy)


def test_a_renamed_model_and_a_card_that_is_not_text(copy, tmp_path):
    shutil.copy(copy, tmp_path / "renamed.onnx")
    shutil.copy(card_path(copy), tmp_path / "renamed.json")
    with pytest.raises(ModelError, match="is about"):
        load_model(tmp_path / "renamed.onnx")
    card_path(copy).write_bytes(b"\xff\xfe")
    with pytest.raises(ModelError, match="UTF-8"):
        load_model(copy)


def test_flows_of_headers_have_limits_of_their_own(shipped, copy):
    flows = [steady_flow(100, sequence=1000 * i, timestamp=7 * i) for i in range(5)]
    whole, headers = pack(flows), pack(list(map(headers_of, flows)))
    together = shipped.identify(*pack([*flows, *map(headers_of, flows)]))
    for part, alone in ((slice(5), shipped.identify(*whole)), (slice(5, 10), shipped.identify(*headers))):
        np.testing.assert_array_equal(together.reason[part], alone.reason)
        np.testing.assert_allclose(together.confidence[part], alone.confidence, atol=1e-4)
    assert (together.reason[5:] != TOO_SHORT).all()
    least = shipped.card.headers.minimum_packets
    few = pack([headers_of(steady_flow(least)), headers_of(steady_flow(least - 1))])
    assert (shipped.identify(*few).reason == TOO_SHORT).tolist() == [False, True]
    table = json.loads(card_path(copy).read_text())["headers"]
    change_card(copy, headers=table | {"threshold": 1.0})
    assert load_model(copy).identify(*headers).reason.tolist() == [LOW_CONFIDENCE] * 5
    np.testing.assert_array_equal(load_model(copy).identify(*whole).reason, together.reason[:5])


def test_a_card_that_says_nothing_of_headers_leaves_such_flows_unknown(copy):
    change_card(copy, headers=None)
    model = load_model(copy)
    found = model.identify(*pack([headers_of(steady_flow(100)), steady_flow(100)]))
    assert found.reason[0] == TOO_SHORT
    assert found.reason[1] != TOO_SHORT
