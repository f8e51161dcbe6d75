"""Exemplars of a network, made from the dataset that trained it.

    python -m callprint.training.make_exemplars models/compact.onnx DATASET

writes models/compact-exemplars.npz. It takes a minute and the extra `train`.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from rich.console import Console

from callprint.cli.dataset import read_data
from callprint.core.ground.errors import CallprintError
from callprint.core.identify.features import packet_counts
from callprint.inference import OnnxIdentifier
from callprint.training.calibration import REFERENCE_VIEW, calibration_views
from callprint.training.classes import TRAINING_SPLITS, training_flows
from callprint.training.dataset import Dataset
from callprint.training.exemplars import Exemplars, exemplars_path, save_exemplars
from callprint.training.loaded import load_network
from callprint.training.network import CLIP
from callprint.training.sampling import View, training_rows, view_windows

DRAWS = 320  # windows of a class as training draws them
OF_A_VIEW = 16  # flows of a class in each view that calibrates
OF_THE_REFERENCE = 40  # the same in the view that drift is measured against
SEED = 1


def make_exemplars(
    dataset: Dataset, identifier: OnnxIdentifier, flows: np.ndarray, seed: int = SEED
) -> Exemplars:
    """Draw exemplars of a network from flows that trained it; flows: (n,) int64 into the dataset."""
    rng = np.random.default_rng(seed)
    number = {name: i for i, name in enumerate(identifier.applications)}
    target = np.array([number.get(str(name), -1) for name in dataset.application], np.int64)
    flows = flows[target[flows] >= 0]
    call = np.unique(dataset.call, return_inverse=True)[1]
    parts = [_drawn(dataset, flows, target, rng)]
    for view in calibration_views():
        most = OF_THE_REFERENCE if view == REFERENCE_VIEW else OF_A_VIEW
        parts.append(_of_view(dataset, identifier, _some(flows, target, most, rng), view))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    features, flow, *views = columns
    seen = packet_counts(features)
    return Exemplars(identifier.card.onnx_sha256, features, target[flow], call[flow], seen, *views)


def _some(flows: np.ndarray, target: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """Return at most `most` flows of each class, drawn without replacement."""
    chosen = [rng.permutation(flows[target[flows] == i])[:most] for i in np.unique(target[flows])]
    return np.sort(np.concatenate(chosen))


Part = tuple[np.ndarray, ...]


def _part(
    features: np.ndarray, flow: np.ndarray, packets: int, first: int, renegotiated: bool, headers: bool
) -> Part:
    count = len(flow)
    return (
        features,
        flow,
        np.full(count, packets),
        np.full(count, first),
        np.full(count, renegotiated),
        np.full(count, headers),
    )


def _drawn(dataset: Dataset, flows: np.ndarray, target: np.ndarray, rng: np.random.Generator) -> Part:
    """Return windows as training draws them, as many of each class."""
    drawn = np.concatenate([rng.choice(flows[target[flows] == i], DRAWS) for i in np.unique(target[flows])])
    rows = training_rows(dataset, drawn, 1, int(rng.integers(2**31)))
    return _part(rows.features, rows.flow, 0, 0, False, False)


def _of_view(dataset: Dataset, identifier: OnnxIdentifier, flows: np.ndarray, view: View) -> Part:
    windows = view_windows(dataset, flows, view)
    kept = windows.packets >= min(view.packets, 10)  # as training/calibration.py keeps them
    features = identifier.feature_rows(windows.buffer, windows.spans[kept])
    return _part(features, windows.flow[kept], view.packets, view.first, view.renegotiated, view.headers)


def write_exemplars(dataset: Dataset, model: Path, out: Path | None = None) -> Exemplars:
    """Write the exemplars of a network from the dataset that trained it, by default beside it; return them.

    Raises ModelError and DatasetError.
    """
    loaded = load_network(model)
    trained = loaded.card.training.get("splits")
    splits = tuple(map(str, trained)) if isinstance(trained, list) else TRAINING_SPLITS[:1]
    found = make_exemplars(dataset, loaded.identifier, training_flows(dataset, splits))
    reach = CLIP * loaded.network.deviation.numpy()
    save_exemplars(found, loaded.network.mean.numpy(), reach, out or exemplars_path(model))
    return found


def main(arguments: list[str] | None = None) -> int:
    """Make the file; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m callprint.training.make_exemplars",
        description="Write the exemplars of a network, with which `callprint train --add` keeps it from forgetting.",
    )
    parser.add_argument("model", type=Path, help="network (.onnx)")
    parser.add_argument("dataset", type=Path, help="what trained it: dataset file, or folder with flows.csv")
    parser.add_argument(
        "--out", type=Path, help="file to write (default: NAME-exemplars.npz beside the network)"
    )
    args = parser.parse_args(arguments)
    console = Console(stderr=True)
    out = args.out or exemplars_path(args.model)
    try:
        found = write_exemplars(read_data([args.dataset], console), args.model, out)
    except CallprintError as error:
        console.print(str(error), markup=False, highlight=False)
        return 1
    size = out.stat().st_size / 1e6
    console.print(
        f"{out}: {len(found.target)} windows of {len(np.unique(found.target))} applications, {size:.2f} MB"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
