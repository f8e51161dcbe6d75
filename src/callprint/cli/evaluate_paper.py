"""`callprint evaluate --paper`: the identification paper's tables and figures on our data."""

import argparse
import sys
from pathlib import Path

import torch
from rich.console import Console

from callprint.cli.paper_options import budget_name
from callprint.cli.stages import shown_stages
from callprint.inference import load_model
from callprint.lab.paper.experiment import run_experiment
from callprint.lab.paper.plan import PLANS
from callprint.lab.paper.report import write_paper_report
from callprint.training.dataset import Dataset


def evaluate_paper(args: argparse.Namespace, dataset: Dataset, out: Path, console: Console) -> int:
    """Write the paper's report to `out` and return the exit code. Raises DatasetError or ModelError."""
    compact = load_model(args.model)
    with shown_stages(console) as on_stage:
        findings = run_experiment(
            dataset,
            PLANS[budget_name(args)],
            args.cache,
            threads=torch.get_num_threads(),
            train_missing=not args.cached,
            on_stage=on_stage,
        )
        on_stage("report")
        folder = args.data if args.data.is_dir() else None
        write_paper_report(findings, compact, out, " ".join(["callprint", *sys.argv[1:]]), folder, args.cache)
    console.print(f"{out} and {out.parent / 'pictures'}/")
    return 0
