"""The spout of the signalling topic."""

from typing import Any, ClassVar

from callprint.core.wire.frame import frame_source
from callprint.core.wire.source import site_of
from callprint.topology.partition_stream import SIGNALLING_RECORDS
from callprint.topology.topic_reader import SpoutTuple
from callprint.topology.tuples import SIGNALLING_FIELDS, number_to_text
from spouts.topic import TopicSpout


class SignallingSpout(TopicSpout):
    """Emits signalling batches and the progress of agents, to the task of their site."""

    outputs: ClassVar[list[str]] = list(SIGNALLING_FIELDS)
    records = SIGNALLING_RECORDS

    def values(self, found: SpoutTuple) -> list[Any]:
        """Return SIGNALLING_FIELDS."""
        ticket = found.ticket
        site = number_to_text(site_of(frame_source(found.data)))
        numbers = [ticket.partition, ticket.epoch, found.sequence, found.action, ticket.offset]
        return [site, *numbers, found.data]
