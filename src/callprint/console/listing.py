"""Lists page by page: a page is answered in bounded time, however rare what was asked for is."""

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeVar
from urllib.parse import urlencode

from callprint.stores import CallQuery, VerdictQuery, VerdictStore

PAGE = 50
PIECE = 4_000
"""Rows that are looked through at once for a condition without an index."""
LOOKS_FOR_S = 0.12
"""A page begins no further piece after this."""

Row = TypeVar("Row")
Query = TypeVar("Query", VerdictQuery, CallQuery)


def bounded(
    store: VerdictStore, query: Query, ask: Callable[[Query], Iterable[Row]]
) -> tuple[list[Row], int | None]:
    """Return the rows of a page, and the time to look further back from if not all of the store was looked at."""
    if not query.where:
        return list(ask(query)), None
    rows: list[Row] = []
    until_s = time.monotonic() + LOOKS_FOR_S
    most = query.limit or PAGE
    while True:
        end = store.scan_end(query, PIECE)
        rows += ask(replace(query, since_ns=end, limit=most - len(rows)) if end is not None else query)
        if len(rows) >= most or end is None:
            return rows[:most], None
        if time.monotonic() > until_s:
            return rows, end
        query = replace(query, until_ns=end)


def next_url(path: str, **parameters: str) -> str:
    """Return a link with those parameters that say something."""
    said = {name: value for name, value in parameters.items() if value}
    return f"{path}?{urlencode(said)}" if said else path
