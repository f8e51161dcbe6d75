"""Stores votes and changes of the allow-list, where judge_calls looks for them."""

from collections.abc import Iterator, Sequence
from typing import Any

from bolts.storing import Piece, StoringBolt
from callprint.core.call import AllowEntry, Vote
from callprint.core.wire.votes import decode_feedback
from callprint.stores import VerdictStore
from callprint.topology.partition_stream import FEEDBACK_RECORDS
from callprint.topology.tuples import received_bytes


class KeepFeedback(StoringBolt):
    """All records about a caller come to one task, in order: the latest change of the allow-list wins."""

    records = FEEDBACK_RECORDS

    def write(self, store: VerdictStore, tups: Sequence[Any]) -> None:
        """Store feedback records."""
        for tup in tups:
            _, sent = tup.values
            _keep(store, received_bytes(sent))

    def pieces(self, tup: Any) -> Iterator[Piece]:
        """Yield the record."""
        _, sent = tup.values
        data = received_bytes(sent)
        yield Piece(lambda store: _keep(store, data), -1, data)


def _keep(store: VerdictStore, data: bytes) -> None:
    record = decode_feedback(data, None)  # the spout has checked it, by its host's clock
    if isinstance(record, Vote):
        store.put_votes([record])
    elif isinstance(record, AllowEntry):
        store.put_allowed([record])
    else:
        store.remove_allowed(record.caller)
