"""`callprint verdicts`: ask the store which application sent which flow."""

import argparse
from collections.abc import Iterable

from rich.console import Console

from callprint.cli.answers import Question, add_answer_options, add_store_option
from callprint.cli.parsers import Subparsers, add_command, add_time_options, address
from callprint.core.verdict import REASONS
from callprint.output.console import quantity
from callprint.output.csv_table import write_csv
from callprint.output.flow_table import SureAt
from callprint.output.json_lines import write_json_lines
from callprint.output.report import print_flows
from callprint.stores import StoredVerdict, VerdictQuery, VerdictStore
from callprint.stores.queries import verdict_order

CONDITIONS = ("address", "application", "reason", "declared", "fingerprint")
"""Options that are conditions of a query under the same name."""
ROWS_FOR_PEOPLE = 200

DESCRIPTION = """\
Query the verdict store for which VoIP application sent which flow. Without conditions it shows the last verdict
of every flow, the latest first. All conditions must hold.
"""

EPILOG = """\
examples:
  callprint verdicts                                    every flow, the latest first
  callprint verdicts --address 192.0.2.10               flows from or to this host
  callprint verdicts --application unknown              what could not be named, with the best guess
  callprint verdicts --reason contradicted              whose packets name another application than their habits
  callprint verdicts --fingerprint 'mf1_*_0lhnnnn_*'     whose RTP has these habits (docs/how/fingerprint.md)
  callprint verdicts --since 2026-11-22 --until 2026-11-23T12:00
                                                        decided in this time (UTC), by the packets' clock
  callprint verdicts --address 192.0.2.10 --all         also the provisional verdicts on the way
  callprint verdicts --json | jq .application | sort | uniq -c
                                                        one JSON object a line (docs/use/json.md)
  callprint verdicts --store cassandra://10.0.0.5/callprint
                                                        what the cluster stored

A verdict is about the sender of a flow: a call has two flows, and each names the application at its source.
Exit codes: 0 done (also when nothing matches), 2 wrong usage, 4 the store does not answer; docs/use/json.md lists
all of them.
"""


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the command to the parser of `callprint`."""
    parser = add_command(subparsers, "verdicts", DESCRIPTION, EPILOG)
    add_store_option(parser)
    parser.add_argument("--address", metavar="IP", type=address, help="IPv4 or IPv6 address of either side")
    parser.add_argument("--application", metavar="NAME", help="exact name, or `unknown`")
    parser.add_argument(
        "--reason",
        choices=[reason for reason in REASONS if reason],
        help="why the application is unknown; `contradicted`: the packets name another one",
    )
    parser.add_argument("--declared", metavar="NAME", help="exact name that the packets themselves declare")
    parser.add_argument(
        "--fingerprint",
        metavar="PATTERN",
        help="fingerprint of the sender's media stack; * stands for any text",
    )
    add_time_options(parser, "verdicts decided")
    parser.add_argument(
        "--all", action="store_true", help="every verdict, also provisional ones and those of earlier runs"
    )
    add_answer_options(parser, ROWS_FOR_PEOPLE)
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Answer the question and return the exit code. Raises StoreError when the store does not answer."""

    def ask(store: VerdictStore, limit: int | None) -> Iterable[StoredVerdict]:
        conditions = {name: getattr(args, name) for name in CONDITIONS}
        span = {"since_ns": args.since, "until_ns": args.until}
        return store.verdicts(VerdictQuery(**conditions, **span, last_only=not args.all, limit=limit))

    def print_table(console: Console, store: VerdictStore, rows: list[StoredVerdict]) -> str:
        sure_at = None if args.all else _sure_at(store, rows)
        print_flows(console, rows, sure_at, hint="all of them: `--json` or `--csv`", with_time=True)
        return quantity(len(rows), "verdict" if args.all else "flow")

    question = Question(
        "verdict",
        ROWS_FOR_PEOPLE,
        ask,
        write_json_lines,
        write_csv,
        print_table,
        args.application,
        args.declared,
    )
    return question.answer(args)


def _sure_at(store: VerdictStore, rows: Iterable[StoredVerdict]) -> SureAt:
    sure_at = SureAt()
    for row in rows:
        history = [
            stored.verdict
            for stored in store.verdicts(VerdictQuery(flow=row.verdict.flow, last_only=False))
            # Verdicts of another model tell nothing about this one.
            if (stored.verdict.model, stored.verdict.model_digest)
            == (row.verdict.model, row.verdict.model_digest)
        ]
        for earlier in sorted(history, key=verdict_order):
            sure_at.add(earlier)
    return sure_at
