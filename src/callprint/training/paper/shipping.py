"""A trained network, or a head on its features, as a model to serve: with 8-bit weights where they cost no accuracy."""

import logging
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from callprint.core.identify.card import INPUT_MATRIX, MATRIX_COLUMNS, ModelCard, ModelInput, Policy
from callprint.inference.onnx_identifier import OnnxIdentifier
from callprint.training.classes import TRAINING_SPLIT, classes_of, training_flows
from callprint.training.dataset import Dataset
from callprint.training.examine import LEAST_PACKETS, examine
from callprint.training.export import sha256, write_model
from callprint.training.paper.budgets import Budget
from callprint.training.paper.cells import TRAINED, VALIDATED, Cell, examined_splits, run_graph, session
from callprint.training.paper.graphs import FEATURES, LOGITS
from callprint.training.paper.head_graphs import combined_model
from callprint.training.paper.heads import fit_head, head_logits
from callprint.training.paper.windows import as_input, first_windows, leaky_windows
from callprint.training.sampling import View
from callprint.training.statistics import fit_temperature, right_of

THRESHOLD = 0.9  # the paper, section VII
CALIBRATED_WINDOWS = 160
CALIBRATION_BATCH = 16
TOLERATED_LOSS = 0.005  # of accuracy by flow, for a quarter of the size


class _Reader(CalibrationDataReader):  # type: ignore[misc] # ONNX Runtime ships no types
    """Hands windows to the calibration, batch by batch."""

    def __init__(self, images: np.ndarray) -> None:
        self._batches = iter(
            images[start : start + CALIBRATION_BATCH] for start in range(0, len(images), CALIBRATION_BATCH)
        )

    def get_next(self) -> dict[str, np.ndarray] | None:
        batch = next(self._batches, None)
        return None if batch is None else {INPUT_MATRIX: as_input(batch)}


def without_features(graph: Path) -> onnx.ModelProto:
    """Return a network with its logits as the only output."""
    model = onnx.load(graph)
    kept = [output for output in model.graph.output if output.name != FEATURES]
    del model.graph.output[:]
    model.graph.output.extend(kept)
    return model


def quantised(graph: Path, images: np.ndarray) -> bytes:
    """Return a network with 8-bit weights and activations, calibrated on images (n, k, 256) uint8 of training windows.

    Weights take 7 of the 8 bits: processors without VNNI instructions would overflow otherwise.
    """
    with tempfile.TemporaryDirectory() as folder:
        whole, small = Path(folder) / "whole.onnx", Path(folder) / "small.onnx"
        whole.write_bytes(without_features(graph).SerializeToString())
        root = logging.getLogger()
        level = root.level
        root.setLevel(logging.ERROR)  # it would recommend preprocessing, which gains nothing here
        try:
            quantize_static(
                whole,
                small,
                _Reader(images),
                quant_format=QuantFormat.QDQ,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                per_channel=True,
                reduce_range=True,
            )
        finally:
            root.setLevel(level)
        return small.read_bytes()


def calibration_images(dataset: Dataset, target: np.ndarray, k: int) -> np.ndarray:
    """Return windows (n, k, 256) uint8 of the training split, evenly over the applications."""
    flows = dataset.of_split(TRAINING_SPLIT, max(LEAST_PACKETS, k))
    classes = len(np.unique(target[flows]))
    most = max(1, CALIBRATED_WINDOWS // classes)
    training, _validation = leaky_windows(dataset, flows, target, k, (most, 1), seed=7)
    return training.images


@dataclass(frozen=True, slots=True)
class _Graph:
    """The part of a cell that is served."""

    data: bytes  # k-matrices in, logits out
    validated: np.ndarray  # (n, classes) float32: logits of the validation windows
    facts: dict[str, Any]  # for the card


def _with_head(cell: Cell, target: np.ndarray, head: str) -> _Graph:
    # Weights stay float32: on 8-bit features a kernel or a threshold would be a different one.
    trained, validated = cell.scores[TRAINED], cell.scores[VALIDATED]
    classes = trained.logits.shape[1]
    fitted = fit_head(head, trained.features, target[trained.flow], classes, cell.procedure.seed)
    data = combined_model(onnx.load(cell.graph), fitted).SerializeToString()
    return _Graph(data, head_logits(fitted, validated.features), {"head": head, "weights": "float32"})


def _network_alone(dataset: Dataset, cell: Cell, target: np.ndarray) -> _Graph:
    # With 8-bit weights unless that costs accuracy.
    k = cell.procedure.k
    small = quantised(cell.graph, calibration_images(dataset, target, k))
    examined = first_windows(dataset, dataset.of_split(TRAINING_SPLIT, max(LEAST_PACKETS, k)), k)
    of_first = target[examined.flow]
    whole = without_features(cell.graph).SerializeToString()
    before = right_of(run_graph(session(whole, 1), [LOGITS], examined.images)[0].argmax(1), of_first)
    after = right_of(run_graph(session(small, 1), [LOGITS], examined.images)[0].argmax(1), of_first)
    holds = after.share >= before.share - TOLERATED_LOSS
    facts = {
        "weights": "8 bit" if holds else "float32",
        "training_flows_right_float32": round(before.share, 4),
        "training_flows_right_8_bit": round(after.share, 4),
    }
    return _Graph(small if holds else whole, cell.scores[VALIDATED].logits, facts)


def ship(
    dataset: Dataset, cell: Cell, budget: Budget, out: Path, name: str, version: str, head: str | None = None
) -> ModelCard:
    """Write a cell's network, or with `head` (of heads.HEADS) that on its features, as a model with its card.

    The temperature is fitted on validation windows, which are from the calls that trained the network: every call of
    dataset1 has trained it, so none is left to calibrate on. Its confidence is therefore too high on other calls, and
    the card says so.
    """
    k = cell.procedure.k
    flows = training_flows(dataset)
    classes, engines, target = classes_of(dataset, flows)
    graph = _with_head(cell, target, head) if head else _network_alone(dataset, cell, target)
    temperature = fit_temperature(graph.validated, target[cell.scores[VALIDATED].flow])
    card = ModelCard(
        name=name,
        version=version,
        classes=classes,
        engines=engines,
        input=ModelInput(INPUT_MATRIX, MATRIX_COLUMNS, 0, k, k),
        checkpoints=(k,),
        policy=Policy(THRESHOLD, ((k, round(temperature, 3)),), ()),
        onnx_file=out.name,
        onnx_sha256=sha256(graph.data),
        training=_training(dataset, flows, cell, budget) | graph.facts,
        accuracy={},
    )
    identifier = OnnxIdentifier(card, graph.data)
    view = View(f"first {k} packets", 0, k, False)
    accuracy = {
        split: {view.name: examine(dataset, identifier, split, (view,))[0].summary()}
        for split in examined_splits(dataset)
    }
    card = replace(card, accuracy=accuracy)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_model(graph.data, card, out)
    return card


def _training(dataset: Dataset, flows: np.ndarray, cell: Cell, budget: Budget) -> dict[str, Any]:
    return {
        "split": TRAINING_SPLIT,
        "flows": len(flows),
        "calls": len(np.unique(dataset.call[flows])),
        "windows": cell.facts["training_windows"],
        "dataset_sha256": dataset.digest,
        "budget": budget.name,
        "settings": asdict(cell.procedure),
        "calibrated_on": "windows of the calls that trained it: its confidence is too high on other calls",
    }
