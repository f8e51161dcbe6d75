"""A network over k-matrices, the paper's form of input, as the same identifier."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from evidence_logs import headers_of, pack, record, rtp, sender_report, steady_flow
from model_cards import CARD

from callprint.core.identify.card import INPUT_MATRIX, ModelInput, Policy, card_text
from callprint.core.identify.decision import SURE, TOO_SHORT
from callprint.inference import load_model, onnx_identifier

K = 4


@pytest.fixture
def model(tmp_path):
    """Scores: 20 times the mean of byte 1 (marker and payload type), the mean of byte 12, and 0."""
    onnx = pytest.importorskip("onnx", reason="needs the extra `train`")
    weights = np.zeros((K * 256, 3), np.float32)
    weights[1::256, 0] = 20 / K
    weights[12::256, 1] = 20 / K
    nodes = [
        onnx.helper.make_node("Flatten", [INPUT_MATRIX], ["flat"]),
        onnx.helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
    ]
    graph = onnx.helper.make_graph(
        nodes,
        "matrix",
        [onnx.helper.make_tensor_value_info(INPUT_MATRIX, onnx.TensorProto.FLOAT, ["n", 1, K, 256])],
        [onnx.helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["n", 3])],
        [onnx.numpy_helper.from_array(weights, "weights")],
    )
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)])
    made.ir_version = 10
    data = made.SerializeToString()
    card = replace(
        CARD,
        input=ModelInput(INPUT_MATRIX, 256, 0, K, K),
        checkpoints=(K,),
        policy=Policy(0.9, ((K, 1.0),), ()),
        onnx_sha256=hashlib.sha256(data).hexdigest(),
        reference=None,
        headers=None,
    )
    (tmp_path / "compact.onnx").write_bytes(data)
    (tmp_path / "compact.json").write_text(card_text(card))
    return load_model(tmp_path / "compact.onnx")


def flow(kind: int, payload: bytes) -> bytes:
    return b"".join(record(i, rtp(i, 160 * i, payload, kind=kind)) for i in range(K + 2))


def test_scores_come_from_the_first_k_rtp_packets(model, monkeypatch):
    logs = pack(
        [
            sender_report(0, 1, 2) + flow(0xFF, b"\0" * 20),
            flow(0, b"\xff" * 20),
            flow(0, b"\0" * 20),
            steady_flow(K - 1),
        ]
    )
    decisions = model.identify(*logs)
    assert decisions.application[:2].tolist() == [0, 1]
    assert decisions.reason[:2].tolist() == [SURE, SURE]
    assert decisions.confidence[2] == pytest.approx(1 / 3, abs=1e-4)
    assert decisions.reason[3] == TOO_SHORT
    by_headers = headers_of(flow(0xFF, b"\0" * 20))
    assert model.identify(*pack([by_headers, by_headers + steady_flow(K)])).reason.tolist() == [TOO_SHORT] * 2
    monkeypatch.setattr(onnx_identifier, "MATRIX_BATCH_BYTES", 1)
    np.testing.assert_array_equal(model.identify(*logs).confidence, decisions.confidence)
