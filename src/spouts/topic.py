"""What the spouts have in common: a topic read at least once, its records as tuples."""

import time
from typing import Any, ClassVar

from streamparse import Spout

from callprint.topology.partition_stream import Ticket, TopicFormat
from callprint.topology.settings import TopologySettings
from callprint.topology.storm_pipe import OnStormPipe
from callprint.topology.topic_reader import SpoutTuple, TopicReader

MOST_BYTES = 1 << 20  # that a spout emits when Storm asks once, give or take a record


class TopicSpout(OnStormPipe, Spout):
    """Reads one topic; a subclass names it and says what its tuples look like."""

    records: ClassVar[TopicFormat]

    def values(self, found: SpoutTuple) -> list[Any]:
        """Return the values of the tuple to emit."""
        raise NotImplementedError

    def initialize(self, storm_conf: dict[str, Any], context: dict[str, Any]) -> None:
        """Begin at the committed low-water marks of this task's partitions."""
        tasks = sorted(
            int(task) for task, name in context["task->component"].items() if name == self.component_name
        )
        settings = TopologySettings.from_options(storm_conf)
        self._reader = TopicReader(settings, self.records, tasks.index(self.task_id), len(tasks))

    def next_tuple(self) -> None:
        """Emit a record if there is one, and with it what has been fetched already, so that Storm asks less often."""
        now_s = time.monotonic()
        found = self._reader.next(now_s)
        sent = 0
        while found is not None:
            self.emit(self.values(found), tup_id=found.ticket.text())
            sent += len(found.data)
            ready = sent < MOST_BYTES and self._reader.has_fetched
            found = self._reader.next(now_s) if ready else None

    def ack(self, tup_id: str) -> None:
        """Everything that this record led to is stored."""
        self._reader.ack(Ticket.parse(tup_id))

    def fail(self, tup_id: str) -> None:
        """Something that this record led to was lost: its partition is read again from the low-water mark."""
        self._reader.fail(Ticket.parse(tup_id), time.monotonic())
