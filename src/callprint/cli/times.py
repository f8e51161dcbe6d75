"""Times as people type them on the command line."""

import argparse
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def time_ns(text: str) -> int:
    """Return nanoseconds since the epoch for `2026-11-22`, `2026-11-22T10:00+01:00` or nanoseconds themselves.

    A time without an offset is UTC, as all times that callprint shows are. An argparse type: raises
    ArgumentTypeError when the text is none of these.
    """
    if (
        text.isascii() and text.isdigit() and len(text) > 15
    ):  # shorter digits would be a date or a year by mistake
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time; write 2026-11-22, 2026-11-22T10:00:00, 2026-11-22T10:00+01:00, "
            "or nanoseconds since 1970"
        ) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - EPOCH) // timedelta(microseconds=1) * 1000
