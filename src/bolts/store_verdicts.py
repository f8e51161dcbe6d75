"""Stores verdicts, flow summaries and the evidence of unknown flows."""

from collections.abc import Iterator, Sequence
from typing import Any

from bolts.storing import Piece, StoringBolt
from callprint.core.wire.rows import rows_to_text, text_to_summaries, text_to_verdicts
from callprint.stores import VerdictStore
from callprint.topology.partition_stream import MEDIA_RECORDS
from callprint.topology.tuples import evidence_to_text, text_to_evidence


class StoreVerdicts(StoringBolt):
    """Stores the rows of tuples together, or one by one when the store refuses one of them for good."""

    records = MEDIA_RECORDS

    def write(self, store: VerdictStore, tups: Sequence[Any]) -> None:
        """Store the rows of tuples."""
        rows = [tup.values for tup in tups]
        store.put_results(
            [row for _, verdicts, _, _ in rows for row in text_to_verdicts(verdicts)],
            [row for _, _, summaries, _ in rows for row in text_to_summaries(summaries)],
        )
        store.put_unknown_evidence([kept for *_, unknown in rows for kept in text_to_evidence(unknown)])

    def pieces(self, tup: Any) -> Iterator[Piece]:
        """Yield each row."""
        partition, verdicts, summaries, unknown = tup.values
        for verdict in text_to_verdicts(verdicts):
            text = rows_to_text([verdict])
            yield Piece(lambda store, row=verdict: store.put_verdicts([row]), partition, text.encode())
        for summary in text_to_summaries(summaries):
            text = rows_to_text([summary])
            yield Piece(lambda store, row=summary: store.put_flows([row]), partition, text.encode())
        for kept in text_to_evidence(unknown):
            text = evidence_to_text([kept])
            yield Piece(lambda store, row=kept: store.put_unknown_evidence([row]), partition, text.encode())
