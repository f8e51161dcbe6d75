"""`callprint train`: a dataset in, a network with its card out."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from callprint.cli import UsageError
from callprint.cli.dataset import read_data
from callprint.cli.paper_options import add_training_options
from callprint.cli.parsers import Subparsers, add_command, not_negative, positive, seed
from callprint.cli.targets import check_place, output_path
from callprint.core.ground.errors import ConfigError, ModelError
from callprint.core.identify.card import ModelCard
from callprint.model_names import check_free, checked_name
from callprint.network_in_place import network_in_place, networks_in_place
from callprint.output.console import make_messages
from callprint.training.dataset import Dataset, join_datasets
from callprint.training.exemplars import exemplars_path, load_exemplars
from callprint.training.held_out import with_held_out
from callprint.training.settings import ADD_SETTINGS, TrainingSettings

if TYPE_CHECKING:
    from callprint.training.train import Progress as Epoch

DESCRIPTION = """\
Train the compact network on the flows of dataset1 and versions, calibrate it on folds by call, examine it on every
other part of the dataset, and write the ONNX file with its card and its exemplars. A run that was interrupted
continues when it is started again with the same arguments. It runs on a GPU when torch sees one.

With --add, the network that is in place, or --model, learns the applications of the dataset besides those that it
knows, in minutes. docs/use/learn.md has an example.
"""

EPILOG = """\
examples:
  callprint train --add my-calls --out mine.onnx      the network in place, and the applications in the folder my-calls
  callprint evaluate --data my-calls --model mine.onnx --put-in-place
                                                      then: use it from now on, unless it is worse
  callprint train calls.npz --out models/mine.onnx    a network of these calls alone
  callprint train calls.npz --network alexnet --head svm --out svm.onnx

It needs the extra `train`: `sh tools/setup.sh train`.
Exit codes: 0 done, 2 wrong usage, 4 a dataset or a network cannot be used, 130 interrupted.
"""


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the command to the parser of `callprint`."""
    parser = add_command(subparsers, "train", DESCRIPTION, EPILOG)
    defaults = TrainingSettings()
    parser.add_argument(
        "dataset",
        metavar="DATASET",
        type=Path,
        nargs="+",
        help="file written by `callprint dataset build`, or folder of captures with flows.csv; several are joined",
    )
    parser.add_argument(
        "--out", type=_network_path, required=True, metavar="FILE", help="network to write (.onnx)"
    )
    parser.add_argument(
        "--add",
        action="store_true",
        help="add the applications of the dataset to a network instead of training one from nothing",
    )
    parser.add_argument(
        "--model",
        type=Path,
        metavar="FILE",
        help="with --add: the network to add to (default: the one in place); its exemplars lie beside it",
    )
    parser.add_argument(
        "--seed",
        metavar="N",
        type=seed,
        default=defaults.seed,
        help="of all random numbers (default: %(default)s)",
    )
    parser.add_argument(
        "--epochs",
        metavar="N",
        type=positive,
        help=f"rounds of training (default: {defaults.epochs}; with --add {ADD_SETTINGS.epochs})",
    )
    parser.add_argument(
        "--windows",
        metavar="N",
        type=positive,
        default=defaults.windows_per_flow,
        help="new windows of each flow in each epoch (default: %(default)s)",
    )
    parser.add_argument(
        "--name",
        metavar="TEXT",
        type=_name,
        help="name that the card states, and with it every verdict (default: that of FILE, without .onnx; with "
        "--network what it is, such as alexnet-k4); no two models in one folder or one store share name and version",
    )
    parser.add_argument(
        "--model-version",
        default="1",
        metavar="TEXT",
        type=_name,
        help="version that the card states (default: %(default)s)",
    )
    parser.add_argument(
        "--threads", metavar="N", type=not_negative, default=0, help="processor threads (default: all)"
    )
    add_training_options(parser)
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Train and return the exit code. Raises ConfigError, DatasetError or ModelError saying what is wrong."""
    # The extra `train`, which --help does without.
    import torch  # noqa: PLC0415

    console = make_messages()
    if args.head and not args.network:
        raise UsageError(
            "--head goes on the deep features of one of the paper's networks: name it with --network"
        )
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.add and args.network:
        raise UsageError("--add adds to compact networks: give it without --network")
    if args.model and not args.add:
        raise UsageError("--model is the network that --add adds to: give --add as well")
    if any(args.out.resolve() == each.resolve() for each in networks_in_place()):
        raise ConfigError(
            f"{args.out} was put in place: `callprint evaluate --put-in-place` compares a new network with it, so name "
            "another file"
        )
    check_place(args.out)
    dataset = _to_add(args.dataset, console) if args.add else read_data(args.dataset, console)
    if args.network:
        from callprint.cli.train_paper import train_paper  # noqa: PLC0415 - as above

        return train_paper(args, dataset, console)
    name = args.name or checked_name(args.out.stem)
    check_free(args.out, name, args.model_version)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    card = (_add if args.add else _train)(args, dataset, name, console)
    console.print(f"{args.out}: {card.name} {card.version}, {len(card.classes)} applications")
    for split, views in card.accuracy.items():
        for view, figures in views.items():
            if not figures["flows"]:  # all are too short for it
                continue
            low, high = figures["interval_95"]
            console.print(
                f"  {split}, {view}: {figures['accuracy']:.1%} ({low:.1%}-{high:.1%}) of {figures['flows']} flows, "
                f"sure {figures['coverage']:.1%} of which right {figures['precision_of_sure'] or 0:.1%}"
            )
    return 0


def _settings(args: argparse.Namespace, usual: TrainingSettings) -> TrainingSettings:
    epochs = args.epochs or usual.epochs
    return replace(usual, seed=args.seed, epochs=epochs, windows_per_flow=args.windows)


def _train(args: argparse.Namespace, dataset: Dataset, name: str, console: Console) -> ModelCard:
    from callprint.training.make_exemplars import write_exemplars  # noqa: PLC0415 - as in `run`
    from callprint.training.models import make_compact_model  # noqa: PLC0415 - as in `run`

    settings = _settings(args, TrainingSettings())
    state_file = args.out.with_suffix(".training")
    with _shown(console, settings.epochs) as (on_epoch, on_stage):
        card = make_compact_model(
            dataset,
            args.out,
            settings,
            version=args.model_version,
            name=name,
            state_file=state_file,
            on_epoch=on_epoch,
            on_stage=on_stage,
        )
        on_stage("drawing exemplars")
        write_exemplars(dataset, args.out)
    state_file.unlink(missing_ok=True)
    return card


def _to_add(paths: Sequence[Path], console: Console) -> Dataset:
    """Return several datasets as one; of each, the calls are held out that `callprint evaluate` holds out of it."""
    return join_datasets([with_held_out(read_data([path], console)) for path in paths])


def _add(args: argparse.Namespace, dataset: Dataset, name: str, console: Console) -> ModelCard:
    from callprint.training.added import add_to_model  # noqa: PLC0415 - as in `run`
    from callprint.training.loaded import load_network  # noqa: PLC0415 - as in `run`

    model = args.model or network_in_place()
    if model.resolve() == args.out.resolve():
        raise ConfigError(f"{args.out} is the network that is added to: name another file")
    base = load_network(model)
    exemplars = load_exemplars(exemplars_path(model), base.card)
    settings = _settings(args, ADD_SETTINGS)
    with _shown(console, settings.epochs) as (on_epoch, on_stage):
        return add_to_model(
            base,
            exemplars,
            dataset,
            args.out,
            settings,
            version=args.model_version,
            name=name,
            on_epoch=on_epoch,
            on_stage=on_stage,
        )


@contextmanager
def _shown(
    console: Console, epochs: int
) -> Iterator[tuple[Callable[["Epoch"], None], Callable[[str], None]]]:
    """Show where a run stands; gives what is to be called after an epoch, and before a stage."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("training", total=epochs, figures="")

        def on_epoch(epoch: "Epoch") -> None:
            figures = (
                f"epoch {epoch.epoch}/{epoch.epochs}  loss {epoch.loss:.3f}  accuracy {epoch.accuracy:.3f}"
            )
            progress.update(task, completed=epoch.epoch, figures=figures)
            if not console.is_terminal:
                console.print(figures)

        def on_stage(stage: str) -> None:
            progress.update(task, description=stage)
            if not console.is_terminal:
                console.print(stage)

        yield on_epoch, on_stage


def _network_path(text: str) -> Path:
    """Return the path of a network to be written; an argparse type that refuses what no card can name."""
    path = output_path(text)
    if path.suffix == ".json" or path.name.startswith("."):
        raise argparse.ArgumentTypeError(
            f"{text!r} cannot be a network, whose card is NAME.json: give NAME.onnx"
        )
    return path


def _name(text: str) -> str:
    try:
        return checked_name(text)
    except ModelError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
