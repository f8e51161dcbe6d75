"""Partitions of the tables by query: which there are for a span of time, and their rows, latest first.

An hour of an application, a day of a number and the like are spread over BUCKETS partitions. A page needs the first
rows of all of them: one request brings these, and a partition of which more is wanted is read on by itself.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, groupby, islice
from typing import Any, NamedTuple

from callprint.stores.cassandra_rows import BUCKETS, DAY_NS, HOUR_NS

RunMany = Callable[[str, list[tuple[object, ...]]], Iterable[Iterable[Any]]]

AT_ONCE = 8  # days or hours, beyond the first
GROWTH = 4
EVERY_BUCKET = tuple(range(BUCKETS))
ALL_BUCKETS = f"bucket IN ({', '.join(map(str, range(BUCKETS)))})"


class Span(NamedTuple):
    """A half-open span of time."""

    since_ns: int
    until_ns: int

    def has(self, unit: int, unit_ns: int) -> bool:
        """Return whether day or hour number `unit` overlaps the span."""
        return unit * unit_ns < self.until_ns and (unit + 1) * unit_ns > self.since_ns


class Selection(NamedTuple):
    """Columns to read, and which of them holds the time that orders the rows of a partition."""

    select: str  # SELECT and the columns
    time: str
    at: int  # its place among the columns
    same: int | None  # columns before this tell a row from all others


class Part(NamedTuple):
    """Days or hours of one table that are read at once, each in some or all of its buckets."""

    where: str
    keys: list[tuple[object, ...]]  # without the bucket
    buckets: tuple[int, ...] = EVERY_BUCKET

    @property
    def partitions(self) -> int:
        """How many there are to read."""
        return len(self.keys) * len(self.buckets)


def gathered(
    where: str, each: Iterable[list[tuple[object, ...]]], buckets: tuple[int, ...] = EVERY_BUCKET
) -> Iterator[Part]:
    """Yield what is to be read: the keys that come first alone, then some at once."""
    keys: list[tuple[object, ...]] = []
    enough = 1
    for more in each:
        keys += more
        if len(keys) >= enough:
            yield Part(where, keys, buckets)
            keys, enough = [], AT_ONCE * BUCKETS // len(buckets)
    if keys:
        yield Part(where, keys, buckets)


class Partitions:
    """Reads partitions; `run_many(statement, parameters)` gives the rows for each set of parameters."""

    def __init__(self, run_many: RunMany) -> None:
        self._run_many = run_many

    def days(self, kind: str, span: Span) -> list[int]:
        """Return the days that hold anything of a kind, the latest first."""
        (rows,) = self._run_many("SELECT day FROM day WHERE kind = ?", [(kind,)])
        return [row.day for row in rows if span.has(row.day, DAY_NS)]

    def hours(self, kind: str, days: Iterable[int], span: Span) -> Iterator[tuple[int, list[str]]]:
        """Yield the hours of some days that hold anything, latest first, each with its applications."""
        statement = "SELECT hour, application FROM hour_of_day WHERE kind = ? AND day = ?"
        waiting, at_once = iter(days), 1
        while some := list(islice(waiting, at_once)):
            at_once = AT_ONCE
            for rows in self._run_many(statement, [(kind, day) for day in some]):
                for hour, of_hour in groupby(rows, key=lambda row: row.hour):
                    if span.has(hour, HOUR_NS):
                        yield hour, [row.application for row in of_hour]

    def rows(self, what: Selection, part: Part, span: Span, first: int | None) -> list[Iterator[Any]]:
        """Return the rows of each partition; `first`: fetch so many of each before any is read on."""
        if first is None:
            keys = [(*key, bucket, *span) for key in part.keys for bucket in part.buckets]
            return [map(tuple, rows) for rows in self._run_many(_statement(what, part, "bucket = ?"), keys)]
        return [
            chain(rows, self._further(what, part, key, span, rows)) if len(rows) == first else iter(rows)
            for key, rows in self.first_rows(what, part, span, first)
        ]

    def first_rows(
        self, what: Selection, part: Part, span: Span, first: int
    ) -> Iterator[tuple[tuple[object, ...], list[Any]]]:
        """Yield the first rows of each partition that has any, with its key."""
        wide = what._replace(select=f"{what.select}, bucket")
        statement = f"{_statement(wide, part, 'bucket IN ?')} PER PARTITION LIMIT ?"
        found = self._run_many(statement, [(*key, list(part.buckets), *span, first) for key in part.keys])
        for key, rows in zip(part.keys, found, strict=True):
            of_bucket: dict[int, list[Any]] = defaultdict(list)
            for row in rows:
                of_bucket[row[-1]].append(tuple(row[:-1]))
            yield from (((*key, bucket), each) for bucket, each in of_bucket.items())

    def _further(
        self, what: Selection, part: Part, key: tuple[object, ...], span: Span, known: list[Any]
    ) -> Iterator[Any]:
        """Yield the rows of a partition after those that are known, some at a time and then more."""
        statement = f"{_statement(what, part, 'bucket = ?')} LIMIT ?"
        limit = len(known)
        while len(known) == limit:
            last_ns = known[-1][what.at]
            seen = {row[: what.same] for row in known if row[what.at] == last_ns}
            limit = GROWTH * limit + len(seen)
            (rows,) = self._run_many(statement, [(*key, span.since_ns, last_ns + 1, limit)])
            known = list(map(tuple, rows))
            yield from (row for row in known if row[: what.same] not in seen)


def _statement(what: Selection, part: Part, buckets: str) -> str:
    return f"{what.select} FROM {part.where} AND {buckets} AND {what.time} >= ? AND {what.time} < ?"
