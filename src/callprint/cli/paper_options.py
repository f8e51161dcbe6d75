"""The options of the identification paper's networks, apart from what needs torch."""

import argparse
from pathlib import Path

from callprint.training.sampling import PAPER_K

DEFAULT_CACHE = Path(".cache/paper")
PAPER_REPORT = Path("docs/results/paper.md")
QUICK_PAPER_REPORT = Path("build/paper.md")
NETWORKS = ("alexnet", "cnn", "googlenet")
HEADS = (
    "svm",
    "forest",
    "tree",
    "bayes",
)  # in the order of training.paper.heads.HEADS, which needs scikit-learn


def _add_budget(parser: "argparse._ArgumentGroup") -> None:
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument(
        "--quick",
        action="store_true",
        help="a sketch of a minute: shows that all runs, its figures mean nothing",
    )
    budget.add_argument(
        "--full", action="store_true", help="the paper's procedure in full, three seeds: hours on a GPU"
    )
    parser.add_argument(
        "--cache",
        type=Path,
        default=DEFAULT_CACHE,
        metavar="FOLDER",
        help="trained networks and their scores; what is there is not made again (default: %(default)s)",
    )


def add_evaluation_options(parser: argparse.ArgumentParser) -> None:
    """Add what `evaluate --paper` takes."""
    group = parser.add_argument_group("the identification paper")
    group.add_argument(
        "--paper",
        action="store_true",
        help=f"train and examine the paper's networks instead, and write {PAPER_REPORT}: by default with a reduced "
        "budget of an hour or two on one core, resumable",
    )
    _add_budget(group)
    group.add_argument(
        "--cached", action="store_true", help="train nothing: what the cache lacks is named as missing"
    )


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """Add what `train --network` takes."""
    group = parser.add_argument_group("the identification paper's networks")
    group.add_argument("--network", choices=NETWORKS, help="train one of them instead of the compact network")
    group.add_argument(
        "--k", type=int, choices=PAPER_K, default=4, help="packets it looks at (default: %(default)s)"
    )
    group.add_argument(
        "--head",
        choices=HEADS,
        help="put a classifier of this kind on the network's deep features, as the paper's deployed system does, "
        "and write both as one graph (default: the network's own softmax)",
    )
    for norm in ("l1", "l2"):
        group.add_argument(
            f"--{norm}",
            type=float,
            default=0.0,
            metavar="WEIGHT",
            help=f"add the {norm.upper()} norm of the weights to the loss, times WEIGHT: the paper's future work",
        )
    _add_budget(group)
