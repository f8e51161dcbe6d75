"""The console for people, and text from outside made safe to print on it."""

import sys
import unicodedata
from datetime import UTC, datetime
from typing import Any, TextIO

from rich import box
from rich.console import Console
from rich.table import Table

_NOT_SHOWN = frozenset(("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"))
"""Unicode categories: control, format, unassigned, private, surrogate; separators of lines and of paragraphs."""


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave a closed pipe to cli.main, for which it is no error; rich would exit with code 1."""
        raise BrokenPipeError


class _Messages(_Console):
    def print(self, *objects: Any, **options: Any) -> None:
        """Print as rich does, but never break a line: programs search and cut messages, too."""
        super().print(*objects, **{"soft_wrap": True, **options})


def make_messages() -> Console:
    """Return the console for errors and slow steps: standard error, one line for each message."""
    return _prepared(_Messages, sys.stderr)


def make_console(*, data_on_stdout: bool, quiet: bool = False) -> Console:
    """Return the console for people: standard output, or standard error when data goes to standard output.

    What is printed on a quiet one goes nowhere.

    Colours appear only on a terminal, and not when NO_COLOR is set (https://no-color.org).
    """
    console = _prepared(_Console, sys.stderr if data_on_stdout else sys.stdout)
    console.quiet = quiet
    return console


def _prepared(kind: type[Console], stream: TextIO) -> Console:
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        # A terminal without Unicode shows a question mark for an arrow instead of ending the program.
        reconfigure(errors="replace")
    # Markup and emoji codes stay off: names come from captures, models and databases.
    return kind(file=stream, markup=False, emoji=False, highlight=False)


def printable(text: str) -> str:
    """Return text from outside, with everything replaced that could control a terminal or hide other text.

    Control characters, escape sequences, marks and overrides of direction, surrogates (Unicode's categories C*), and
    the separators of lines and paragraphs, which some terminals obey.
    """
    if text.isascii() and text.isprintable():  # nearly always
        return text
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(letter) in _NOT_SHOWN else letter
        for letter in text
    )


def printable_lines(text: str) -> str:
    """Return a message of one or more lines, each made `printable`."""
    return "\n".join(map(printable, text.split("\n")))


def endpoint(address: str, port: int) -> str:
    """Return `192.0.2.1:5004` or `[2001:db8::1]:5004` (RFC 5952 section 6)."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def utc(time_ns: int) -> str:
    """Return a time such as `2025-10-09 08:53:20`."""
    try:
        return f"{datetime.fromtimestamp(time_ns // 1_000_000_000, UTC):%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):  # a capture may claim any time, even the year 10000
        return f"{time_ns} ns"


def quantity(number: int, one: str, many: str | None = None) -> str:
    """Return `1 flow`, `1,234 flows`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def make_table() -> Table:
    """Return an empty table in the style of all tables: a rule under the header, two spaces between columns."""
    return Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
