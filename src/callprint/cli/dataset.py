"""`callprint dataset build`: labelled captures in, one training file out."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from callprint.training.dataset import (
    Dataset,
    build_dataset,
    join_datasets,
    load_dataset,
    save_dataset,
    without_applications,
)

DEFAULT_DATA = Path("../shared/data/calls")

DESCRIPTION = """\
Read a folder of captures and its flows.csv (which flow was sent by which application) and write the flows'
packets and labels as one file for `callprint train` and `callprint evaluate`. docs/use/models.md has the layout.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    """Add the command to the parser of `callprint`."""
    parser = subparsers.add_parser(
        "dataset", help="build training data from labelled captures", description=DESCRIPTION
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    build = actions.add_parser("build", help="read labelled captures", description=DESCRIPTION)
    build.add_argument(
        "--data",
        type=Path,
        default=DEFAULT_DATA,
        metavar="FOLDER",
        help="captures and flows.csv (default: %(default)s)",
    )
    build.add_argument("--out", type=Path, required=True, metavar="FILE", help="dataset file to write (.npz)")
    build.add_argument(
        "--without",
        metavar="NAMES",
        default="",
        help="applications to leave out, separated by commas: to see what a network makes of strangers",
    )
    build.set_defaults(run=run)
    return parser


def read_data(paths: Sequence[Path], console: Console) -> Dataset:
    """Return what folders of captures and dataset files hold, as one. Raises DatasetError."""
    found = []
    for path in paths:
        if not path.is_dir():
            found.append(load_dataset(path))
            continue
        with Progress(console=console, disable=not console.is_terminal) as progress:
            task = progress.add_task(f"reading captures in {path}", total=None)
            dataset, _report = build_dataset(
                path,
                lambda done, total, bar=progress, task=task: bar.update(task, completed=done, total=total),
            )
        found.append(dataset)
    return found[0] if len(found) == 1 else join_datasets(found)


def run(args: argparse.Namespace) -> int:
    """Build and return the exit code. Raises DatasetError naming file and line."""
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("reading captures", total=None)
        dataset, report = build_dataset(
            args.data, lambda done, total: progress.update(task, completed=done, total=total)
        )
    if args.without:
        dataset = without_applications(dataset, args.without.split(","))
    save_dataset(dataset, args.out)
    console.print(
        f"{args.out}: {len(dataset.packets)} flows of {len(set(dataset.application))} applications "
        f"in {report.captures} captures, {len(dataset.buffer) / 1e6:.1f} MB, sha256 {dataset.digest[:16]}…",
        highlight=False,
    )
    for count, what in (
        (report.unlabelled_flows, "flows that no label names, left out"),
        (report.labels_without_flow, "labels without a flow in their capture"),
        (report.other_sources, "further sources (SSRC) on labelled ports, taken as flows of their own"),
        (report.damaged_captures, "damaged captures, read up to the damage"),
    ):
        if count:
            console.print(f"  {count} {what}", highlight=False)
    return 0
