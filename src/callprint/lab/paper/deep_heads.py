"""The four heads of a cell: fitted on its deep features, examined as ONNX graphs, kept in the cache."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from callprint.core.ground.errors import ModelError
from callprint.training.paper.cells import TRAINED, Cell, run_graph, session
from callprint.training.paper.graphs import FEATURES, LOGITS, save_model
from callprint.training.paper.head_graphs import combined_model, head_model
from callprint.training.paper.heads import HEADS, SVM, fit_head, head_logits
from callprint.training.paper.windows import Images

CHECKED_WINDOWS = 32  # through the whole graph, against the same head in Python
LARGEST_DIFFERENCE = 1e-4  # of a class score: what the whole graph may differ by


@dataclass(frozen=True, slots=True)
class HeadResult:
    """How a head on a cell's features names windows."""

    name: str
    named: dict[str, np.ndarray]  # by the windows asked about, (n,) int64: the best class
    difference: float  # largest, of a class score: one graph against network and head in Python


def svm_graph(cell: Cell) -> Path:
    """Return where the whole graph of a cell's network and SVM lies: the paper's deployed form."""
    return cell.folder / "network-svm.onnx"


def class_scores(logits: np.ndarray) -> np.ndarray:
    """Return softmax of logits (n, classes)."""
    raised = np.exp(logits - logits.max(1, keepdims=True))
    scores: np.ndarray = raised / raised.sum(1, keepdims=True)
    return scores


def make_heads(cell: Cell, target: np.ndarray, checked: Images, *, threads: int) -> list[HeadResult]:
    """Fit, export and examine the four heads, or return what the cache holds; target: (flows of the dataset,).

    `checked`: windows for the comparison of one graph with Python. Raises ModelError when they disagree.
    """
    file = cell.folder / "heads.json"
    arrays_file = cell.folder / "heads.npz"
    if file.exists():
        differences = json.loads(file.read_text())
        with np.load(arrays_file, allow_pickle=False) as arrays:
            return [
                HeadResult(
                    name, {asked: arrays[f"{name}|{asked}"] for asked in cell.scores}, differences[name]
                )
                for name in HEADS
            ]
    trained = cell.scores[TRAINED]
    classes = trained.logits.shape[1]
    images = checked.part(np.arange(min(CHECKED_WINDOWS, len(checked.flow)))).images
    (features,) = run_graph(session(cell.graph, threads), [FEATURES], images)
    results = []
    for name in HEADS:
        head = fit_head(name, trained.features, target[trained.flow], classes, cell.procedure.seed)
        alone = session(head_model(head).SerializeToString(), threads)
        named = {
            asked: alone.run([LOGITS], {FEATURES: scores.features})[0].argmax(1)
            for asked, scores in cell.scores.items()
        }
        whole = svm_graph(cell) if name == SVM else cell.folder / "network-head.onnx"
        save_model(combined_model(onnx.load(cell.graph), head), whole)
        (logits,) = run_graph(session(whole, threads), [LOGITS], images)
        if name != SVM:
            whole.unlink()  # gigabytes for large k, and made again in a minute
        difference = float(np.abs(class_scores(logits) - class_scores(head_logits(head, features))).max())
        if difference > LARGEST_DIFFERENCE:
            raise ModelError(
                f"{cell.procedure.name} + {name}: one graph differs from Python by {difference:.1e}"
            )
        results.append(HeadResult(name, named, difference))
    arrays = {f"{one.name}|{asked}": values for one in results for asked, values in one.named.items()}
    with arrays_file.open("wb") as out:
        np.savez(out, **arrays)
    file.write_text(json.dumps({one.name: one.difference for one in results}))
    return results
