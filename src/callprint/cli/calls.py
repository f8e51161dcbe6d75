"""`callprint calls`: ask the store who called whom, with which application, and whether it was spam."""

import argparse
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from callprint.cli.answers import add_answer_options, add_store_option, print_end, rows_to_ask_for, write_data
from callprint.cli.numbers import add_number_options, identity_reader
from callprint.cli.times import time_ns
from callprint.output.call_json import write_calls_csv, write_calls_json_lines
from callprint.output.call_table import print_calls
from callprint.output.console import make_console, printable, quantity
from callprint.stores import CallQuery, VerdictStore, open_store

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

ROWS_FOR_PEOPLE = 1000

DESCRIPTION = """\
Ask the verdict store for calls: who called whom, when, with which applications, and whether it was spam.
Without conditions it shows the last row of every call, the latest first. Conditions are joined by AND.
"""

EPILOG = """\
examples:
  callprint calls --spam                                what the detector calls spam
  callprint calls --number +4930123456                  calls from or to this number
  callprint calls --application linphone --since 2026-11-22
  callprint calls --all --json                          also the judgements at set-up, one JSON object a line

The fields of --json and --csv are in docs/use/spit.md; exit codes as of `callprint verdicts`: 0 done (also when
nothing matches), 2 usage, 4 the store does not answer.
"""


def add_parser(subparsers: "Subparsers") -> argparse.ArgumentParser:
    """Add the command to the parser of `callprint`."""
    parser = subparsers.add_parser(
        "calls",
        help="ask the store who called whom, and which calls were spam",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_store_option(parser)
    parser.add_argument("--call-id", metavar="ID", help="the calls of this Call-ID")
    parser.add_argument(
        "--number", metavar="NUMBER", help="caller or callee: a number, user@host or pseudonym"
    )
    parser.add_argument("--application", metavar="NAME", help="on either side: exact name, or `unknown`")
    spam = parser.add_mutually_exclusive_group()
    spam.add_argument("--spam", action="store_true", help="calls judged as spam")
    spam.add_argument("--not-spam", action="store_true", help="calls judged as no spam")
    parser.add_argument(
        "--since", metavar="TIME", type=time_ns, help="begun at this time or later (ISO 8601, or nanoseconds)"
    )
    parser.add_argument("--until", metavar="TIME", type=time_ns, help="begun before this time")
    parser.add_argument("--all", action="store_true", help="every judgement, not only the last of each call")
    add_number_options(parser)
    add_answer_options(parser, ROWS_FOR_PEOPLE)
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Answer the question and return the exit code.

    Raises StoreError when the store does not answer, ConfigError for a pseudonym key that cannot be used.
    """
    query = CallQuery(
        call_id=args.call_id,
        number=identity_reader(args).of_text(args.number).text if args.number else None,
        application=args.application,
        spam=True if args.spam else (False if args.not_spam else None),
        since_ns=args.since,
        until_ns=args.until,
        last_only=not args.all,
        limit=rows_to_ask_for(args, ROWS_FOR_PEOPLE),
    )
    with open_store(args.store, create=False) as store:
        if args.json or args.csv:
            write_data(store.calls(query), write_calls_json_lines if args.json else write_calls_csv)
        else:
            _print_table(make_console(data_on_stdout=False), store, query, limited=bool(args.limit))
    return 0


def _print_table(console: Console, store: VerdictStore, query: CallQuery, *, limited: bool) -> None:
    rows = list(store.calls(query))
    if not rows:
        console.print(Text(f"No call in {printable(store.url)} matches."))
        return
    shown = rows if limited else rows[:ROWS_FOR_PEOPLE]
    print_calls(console, shown)
    spam = sum(row.spam is True for row in shown)
    counted = quantity(len(shown), "call" if query.last_only else "judgement")
    print_end(console, f"{counted}, {spam} of them spam,", store.url, more=len(shown) < len(rows))
