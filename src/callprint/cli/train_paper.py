"""`callprint train --network`: one of the identification paper's networks, alone or with a head, as a model."""

import argparse
import os
from dataclasses import replace

from rich.console import Console

from callprint.cli.paper_options import HEADS, budget_name
from callprint.model_names import check_free
from callprint.training.dataset import Dataset
from callprint.training.paper import heads
from callprint.training.paper.budgets import BUDGETS
from callprint.training.paper.cells import make_cell
from callprint.training.paper.networks import MAKERS
from callprint.training.paper.procedure import EpochResult
from callprint.training.paper.shipping import ship

KINDS = {name.lower(): name for name in MAKERS}
HEAD_NAMES = dict(zip(HEADS, heads.HEADS, strict=True))


def train_paper(args: argparse.Namespace, dataset: Dataset, console: Console) -> int:
    """Train one network, or take it from the cache, and write it as a model. Raises DatasetError or ModelError."""
    budget = BUDGETS[budget_name(args)]
    procedure = replace(budget.procedure(KINDS[args.network], args.k, args.seed), l1=args.l1, l2=args.l2)
    threads = args.threads or os.cpu_count() or 1

    def on_epoch(result: EpochResult) -> None:
        console.print(f"{procedure.name}: epoch {result.epoch}/{procedure.epochs}, loss {result.loss:.3f}")

    head = HEAD_NAMES.get(args.head)
    kind = f"{procedure.kind}-k{args.k}" + (f"-{head.replace(' ', '-')}" if head else "")
    name = args.name or kind.lower()
    check_free(args.out, name, args.model_version)
    console.print(procedure.name)
    cell = make_cell(dataset, procedure, budget, args.cache, threads=threads, on_epoch=on_epoch)
    card = ship(dataset, cell, budget, args.out, name, args.model_version, head)
    console.print(f"{args.out}: {card.name} {card.version}, weights of {card.training['weights']}")
    for split, views in card.accuracy.items():
        for view, figures in views.items():
            console.print(f"  {split}, {view}: {figures['accuracy']:.1%} of {figures['flows']} flows")
    return 0
