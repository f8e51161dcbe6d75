"""`callprint calls`: ask the store who called whom, with which application, and whether it was spam."""

import argparse
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice

from rich.console import Console

from callprint.cli.answers import Question, add_answer_options, add_store_option
from callprint.cli.numbers import add_number_options, identity_reader
from callprint.cli.parsers import Subparsers, add_command, add_time_options, not_blank
from callprint.core.call import CallRecord
from callprint.output.call_json import write_calls_csv, write_calls_json_lines
from callprint.output.call_table import print_calls
from callprint.output.console import quantity
from callprint.stores import CallQuery, VerdictStore

ROWS_FOR_PEOPLE = 1000
SEPARATORS = re.compile(r"[\s.\-()/]")
"""What people write between the digits of a number."""

DESCRIPTION = """\
Query the verdict store for calls: who called whom, when, with which applications, and whether it was spam.
Without conditions it shows the last row of every call, the latest first. All conditions must hold.
"""

EPILOG = """\
examples:
  callprint calls --spam                                what the detector calls spam
  callprint calls --number +4930123456                  calls from or to this number
  callprint calls --number 30123                        ... and from or to every number that contains this
  callprint calls --application linphone --since 2026-11-22
  callprint calls --all --json                          also the judgements at set-up, one JSON object a line

docs/use/json.md lists the fields of --json and --csv; docs/use/spit.md says how calls are judged. `callprint call`
shows one of them, `callprint feedback` votes on it.
Exit codes: 0 done (also when nothing matches), 2 wrong usage, 4 the store does not answer.
"""


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the command to the parser of `callprint`."""
    parser = add_command(subparsers, "calls", DESCRIPTION, EPILOG)
    add_store_option(parser)
    parser.add_argument("--call-id", metavar="ID", help="calls with this Call-ID")
    parser.add_argument(
        "--number",
        metavar="NUMBER",
        type=not_blank,
        help="caller or callee: a number, user@host or pseudonym; if nobody has exactly this one, all that contain it",
    )
    parser.add_argument("--application", metavar="NAME", help="on either side: exact name, or `unknown`")
    spam = parser.add_mutually_exclusive_group()
    spam.add_argument("--spam", action="store_true", help="calls judged to be spam")
    spam.add_argument("--not-spam", action="store_true", help="calls judged not to be spam")
    add_time_options(parser, "calls that began")
    parser.add_argument(
        "--all", action="store_true", help="every judgement, also at set-up and those of earlier runs"
    )
    add_number_options(parser)
    add_answer_options(parser, ROWS_FOR_PEOPLE)
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Answer the question and return the exit code.

    Raises StoreError when the store does not answer, ConfigError for a pseudonym key that cannot be used.
    """
    number = identity_reader(args).of_text(args.number).text if args.number else None

    def ask(store: VerdictStore, limit: int | None) -> Iterable[CallRecord]:
        query = CallQuery(
            call_id=args.call_id,
            number=number,
            application=args.application,
            spam=True if args.spam else (False if args.not_spam else None),
            since_ns=args.since,
            until_ns=args.until,
            last_only=not args.all,
            limit=limit,
        )
        found = iter(store.calls(query))
        first = next(found, None)
        if first is not None:
            return chain([first], found)
        if not args.number:
            return ()
        # Nobody has this number; so whoever has it as a part. Stores have no index for that: every call is read.
        return islice(_with_part(store.calls(replace(query, number=None, limit=None)), args.number), limit)

    def print_table(console: Console, _store: VerdictStore, rows: list[CallRecord]) -> str:
        print_calls(console, rows)
        spam = sum(row.spam is True for row in rows)
        return f"{quantity(len(rows), 'judgement' if args.all else 'call')}, {spam} of them spam,"

    question = Question(
        "call", ROWS_FOR_PEOPLE, ask, write_calls_json_lines, write_calls_csv, print_table, args.application
    )
    return question.answer(args)


def _with_part(calls: Iterable[CallRecord], typed: str) -> Iterator[CallRecord]:
    """Yield the calls in whose caller or callee the text stands that was typed, without the separators of a number.

    A national number is found within the international one, which has no zero in front.
    """
    part = typed.strip().lower()
    parts = {part}
    digits = SEPARATORS.sub("", part)
    if digits.removeprefix("+").isdecimal():
        parts.add(digits.lstrip("0") or digits)
    for call in calls if part else ():
        if any(part in party.lower() for part in parts for party in (call.caller, call.callee)):
            yield call
