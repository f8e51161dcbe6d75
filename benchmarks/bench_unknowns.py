"""How well unknown flows cluster by application, and in which space: applications of dataset1 left out of training.

    callprint dataset build --out calls.npz
    .venv/bin/python benchmarks/bench_unknowns.py calls.npz

Each of seven groups of applications is left out of a quick training run in turn. The flows that the network then calls
unknown, of the applications left out and of other calls of those it knows, are clustered by the code of
`callprint unknowns`.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.decomposition import PCA

from callprint.core.identify.decision import softmax
from callprint.lab.identification.open_set import HELD_OUT_FOLDS, QUICK
from callprint.lab.identification.open_set_scores import hidden_layers
from callprint.training.calibration import call_folds
from callprint.training.classes import TRAINING_SPLIT, classes_of
from callprint.training.dataset import load_dataset
from callprint.training.models import THRESHOLD
from callprint.training.novelty import EMBEDDING_CLIP, KNOWN_SHARE
from callprint.training.sampling import FINAL, view_rows
from callprint.training.train import (
    logits_of,
    network_novelty,
    novelty_scores,
    scaled_rows,
    train_network,
)
from callprint.unknowns.clusters import cluster_labels

COMPONENTS = 20
GROUPS_OF_APPLICATIONS = 7  # several strangers at a time, so that there is something to cluster


@dataclass(frozen=True, slots=True)
class Quality:
    """How one clustering fits the applications."""

    purity: float  # of the clustered flows, those of their cluster's most frequent application
    clustered: float  # share of flows in a cluster
    at_home: float  # of the strangers, those in a cluster where their application is the most frequent one
    found: float  # applications left out that are the most frequent one of some cluster
    clusters: int


def quality(labels: np.ndarray, application: np.ndarray, stranger: np.ndarray) -> Quality:
    """Judge labels (n,) by the application (n,) of each flow; stranger: (n,) bool."""
    home = np.zeros(len(labels), bool)
    most = set()
    for label in range(labels.max(initial=-1) + 1):
        inside = labels == label
        usual = np.bincount(application[inside]).argmax()
        most.add(int(usual))
        home |= inside & (application == usual)
    left_out = set(application[stranger].tolist())
    clustered = labels >= 0
    return Quality(
        float(home.sum() / max(1, clustered.sum())),
        float(clustered.mean()),
        float(home[stranger].mean()),
        len(most & left_out) / len(left_out),
        int(labels.max(initial=-1) + 1),
    )


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    dataset = load_dataset(args.dataset)
    flows = dataset.of_split(TRAINING_SPLIT)
    names, _, target = classes_of(dataset, flows)
    order = np.random.default_rng(QUICK.seed).permutation(len(names))
    fold = call_folds(dataset, flows, HELD_OUT_FOLDS, QUICK.seed)
    found: dict[str, list[Quality]] = {}
    for i in range(GROUPS_OF_APPLICATIONS):
        known = np.setdiff1d(np.arange(len(names)), order[i::GROUPS_OF_APPLICATIONS])
        number = np.full(len(names), -1)
        number[known] = np.arange(len(known))
        own = np.where(target >= 0, number[target], -1)
        is_known = own[flows] >= 0
        seen = flows[is_known & (fold != 0)]
        network = train_network(dataset, seen, own, len(known), QUICK)
        novelty = network_novelty(network, dataset, seen, own)
        asked = np.concatenate([flows[is_known & (fold == 0)], flows[~is_known]])
        features = view_rows(dataset, asked, FINAL).features
        scaled, logits = scaled_rows(network, features), logits_of(network, features)
        score = novelty_scores(network, novelty, features)
        stranger = own[asked] < 0
        confidence = softmax(logits, np.ones(len(logits), np.float32)).max(1)
        unknown = (confidence < THRESHOLD) | (score > np.quantile(score[~stranger], KNOWN_SHARE))
        whitened = (scaled @ novelty.horizon.features.whitening).clip(-EMBEDDING_CLIP, EMBEDDING_CLIP)
        hidden = hidden_layers(network, features)
        spaces = {
            "embedding (used)": whitened,
            f"embedding, {COMPONENTS} principal components": whitened,
            "standardised features": scaled,
            f"standardised features, {COMPONENTS} principal components": scaled,
            "hidden layers": hidden,
            f"hidden layers, {COMPONENTS} principal components": hidden,
            "logits": logits,
        }
        for name, space in spaces.items():
            rows = space[unknown]
            if "components" in name:
                rows = PCA(COMPONENTS, random_state=0).fit_transform(rows)
            labels = cluster_labels(rows)
            found.setdefault(name, []).append(quality(labels, target[asked][unknown], stranger[unknown]))
    print("| space | purity | clustered | strangers at home | applications found | clusters |")
    print("|---|---|---|---|---|---|")
    for name, qualities in found.items():
        means = [np.mean([getattr(each, field) for each in qualities]) for field in Quality.__slots__]
        print(f"| {name} | " + " | ".join(f"{mean:.1%}" for mean in means[:4]) + f" | {means[4]:.1f} |")


if __name__ == "__main__":
    main()
