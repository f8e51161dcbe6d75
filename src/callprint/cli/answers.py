"""What the commands that query the store share: how many rows are wanted, and in which form they are given."""

import argparse
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TextIO, TypeVar

from rich.console import Console
from rich.text import Text

from callprint.cli.parsers import positive
from callprint.output.console import make_console, printable
from callprint.stores import VerdictStore, open_store

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Question(Generic[Row]):
    """A query of the store, and the three forms of its answer."""

    about: str  # what a row is, in the singular
    rows_for_people: int  # shown in the table when no limit is given
    ask: Callable[[VerdictStore, int | None], Iterable[Row]]  # store, most rows
    write_json: Callable[[Iterable[Row], TextIO], int]
    write_csv: Callable[[Iterable[Row], TextIO], int]
    print_table: Callable[[Console, VerdictStore, list[Row]], str]  # returns the line that counts the rows

    def answer(self, args: argparse.Namespace) -> int:
        """Print the answer as the options want it and return the exit code. Raises StoreError."""
        limit: int | None = args.limit
        with open_store(args.store, create=False) as store:
            if args.json or args.csv:
                write_data(self.ask(store, limit), self.write_json if args.json else self.write_csv)
            else:
                most = limit or self.rows_for_people
                # One row more than the table shows tells whether the store has more.
                rows = list(self.ask(store, limit or most + 1))
                self._print(make_console(data_on_stdout=False), store, rows, most)
        return 0

    def _print(self, console: Console, store: VerdictStore, rows: list[Row], most: int) -> None:
        url = printable(store.url)
        if not rows:
            console.print(Text(f"No {self.about} in {url} matches."))
            return
        counted = self.print_table(console, store, rows[:most])
        console.print(Text(f"{counted} in {url}", style="dim"))
        if len(rows) > most:
            console.print(Text("There are more: narrow it down, or give a --limit.", style="dim"))


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
        type=positive,
        help=f"at most this many, the latest (default: {rows_for_people} in the table, all as JSON or CSV)",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="JSON Lines on standard output")
    form.add_argument("--csv", action="store_true", help="CSV on standard output")


def write_data(rows: Iterable[Row], write: Callable[[Iterable[Row], TextIO], int]) -> None:
    """Write rows to standard output, in UTF-8 whatever the locale is."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(encoding="utf-8")
    write(rows, sys.stdout)
