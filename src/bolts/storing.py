"""What the bolts that only store rows have in common."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

from callprint.core.ground.errors import RowError
from callprint.stores import VerdictStore
from callprint.topology.batching import BatchingBolt
from callprint.topology.dead_letters import DeadLetters
from callprint.topology.partition_stream import TopicFormat
from callprint.topology.patient_store import PatientStore
from callprint.topology.settings import TopologySettings


class Piece(NamedTuple):
    """A part of a tuple that the store takes or refuses by itself."""

    write: Callable[[VerdictStore], None]
    partition: int
    data: bytes  # for the dead letters


class StoringBolt(BatchingBolt):
    """Stores what tuples hold, then acknowledges them; those of some milliseconds are stored together.

    While the store is down it tries a few times, then fails the tuples: the spout will read them again. What the store
    will never take would come back for ever: it becomes a dead letter of `records`' topic.
    """

    secs_between_batches = 0.01
    records: ClassVar[TopicFormat]

    def initialize(self, storm_conf: dict[str, Any], _context: dict[str, Any]) -> None:
        """Remember where the store and the dead letters are."""
        settings = TopologySettings.from_options(storm_conf)
        self._store = PatientStore(settings.store)
        self._topic = self.records.topic(settings)
        self._dead_letters = DeadLetters(settings)

    def write(self, store: VerdictStore, tups: Sequence[Any]) -> None:
        """Store what tuples hold, in their order. Raises StoreError and RowError as the store does."""
        raise NotImplementedError

    def pieces(self, tup: Any) -> Iterator[Piece]:
        """Yield what a tuple holds in pieces, for when the store refuses one of them."""
        raise NotImplementedError

    def process_batch(self, _key: None, tups: list[Any]) -> None:
        """Store, then answer."""
        try:
            stored = len(tups) if self._store.write(lambda store: self.write(store, tups)) else 0
        except RowError:
            stored = self._store_in_pieces(tups)
        for tup in tups[:stored]:
            self.ack(tup)
        for tup in tups[stored:]:
            self.fail(tup)

    def _store_in_pieces(self, tups: list[Any]) -> int:
        """Return how many tuples are in the store or among the dead letters; it ends where one is not.

        To go on while store or Kafka are down would take longer than Storm waits for a sign of life.
        """
        for stored, tup in enumerate(tups):
            if not all(map(self._take, self.pieces(tup))):
                return stored
        return len(tups)

    def _take(self, piece: Piece) -> bool:
        """Return whether the piece is in the store or among the dead letters."""
        try:
            return self._store.write(piece.write)
        except RowError as error:
            return self._dead_letters.put(self._topic, piece.partition, -1, str(error), piece.data)
