"""`callprint evaluate --paper` and `callprint train --network`: the identification paper's networks."""

import argparse
import os
import sys
from dataclasses import replace

import torch
from rich.console import Console
from rich.progress import Progress

from callprint.cli.paper_options import HEADS, PAPER_REPORT, QUICK_PAPER_REPORT
from callprint.core.ground.errors import DatasetError
from callprint.inference import load_model
from callprint.lab.paper.report import write_paper_report
from callprint.training.classes import TRAINING_SPLIT
from callprint.training.dataset import Dataset
from callprint.training.paper import heads
from callprint.training.paper.budgets import FULL, QUICK, REDUCED, Budget, one_network
from callprint.training.paper.experiment import run_experiment
from callprint.training.paper.networks import MAKERS
from callprint.training.paper.shipping import ship

KINDS = {name.lower(): name for name in MAKERS}
HEAD_NAMES = dict(zip(HEADS, heads.HEADS, strict=True))


def _budget(args: argparse.Namespace) -> Budget:
    return QUICK if args.quick else FULL if args.full else REDUCED


def _trainable(dataset: Dataset) -> None:
    if not len(dataset.of_split(TRAINING_SPLIT)):
        raise DatasetError(f"the dataset has no flow of {TRAINING_SPLIT}, which trains")


def evaluate_paper(args: argparse.Namespace, dataset: Dataset, console: Console) -> int:
    """Make the paper's report and return the exit code. Raises DatasetError or ModelError."""
    _trainable(dataset)
    compact = load_model(args.model)
    out = args.out or (QUICK_PAPER_REPORT if args.quick else PAPER_REPORT)
    out.parent.mkdir(parents=True, exist_ok=True)
    command = " ".join(["callprint", *sys.argv[1:]])
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None)

        def on_stage(stage: str) -> None:
            progress.update(task, description=stage)
            if not console.is_terminal:
                console.print(stage, highlight=False)

        findings = run_experiment(
            dataset,
            _budget(args),
            args.cache,
            threads=torch.get_num_threads(),
            train_missing=not args.cached,
            on_stage=on_stage,
        )
        on_stage("report")
        folder = args.data if args.data.is_dir() else None
        write_paper_report(findings, compact, out, command, folder, args.cache)
    console.print(f"{out} and {out.parent / 'pictures'}/", highlight=False)
    return 0


def train_paper(args: argparse.Namespace, dataset: Dataset, console: Console) -> int:
    """Train one network, or take it from the cache, and write it as a model. Raises DatasetError or ModelError."""
    _trainable(dataset)
    if args.threads:
        torch.set_num_threads(args.threads)
    budget = one_network(_budget(args), KINDS[args.network], args.k, args.seed)
    penalised = replace(budget.procedures[0], l1=args.l1, l2=args.l2)
    budget = replace(budget, procedures=(penalised,))
    threads = args.threads or os.cpu_count() or 1

    def on_stage(stage: str) -> None:
        console.print(stage, highlight=False)

    findings = run_experiment(dataset, budget, args.cache, threads=threads, on_stage=on_stage)
    card = ship(
        findings, next(iter(findings.cells.values())), args.out, args.model_version, HEAD_NAMES.get(args.head)
    )
    console.print(
        f"{args.out}: {card.name} {card.version}, weights of {card.training['weights']}", highlight=False
    )
    for split, views in card.accuracy.items():
        for view, figures in views.items():
            console.print(
                f"  {split}, {view}: {figures['accuracy']:.1%} of {figures['flows']} flows", highlight=False
            )
    return 0
