"""Counts by minute in Cassandra (ADR 0016): hours are counted once from their rows, and again only where those changed.

Counters would double whatever is written twice. So a writer leaves a mark of its own on every minute and hour after
it has written rows there, and whoever counts keeps the counts with a digest of the marks that it saw before. Where
the marks are still the same, so are the rows.
"""

import json
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

from callprint.core.call import Phase
from callprint.stores.base import MINUTE_NS, Activity
from callprint.stores.cassandra_partitions import ALL_BUCKETS, RunMany
from callprint.stores.cassandra_rows import DAY_NS, HOUR_NS, Row

MINUTES = 60
WORTH_KEEPING = 3  # minutes counted anew: fewer cost less than to write the counts of their hour
MOST_RUNS = 3  # of neighbouring minutes that are counted anew one by one
MOST_HOURS = 2_000  # whose counts are held in memory: twelve weeks
ANY = "any"  # the unit of the mark that changes with every judgement

_COLUMNS = ("kind", "day", "unit", "at", "writer", "mark")
_MARKS = (
    "SELECT at, writer, mark FROM written WHERE kind = ? AND day IN ? AND unit = ? AND at >= ? AND at < ?"
)
_HOURS = "SELECT hour, application FROM hour_of_day WHERE kind = ? AND day IN ?"
_COUNTS = "SELECT counts FROM activity_of_hour WHERE kind = ? AND day = ? AND hour = ?"
_VERDICTS = (
    "SELECT decided_at_ns, application, final FROM verdict_by_application_hour"
    f" WHERE application = ? AND hour = ? AND {ALL_BUCKETS} AND decided_at_ns >= ? AND decided_at_ns < ?"
)
_CALLS = (
    "SELECT started_ns, action, phase FROM call_by_hour"
    f" WHERE hour = ? AND {ALL_BUCKETS} AND started_ns >= ? AND started_ns < ?"
)


class Minute(NamedTuple):
    """What was counted in one minute, and the digest of its marks before that."""

    marks: str
    counts: dict[str, int]  # by application or action


class Hour(NamedTuple):
    """What was counted in one hour, and the digest of its marks before that."""

    marks: str
    minutes: dict[int, Minute]  # by minute since 1970

    def text(self) -> str:
        """Return the cell that keeps it."""
        return json.dumps([self.marks, [[at, *minute] for at, minute in sorted(self.minutes.items())]])


def read_hour(cell: object) -> Hour | None:
    """Return the counts that a cell keeps; None for what keeps none, which is counted again."""
    try:
        marks, minutes = json.loads(str(cell))
        return Hour(
            str(marks),
            {
                int(at): Minute(str(of_minute), {str(name): int(number) for name, number in counts.items()})
                for at, of_minute, counts in minutes
            },
        )
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return None


def marks(kind: str, times_ns: Iterable[int], writer: str, mark: int) -> tuple[list[Row], list[Row]]:
    """Return the marks on the minutes and on the hours of rows that were written: they are set in this order."""
    minutes = sorted({time_ns // MINUTE_NS for time_ns in times_ns})
    hours = sorted({minute // MINUTES for minute in minutes})
    return (
        [_mark(kind, "minute", at, at * MINUTE_NS // DAY_NS, writer, mark) for at in minutes],
        [_mark(kind, "hour", at, at * HOUR_NS // DAY_NS, writer, mark) for at in hours],
    )


def mark_of_any(writer: str, mark: int) -> Row:
    """Return the mark that changes with every judgement that a writer stores."""
    return _mark("", ANY, 0, 0, writer, mark)


def _mark(kind: str, unit: str, at: int, day: int, writer: str, mark: int) -> Row:
    return Row("written", (kind, day), _COLUMNS, (kind, day, unit, at, writer, mark))


def digest(marks: Iterable[tuple[str, int]]) -> str:
    """Return what tells a set of marks, (writer, mark), from another; nothing where there is none."""
    found = sorted(marks)
    return f"{zlib.crc32(repr(found).encode()):08x}{len(found):x}" if found else ""


class Activities:
    """Counts of one reader. `run_many` and `keep` read and write; `keep` may refuse silently."""

    def __init__(self, run_many: RunMany, keep: Callable[[list[Row]], None]) -> None:
        self._run_many = run_many
        self._keep = keep
        self._known: dict[tuple[str, int], Hour] = {}

    def change_mark(self) -> int:
        """Give a number that changes when a judgement is stored."""
        (rows,) = self._run_many(_MARKS, [("", [0], ANY, 0, 1)])
        return sum(row.mark for row in rows)

    def counted(self, kind: str, since_ns: int, until_ns: int, every: int) -> Iterator[Activity]:
        """Count rows of a kind, by minutes; whole minutes that overlap the time asked for."""
        first, last = since_ns // MINUTE_NS, (until_ns - 1) // MINUTE_NS
        counts: Counter[tuple[int, str]] = Counter()
        for hour in self._hours(kind, first // MINUTES, last // MINUTES).values():
            for at, minute in hour.minutes.items():
                if first <= at <= last:
                    for name, number in minute.counts.items():
                        counts[at // every * every, name] += number
        yield from (Activity(at, name, number) for (at, name), number in sorted(counts.items()))

    def _hours(self, kind: str, first: int, last: int) -> dict[int, Hour]:
        days = list(range(first * HOUR_NS // DAY_NS, last * HOUR_NS // DAY_NS + 1))
        # Marks first, then the index and the rows: what is written after the marks were read changes them again.
        seen = self._marks(kind, days, "hour", first, last + 1)
        names: dict[int, list[str]] = defaultdict(list)
        (rows,) = self._run_many(_HOURS, [(kind, days)])
        for row in rows:
            if first <= row.hour <= last:
                names[row.hour].append(row.application)
        changed = [hour for hour in names if self._known.get((kind, hour), _NONE).marks != seen.get(hour, "")]
        self._read_kept(kind, [hour for hour in changed if (kind, hour) not in self._known])
        for hour in changed:
            known = self._known.get((kind, hour), _NONE)
            if known.marks != seen.get(hour, ""):
                self._count(kind, hour, names[hour], seen.get(hour, ""), known)
        found = {hour: self._known[kind, hour] for hour in names}
        while len(self._known) > MOST_HOURS:
            del self._known[next(iter(self._known))]
        return found

    def _marks(self, kind: str, days: list[int], unit: str, since: int, until: int) -> dict[int, str]:
        (rows,) = self._run_many(_MARKS, [(kind, days, unit, since, until)])
        return {
            at: digest((row.writer, row.mark) for row in of_unit)
            for at, of_unit in groupby(rows, key=lambda row: row.at)
        }

    def _read_kept(self, kind: str, hours: list[int]) -> None:
        asked: list[tuple[object, ...]] = [(kind, hour * HOUR_NS // DAY_NS, hour) for hour in hours]
        for hour, rows in zip(hours, self._run_many(_COUNTS, asked), strict=True):
            for row in rows:
                if (kept := read_hour(row.counts)) is not None:
                    self._known[kind, hour] = kept

    def _count(self, kind: str, hour: int, names: list[str], seen: str, known: Hour) -> None:
        """Count the minutes of an hour that changed since they were counted; all of them where none is known."""
        begin = hour * MINUTES
        of_minutes = self._marks(kind, [hour * HOUR_NS // DAY_NS], "minute", begin, begin + MINUTES)
        changed = [
            at
            for at in range(begin, begin + MINUTES)
            if known is _NONE or of_minutes.get(at, "") != known.minutes.get(at, _EMPTY).marks
        ]
        minutes = {at: minute for at, minute in known.minutes.items() if at not in changed}
        counts = self._rows(kind, hour, names, changed)
        for at in changed:
            if at in of_minutes or at in counts:
                minutes[at] = Minute(of_minutes.get(at, ""), dict(counts.get(at, {})))
        self._known[kind, hour] = counted = Hour(seen, minutes)
        if len(changed) > WORTH_KEEPING:
            day = hour * HOUR_NS // DAY_NS
            columns = ("kind", "day", "hour", "counts")
            self._keep([Row("activity_of_hour", (kind, day), columns, (kind, day, hour, counted.text()))])

    def _rows(self, kind: str, hour: int, names: list[str], minutes: list[int]) -> dict[int, Counter[str]]:
        runs = list(_runs(minutes))
        if len(runs) > MOST_RUNS:
            runs = [minutes]
        spans = [(run[0] * MINUTE_NS, (run[-1] + 1) * MINUTE_NS) for run in runs]
        keys: list[tuple[object, ...]] = [(hour,)] if kind == "call" else [(name, hour) for name in names]
        asked: list[tuple[object, ...]] = [(*key, *span) for span in spans for key in keys]
        counts: dict[int, Counter[str]] = defaultdict(Counter)
        for rows in self._run_many(_CALLS if kind == "call" else _VERDICTS, asked):
            for time_ns, name, last in rows:
                if last is True or last == Phase.END:
                    counts[time_ns // MINUTE_NS][name] += 1
        return counts


_NONE = Hour("never counted", {})
_EMPTY = Minute("", {})


def _runs(numbers: list[int]) -> Iterator[list[int]]:
    """Yield runs of neighbours."""
    for _, run in groupby(enumerate(numbers), key=lambda each: each[1] - each[0]):
        yield [number for _, number in run]
