"""The paper's whole report on a few synthetic calls, by the command that makes the real one."""

import json
from dataclasses import replace

import numpy as np
import pytest
from evidence_logs import pack, steady_flow
from three_kinds import three_kinds

from callprint.cli import EXIT_ERROR, EXIT_USAGE, main
from callprint.core.identify.decision import TOO_SHORT
from callprint.inference import load_model
from callprint.training.dataset import load_dataset, save_dataset

pytestmark = pytest.mark.training

NAMES = ("aiortc", "asterisk", "baresip")
SECTIONS = (
    "## Table I: the data",
    "## Table II: parameters of AlexNet",
    "## Table III: accuracy of AlexNet",
    "## Three networks at k = 20",
    "## Figure 5: true and false positive rates",
    "## Figure 6: probabilities of right and wrong results",
    "## Figure 7: classifiers on deep features",
    "## Table IV: time for 1000 flows",
    "## Earlier works, on the same flows",
    "## Where this differs from the paper",
)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder with a dataset of three applications of which two calls each train and one examines."""
    pytest.importorskip("torch", reason="needs the extra `train`").set_num_threads(1)
    folder = tmp_path_factory.mktemp("paper")
    dataset = three_kinds(NAMES, {"dataset1": 4, "dataset2": 2, "cross": 2}, packets=110)
    save_dataset(dataset, folder / "calls.npz")
    return folder


def evaluate(work, *options):
    out = work / "docs" / "paper.md"
    arguments = ["--data", str(work / "calls.npz"), "--cache", str(work / "cache"), "--out", str(out)]
    assert main(["evaluate", "--paper", "--quick", *arguments, *options]) == 0
    return out.read_text()


def test_what_was_not_trained_is_named_as_missing(work):
    text = evaluate(work, "--cached")
    assert "**Missing:** alexnet-k2-seed1, cnn-k20-seed1, googlenet-k20-seed1." in text
    assert "| 2 | missing: `callprint evaluate --paper` |" in text


def test_the_report_has_all_tables_and_figures_and_the_cache_makes_them_again(work):
    text = evaluate(work)
    assert [line for line in text.splitlines() if line in SECTIONS] == list(SECTIONS)
    assert "21,628,874 | 21,827,434 | -0.91%" in text
    for name in ("rates", "probabilities", "heads"):
        assert f"](pictures/paper-{name}.svg)" in text
        assert "<svg" in (work / "docs" / "pictures" / f"paper-{name}.svg").read_text()
    differences = json.loads((work / "cache" / "quick" / "alexnet-k2-seed1" / "heads.json").read_text())
    assert set(differences) == {"SVM", "random forest", "decision tree", "naive Bayes"}
    assert max(differences.values()) < 1e-4
    graphs = {path: path.stat().st_mtime_ns for path in (work / "cache").rglob("network.onnx")}
    assert len(graphs) == 3
    from callprint.lab.paper import experiment, plan  # noqa: PLC0415 - needs torch

    again = experiment.run_experiment(
        load_dataset(work / "calls.npz"), plan.PLANS["quick"], work / "cache", threads=1
    )
    assert not again.missing
    assert set(again.heads) == {path.parent.name for path in graphs}
    assert {path: path.stat().st_mtime_ns for path in graphs} == graphs


def test_one_network_becomes_a_model_that_serves(work):
    out = work / "models" / "cnn-k2.onnx"
    options = ["--network", "cnn", "--k", "2", "--quick", "--cache", str(work / "cache"), "--threads", "1"]
    options += ["--l2", "0.001"]
    assert main(["train", str(work / "calls.npz"), "--out", str(out), *options]) == 0
    model = load_model(out)
    assert model.name == "cnn-k2 1"
    assert model.card.training["weights"] in {"8 bit", "float32"}
    assert set(model.card.accuracy) == {"dataset2", "cross"}
    whole = work / "cache" / "quick" / "cnn-k2-seed1-l2-0.001" / "network.onnx"
    if model.card.training["weights"] == "8 bit":
        assert out.stat().st_size < 0.3 * whole.stat().st_size
    said = model.identify(*pack([steady_flow(5), steady_flow(1)]))
    assert said.reason[1] == TOO_SHORT
    assert model.applications[said.application[0]] in NAMES


@pytest.mark.parametrize("head", ["svm", "forest", "tree", "bayes"])
def test_a_head_on_its_features_becomes_a_model_that_serves(work, head):
    out = work / "models" / f"cnn-k2-{head}.onnx"
    options = ["--network", "cnn", "--k", "2", "--quick", "--cache", str(work / "cache"), "--threads", "1"]
    assert main(["train", str(work / "calls.npz"), "--out", str(out), "--head", head, *options]) == 0
    model = load_model(out)
    assert model.name.startswith("cnn-k2-")
    assert model.card.training["head"]
    said = model.identify(*pack([steady_flow(5), steady_flow(1)]))
    assert said.reason[1] == TOO_SHORT
    assert 0.0 < said.confidence[0] <= 1.0


def test_a_head_without_a_network_of_the_paper_is_refused(work, capsys):
    arguments = ["train", str(work / "calls.npz"), "--out", str(work / "no.onnx"), "--head", "svm"]
    assert main(arguments) == EXIT_USAGE
    assert "--network" in capsys.readouterr().err


def test_without_a_training_split_it_says_so(work, tmp_path, capsys):
    dataset = load_dataset(work / "calls.npz")
    others = np.where(dataset.split == "dataset1", "dataset2", dataset.split)
    save_dataset(replace(dataset, split=others), tmp_path / "calls.npz")
    arguments = [
        "--data",
        str(tmp_path / "calls.npz"),
        "--cache",
        str(tmp_path),
        "--out",
        str(tmp_path / "r.md"),
    ]
    assert main(["evaluate", "--paper", "--quick", *arguments]) == EXIT_ERROR
    assert "no flow of dataset1" in capsys.readouterr().err
