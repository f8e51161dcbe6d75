"""`callprint verdicts`: ask the store which application made which flow."""

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from callprint.cli.answers import add_answer_options, add_store_option, print_end, rows_to_ask_for, write_data
from callprint.cli.times import time_ns
from callprint.core.ground.errors import StoreError
from callprint.output.console import make_console, printable, quantity
from callprint.output.csv_table import write_csv
from callprint.output.flow_table import SureAt
from callprint.output.json_lines import write_json_lines
from callprint.output.report import print_flows
from callprint.stores import StoredVerdict, VerdictQuery, VerdictStore, open_store
from callprint.stores.queries import canonical_address, verdict_order

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

ROWS_FOR_PEOPLE = 200

DESCRIPTION = """\
Ask the verdict store which VoIP application sent which flow. Without conditions it shows the last verdict of
every flow, the latest first. Conditions are joined by AND.
"""

EPILOG = """\
examples:
  callprint verdicts                                    every flow, the latest first
  callprint verdicts --address 192.0.2.10               flows from or to this host
  callprint verdicts --application unknown              what could not be named, with the best guess
  callprint verdicts --since 2026-11-22 --until 2026-11-23T12:00
                                                        decided in this time (UTC), by the packets' clock
  callprint verdicts --address 192.0.2.10 --all         also the provisional verdicts on the way
  callprint verdicts --json | jq .application | sort | uniq -c
                                                        one JSON object a line (docs/use/json.md)
  callprint verdicts --store cassandra://10.0.0.5/callprint
                                                        what the cluster stored

A verdict speaks for the sender of a flow: a call has two flows, and each names the application at its source.
Exit codes: 0 done (also when nothing matches), 2 usage, 4 the store does not answer; docs/use/json.md has all.
"""


def add_parser(subparsers: "Subparsers") -> argparse.ArgumentParser:
    """Add the command to the parser of `callprint`."""
    parser = subparsers.add_parser(
        "verdicts",
        help="ask the store which application made which flow",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_store_option(parser)
    parser.add_argument("--address", metavar="IP", type=_address, help="IPv4 or IPv6 address of either side")
    parser.add_argument("--application", metavar="NAME", help="exact name, or `unknown`")
    parser.add_argument(
        "--since",
        metavar="TIME",
        type=time_ns,
        help="decided at this time or later (ISO 8601, or nanoseconds)",
    )
    parser.add_argument("--until", metavar="TIME", type=time_ns, help="decided before this time")
    parser.add_argument(
        "--all", action="store_true", help="every verdict, not only the last one of each flow"
    )
    add_answer_options(parser, ROWS_FOR_PEOPLE)
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Answer the question and return the exit code. Raises StoreError when the store does not answer."""
    query = VerdictQuery(
        address=args.address,
        application=args.application,
        since_ns=args.since,
        until_ns=args.until,
        last_only=not args.all,
        limit=rows_to_ask_for(args, ROWS_FOR_PEOPLE),
    )
    with open_store(args.store, create=False) as store:
        if args.json or args.csv:
            write_data(store.verdicts(query), write_json_lines if args.json else write_csv)
        else:
            _print_table(make_console(data_on_stdout=False), store, query, limited=bool(args.limit))
    return 0


def _print_table(console: Console, store: VerdictStore, query: VerdictQuery, *, limited: bool) -> None:
    rows = list(store.verdicts(query))
    if not rows:
        console.print(Text(f"No verdict in {printable(store.url)} matches."))
        return
    more = not limited and len(rows) > ROWS_FOR_PEOPLE
    rows = rows[:ROWS_FOR_PEOPLE] if more else rows
    print_flows(
        console,
        rows,
        _sure_at(store, rows) if query.last_only else None,
        hint="all of them: `--json` or `--csv`",
        with_time=True,
    )
    counted = quantity(len(rows), "flow") if query.last_only else quantity(len(rows), "verdict")
    print_end(console, counted, store.url, more=more)


def _sure_at(store: VerdictStore, rows: Iterable[StoredVerdict]) -> SureAt:
    sure_at = SureAt()
    for row in rows:
        history = list(store.verdicts(VerdictQuery(flow=row.verdict.flow, last_only=False)))
        for earlier in sorted(history, key=lambda stored: verdict_order(stored.verdict)):
            sure_at.add(earlier.verdict)
    return sure_at


def _address(text: str) -> str:
    try:
        return canonical_address(text)
    except StoreError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
