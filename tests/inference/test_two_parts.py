"""A network in two parts says what the whole says, of flows that it names and of others."""

from pathlib import Path

import numpy as np
import pytest
from evidence_logs import headers_of, pack, steady_flow

from callprint.core.ground.errors import ModelError
from callprint.core.identify.decision import SURE
from callprint.inference import DEFAULT_MODEL, load_model, onnx_identifier
from callprint.inference.graph_check import fields
from callprint.inference.graph_parts import parts
from callprint.inference.two_parts import TwoParts
from callprint.load_identifier import engine_settings
from callprint.sources import open_captures
from callprint.usual_run import usual_run

SAMPLE = Path(__file__).parents[2] / "samples" / "applications.pcapng"


@pytest.fixture(scope="module")
def shipped():
    return load_model(DEFAULT_MODEL)


@pytest.fixture
def in_parts(monkeypatch):
    monkeypatch.setattr(onnx_identifier, "PARTS_PAY", 1)
    monkeypatch.setattr(onnx_identifier, "FEATURE_BATCH", 16)
    return load_model(DEFAULT_MODEL)


def rows_like(identifier, count, seed=1):
    """Return rows between what is usual and what is strange, of few packets and of many."""
    numbers = np.random.default_rng(seed)
    scale = numbers.choice([0.01, 0.3, 3.0], (count, 1))
    return (identifier.usual_row + scale * numbers.normal(size=(count, len(identifier.usual_row)))).astype(
        np.float32
    )


def test_both_parts_give_what_the_whole_gives(shipped):
    rows = rows_like(shipped, 300)
    logits, novelty = shipped.scores_of_rows(rows)
    network = TwoParts(DEFAULT_MODEL.read_bytes(), shipped._opened, "features", rows.shape[1])
    found, handed = network.logits(rows)
    np.testing.assert_allclose(found, logits, rtol=1e-5, atol=1e-5)
    some = np.flatnonzero(np.arange(300) % 7 == 3)
    np.testing.assert_allclose(network.novelty(handed, some), novelty[some], rtol=1e-4, atol=1e-4)


def test_the_second_part_multiplies_no_rows_that_it_leaves_out():
    second = parts(DEFAULT_MODEL.read_bytes(), "logits", "novelty").second
    (graph,) = (value for number, value in fields(memoryview(second)) if number == 7)
    nodes = [[bytes(value) for _, value in fields(node)] for number, node in fields(graph) if number == 1]
    chosen = {node[2] for node in nodes if b"Compress" in node}
    multiplied = {node[0] for node in nodes if b"MatMul" in node}
    assert len(multiplied) == 4
    assert multiplied <= chosen


@pytest.mark.parametrize("packets", [1, 20, 99, 100])
def test_flows_at_the_horizon_and_before_it_are_as_novel_as_the_whole_says(shipped, packets):
    rows = shipped.feature_rows(*pack([steady_flow(packets, sequence=n) for n in range(40)]))
    network = TwoParts(DEFAULT_MODEL.read_bytes(), shipped._opened, "features", rows.shape[1])
    found = network.novelty(network.logits(rows)[1], np.arange(40))
    np.testing.assert_allclose(found, shipped.scores_of_rows(rows)[1], rtol=1e-5, atol=1e-5)


def test_decisions_are_the_same_bit_for_bit(shipped, in_parts):
    seen = []

    class Recorded:
        def __getattr__(self, name):
            return getattr(shipped, name)

        def identify(self, evidence, spans):
            seen.append((evidence.copy(), spans.copy()))
            return shipped.identify(evidence, spans)

    run, _ = usual_run(Recorded(), engine_settings(shipped))
    for _ in run.process_all(open_captures([str(SAMPLE)])):
        pass
    run.finish()
    logs = [steady_flow(n, sequence=77 * n) for n in (1, 2, 9, 10, 40, 100)]
    seen.append(pack([*logs, b"", *map(headers_of, logs)]))
    reasons = []
    for evidence, spans in seen:
        whole, parted = shipped.identify(evidence, spans), in_parts.identify(evidence, spans)
        for name in whole.__slots__:
            np.testing.assert_array_equal(getattr(whole, name), getattr(parted, name), strict=True)
        reasons += whole.reason.tolist()
    assert in_parts._parts is not None
    assert {reason == SURE for reason in reasons} == {True, False}


def test_no_logs_get_no_decisions(in_parts):
    in_parts.identify(*pack([steady_flow(20)]))
    assert in_parts._parts is not None
    assert len(in_parts.identify(np.zeros(0, np.uint8), np.zeros((0, 2), np.int64)).application) == 0


def test_a_network_without_novelty_stays_whole(shipped):
    graph = DEFAULT_MODEL.read_bytes()
    assert parts(graph, "logits", "no such output") is None
    assert parts(graph, "logits", "logits") is None
    with pytest.raises(ModelError):
        TwoParts(graph.replace(b"novelty", b"newness"), shipped._opened, "features", len(shipped.usual_row))


def test_a_network_that_is_asked_little_is_not_cut():
    identifier = load_model(DEFAULT_MODEL)
    identifier.identify(*pack([steady_flow(20)]))
    assert identifier._parts is None
