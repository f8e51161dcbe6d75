"""The spout of the `media` topic."""

from typing import Any, ClassVar

from callprint.topology.reader import Tuple
from callprint.topology.settings import TopologySettings
from callprint.topology.tuples import SPOUT_FIELDS, bytes_to_text
from spouts.topic import TopicSpout


class MediaSpout(TopicSpout):
    """Emits media batches, at least once, until the verdicts that they lead to are stored."""

    outputs: ClassVar[list[str]] = list(SPOUT_FIELDS)

    def topic(self, settings: TopologySettings) -> str:
        """Return the name of the topic."""
        return settings.media_topic

    def values(self, found: Tuple) -> list[Any]:
        """Return SPOUT_FIELDS."""
        ticket = found.ticket
        return [ticket.partition, ticket.epoch, found.sequence, found.action, bytes_to_text(found.data)]
