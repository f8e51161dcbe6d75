"""The options about the identification paper's networks; nothing here needs torch."""

import argparse
from pathlib import Path

from callprint.training.sampling import PAPER_K

DEFAULT_CACHE = Path(".cache/paper")
PAPER_REPORT = Path("docs/results/paper.md")
QUICK_PAPER_REPORT = Path("build/paper.md")
NETWORKS = ("alexnet", "cnn", "googlenet")
# In the order of training.paper.heads.HEADS, which needs scikit-learn.
HEADS = ("svm", "forest", "tree", "bayes")


def budget_name(args: argparse.Namespace) -> str:
    """Return which budget of training/paper/budgets.py the options ask for."""
    return "quick" if args.quick else "full" if args.full else "reduced"


def _add_budget(parser: "argparse._ArgumentGroup") -> None:
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument(
        "--quick",
        action="store_true",
        help="a sketch that takes a minute: it shows that everything runs, its figures mean nothing",
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
    """Add the options of `evaluate --paper`."""
    group = parser.add_argument_group("the identification paper")
    group.add_argument(
        "--paper",
        action="store_true",
        help=f"train and examine the paper's networks instead, and write {PAPER_REPORT}; the default budget is a "
        "reduced one that takes an hour or two on one core and can be interrupted and resumed",
    )
    _add_budget(group)
    group.add_argument(
        "--cached",
        action="store_true",
        help="train nothing: the report lists what the cache lacks as missing",
    )


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `train --network`."""
    group = parser.add_argument_group("the identification paper's networks")
    group.add_argument("--network", choices=NETWORKS, help="train this one instead of the compact network")
    group.add_argument(
        "--k", type=int, choices=PAPER_K, default=4, help="packets that it looks at (default: %(default)s)"
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
            help=f"add the {norm.upper()} norm of the weights, times WEIGHT, to the loss: the paper's future work",
        )
    _add_budget(group)
