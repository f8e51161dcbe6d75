"""`callprint train`: a dataset in, a network with its card out."""

import argparse
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from callprint.cli.dataset import read_data
from callprint.cli.paper_options import add_training_options
from callprint.cli.parsers import Subparsers, add_command
from callprint.cli.targets import output_path
from callprint.core.ground.errors import ConfigError, ModelError
from callprint.model_names import check_free, checked_name
from callprint.training.settings import TrainingSettings

DESCRIPTION = """\
Train the compact network on the flows of dataset1 and versions, calibrate it on folds by call, examine it on every
other part of the dataset, and write the ONNX file with its card. A run that was interrupted continues when it is
started again with the same arguments. It runs on a GPU when torch sees one.
"""


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the command to the parser of `callprint`."""
    parser = add_command(subparsers, "train", DESCRIPTION)
    defaults = TrainingSettings()
    parser.add_argument(
        "dataset",
        type=Path,
        nargs="+",
        help="file written by `callprint dataset build`, or folder of captures with flows.csv; several are joined",
    )
    parser.add_argument(
        "--out", type=output_path, required=True, metavar="FILE", help="network to write (.onnx)"
    )
    parser.add_argument(
        "--seed", type=int, default=defaults.seed, help="of all random numbers (default: %(default)s)"
    )
    parser.add_argument(
        "--epochs", type=int, default=defaults.epochs, help="rounds of training (default: %(default)s)"
    )
    parser.add_argument(
        "--windows",
        type=int,
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
        help="version that the card states (default: %(default)s)",
    )
    parser.add_argument("--threads", type=int, default=0, help="processor threads (default: all)")
    add_training_options(parser)
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Train and return the exit code. Raises ConfigError, DatasetError or ModelError saying what is wrong."""
    # The extra `train`, which --help does without.
    import torch  # noqa: PLC0415

    from callprint.training.models import make_compact_model  # noqa: PLC0415
    from callprint.training.train import Progress as Epoch  # noqa: PLC0415

    console = Console(stderr=True)
    if args.head and not args.network:
        raise ConfigError(
            "--head goes on the deep features of one of the paper's networks: name it with --network"
        )
    if args.threads:
        torch.set_num_threads(args.threads)
    dataset = read_data(args.dataset, console)
    if args.network:
        from callprint.cli.train_paper import train_paper  # noqa: PLC0415 - as above

        return train_paper(args, dataset, console)
    settings = TrainingSettings(seed=args.seed, epochs=args.epochs, windows_per_flow=args.windows)
    name = args.name or checked_name(args.out.stem)
    check_free(args.out, name, args.model_version)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    state_file = args.out.with_suffix(".training")
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("training", total=settings.epochs, figures="")

        def on_epoch(epoch: Epoch) -> None:
            figures = (
                f"epoch {epoch.epoch}/{epoch.epochs}  loss {epoch.loss:.3f}  accuracy {epoch.accuracy:.3f}"
            )
            progress.update(task, completed=epoch.epoch, figures=figures)
            if not console.is_terminal:
                console.print(figures, highlight=False)

        def on_stage(stage: str) -> None:
            progress.update(task, description=stage)
            if not console.is_terminal:
                console.print(stage, highlight=False)

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
    state_file.unlink(missing_ok=True)
    console.print(
        f"{args.out}: {card.name} {card.version}, {len(card.classes)} applications", highlight=False
    )
    for split, views in card.accuracy.items():
        for view, figures in views.items():
            low, high = figures["interval_95"]
            console.print(
                f"  {split}, {view}: {figures['accuracy']:.1%} ({low:.1%}-{high:.1%}) of {figures['flows']} flows, "
                f"sure {figures['coverage']:.1%} of which right {figures['precision_of_sure'] or 0:.1%}",
                highlight=False,
            )
    return 0


def _name(text: str) -> str:
    try:
        return checked_name(text)
    except ModelError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
