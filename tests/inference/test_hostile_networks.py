"""Networks with honest cards that would harm: each is refused with one ModelError, most before anything runs."""

import contextlib
import hashlib
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callprint.cli import main
from callprint.core.ground.errors import ModelError
from callprint.inference import DEFAULT_MODEL, load_model
from callprint.inference.graph_check import check_graph
from callprint.inference.onnx_identifier import card_path

onnx = pytest.importorskip("onnx")
helper, numpy_helper, TensorProto = onnx.helper, onnx.numpy_helper, onnx.TensorProto

CARD = json.loads(card_path(DEFAULT_MODEL).read_text())
COLUMNS, CLASSES = CARD["input"]["columns"], len(CARD["classes"])
WEIGHTS = numpy_helper.from_array(np.zeros((COLUMNS, CLASSES), np.float32), "w")
NUMBERS = [
    numpy_helper.from_array(np.zeros((COLUMNS, 1), np.float32), "z"),
    numpy_helper.from_array(np.array([1]), "axis"),
    numpy_helper.from_array(np.array([0]), "zero"),
    numpy_helper.from_array(np.array(1 << 62), "times"),
    numpy_helper.from_array(np.array(True), "true"),
    numpy_helper.from_array(np.array([1 << 18, 1 << 18]), "huge"),
]
NOVELTY = [
    helper.make_node("MatMul", ["features", "z"], ["column"]),
    helper.make_node("Squeeze", ["column", "axis"], ["novelty"]),
]
PLAIN = [helper.make_node("MatMul", ["features", "w"], ["logits"])]
SCORES = helper.make_node("MatMul", ["features", "w"], ["scores"])


def external_weights(**entries):
    tensor = TensorProto(name="w", data_type=1, dims=[COLUMNS, CLASSES], data_location=TensorProto.EXTERNAL)
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


def loop():
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["d"]), helper.make_node("Identity", ["x"], ["y"])],
        "body",
        [value("i", TensorProto.INT64, []), value("c", TensorProto.BOOL, []), value("x", 1, ["n", CLASSES])],
        [value("d", TensorProto.BOOL, []), value("y", 1, ["n", CLASSES])],
    )
    return [SCORES, helper.make_node("Loop", ["times", "true", "scores"], ["logits"], body=body)]


HOSTILE = {
    "another file": (PLAIN, external_weights(location="secret.bin"), "must be one file"),
    "any file": (PLAIN, external_weights(location="/dev/zero"), "must be one file"),
    "for ever": (loop(), WEIGHTS, "a graph of its own"),
    "library": ([helper.make_node("Run", ["features"], ["logits"], domain="evil")], WEIGHTS, "'evil'"),
    "huge": (
        [
            helper.make_node("ConstantOfShape", ["huge"], ["big"]),
            helper.make_node("ReduceSum", ["big"], ["sum"], keepdims=0),
            SCORES,
            helper.make_node("Add", ["scores", "sum"], ["logits"]),
        ],
        WEIGHTS,
        "cannot run",
    ),
    "one row for all": (
        [SCORES, helper.make_node("Slice", ["scores", "zero", "axis", "zero"], ["logits"])],
        WEIGHTS,
        r"of shape \(1, ",
    ),
}


def network(nodes, weights) -> bytes:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes + NOVELTY,
        "g",
        [value("features", 1, ["n", COLUMNS])],
        [value("logits", 1, ["n", CLASSES]), value("novelty", 1, ["n"])],
        [weights, *NUMBERS],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("evil", 1)]
    )
    model.ir_version = 8
    return model.SerializeToString()


def load(folder, graph: bytes):
    (folder / "n.onnx").write_bytes(graph)
    card = CARD | {"onnx": {"file": "n.onnx", "sha256": hashlib.sha256(graph).hexdigest()}}
    (folder / "n.json").write_text(json.dumps(card))
    return load_model(folder / "n.onnx")


def test_a_plain_network_is_taken(tmp_path):
    assert load(tmp_path, network(PLAIN, WEIGHTS)).applications


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_network_is_refused_with_one_error(kind, tmp_path, monkeypatch):
    nodes, weights, message = HOSTILE[kind]
    (tmp_path / "secret.bin").write_bytes(bytes(COLUMNS * CLASSES * 4))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=message):
        load(tmp_path, network(nodes, weights))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.integers(0, 400).map(lambda cut: network(PLAIN, WEIGHTS)[:cut]))
def test_any_bytes_pass_or_give_a_model_error(data):
    with contextlib.suppress(ModelError):
        check_graph(data, "n.onnx")


def fails_on_what_comes():
    """A network that runs on zeros, as when it is loaded, and on nothing else: it looks up a row of each value."""
    row = numpy_helper.from_array(np.zeros((1, CLASSES), np.float32), "row")
    nodes = [
        helper.make_node("ReduceMax", ["features"], ["largest"], axes=[1], keepdims=0),
        helper.make_node("Ceil", ["largest"], ["up"]),
        helper.make_node("Cast", ["up"], ["number"], to=TensorProto.INT64),
        helper.make_node("Gather", ["row", "number"], ["logits"], axis=0),
    ]
    return network(nodes, row)


def test_a_network_that_fails_at_run_time_gives_one_error(tmp_path, capfd):
    load(tmp_path, fails_on_what_comes())
    sample = DEFAULT_MODEL.parents[1] / "samples" / "applications.pcapng"
    command = ["identify", str(sample), "--model", str(tmp_path / "n.onnx"), "--no-store"]
    assert main(command) == 4
    shown = capfd.readouterr().err  # ONNX Runtime writes past Python
    assert shown.startswith("callprint: n.onnx cannot run")
    assert shown.count("\n") == 1
