"""What the commands that ask the store share: how many rows are wanted, and in which form they are given."""

import argparse
import sys
from collections.abc import Callable, Iterable
from typing import TextIO, TypeVar

from rich.console import Console
from rich.text import Text

from callprint.output.console import printable

T = TypeVar("T")


def add_store_option(parser: argparse.ArgumentParser) -> None:
    """Add --store."""
    parser.add_argument(
        "--store",
        metavar="URL",
        help="sqlite:PATH, a path, or cassandra://HOST/KEYSPACE (default: $CALLPRINT_STORE, else "
        "~/.local/share/callprint/verdicts.sqlite)",
    )


def add_answer_options(parser: argparse.ArgumentParser, rows_for_people: int) -> None:
    """Add --limit, --json and --csv; the table shows at most `rows_for_people` rows when no limit is given."""
    parser.add_argument(
        "--limit",
        metavar="N",
        type=_positive,
        help=f"at most so many, the latest (default: {rows_for_people} in the table, all as JSON or CSV)",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="JSON Lines on standard output")
    form.add_argument("--csv", action="store_true", help="CSV on standard output")


def rows_to_ask_for(args: argparse.Namespace, rows_for_people: int) -> int | None:
    """Return the limit of the query: for the table one row more than it shows, to know that there are more."""
    if args.limit or args.json or args.csv:
        limit: int | None = args.limit
        return limit
    return rows_for_people + 1


def print_end(console: Console, counted: str, url: str, *, more: bool) -> None:
    """Print the lines below a table: what is in it, from where, and whether the store has more."""
    console.print(Text(f"{counted} in {printable(url)}", style="dim"))
    if more:
        console.print(Text("There are more: narrow it down, or give a --limit.", style="dim"))


def write_data(rows: Iterable[T], write: Callable[[Iterable[T], TextIO], int]) -> None:
    """Write rows to standard output, in UTF-8 whatever the locale is."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(encoding="utf-8")
    write(rows, sys.stdout)


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of at least 1")
    return int(text)
