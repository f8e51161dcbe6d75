"""The spout of the topic `media`."""

from typing import Any, ClassVar

from callprint.topology.partition_stream import MEDIA_RECORDS
from callprint.topology.topic_reader import SpoutTuple
from callprint.topology.tuples import SPOUT_FIELDS
from spouts.topic import TopicSpout


class MediaSpout(TopicSpout):
    """Emits media batches at least once, until the verdicts that they lead to are stored."""

    outputs: ClassVar[list[str]] = list(SPOUT_FIELDS)
    records = MEDIA_RECORDS

    def values(self, found: SpoutTuple) -> list[Any]:
        """Return SPOUT_FIELDS."""
        ticket = found.ticket
        return [ticket.partition, ticket.epoch, found.sequence, found.action, found.data]
