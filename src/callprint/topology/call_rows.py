"""Rows about calls that wait for the store. It takes them in parts, so that between two the bolt can do something else.

When packet time jumps, as it does while a topology catches up, tens of thousands of calls can end with one record.
"""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from callprint.core.call import CallRecord
from callprint.core.ground.errors import RowError, StoreError
from callprint.core.verdict import FlowSummary, Verdict
from callprint.stores import VerdictStore

log = logging.getLogger(__name__)

StoredRow = CallRecord | FlowSummary | Verdict

ROWS_AT_ONCE = 2_000
"""Of each kind: seconds of work for a Cassandra node that has other work, too."""


class CallRows:
    """Keeps rows until the store has taken them, or has refused them for good. For one thread."""

    def __init__(self, opened: Callable[[], VerdictStore], refuse: Callable[[StoredRow, str], bool]) -> None:
        """`opened` gives the store; `refuse` sets aside a row that it will never take, and returns whether it could."""
        self.calls: list[CallRecord] = []
        self.rebuilt: list[CallRecord] = []  # from a journal: most of them are stored already
        self.announced: list[FlowSummary] = []  # complete what is stored of these flows
        self.declared: list[Verdict] = []  # the last ones on their flows
        self._opened, self._refuse = opened, refuse

    def __len__(self) -> int:
        """Return how many wait."""
        return sum(map(len, (self.calls, self.rebuilt, self.announced, self.declared)))

    def store_some(self) -> None:
        """Store at most ROWS_AT_ONCE of each kind. Raises StoreError; then all of a kind, or none, may be stored."""
        if not self:
            return
        store = self._opened()
        _take(self.announced, partial(self._put, store.put_flows))
        _take(self.declared, partial(self._put, store.put_verdicts))
        _take(self.rebuilt, partial(self._put, partial(store.put_calls, rebuilt=True)))
        _take(self.calls, partial(self._put, store.put_calls))

    def _put(self, put: Callable[[list[Any]], None], rows: list[Any]) -> None:
        """Store rows together, or one by one when the store refuses one of them for good."""
        try:
            put(rows)
        except RowError:
            for row in rows:
                self._put_one(put, row)

    def _put_one(self, put: Callable[[list[Any]], None], row: Any) -> None:
        try:
            put([row])
        except RowError as error:
            if not self._refuse(row, str(error)):
                raise StoreError(f"a row that the store refuses cannot be set aside now: {error}") from error
            about = f"call {row.call_id!r:.80}" if isinstance(row, CallRecord) else f"flow {row.flow}"
            log.error("a row about %s is set aside: %s", about, error)


def _take(waiting: list[Any], put: Callable[[list[Any]], None]) -> None:
    """Have the first rows that wait stored, and forget them."""
    some = waiting[:ROWS_AT_ONCE]
    if some:
        put(some)
        del waiting[: len(some)]
