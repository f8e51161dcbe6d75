"""What commands share on the way in: how their parsers are made, and the types of their arguments."""

import argparse
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from callprint.cli import COMMANDS
from callprint.core.ground.errors import StoreError

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]
else:
    Subparsers = Any  # argparse's own class cannot be subscripted when the program runs

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIME_FORMS = "2026-11-22, 2026-11-22T10:00 (UTC), 2026-11-22T10:00+01:00, or nanoseconds since 1970"


def add_command(
    subparsers: Subparsers, name: str, description: str, epilog: str | None = None
) -> argparse.ArgumentParser:
    """Add the parser of a command. Description and epilog (the examples) are printed as they are written."""
    return subparsers.add_parser(
        name,
        help=COMMANDS[name],
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_time_options(parser: argparse.ArgumentParser, what: str) -> None:
    """Add --since and --until; `what` happened in between, as in `verdicts decided`."""
    from_then_on = f"{what} at or after this time (ISO 8601, or nanoseconds)"
    parser.add_argument("--since", metavar="TIME", type=time_ns, help=from_then_on)
    parser.add_argument("--until", metavar="TIME", type=time_ns, help=f"{what} before this time")


def time_ns(text: str) -> int:
    """Return nanoseconds since the epoch for `2026-11-22`, `2026-11-22T10:00+01:00` or nanoseconds themselves.

    A time without an offset is UTC, like every time that callprint shows. An argparse type: raises
    ArgumentTypeError when the text is none of these.
    """
    if text.isascii() and text.isdigit() and len(text) > 15:  # fewer digits would be a date or a year
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write {TIME_FORMS}") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - EPOCH) // timedelta(microseconds=1) * 1000


def address(text: str) -> str:
    """Return an IP address in its canonical spelling; an argparse type."""
    from callprint.stores.queries import canonical_address  # noqa: PLC0415 - not for commands without the option

    try:
        return canonical_address(text)
    except StoreError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def not_blank(text: str) -> str:
    """Return a text that says something; an argparse type: what is blank by a mistake of a script asks for nothing."""
    if not text.strip():
        raise argparse.ArgumentTypeError("is blank")
    return text


def positive(text: str) -> int:
    """Return a whole number of at least 1; an argparse type."""
    number = _whole(text)
    if not 1 <= number <= sys.maxsize:
        most = f", and at most {sys.maxsize}" if number > sys.maxsize else ""
        raise argparse.ArgumentTypeError(f"{text!r} is no number of at least 1{most}")
    return number


def not_negative(text: str) -> int:
    """Return a whole number of at least 0; an argparse type."""
    number = _whole(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of at least 0")
    return number


def seed(text: str) -> int:
    """Return a seed that every generator of random numbers takes; an argparse type."""
    number = _whole(text)
    if not 0 <= number < 1 << 32:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to {(1 << 32) - 1}")
    return number


def port(text: str) -> int:
    """Return a port number; an argparse type."""
    number = _whole(text)
    if not 0 < number < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is no port number, 1 to 65535")
    return number


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else -1
