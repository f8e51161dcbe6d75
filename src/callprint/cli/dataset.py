"""`callprint dataset`: labelled captures in, one training file out; and labels from what packets say themselves."""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.text import Text

from callprint.cli import EXIT_DAMAGED, EXIT_ERROR, EXIT_USAGE
from callprint.cli.parsers import Subparsers, add_command, positive
from callprint.cli.targets import check_place, output_path
from callprint.core.ground.errors import CaptureError, DatasetError
from callprint.output.console import make_messages, make_table, printable, quantity
from callprint.recording.site_dataset import (
    capture_candidates,
    check_new,
    store_candidates,
    write_site_dataset,
)
from callprint.recording.site_labels import TEST_SPLIT, Bounds, Labelled, Refused, choose
from callprint.stores import open_store
from callprint.training.dataset import (
    BuildReport,
    Dataset,
    build_dataset,
    join_datasets,
    load_dataset,
    save_dataset,
    without_applications,
)

LABEL_DESCRIPTION = """\
Label flows of your own site by what clear signalling, RTCP, STUN and DTLS say about who sends them, and write those
that can be trusted as a folder for `callprint dataset build` and `callprint train`. docs/use/learn.md says what is
refused.
"""

EPILOG = """\
examples:
  callprint dataset label captures/*.pcap --out site          a folder with flows.csv, of calls that say what made them
  callprint dataset build --data site --out site.npz          one file of such a folder, faster to read again

What next: `callprint train --add site --out mine.onnx`. docs/use/learn.md and docs/use/models.md walk through it.
Exit codes: 0 done, 2 wrong usage, 3 a capture cannot be read (the others were), 4 labels or captures cannot be used.
"""

DEFAULT_DATA = Path("../shared/data/calls")

DATASET_DESCRIPTION = """\
Make training data: `label` finds out what sent the flows of captures where packets say so, `build` puts labelled
captures into one file for `callprint train` and `callprint evaluate`.
"""

DESCRIPTION = """\
Read a folder of captures and its flows.csv (which flow was sent by which application), and write the flows'
packets and labels to one file for `callprint train` and `callprint evaluate`. docs/use/models.md describes both.
"""


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the command to the parser of `callprint`."""
    parser = add_command(subparsers, "dataset", DATASET_DESCRIPTION, EPILOG)
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
    _add_label(actions)
    return parser


def _add_label(actions: Subparsers) -> None:
    """Add the action `label`."""
    bounds = Bounds()
    label = actions.add_parser(
        "label", help="label calls by what they say themselves", description=LABEL_DESCRIPTION
    )
    label.add_argument(
        "captures", nargs="*", type=Path, metavar="CAPTURE", help="capture files of the own site"
    )
    label.add_argument(
        "--store",
        metavar="URL",
        help="also the flows whose packets this store keeps (`identify --keep-unknown`)",
    )
    label.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="new folder to write")
    label.add_argument(
        "--least-calls",
        type=positive,
        metavar="N",
        default=bounds.least_calls,
        help="calls that an application needs (default: %(default)s)",
    )
    label.add_argument(
        "--most-flows",
        type=positive,
        metavar="N",
        default=bounds.most_flows,
        help="flows of an application and version at most (default: %(default)s)",
    )
    label.set_defaults(run=run_label)


def add_data_option(parser: argparse.ArgumentParser, what: str) -> None:
    """Add --data."""
    parser.add_argument(
        "--data", type=Path, default=DEFAULT_DATA, metavar="PATH", help=f"{what} (default: %(default)s)"
    )


def read_data(paths: Sequence[Path], console: Console) -> Dataset:
    """Return what folders of captures and dataset files hold, as one dataset. Raises DatasetError."""
    for path in paths:
        if not path.exists():
            raise DatasetError(f"{path}: no such folder of labelled captures, and no such dataset file")
    found = [_build(path, console)[0] if path.is_dir() else load_dataset(path) for path in paths]
    return found[0] if len(found) == 1 else join_datasets(found)


def _build(folder: Path, console: Console) -> tuple[Dataset, BuildReport]:
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(escape(f"reading captures in {printable(str(folder))}"), total=None)
        return build_dataset(folder, lambda done, total: progress.update(task, completed=done, total=total))


def run(args: argparse.Namespace) -> int:
    """Build and return the exit code. Raises DatasetError naming file and line."""
    console = make_messages()
    check_place(args.out)
    dataset, report = _build(args.data, console)
    if args.without:
        dataset = without_applications(dataset, args.without.split(","))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    save_dataset(dataset, args.out)
    console.print(
        f"{args.out}: {len(dataset.packets)} flows of {len(set(dataset.application))} applications "
        f"in {report.captures} captures, {len(dataset.buffer) / 1e6:.1f} MB, sha256 {dataset.digest[:16]}…"
    )
    for count, what in (
        (report.unlabelled_flows, "flows without a label, left out"),
        (report.labels_without_flow, "labels without a flow in their capture"),
        (report.other_sources, "further sources (SSRC) on labelled ports, taken as flows of their own"),
        (report.damaged_captures, "damaged captures, read up to the damage"),
    ):
        if count:
            console.print(f"  {count} {what}")
    return 0


def run_label(args: argparse.Namespace) -> int:
    """Label and return the exit code. Raises StoreError or DatasetError."""
    console = make_messages()
    if not args.captures and not args.store:
        console.print(Text("callprint dataset label: name captures or a --store"))
        return EXIT_USAGE
    check_place(args.out)
    check_new(args.out)
    damaged: list[CaptureError] = []

    def refused(error: CaptureError) -> None:
        damaged.append(error)
        console.print(Text(f"left out: {printable(str(error))}"))

    with Progress(console=console, disable=not console.is_terminal) as progress:
        candidates = capture_candidates(
            args.captures, refused, lambda paths: progress.track(paths, description="reading captures")
        )
    if args.store:
        with open_store(args.store, create=False) as store:
            candidates += store_candidates(store)
    taken, left_out = choose(candidates, Bounds(least_calls=args.least_calls, most_flows=args.most_flows))
    if taken:
        write_site_dataset(args.out, taken)
    _say_labels(console, taken, left_out)
    where = f"{printable(str(args.out))}: {len(taken):,}" if taken else "nothing is written: none"
    console.print(Text(f"{where} of {quantity(len(candidates), 'flow')}"))
    if damaged:
        return EXIT_DAMAGED if candidates else EXIT_ERROR
    return 0


def _say_labels(console: Console, taken: Sequence[Labelled], refused: Sequence[Refused]) -> None:
    """Print what was taken of which application, and what was refused and why."""
    if taken:
        table = make_table()
        table.add_column("taken")
        for heading in ("calls", "flows to train on", "to test on"):
            table.add_column(heading, justify="right")
        for name in sorted({each.candidate.application or "" for each in taken}):
            own = [each for each in taken if each.candidate.application == name]
            test = sum(each.split == TEST_SPLIT for each in own)
            calls = len({each.candidate.call for each in own})
            table.add_row(printable(name), f"{calls:,}", f"{len(own) - test:,}", f"{test:,}")
        console.print(table)
    if refused:
        table = make_table()
        for heading in ("refused", "because"):
            table.add_column(heading)
        table.add_column("flows", justify="right")
        for (name, reason), count in sorted(Counter(refused).items()):
            table.add_row(printable(name) or "–", reason, f"{count:,}")
        console.print(table)
