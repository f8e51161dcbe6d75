"""The shipped models: each has a card that fits, all are small, and the paper's form runs in the same pipeline."""

from pathlib import Path

import pytest
from evidence_logs import pack, steady_flow

from callprint.core.dissect import dissect
from callprint.core.flow.engine import EngineSettings
from callprint.core.identify.card import INPUT_MATRIX
from callprint.core.verdicts.pipeline import IdentificationPipeline
from callprint.inference import DEFAULT_MODEL, load_model
from callprint.sources import open_captures

MODELS = sorted(DEFAULT_MODEL.parent.glob("*.onnx"))
SAMPLE = Path(__file__).parents[2] / "samples" / "applications.pcapng"
MOST_BYTES = 60_000_000


def test_all_models_together_are_small():
    assert DEFAULT_MODEL in MODELS
    assert sum(path.stat().st_size for path in DEFAULT_MODEL.parent.iterdir()) <= MOST_BYTES


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_a_model_fits_its_card_and_judges(path):
    model = load_model(path)
    assert model.card.accuracy["dataset2"]
    decisions = model.identify(*pack([steady_flow(100), steady_flow(1)]))
    assert 0.0 < decisions.confidence[0] <= 1.0
    assert decisions.reason[1]


def test_pending_flows_and_verdict_map_with_the_papers_network():
    """A network over k-matrices is a configuration of the pipeline: flows are judged at k packets, not before."""
    model = load_model(DEFAULT_MODEL.with_name("alexnet-k4.onnx"))
    k = model.card.input.maximum_packets
    assert (model.card.input.kind, k) == (INPUT_MATRIX, 4)
    pipeline = IdentificationPipeline(model, EngineSettings(checkpoints=model.checkpoints))
    verdicts = []
    for data, records in open_captures([SAMPLE]):
        verdicts += pipeline.process(data, dissect(data, records)).verdicts
    verdicts += pipeline.finish().verdicts
    provisional = [one for one in verdicts if not one.final]
    final = {one.flow: one for one in verdicts if one.final}
    assert len(final) >= 20
    assert {one.k for one in provisional} == {k}
    # Later packets change nothing: the network looks at the first k only.
    for one in provisional:
        assert final[one.flow].best_application == one.best_application
        assert final[one.flow].confidence == pytest.approx(one.confidence, abs=1e-3)
