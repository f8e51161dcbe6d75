"""`callprint models`: which models are at hand, what they know, and how often they were right."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from callprint.cli import UsageError
from callprint.cli.answers import add_json_option
from callprint.cli.parsers import Subparsers, add_command
from callprint.cli.targets import is_one_of, open_target
from callprint.core.ground.errors import ModelError
from callprint.core.identify.card import ModelCard
from callprint.model_files import SHIPPED, ModelFile, models_at
from callprint.network_in_place import network_in_place, networks_in_place, roll_back
from callprint.output.columns import (
    Cell,
    Column,
    Line,
    Lines,
    cell,
    column_table,
    folded,
    joined,
    one_below_the_other,
    plain,
)
from callprint.output.console import make_console, make_messages, printable

DIGEST_SHOWN = 12  # hexadecimal digits of a digest in the table; all of them in JSON
INDENT = "  "

MODELS = (
    Column("model"),
    Column("reads"),
    Column("k"),
    Column("sure from", right=True),
    Column("applications", right=True),
    Column("SHA-256"),
)
ACCURACY = (
    Column(f"{INDENT}calls of"),
    Column("seen"),
    Column("flows", right=True),
    Column("right", right=True),
    Column("sure", right=True),
    Column("right if sure", right=True),
)

DESCRIPTION = """\
List the models at hand from their cards: which applications each knows, the k at which it looks, from which
confidence on it is sure, and how often it was right on calls that it had never seen.
"""

EPILOG = """\
examples:
  callprint models                       the models that come with callprint
  callprint models mine.onnx other/      these, and all in a folder
  callprint models --roll-back           the network before the one in place is used again
  callprint models --json | jq -r '.applications[]'

docs/use/models.md explains cards. Exit codes: 0 done, 2 wrong usage, 4 there is no model, or none with a sound card.
"""


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the command to the parser of `callprint`."""
    parser = add_command(subparsers, "models", DESCRIPTION, EPILOG)
    parser.add_argument(
        "models", nargs="*", metavar="MODEL", type=Path, help="file or folder (default: models/ of the clone)"
    )
    parser.add_argument(
        "--roll-back",
        action="store_true",
        help="use the network before the one in place again (`callprint evaluate --put-in-place`)",
    )
    add_json_option(parser, "one JSON object for each model")
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """List them and return the exit code. Raises ModelError when there is none."""
    messages = make_messages()
    if args.roll_back:
        if args.models:
            raise UsageError("--roll-back is about the network in place: name no model with it")
        if args.json:
            raise UsageError("--roll-back lists no models: give --json without it")
        if not roll_back():
            raise ModelError("the network that ships is in place already")
        network = network_in_place()
        if not network.exists():
            raise ModelError(
                f"{network} is in place, but is no longer there: restore it, or roll back once more"
            )
        messages.print(Text(f"{printable(str(network))} is in place"))
        return 0
    found: list[ModelFile] = []
    for each in models_at(args.models or [SHIPPED, *networks_in_place()[-1:]]):
        if isinstance(each, ModelFile):
            found.append(each)
        else:
            messages.print(Text(f"callprint: warning: {printable(str(each))}", style="yellow"))
    if not found:
        where = ", ".join(map(str, args.models)) or str(SHIPPED)
        raise ModelError(f"no model with a sound card in {where}")
    if args.json:
        files = [part for each in found for part in (each.path, each.path.with_suffix(".json"))]
        if is_one_of(args.json, files):  # in a folder
            raise ModelError(f"{args.json} would be overwritten: name another file")
        with open_target(args.json) as stream:
            for model in found:
                print(json.dumps(_object(model)), file=stream)
        return 0
    _print(make_console(data_on_stdout=False), found)
    return 0


def _object(model: ModelFile) -> dict[str, Any]:
    card = model.card
    return {
        "name": card.name,
        "version": card.version,
        "kind": card.input.kind,
        "k": list(card.checkpoints),
        "minimum_packets": card.input.minimum_packets,
        "maximum_packets": card.input.maximum_packets,
        "applications": list(card.classes),
        "engines": list(card.engines),
        "threshold": card.policy.threshold,
        "novelty_thresholds": [list(step) for step in card.policy.novelty_thresholds],
        "accuracy": card.accuracy,
        "sha256": card.onnx_sha256,
        "file": str(model.path),
        "intact": model.intact,
    }


def _print(console: Console, found: list[ModelFile]) -> None:
    console.print(_shown(MODELS, [_row(model) for model in found], console.width))
    for model in found:
        console.print()
        console.print(Lines(_details(model, console.width)))
        measured = _accuracy(model.card.accuracy)
        if measured:
            console.print(_shown(ACCURACY, measured, console.width))


def _shown(columns: tuple[Column, ...], rows: list[tuple[Cell, ...]], width: int) -> Lines:
    table = column_table(columns, rows, width, narrow=True)
    return table or Lines(one_below_the_other(rows, width))


def _row(model: ModelFile) -> tuple[Cell, ...]:
    card = model.card
    return (
        cell(_called(card), "bold"),
        cell(card.input.kind.replace("_", "-")),
        cell(", ".join(map(str, card.checkpoints))),
        cell(f"{card.policy.threshold:.0%}"),
        cell(f"{len(card.classes):,}"),
        cell(card.onnx_sha256[:DIGEST_SHOWN] + "…"),
    )


def _called(card: ModelCard) -> str:
    return f"{printable(card.name)} {printable(card.version)}"


def _details(model: ModelFile, width: int) -> Iterator[Line]:
    yield plain(_called(model.card), "bold")
    broken = plain("the file is missing, or not the one that the card describes", "bold red")
    lines = [
        plain(printable(str(model.path))),
        *([] if model.intact else [broken]),
        plain("knows " + ", ".join(map(printable, model.card.classes))),
    ]
    for line in lines:
        for piece in folded(line, width - len(INDENT)):
            yield joined(plain(INDENT), piece)


def _accuracy(accuracy: dict[str, Any]) -> list[tuple[Cell, ...]]:
    """Return a row for each measurement that a card holds in the form that `callprint evaluate` gives it."""
    rows = []
    for split, views in accuracy.items():
        for view, measured in views.items() if isinstance(views, dict) else ():
            numbers = measured if isinstance(measured, dict) else {}
            flows = numbers.get("flows")
            shares = [_share(numbers.get(name)) for name in ("accuracy", "coverage", "precision_of_sure")]
            if isinstance(flows, int) and shares[0]:
                texts = (f"{INDENT}{printable(split)}", printable(view), f"{flows:,}", *shares)
                rows.append(tuple(map(cell, texts)))
    return rows


def _share(value: object) -> str:
    return f"{value:.1%}" if isinstance(value, int | float) else ""
