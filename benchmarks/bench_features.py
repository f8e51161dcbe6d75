"""What each group of features, and renegotiation in training, is worth: accuracy without it, on folds of dataset1.

    callprint dataset build --out calls.npz
    .venv/bin/python benchmarks/bench_features.py calls.npz

Quick networks are trained without one group of features each, and once on windows as they were recorded; the held-out
calls of each fold are judged in several views. Prints the table of docs/results/feature-groups.md.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from callprint.core.identify.feature_row import GROUPS
from callprint.lab.identification.open_set import QUICK, VARIED
from callprint.training.calibration import call_folds
from callprint.training.classes import TRAINING_SPLIT, classes_of
from callprint.training.dataset import load_dataset
from callprint.training.examine import LEAST_PACKETS
from callprint.training.network import CompactNetwork
from callprint.training.sampling import EARLY, FINAL, FINAL_MEDIA, MIDFLOW, View, view_rows
from callprint.training.train import logits_of, train_network

FOLDS = 4
MIDFLOW_VARIED = View("from the 150th packet, renegotiated", MIDFLOW.first, MIDFLOW.packets, True, True)
VIEWS = (EARLY, FINAL, FINAL_MEDIA, VARIED, MIDFLOW, MIDFLOW_VARIED)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", type=Path)
    parser.add_argument(
        "--folds", type=int, default=FOLDS, help="how many of the four folds to hold out, one after the other"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    dataset = load_dataset(args.dataset)
    flows = dataset.of_split(TRAINING_SPLIT)
    names, _, target = classes_of(dataset, flows)
    fold = call_folds(dataset, flows, FOLDS, QUICK.seed)
    forms: dict[str, Callable[[np.ndarray], CompactNetwork]] = {
        "everything": lambda seen: train_network(dataset, seen, target, len(names), QUICK),
        "no renegotiated windows": lambda seen: train_network(
            dataset, seen, target, len(names), QUICK, renegotiated=0.0
        ),
    }
    for group in GROUPS:
        forms[f"without {group}"] = lambda seen, group=group: train_network(  # type: ignore[misc]
            dataset, seen, target, len(names), QUICK, without=(group,)
        )
    print("| trained with | " + " | ".join(view.name for view in VIEWS) + " |", flush=True)
    print("|" + "---|" * (1 + len(VIEWS)), flush=True)
    for name, make in forms.items():
        right = np.zeros((len(VIEWS), 2), np.int64)
        for i in range(args.folds):
            network = make(flows[fold != i])
            for j, view in enumerate(VIEWS):
                rows = view_rows(dataset, flows[fold == i], view)
                enough = rows.packets >= LEAST_PACKETS
                best = logits_of(network, rows.features[enough]).argmax(1)
                right[j] += [(best == target[rows.flow[enough]]).sum(), enough.sum()]
        print(f"| {name} | " + " | ".join(f"{a / b:.1%}" for a, b in right) + " |", flush=True)


if __name__ == "__main__":
    main()
