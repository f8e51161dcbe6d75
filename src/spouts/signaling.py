"""The spout of the `signaling` topic."""

from typing import Any, ClassVar

from callprint.core.wire.frame import frame_source
from callprint.core.wire.source import site_of
from callprint.topology.reader import Tuple
from callprint.topology.settings import TopologySettings
from callprint.topology.stream import SIGNALLING_RECORDS
from callprint.topology.tuples import SIGNALLING_FIELDS, bytes_to_text, number_to_text
from spouts.topic import TopicSpout


class SignalingSpout(TopicSpout):
    """Emits signalling batches and marks, to the task of their site."""

    outputs: ClassVar[list[str]] = list(SIGNALLING_FIELDS)
    form = SIGNALLING_RECORDS

    def topic(self, settings: TopologySettings) -> str:
        """Return the name of the topic."""
        return settings.signaling_topic

    def values(self, found: Tuple) -> list[Any]:
        """Return SIGNALLING_FIELDS."""
        ticket = found.ticket
        site = number_to_text(site_of(frame_source(found.data)))
        place = [ticket.partition, ticket.epoch, found.sequence, found.action, ticket.offset]
        return [site, *place, bytes_to_text(found.data)]
