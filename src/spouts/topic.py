"""What the spouts have in common: a topic read at least once, its records as tuples."""

import time
from typing import Any, ClassVar

from streamparse import Spout

from callprint.topology.reader import TopicReader, Tuple
from callprint.topology.settings import TopologySettings
from callprint.topology.stream import MEDIA_RECORDS, RecordForm, Ticket


class TopicSpout(Spout):
    """Reads one topic; a subclass says which, and what its tuples look like."""

    form: ClassVar[RecordForm] = MEDIA_RECORDS

    def topic(self, settings: TopologySettings) -> str:
        """Return the name of the topic."""
        raise NotImplementedError

    def values(self, found: Tuple) -> list[Any]:
        """Return the values of the tuple."""
        raise NotImplementedError

    def initialize(self, storm_conf: dict[str, Any], context: dict[str, Any]) -> None:
        """Begin at the committed low-water marks of this task's partitions."""
        settings = TopologySettings.from_options(storm_conf)
        tasks = sorted(
            int(task) for task, name in context["task->component"].items() if name == self.component_name
        )
        self._reader = TopicReader(
            settings, self.topic(settings), tasks.index(self.task_id), len(tasks), self.form
        )

    def next_tuple(self) -> None:
        """Emit one record if there is one."""
        found = self._reader.next(time.monotonic())
        if found is not None:
            self.emit(self.values(found), tup_id=found.ticket.text())

    def ack(self, tup_id: str) -> None:
        """Everything that this record led to is safe."""
        self._reader.ack(Ticket.parse(tup_id))

    def fail(self, tup_id: str) -> None:
        """Something about this record was lost: its partition is read again from the low-water mark."""
        self._reader.fail(Ticket.parse(tup_id), time.monotonic())
