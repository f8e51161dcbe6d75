"""`callprint evaluate`: a model and labelled captures in, an honest report out."""

import argparse
import copy
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from callprint.cli.dataset import DEFAULT_DATA, read_data
from callprint.cli.paper_options import PAPER_REPORT, add_evaluation_options
from callprint.inference import DEFAULT_MODEL, load_model
from callprint.lab.identification.report import Extras, write_report
from callprint.training.dataset import Dataset

DEFAULT_REPORT = Path("docs/results/identification.md")
QUICK_REPORT = Path("build/identification.md")
DEFAULT_UNSEEN = Path("../shared/data/public")
ALL_SEEDS = 3

DESCRIPTION = """\
Let a model judge labelled calls that it never saw, and write what came out: accuracy by flow and by window with
intervals, by application, over k, from the middle of a flow, what is confused with what, and calibration.
`--all` makes everything there is to report, in one go and resumable: hours where nothing is in the cache yet.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    """Add the command to the parser of `callprint`."""
    parser = subparsers.add_parser("evaluate", help="measure a model honestly", description=DESCRIPTION)
    parser.add_argument(
        "--data",
        type=Path,
        default=DEFAULT_DATA,
        metavar="PATH",
        help="folder of captures and flows.csv, or a dataset file (default: %(default)s)",
    )
    parser.add_argument(
        "--model",
        type=Path,
        default=DEFAULT_MODEL,
        metavar="FILE",
        help="network (default: the shipped one)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help=f"report to write; its pictures go to pictures/ beside it (default: {DEFAULT_REPORT})",
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help=f"--unseen {DEFAULT_UNSEEN} (where it is), --leave-out and --seeds {ALL_SEEDS}, and the report of --paper "
        "before them",
    )
    parser.add_argument(
        "--unseen",
        type=Path,
        metavar="FOLDER",
        help="captures of other origin: which flows the model names in them, and which it calls unknown",
    )
    parser.add_argument(
        "--leave-out",
        action="store_true",
        help="also train networks without one application each, to see whether it is called unknown, and without "
        "codecs (ten minutes on one core; kept in the cache)",
    )
    parser.add_argument(
        "--seeds",
        type=int,
        default=0,
        metavar="N",
        help="also train the compact network with N seeds, for the spread of its figures (quarter of an hour each on "
        "one core; kept in the cache; the shipped network is the first); what is left out is left out with as many",
    )
    add_evaluation_options(parser)
    parser.set_defaults(run=run, usage_error=parser.error)
    return parser


def _check(args: argparse.Namespace) -> None:
    if args.all and args.paper:
        args.usage_error("--all has the report of --paper in it: give one of them")
    if (args.full or args.cached) and not (args.paper or args.all):
        args.usage_error("--full and --cached are about the paper's networks: give --paper or --all as well")
    if args.paper and (args.unseen or args.leave_out or args.seeds):
        args.usage_error(
            "--unseen, --leave-out and --seeds are not in the report of --paper: give --all, or one"
        )


def run(args: argparse.Namespace) -> int:
    """Measure and return the exit code. Raises DatasetError or ModelError."""
    _check(args)
    console = Console(stderr=True)
    if args.paper:
        # Only the paper's networks need torch.
        from callprint.cli.paper import evaluate_paper  # noqa: PLC0415

        return evaluate_paper(args, read_data([args.data], console), console)
    dataset = read_data([args.data], console)
    out = args.out or (QUICK_REPORT if args.quick else DEFAULT_REPORT)
    out.parent.mkdir(parents=True, exist_ok=True)
    if args.all:
        _add_everything(args)
        from callprint.cli.paper import evaluate_paper  # noqa: PLC0415 - see above

        of_paper = copy.copy(args)
        of_paper.out = out.parent / PAPER_REPORT.name
        evaluate_paper(of_paper, dataset, console)
    _evaluate(args, dataset, out, console)
    return 0


def _add_everything(args: argparse.Namespace) -> None:
    args.leave_out = True
    args.seeds = args.seeds or ALL_SEEDS
    if args.unseen is None and DEFAULT_UNSEEN.is_dir():
        args.unseen = DEFAULT_UNSEEN


def _evaluate(args: argparse.Namespace, dataset: Dataset, out: Path, console: Console) -> None:
    identifier = load_model(args.model)
    command = " ".join(["callprint", *sys.argv[1:]])
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("measuring", total=None)

        def on_stage(stage: str) -> None:
            progress.update(task, description=stage)
            if not console.is_terminal:
                console.print(stage, highlight=False)

        experiments = None
        if args.leave_out or args.seeds:
            # Only those who train networks need torch.
            from callprint.lab.identification.experiments import Experiments  # noqa: PLC0415

            experiments = Experiments(dataset, args.cache, args.quick, args.full, on_stage)
        extras = Extras(args.unseen, experiments, args.seeds, args.leave_out)
        write_report(dataset, identifier, out, command, extras)
    console.print(f"{out} and {out.parent / 'pictures'}/", highlight=False)
