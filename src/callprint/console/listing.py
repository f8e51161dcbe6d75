"""Lists page by page: a page is answered in bounded time, however rare what was asked for is."""

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeVar
from urllib.parse import urlencode

from callprint.stores import CallQuery, VerdictQuery, VerdictStore

PAGE = 50
FIRST_PIECE = 100
"""Rows that are looked through first for a condition without an index; later pieces are as large as time allows."""
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
    began_s = time.monotonic()
    until_s = began_s + LOOKS_FOR_S
    most = query.limit or PAGE
    piece = FIRST_PIECE
    while True:
        end = store.scan_end(query, piece)
        rows += ask(replace(query, since_ns=end, limit=most - len(rows)) if end is not None else query)
        if len(rows) >= most or end is None:
            return rows[:most], None
        now_s = time.monotonic()
        if now_s > until_s:
            return rows, end
        query = replace(query, until_ns=end)
        # As many as half of the time that is left allows, by the pace of the last piece.
        piece = max(1, int(piece * min(4.0, (until_s - now_s) / max(now_s - began_s, 1e-6) / 2)))
        began_s = now_s


def next_url(path: str, **parameters: str) -> str:
    """Return a link with those parameters that say something."""
    said = {name: value for name, value in parameters.items() if value}
    return f"{path}?{urlencode(said)}" if said else path
