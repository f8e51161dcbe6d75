"""What the bolts that only store rows have in common."""

from typing import Any, ClassVar

from streamparse import Bolt

from callprint.topology.dead_letters import DeadLetters
from callprint.topology.partition_stream import TopicFormat
from callprint.topology.patient_store import PatientStore
from callprint.topology.settings import TopologySettings
from callprint.topology.storm_pipe import OnStormPipe


class StoringBolt(OnStormPipe, Bolt):
    """Stores what a tuple holds, then acknowledges it.

    While the store is down it tries a few times, then fails the tuple: the spout will read it again. What the store
    will never take would come back for ever: it becomes a dead letter of `records`' topic.
    """

    auto_ack = False
    outputs: ClassVar[list[str]] = []
    records: ClassVar[TopicFormat]

    def initialize(self, storm_conf: dict[str, Any], _context: dict[str, Any]) -> None:
        """Remember where the store and the dead letters are."""
        settings = TopologySettings.from_options(storm_conf)
        self._store = PatientStore(settings.store)
        self._topic = self.records.topic(settings)
        self._dead_letters = DeadLetters(settings)

    def store(self, tup: Any) -> bool:
        """Store what the tuple holds; return whether all of it is in the store or among the dead letters."""
        raise NotImplementedError

    def process(self, tup: Any) -> None:
        """Store, then answer."""
        if self.store(tup):
            self.ack(tup)
        else:
            self.fail(tup)

    def set_aside(self, partition: int, reason: object, data: bytes) -> bool:
        """Put what the store refuses among the dead letters; return whether that worked."""
        return self._dead_letters.put(self._topic, partition, -1, str(reason), data)
