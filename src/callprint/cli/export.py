"""`callprint export`: a network with its numbers in fewer bits, and a card that says what that costs."""

import argparse
import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console

from callprint.cli.dataset import read_data
from callprint.cli.parsers import Subparsers, add_command
from callprint.cli.targets import output_path
from callprint.core.ground.errors import ModelError
from callprint.core.identify.card import INPUT_FEATURES
from callprint.inference import DEFAULT_MODEL
from callprint.output.console import make_messages
from callprint.training.classes import TRAINING_SPLITS
from callprint.training.dataset import Dataset

if TYPE_CHECKING:
    from callprint.inference import OnnxIdentifier

PRECISION_NAMES = ("float16", "int8")
"""The keys of training.precision.PRECISIONS, which needs the extra `train`."""

DESCRIPTION = """\
Write a compact network with float16 weights (half the file, same speed) or int8 layers. With labelled data,
both networks are examined: how many verdicts stay the same, and how accurate each is.
"""

EPILOG = """\
examples:
  callprint export --precision float16 --out small.onnx
  callprint export --precision int8 --data my-calls --out small.onnx    and what becomes of the verdicts on these calls
  callprint identify --model small.onnx call.pcap

It needs the extra `train`: `sh tools/setup.sh train`.
Exit codes: 0 done, 2 wrong usage, 4 the network or the calls cannot be used.
"""


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the command to the parser of `callprint`."""
    parser = add_command(subparsers, "export", DESCRIPTION, EPILOG)
    parser.add_argument(
        "--model",
        metavar="FILE",
        type=Path,
        default=DEFAULT_MODEL,
        help="network to read (default: the one that ships)",
    )
    parser.add_argument("--precision", choices=PRECISION_NAMES, required=True, help="of the network to write")
    parser.add_argument(
        "--out", metavar="FILE", type=output_path, required=True, help="network to write (.onnx)"
    )
    parser.add_argument(
        "--data",
        metavar="PATH",
        type=Path,
        help="dataset file or folder of labelled captures to examine both networks on",
    )
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Export and return the exit code. Raises ModelError or DatasetError."""
    # The extras `cpu` and `train`, which --help does without.
    from callprint.inference import OnnxIdentifier, load_model  # noqa: PLC0415
    from callprint.training.export import sha256, write_model  # noqa: PLC0415
    from callprint.training.precision import PRECISIONS  # noqa: PLC0415

    console = make_messages()
    logging.getLogger().setLevel(logging.ERROR)  # the quantiser recommends steps that do not apply here
    before = load_model(args.model)
    if before.card.input.kind != INPUT_FEATURES:
        raise ModelError(f"{args.model} is no compact network")
    if args.out.resolve() == args.model.resolve():
        raise ModelError(f"{args.out} would be overwritten: name another file")
    graph = PRECISIONS[args.precision](args.model.read_bytes())
    card = replace(
        before.card,
        version=f"{before.card.version} {args.precision}",
        onnx_file=args.out.name,
        onnx_sha256=sha256(graph),
        accuracy={},  # measured on another graph
        training={**before.card.training, "precision": args.precision, "made_from": before.card.onnx_sha256},
    )
    after = OnnxIdentifier(card, graph)
    if args.data is not None:
        accuracy = _examined(read_data([args.data], console), before, after, console)
        card = replace(card, accuracy=accuracy)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    write_model(graph, card, args.out)
    size = args.model.stat().st_size
    console.print(f"{args.out}: {len(graph):,} bytes instead of {size:,}")
    return 0


def _examined(
    dataset: Dataset, before: "OnnxIdentifier", after: "OnnxIdentifier", console: Console
) -> dict[str, Any]:
    from callprint.training.examine import examine  # noqa: PLC0415 - as above

    accuracy: dict[str, Any] = {}
    for split in np.unique(dataset.split):
        if split in TRAINING_SPLITS:
            continue
        pairs = zip(examine(dataset, before, str(split)), examine(dataset, after, str(split)), strict=True)
        accuracy[str(split)] = {}
        for was, now in pairs:
            accuracy[str(split)][now.view.name] = now.summary()
            if not len(now.target):
                continue
            same = (was.decisions.application == now.decisions.application) & (was.sure == now.sure)
            console.print(
                f"{split}, {now.view.name}: {now.right.mean():.1%} right instead of {was.right.mean():.1%}, sure "
                f"{now.sure.mean():.1%} instead of {was.sure.mean():.1%}; {same.mean():.1%} of {len(same)} verdicts "
                "are the same"
            )
    return accuracy
