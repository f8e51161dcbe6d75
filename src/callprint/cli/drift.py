"""`callprint drift`: do flows still look like those that the model was made with?"""

import argparse
import json
from pathlib import Path

from rich.console import Console
from rich.text import Text

from callprint.cli import EXIT_DRIFT
from callprint.cli.answers import add_json_option, add_store_option, check_without_store
from callprint.cli.parsers import Subparsers, add_command, add_time_options
from callprint.cli.targets import check_not_store, open_target
from callprint.core.ground.errors import ModelError
from callprint.core.identify.drift import LEAST_FLOWS, Drift, measure
from callprint.drift import ComparedFlows, from_captures, from_verdicts
from callprint.network_in_place import network_in_place
from callprint.output.console import make_console, make_table, printable, quantity
from callprint.stores import VerdictQuery, open_store

DESCRIPTION = """\
Compare the final verdicts in a store, or the flows in captures, with what the model's card records about held-out
calls of its training data: confidences, outcomes (sure, not sure enough, novel), applications and, for captures,
features.
"""

EPILOG = """\
examples:
  callprint drift                                  everything in the default store
  callprint drift --since 2026-11-22               verdicts since then
  callprint drift captures/                        flows of captures: features as well
  callprint drift --json | jq 'select(.alarm)'     one JSON object for each part

The divergence is that of Jensen and Shannon, 0 to 1. The limit is what 99 of 100 samples of as many unchanged
flows stay below. An alarm says that the traffic has changed, not that verdicts are wrong: a different mix of
applications raises one as well. docs/use/drift.md says what to do then.
Exit codes: 0 no alarm, 2 wrong usage, 4 there was too little to compare or the store does not answer, 5 an alarm.
"""


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the command to the parser of `callprint`."""
    parser = add_command(subparsers, "drift", DESCRIPTION, EPILOG)
    parser.add_argument(
        "captures", nargs="*", metavar="CAPTURE", help="files or folders to compare instead of the store"
    )
    add_store_option(parser)
    parser.add_argument("--model", metavar="FILE", type=Path, help="network (default: the one in place)")
    add_time_options(parser, "verdicts of the store decided")
    add_json_option(parser, "one JSON object for each part")
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Measure and return the exit code. Raises ModelError when the card or the flows hold too little."""
    from callprint.inference import load_model  # noqa: PLC0415 - the extra `cpu`, which --help does without

    if args.captures:
        check_without_store(args, ("store", "since", "until"))
    model = args.model or network_in_place()
    identifier = load_model(model)
    reference = identifier.card.reference
    if reference is None:
        raise ModelError(
            f"the card of {model} holds no reference to compare with: train the model anew with `callprint train`"
        )
    if args.captures:
        compared = from_captures(args.captures, identifier)
    else:
        query = VerdictQuery(since_ns=args.since, until_ns=args.until)
        with open_store(args.store, create=False) as store:
            if args.json:
                check_not_store(args.json, store.url)
            compared = from_verdicts((row.verdict for row in store.verdicts(query)), identifier)
    found = measure(reference, identifier.applications, compared.sample)
    if not found:
        raise ModelError(
            f"{quantity(compared.sample.flows, 'flow')} with a final verdict of {identifier.name} at the horizon"
            f"{_left_out(compared)}; drift needs {LEAST_FLOWS}"
        )
    if args.json:
        with open_target(args.json) as stream:
            for drift in found:
                print(json.dumps(_object(drift)), file=stream)
    else:
        _print(make_console(data_on_stdout=False), found, compared)
    return EXIT_DRIFT if any(drift.alarm for drift in found) else 0


def _left_out(compared: ComparedFlows) -> str:
    counts = (
        (compared.too_short, "too short or not final"),
        (compared.midflow, "not seen from the start"),
        (compared.other_model, "judged by another model"),
        (compared.by_headers, "judged by headers alone"),
    )
    listed = ", ".join(f"{count:,} {what}" for count, what in counts if count)
    return f" ({listed})" if listed else ""


def _object(drift: Drift) -> dict[str, object]:
    return {
        "part": drift.part,
        "flows": drift.flows,
        "divergence": round(drift.divergence, 4),
        "limit": drift.limit,
        "alarm": drift.alarm,
        "moved": [{"what": what, "then": then, "now": now} for what, then, now in drift.moved],
    }


def _print(console: Console, found: list[Drift], compared: ComparedFlows) -> None:
    table = make_table()
    for title in ("", "flows", "divergence", "limit", "", "moved most"):
        table.add_column(title, justify="right" if title in ("flows", "divergence", "limit") else "left")
    for drift in found:
        is_feature = drift.part == "features"
        moved = ", ".join(
            f"{printable(what)} {now:.2f}" if is_feature else f"{printable(what)} {then:.0%} → {now:.0%}"
            for what, then, now in drift.moved[:3]
        )
        mark = Text("ALARM", style="bold red") if drift.alarm else Text("quiet", style="green")
        table.add_row(
            drift.part, f"{drift.flows:,}", f"{drift.divergence:.3f}", f"{drift.limit:.3f}", mark, moved
        )
    console.print(table)
    console.print(
        Text(
            f"{quantity(compared.sample.flows, 'flow')} seen from the start to the horizon{_left_out(compared)}",
            "dim",
        )
    )
