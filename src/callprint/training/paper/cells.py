"""One cell of the paper's tables: a network, trained, exported, examined in ONNX Runtime and kept in the cache."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from callprint.core.ground.errors import ModelError
from callprint.core.identify.card import INPUT_MATRIX
from callprint.training.classes import classes_of, training_flows
from callprint.training.dataset import Dataset
from callprint.training.examine import LEAST_PACKETS
from callprint.training.paper.budgets import Budget
from callprint.training.paper.graphs import FEATURES, LOGITS, convolution_weights, network_model, save_model
from callprint.training.paper.networks import parameters
from callprint.training.paper.procedure import (
    EpochResult,
    HostWindows,
    Procedure,
    device_of_training,
    train,
)
from callprint.training.paper.windows import (
    Images,
    as_input,
    first_windows,
    images_digest,
    leaky_windows,
    windows_by_flow,
)

EXAMINED_SPLITS = ("dataset2", "cross")
TRAINED = "trained"  # windows that trained the network, and train its heads
VALIDATED = "validated"  # the paper's 20 %: other windows of the same calls
RUN_BYTES = 16 << 20  # of k-matrices in one run of a graph


def examined_splits(dataset: Dataset) -> list[str]:
    """Return the splits that examine networks, as far as the dataset has them."""
    return [split for split in EXAMINED_SPLITS if len(dataset.of_split(split))]


def by_window(split: str) -> str:
    """Return the name of a split's windows, drawn by random steps."""
    return f"{split}, windows"


def by_flow(split: str) -> str:
    """Return the name of a split's flows, each looked at in its first k packets."""
    return f"{split}, first"


@dataclass(frozen=True, slots=True)
class Scores:
    """A network's scores of some windows."""

    logits: np.ndarray  # (n, classes) float32
    features: np.ndarray  # (n, units) float32
    flow: np.ndarray  # (n,) int64


@dataclass(frozen=True, slots=True)
class Cell:
    """A trained and examined network."""

    procedure: Procedure
    folder: Path
    facts: dict[str, Any]  # parameters, windows, seconds, loss and accuracy of each epoch
    scores: dict[str, Scores]  # by TRAINED, VALIDATED, by_window(split), by_flow(split)

    @property
    def graph(self) -> Path:
        """The network in ONNX."""
        return self.folder / "network.onnx"


def session(graph: Path | bytes, threads: int) -> onnxruntime.InferenceSession:
    """Return a session of ONNX Runtime; on a GPU when its package is the one installed."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    known = onnxruntime.get_available_providers()
    providers = [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in known]
    source = str(graph) if isinstance(graph, Path) else graph
    return onnxruntime.InferenceSession(source, options, providers=providers)


def run_graph(
    running: onnxruntime.InferenceSession, outputs: list[str], images: np.ndarray
) -> list[np.ndarray]:
    """Return the outputs of a graph for images (n, k, 256) uint8, in bounded batches."""
    batch = max(1, RUN_BYTES // (4 * images[0].size)) if len(images) else 1
    parts = [
        running.run(outputs, {INPUT_MATRIX: as_input(images[start : start + batch])})
        for start in range(0, max(len(images), 1), batch)
    ]
    return [np.concatenate(part) for part in zip(*parts, strict=True)]


def examined_images(
    dataset: Dataset, training: Images, validation: Images, k: int, budget: Budget
) -> dict[str, Images]:
    """Return all windows that a network is examined on, and those that train its heads."""
    asked = {
        TRAINED: training.part(np.arange(min(budget.head_windows, len(training.flow)))),
        VALIDATED: validation,
    }
    for split in EXAMINED_SPLITS:
        flows = dataset.of_split(split, max(LEAST_PACKETS, k))
        if len(flows):
            asked[by_window(split)] = windows_by_flow(dataset, flows, k, budget.windows_of_flow(k), seed=1)
            asked[by_flow(split)] = first_windows(dataset, flows, k)
    return asked


def cell_identity(dataset: Dataset, procedure: Procedure) -> dict[str, Any]:
    """Return what identifies the procedure and the data that a cell of the cache was made from."""
    return {"procedure": asdict(procedure), "images": images_digest(dataset)}


def make_cell(
    dataset: Dataset,
    procedure: Procedure,
    budget: Budget,
    cache: Path,
    *,
    threads: int,
    on_epoch: Callable[[EpochResult], None] = lambda _result: None,
) -> Cell:
    """Train, export and examine a network, or return it from the cache. Raises ModelError."""
    folder = cache / budget.name / procedure.name
    identity = cell_identity(dataset, procedure)
    found = read_cell(procedure, folder, identity)
    if found is not None:
        return found
    start = None
    if procedure.start is not None:
        start = convolution_weights(make_cell(dataset, procedure.start, budget, cache, threads=threads).graph)
    folder.mkdir(parents=True, exist_ok=True)
    flows = training_flows(dataset)
    classes, _engines, target = classes_of(dataset, flows)
    validated = budget.validated(procedure.k)
    of_each = -(-validated // len(classes)) if validated else None
    most = (procedure.most_windows, of_each)
    training, validation = leaky_windows(dataset, flows, target, procedure.k, most, procedure.seed)
    epochs: list[EpochResult] = []
    state_file = folder / "training.state"
    graph = folder / "network.onnx"
    epochs_file = folder / "epochs.json"
    if epochs_file.exists() and state_file.exists():
        epochs = [EpochResult(**one) for one in json.loads(epochs_file.read_text())]

    def keep(result: EpochResult) -> None:
        # An epoch that was interrupted after it was written down runs again.
        epochs[:] = [*(one for one in epochs if one.epoch < result.epoch), result]
        epochs_file.write_text(json.dumps([asdict(one) for one in epochs]))
        on_epoch(result)

    device = device_of_training()
    network = train(
        procedure,
        HostWindows(training, target, device),
        len(classes),
        digest=identity["images"],
        state_file=state_file,
        device=device,
        convolutions=start,
        on_epoch=keep,
    )
    count = parameters(network)
    save_model(network_model(network), graph)
    del network
    running = session(graph, threads)
    scores = {}
    for name, images in examined_images(dataset, training, validation, procedure.k, budget).items():
        scores[name] = Scores(*run_graph(running, [LOGITS, FEATURES], images.images), images.flow)
    facts = {
        "parameters": count,
        "training_windows": len(training.flow),
        "epochs": [asdict(one) for one in epochs],
    }
    _write_cell(folder, identity, facts, scores)
    state_file.unlink(missing_ok=True)
    return Cell(procedure, folder, facts, scores)


def _write_cell(
    folder: Path, identity: dict[str, Any], facts: dict[str, Any], scores: dict[str, Scores]
) -> None:
    arrays = {
        f"{name}|{field.name}": getattr(found, field.name)
        for name, found in scores.items()
        for field in fields(Scores)
    }
    with (folder / "scores.npz").open("wb") as file:
        np.savez(file, **arrays)
    # Written last: a cell without it is made again.
    (folder / "cell.json").write_text(json.dumps({"identity": identity, "facts": facts}, indent=1))


def read_cell(procedure: Procedure, folder: Path, identity: dict[str, Any] | None = None) -> Cell | None:
    """Return a finished cell of the cache, None when there is none. Raises ModelError when other data made it."""
    file = folder / "cell.json"
    if not file.exists():
        return None
    stored = json.loads(file.read_text())
    if identity is not None and stored["identity"] != identity:
        raise ModelError(f"{folder} was made with other settings or data: remove it or name another cache")
    with np.load(folder / "scores.npz", allow_pickle=False) as arrays:
        names = {key.partition("|")[0] for key in arrays.files}
        scores = {
            name: Scores(arrays[f"{name}|logits"], arrays[f"{name}|features"], arrays[f"{name}|flow"])
            for name in names
        }
    return Cell(procedure, folder, stored["facts"], scores)
