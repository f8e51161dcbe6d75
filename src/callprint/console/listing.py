"""Lists page by page: a page is answered in bounded time, however rare what was asked for is."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeVar
from urllib.parse import urlencode

from callprint.stores import CallQuery, VerdictQuery, VerdictStore

PAGE = 50
MOST_LOOKED_AT = 50_000
"""Rows that one page looks through for a condition without an index."""

Row = TypeVar("Row")
Query = TypeVar("Query", VerdictQuery, CallQuery)


def bounded(
    store: VerdictStore, query: Query, ask: Callable[[Query], Iterable[Row]]
) -> tuple[list[Row], int | None]:
    """Return the rows of a page, and the time to look further back from if not all of the store was looked at."""
    end = store.scan_end(query, MOST_LOOKED_AT) if query.where else None
    if end is None:
        return list(ask(query)), None
    rows = list(ask(replace(query, since_ns=max(end, query.since_ns or end))))
    return rows, end if len(rows) < (query.limit or 0) else None


def next_url(path: str, **parameters: str) -> str:
    """Return a link with those parameters that say something."""
    said = {name: value for name, value in parameters.items() if value}
    return f"{path}?{urlencode(said)}" if said else path
