"""The spout of the `feedback` topic."""

import time
from typing import Any, ClassVar

from callprint.core.wire.votes import decode_feedback
from callprint.topology.reader import Tuple
from callprint.topology.settings import TopologySettings
from callprint.topology.stream import FEEDBACK_RECORDS
from callprint.topology.tuples import FEEDBACK_FIELDS, bytes_to_text
from spouts.topic import TopicSpout


class FeedbackSpout(TopicSpout):
    """Emits what users say, record by record; what is none goes to the dead letters."""

    outputs: ClassVar[list[str]] = list(FEEDBACK_FIELDS)
    form = FEEDBACK_RECORDS

    def topic(self, settings: TopologySettings) -> str:
        """Return the name of the topic."""
        return settings.feedback_topic

    def values(self, found: Tuple) -> list[Any]:
        """Return FEEDBACK_FIELDS."""
        return [decode_feedback(found.data, time.time_ns()).caller, bytes_to_text(found.data)]
