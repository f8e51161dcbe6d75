"""Stores verdicts, flow summaries and the evidence of unknown flows."""

from collections.abc import Callable, Iterator
from typing import Any

from bolts.storing import StoringBolt
from callprint.core.ground.errors import RowError
from callprint.core.wire.rows import rows_to_text, text_to_summaries, text_to_verdicts
from callprint.stores import VerdictStore
from callprint.topology.partition_stream import MEDIA_RECORDS
from callprint.topology.tuples import evidence_to_text, text_to_evidence

Write = Callable[[VerdictStore], None]


class StoreVerdicts(StoringBolt):
    """Stores the rows of a tuple together, or one by one when the store refuses one of them for good."""

    records = MEDIA_RECORDS

    def store(self, tup: Any) -> bool:
        """Store the rows of one tuple."""
        partition, verdicts, summaries, unknown = tup.values

        def write(store: VerdictStore) -> None:
            store.put_verdicts(text_to_verdicts(verdicts))
            store.put_flows(text_to_summaries(summaries))
            store.put_unknown_evidence(text_to_evidence(unknown))

        try:
            return self._store.write(write)
        except RowError:
            rows = _one_by_one(verdicts, summaries, unknown)
            return all(self._write_row(partition, row, text) for row, text in rows)

    def _write_row(self, partition: int, row: Write, text: str) -> bool:
        """Return whether the row is in the store or among the dead letters."""
        try:
            return self._store.write(row)
        except RowError as error:
            return self.set_aside(partition, error, text.encode())


def _one_by_one(verdicts: str, summaries: str, unknown: str) -> Iterator[tuple[Write, str]]:
    """Yield a function that writes the row, and the row as text, for each row."""
    for verdict in text_to_verdicts(verdicts):
        yield (lambda store, row=verdict: store.put_verdicts([row])), rows_to_text([verdict])
    for summary in text_to_summaries(summaries):
        yield (lambda store, row=summary: store.put_flows([row])), rows_to_text([summary])
    for kept in text_to_evidence(unknown):
        yield (lambda store, row=kept: store.put_unknown_evidence([row])), evidence_to_text([kept])
