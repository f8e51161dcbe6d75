"""Counts by minute in the SQLite store (sqlite_judgements.py keeps them), so that no page counts a million rows."""

from typing import Any

from callprint.stores.base import MINUTE_NS, Activity

MARK = "SELECT number FROM last_sequence"
_SELECT = (
    "SELECT minute / ? * ?, name, sum(number) FROM activity WHERE kind = ? AND minute >= ? AND minute <= ?"
    " GROUP BY 1, 2 ORDER BY 1, 2"
)


def select(kind: str, since_ns: int, until_ns: int, every: int) -> tuple[str, list[object]]:
    """Return the statement and the parameters for the counts of the minutes that overlap a span of time.

    `every`: so many minutes together.
    """
    return _SELECT, [every, every, kind, since_ns // MINUTE_NS, (until_ns - 1) // MINUTE_NS]


def counted(row: Any) -> Activity:
    """Return the count in a row. Raises ValueError for what is none."""
    minute, name, amount = row
    return Activity(number([minute]), str(name), number([amount]))


def number(row: Any) -> int:
    """Return the number that a row holds. Raises ValueError for anything else."""
    (found,) = row
    if not isinstance(found, int):
        raise ValueError(f"{found!r} is not a whole number")
    return found
