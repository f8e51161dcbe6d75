"""`callprint dataset build`: labelled captures in, one training file out."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from callprint.cli.parsers import Subparsers, add_command
from callprint.cli.targets import output_path
from callprint.training.dataset import (
    BuildReport,
    Dataset,
    build_dataset,
    join_datasets,
    load_dataset,
    save_dataset,
    without_applications,
)

DEFAULT_DATA = Path("../shared/data/calls")

DESCRIPTION = """\
Read a folder of captures and its flows.csv (which flow was sent by which application), and write the flows'
packets and labels to one file for `callprint train` and `callprint evaluate`. docs/use/models.md describes both.
"""


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the command to the parser of `callprint`."""
    parser = add_command(subparsers, "dataset", DESCRIPTION)
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    build = actions.add_parser("build", help="read labelled captures", description=DESCRIPTION)
    add_data_option(build, "captures and flows.csv")
    build.add_argument(
        "--out", type=output_path, required=True, metavar="FILE", help="dataset file to write (.npz)"
    )
    build.add_argument(
        "--without",
        metavar="NAMES",
        default="",
        help="applications to leave out, separated by commas: to see what a network makes of strangers",
    )
    build.set_defaults(run=run)
    return parser


def add_data_option(parser: argparse.ArgumentParser, what: str) -> None:
    """Add --data."""
    parser.add_argument(
        "--data", type=Path, default=DEFAULT_DATA, metavar="PATH", help=f"{what} (default: %(default)s)"
    )


def read_data(paths: Sequence[Path], console: Console) -> Dataset:
    """Return what folders of captures and dataset files hold, as one dataset. Raises DatasetError."""
    found = [_build(path, console)[0] if path.is_dir() else load_dataset(path) for path in paths]
    return found[0] if len(found) == 1 else join_datasets(found)


def _build(folder: Path, console: Console) -> tuple[Dataset, BuildReport]:
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"reading captures in {folder}", total=None)
        return build_dataset(folder, lambda done, total: progress.update(task, completed=done, total=total))


def run(args: argparse.Namespace) -> int:
    """Build and return the exit code. Raises DatasetError naming file and line."""
    console = Console(stderr=True)
    dataset, report = _build(args.data, console)
    if args.without:
        dataset = without_applications(dataset, args.without.split(","))
    save_dataset(dataset, args.out)
    console.print(
        f"{args.out}: {len(dataset.packets)} flows of {len(set(dataset.application))} applications "
        f"in {report.captures} captures, {len(dataset.buffer) / 1e6:.1f} MB, sha256 {dataset.digest[:16]}…",
        highlight=False,
    )
    for count, what in (
        (report.unlabelled_flows, "flows without a label, left out"),
        (report.labels_without_flow, "labels without a flow in their capture"),
        (report.other_sources, "further sources (SSRC) on labelled ports, taken as flows of their own"),
        (report.damaged_captures, "damaged captures, read up to the damage"),
    ):
        if count:
            console.print(f"  {count} {what}", highlight=False)
    return 0
