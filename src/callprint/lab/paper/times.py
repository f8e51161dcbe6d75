"""Table IV of the paper: how long 1000 flows take, from evidence in memory to scores."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from callprint.core.identify.card import INPUT_MATRIX, MATRIX_COLUMNS
from callprint.core.identify.k_matrix import k_matrices
from callprint.inference.onnx_identifier import OnnxIdentifier
from callprint.lab.identification.processor import processor_s
from callprint.training.dataset import Dataset
from callprint.training.paper.cells import RUN_BYTES, session
from callprint.training.paper.graphs import LOGITS
from callprint.training.windows import Windows, cut_windows

FLOWS = 1000
TIMED_PACKETS = 1600  # large k: fewer flows are timed, and the time is scaled to FLOWS
LEAST_FLOWS = 20
RUNS = 2


def timed_windows(dataset: Dataset, k: int, count: int) -> Windows:
    """Return evidence of k packets of `count` flows; flows may come up more than once."""
    flows = np.resize(np.flatnonzero(dataset.packets >= k), count)
    return cut_windows(dataset.buffer, dataset.spans, flows, 0, k)


def _best_s(work: Callable[[], object]) -> float:
    return min(processor_s(work) for _ in range(RUNS))


def compact_seconds(dataset: Dataset, identifier: OnnxIdentifier, k: int) -> float:
    """Return the processor seconds of one thread that a shipped model needs for 1000 flows of k packets."""
    windows = timed_windows(dataset, k, FLOWS)
    return _best_s(lambda: identifier.identify(windows.buffer, windows.spans))


def graph_seconds(dataset: Dataset, graph: Path, k: int) -> float:
    """Return the same for a graph over k-matrices, which are made in the time measured."""
    count = min(FLOWS, max(LEAST_FLOWS, TIMED_PACKETS // k))
    windows = timed_windows(dataset, k, count)
    running = session(graph, threads=1)
    batch = max(1, RUN_BYTES // (4 * k * MATRIX_COLUMNS))

    def work() -> None:
        for start in range(0, count, batch):
            images, _packets = k_matrices(windows.buffer, windows.spans[start : start + batch], k)
            running.run([LOGITS], {INPUT_MATRIX: images[:, np.newaxis]})

    return _best_s(work) * FLOWS / count
