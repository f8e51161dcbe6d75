"""What the commands that query the store share: how many rows are wanted, and in which form they are given."""

import argparse
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TextIO, TypeVar

from rich.console import Console
from rich.text import Text

from callprint.cli import UsageError
from callprint.cli.hints import application_hint, declared_hint
from callprint.cli.parsers import positive
from callprint.cli.targets import (
    STANDARD_OUTPUT,
    check_not_store,
    json_target,
    not_written,
    open_target,
    output_target,
)
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
    application: str | None = None  # that was asked for
    declared: str | None = None  # the same

    def answer(self, args: argparse.Namespace) -> int:
        """Print the answer as the options want it and return the exit code. Raises StoreError."""
        limit: int | None = args.limit
        with open_store(args.store, create=False) as store:
            target: str | None = args.json or args.csv
            if target is not None:
                check_not_store(target, store.url)
                write_data(self.ask(store, limit), self.write_json if args.json else self.write_csv, target)
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
            hint = application_hint(self.application, store) if self.application else ""
            hint = hint or (declared_hint(self.declared) if self.declared else "")
            if hint:
                console.print(Text(hint, style="yellow"))
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


def check_without_store(args: argparse.Namespace, options: Iterable[str]) -> None:
    """Raise UsageError when one of the options that choose from a store is given beside captures."""
    for name in options:
        if getattr(args, name) is not None:
            raise UsageError(f"--{name} is about the store: give it, or captures")


def add_answer_options(parser: argparse.ArgumentParser, rows_for_people: int) -> None:
    """Add --limit, --json and --csv; the table shows at most `rows_for_people` rows when no limit is given."""
    parser.add_argument(
        "--limit",
        metavar="N",
        type=positive,
        help=f"at most this many, the latest (default: {rows_for_people} in the table, all as JSON or CSV)",
    )
    form = parser.add_mutually_exclusive_group()
    add_json_option(form, "JSON Lines")
    add_data_option(form, "--csv", output_target, "CSV")


def add_json_option(parser: argparse._ActionsContainer, what: str) -> None:
    """Add --json [FILE]: to FILE, to standard output when there is none or FILE is -."""
    add_data_option(parser, "--json", json_target, what)


def add_data_option(
    parser: argparse._ActionsContainer, name: str, kind: Callable[[str], str], what: str
) -> None:
    """Add an option such as --json [FILE]; `kind` is the argparse type of FILE."""
    parser.add_argument(
        name,
        metavar="FILE",
        nargs="?",
        const=STANDARD_OUTPUT,
        type=kind,
        help=f"{what}, to FILE or (without FILE, or with -) to standard output",
    )


def write_data(
    rows: Iterable[Row], write: Callable[[Iterable[Row], TextIO], int], target: str = STANDARD_OUTPUT
) -> None:
    """Write rows to a file or standard output, in UTF-8 whatever the locale is. Raises StoreError."""
    if target != STANDARD_OUTPUT:
        with open_target(target) as stream:
            try:
                write(rows, stream)
            except OSError as error:
                raise not_written(target, error) from error
        return
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(encoding="utf-8")
    write(rows, sys.stdout)
