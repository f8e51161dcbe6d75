"""Writes what users say to the store, where the judge of calls listens for it."""

import time
from typing import Any, ClassVar

from streamparse import Bolt

from callprint.core.call import AllowEntry, Vote
from callprint.core.ground.errors import RowError
from callprint.core.wire.votes import decode_feedback
from callprint.stores import VerdictStore
from callprint.topology.dead_letters import DeadLetters
from callprint.topology.settings import TopologySettings
from callprint.topology.tuples import text_to_bytes
from callprint.topology.writing import PatientStore


class KeepFeedback(Bolt):
    """All sayings about a caller come to one task, in order: the last word on the allow-list is the last."""

    auto_ack = False
    outputs: ClassVar[list[str]] = []

    def initialize(self, storm_conf: dict[str, Any], _context: dict[str, Any]) -> None:
        """Remember where the store and the dead letters are."""
        settings = TopologySettings.from_options(storm_conf)
        self._store = PatientStore(settings.store)
        self._topic = settings.feedback_topic
        self._dead_letters = DeadLetters(settings)

    def process(self, tup: Any) -> None:
        """Write one saying."""
        _, text = tup.values
        saying = decode_feedback(text_to_bytes(text), time.time_ns())

        def write(store: VerdictStore) -> None:
            if isinstance(saying, Vote):
                store.put_votes([saying])
            elif isinstance(saying, AllowEntry):
                store.put_allowed([saying])
            else:
                store.remove_allowed(saying.caller)

        try:
            stored = self._store.write(write)
        except RowError as error:
            stored = self._dead_letters.put(self._topic, -1, -1, str(error), text_to_bytes(text))
        if stored:
            self.ack(tup)
        else:
            self.fail(tup)
