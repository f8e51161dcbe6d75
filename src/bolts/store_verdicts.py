"""Writes verdicts and summaries, and acknowledges what is durable."""

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from streamparse import Bolt

from callprint.core.ground.errors import RowError
from callprint.core.wire.rows import rows_to_text, text_to_summaries, text_to_verdicts
from callprint.stores import VerdictStore
from callprint.topology.dead_letters import DeadLetters
from callprint.topology.settings import TopologySettings
from callprint.topology.tuples import evidence_to_text, text_to_evidence
from callprint.topology.writing import PatientStore

Write = Callable[[VerdictStore], None]


class StoreVerdicts(Bolt):
    """Tries a few times while the store is away, then fails the tuple: the spout reads it again later.

    A row that the store will never take would come back for ever: it goes to the dead letters, and the others of its
    tuple are stored.
    """

    auto_ack = False
    outputs: ClassVar[list[str]] = []

    def initialize(self, storm_conf: dict[str, Any], _context: dict[str, Any]) -> None:
        """Remember where the store and the dead letters are."""
        settings = TopologySettings.from_options(storm_conf)
        self._store = PatientStore(settings.store)
        self._topic = settings.media_topic
        self._dead_letters = DeadLetters(settings)

    def process(self, tup: Any) -> None:
        """Write the rows of one tuple."""
        shard, verdicts, summaries, unknown = tup.values

        def write(store: VerdictStore) -> None:
            store.put_verdicts(text_to_verdicts(verdicts))
            store.put_flows(text_to_summaries(summaries))
            store.put_unknown_evidence(text_to_evidence(unknown))

        try:
            stored = self._store.write(write)
        except RowError:
            rows = _one_by_one(verdicts, summaries, unknown)
            stored = all(self._write_row(shard, row, text) for row, text in rows)
        if stored:
            self.ack(tup)
        else:
            self.fail(tup)

    def _write_row(self, shard: int, row: Write, text: str) -> bool:
        """Return whether the row is in the store or among the dead letters."""
        try:
            return self._store.write(row)
        except RowError as error:
            return self._dead_letters.put(self._topic, shard, -1, str(error), text.encode())


def _one_by_one(verdicts: str, summaries: str, unknown: str) -> Iterator[tuple[Write, str]]:
    """Yield what writes each row, and the row as text."""
    for verdict in text_to_verdicts(verdicts):
        yield (lambda store, row=verdict: store.put_verdicts([row])), rows_to_text([verdict])
    for summary in text_to_summaries(summaries):
        yield (lambda store, row=summary: store.put_flows([row])), rows_to_text([summary])
    for kept in text_to_evidence(unknown):
        yield (lambda store, row=kept: store.put_unknown_evidence([row])), evidence_to_text([kept])
