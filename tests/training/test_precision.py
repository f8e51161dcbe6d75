"""Networks in fewer bits: smaller files, nearly the same verdicts."""

import json

import numpy as np
import pytest
from evidence_logs import pack, steady_flow

from callprint.cli import main
from callprint.inference import DEFAULT_MODEL, load_model

pytestmark = pytest.mark.training


# int8 shrinks only the layers, to a quarter: scaling and open-set score stay float32.
@pytest.mark.parametrize(("precision", "share"), [("float16", 0.55), ("int8", 0.7)])
def test_a_smaller_network_says_nearly_the_same(precision, share, tmp_path):
    pytest.importorskip("onnx", reason="needs the extra `train`")
    out = tmp_path / "small.onnx"
    assert main(["export", "--precision", precision, "--out", str(out)]) == 0
    assert out.stat().st_size < share * DEFAULT_MODEL.stat().st_size
    before, after = load_model(DEFAULT_MODEL), load_model(out)
    assert after.name == f"{before.name} {precision}"
    assert (
        json.loads(out.with_suffix(".json").read_text())["training"]["made_from"] == before.card.onnx_sha256
    )
    headers = [{"first": 0x80, "kind": 0}, {"first": 0x90, "kind": 96}, {"first": 0x80, "kind": 8}]
    buffer, spans = pack([steady_flow(100, sequence=i, **headers[i % 3]) for i in range(30)])
    (was, novelty, _), (now, new_novelty, _) = before.scores(buffer, spans), after.scores(buffer, spans)
    assert np.abs(now - was).max() < 0.1 * np.abs(was).max()
    # Flows that were never called: far from all that the network knows, where distances move most.
    np.testing.assert_allclose(new_novelty, novelty, rtol=0.25)


def test_a_network_is_not_written_over_itself(capsys):
    assert main(["export", "--precision", "int8", "--out", str(DEFAULT_MODEL)]) == 4
    assert "overwritten" in capsys.readouterr().err
