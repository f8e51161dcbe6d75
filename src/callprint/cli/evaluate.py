"""`callprint evaluate`: a model and labelled captures in, a report of its accuracy out."""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from callprint.cli.dataset import add_data_option, read_data
from callprint.cli.paper_options import PAPER_REPORT, QUICK_PAPER_REPORT, add_evaluation_options
from callprint.cli.parsers import Subparsers, add_command, not_negative
from callprint.cli.stages import shown_stages
from callprint.cli.targets import check_place, output_path
from callprint.inference import DEFAULT_MODEL
from callprint.network_in_place import network_in_place
from callprint.output.console import make_messages
from callprint.training.dataset import Dataset

DEFAULT_REPORT = Path("docs/results/identification.md")
QUICK_REPORT = Path("build/identification.md")
HOLD_OUT_REPORT = Path("docs/results/held-out.md")
DEFAULT_UNSEEN = Path("../shared/data/public")
ALL_SEEDS = 3

DESCRIPTION = """\
Let a model judge labelled calls that it has never seen, and write a report: accuracy by flow and by window with
intervals, by application, over k and from the middle of a flow, what is confused with what, and calibration.
--against and --put-in-place compare a new network with another one instead, and refuse a worse one.
--all makes the whole report in one go; where nothing is in the cache yet that takes hours, and it can be resumed.
"""

EPILOG = """\
examples:
  callprint evaluate --data my-calls --model mine.onnx --put-in-place
                                           compare mine.onnx with the network in place, and use it if it is no worse
  callprint evaluate --data my-calls.npz --model mine.onnx --out mine.md
                                           a report of its own
  callprint evaluate --all                 the whole report on the network that ships

docs/use/learn.md says when a network is refused. Exit codes: 0 done, 2 wrong usage, 4 a dataset or a network cannot be
used, or the new network is worse.
"""


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the command to the parser of `callprint`."""
    parser = add_command(subparsers, "evaluate", DESCRIPTION, EPILOG)
    add_data_option(parser, "folder of captures and flows.csv, or a dataset file")
    parser.add_argument(
        "--model",
        type=Path,
        default=DEFAULT_MODEL,
        metavar="FILE",
        help="network (default: the one that ships)",
    )
    parser.add_argument(
        "--out",
        type=output_path,
        metavar="FILE",
        help=f"report to write; its pictures go to pictures/ beside it (default: {DEFAULT_REPORT})",
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help=f"the report of --paper first, then this one with --leave-out, --seeds {ALL_SEEDS} and, if the folder is "
        f"there, --unseen {DEFAULT_UNSEEN}",
    )
    parser.add_argument(
        "--unseen",
        type=Path,
        metavar="FOLDER",
        help="captures of other origin: which of their flows the model names, and which it calls unknown",
    )
    parser.add_argument(
        "--leave-out",
        action="store_true",
        help="also train networks without one application each, to see whether it is called unknown, and without "
        "codecs (ten minutes on one core; kept in the cache)",
    )
    parser.add_argument(
        "--seeds",
        type=not_negative,
        default=0,
        metavar="N",
        help="also train the compact network with N seeds, to see how much its figures vary (a quarter of an hour "
        "each on one core; kept in the cache; the shipped network is the first); --leave-out uses as many seeds",
    )
    parser.add_argument(
        "--hold-out",
        action="store_true",
        help="instead: train networks without some versions, applications and engines each, on dataset1 and versions, "
        f"and write {HOLD_OUT_REPORT} (some ten minutes on one core; kept in the cache)",
    )
    parser.add_argument(
        "--against",
        type=Path,
        metavar="FILE",
        help="instead: compare the network with this one, on the calls for testing and on the exemplars of this one; "
        "exit code 4 says that it is worse",
    )
    parser.add_argument(
        "--put-in-place",
        action="store_true",
        help="the same, by default against the network in place; if it is no worse, it is used from now on where none "
        "is named (`callprint models --roll-back` undoes it)",
    )
    add_evaluation_options(parser)
    parser.set_defaults(run=run, usage_error=parser.error)
    return parser


def _check(args: argparse.Namespace) -> None:
    if args.all and args.paper:
        args.usage_error("--all includes the report of --paper: give one of them")
    if (args.full or args.cached) and not (args.paper or args.all):
        args.usage_error("--full and --cached are about the paper's networks: give --paper or --all as well")
    if args.hold_out and (args.all or args.paper or args.unseen or args.leave_out or args.seeds):
        args.usage_error("--hold-out writes a report of its own: give it alone")
    replacing = args.against or args.put_in_place
    if replacing and (args.all or args.paper or args.hold_out or args.unseen or args.leave_out or args.seeds):
        args.usage_error(
            "--against and --put-in-place write no report: give them with --data and --model alone"
        )
    if replacing and args.out:
        args.usage_error("--against and --put-in-place write no report: --out has no use")
    if args.paper and (args.unseen or args.leave_out or args.seeds):
        args.usage_error(
            "--unseen, --leave-out and --seeds are not in the report of --paper: give --all, or one"
        )


def run(args: argparse.Namespace) -> int:
    """Measure and return the exit code. Raises DatasetError or ModelError."""
    _check(args)
    console = make_messages()
    if args.against or args.put_in_place:
        from callprint.cli.replacement import replace_or_refuse  # noqa: PLC0415 - as in `_evaluate`

        against = args.against or network_in_place()
        dataset = read_data([args.data], console)
        return replace_or_refuse(dataset, args.model, against, args.put_in_place, console)
    out = args.out or _usual_report(args)
    check_place(out)
    dataset = read_data([args.data], console)
    out.parent.mkdir(parents=True, exist_ok=True)
    if args.paper:
        # Only the paper's networks need torch.
        from callprint.cli.evaluate_paper import evaluate_paper  # noqa: PLC0415

        return evaluate_paper(args, dataset, out, console)
    if args.hold_out:
        _hold_out(args, dataset, out, console)
        return 0
    if args.all:
        _add_everything(args)
        from callprint.cli.evaluate_paper import evaluate_paper  # noqa: PLC0415 - see above

        evaluate_paper(args, dataset, out.parent / PAPER_REPORT.name, console)
    _evaluate(args, dataset, out, console)
    return 0


def _usual_report(args: argparse.Namespace) -> Path:
    if args.hold_out:
        return HOLD_OUT_REPORT
    if args.paper:
        return QUICK_PAPER_REPORT if args.quick else PAPER_REPORT
    return QUICK_REPORT if args.quick else DEFAULT_REPORT


def _hold_out(args: argparse.Namespace, dataset: Dataset, out: Path, console: Console) -> None:
    # Only training needs torch.
    from callprint.lab.identification.hold_out import hold_out  # noqa: PLC0415
    from callprint.lab.identification.hold_out_report import write_hold_out_report  # noqa: PLC0415

    with shown_stages(console) as on_stage:
        found = hold_out(
            dataset,
            args.cache.parent / "hold-out",
            on_round=lambda done, count: on_stage(f"left out: {done} of {count}"),
        )
    write_hold_out_report(dataset, found, out, " ".join(["callprint", *sys.argv[1:]]))
    console.print(str(out))


def _add_everything(args: argparse.Namespace) -> None:
    args.leave_out = True
    args.seeds = args.seeds or ALL_SEEDS
    if args.unseen is None and DEFAULT_UNSEEN.is_dir():
        args.unseen = DEFAULT_UNSEEN


def _evaluate(args: argparse.Namespace, dataset: Dataset, out: Path, console: Console) -> None:
    # The extras `cpu` and `spit`, which --help does without.
    from callprint.inference import load_model  # noqa: PLC0415
    from callprint.lab.identification.report import Extras, write_report  # noqa: PLC0415

    identifier = load_model(args.model)
    with shown_stages(console) as on_stage:
        on_stage("measuring")
        experiments = None
        if args.leave_out or args.seeds:
            # Only training needs torch.
            from callprint.lab.identification.experiments import Experiments  # noqa: PLC0415

            experiments = Experiments(dataset, args.cache, args.quick, args.full, on_stage)
        extras = Extras(args.unseen, experiments, args.seeds, args.leave_out)
        write_report(dataset, identifier, out, " ".join(["callprint", *sys.argv[1:]]), extras)
    console.print(f"{out} and {out.parent / 'pictures'}/")
