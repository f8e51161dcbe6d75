"""The spout of the topic `feedback`."""

from typing import Any, ClassVar

from callprint.core.wire.votes import decode_feedback
from callprint.topology.partition_stream import FEEDBACK_RECORDS
from callprint.topology.topic_reader import SpoutTuple
from callprint.topology.tuples import FEEDBACK_FIELDS
from spouts.topic import TopicSpout


class FeedbackSpout(TopicSpout):
    """Emits votes and changes of the allow-list, one record at a time; anything else is a dead letter."""

    outputs: ClassVar[list[str]] = list(FEEDBACK_FIELDS)
    records = FEEDBACK_RECORDS

    def values(self, found: SpoutTuple) -> list[Any]:
        """Return FEEDBACK_FIELDS."""
        return [decode_feedback(found.data, None).caller, found.data]
