"""Stores votes and changes of the allow-list, where judge_calls looks for them."""

import time
from typing import Any

from bolts.storing import StoringBolt
from callprint.core.call import AllowEntry, Vote
from callprint.core.ground.errors import RowError
from callprint.core.wire.votes import decode_feedback
from callprint.stores import VerdictStore
from callprint.topology.partition_stream import FEEDBACK_RECORDS
from callprint.topology.tuples import received_bytes


class KeepFeedback(StoringBolt):
    """All records about a caller come to one task, in order: the latest change of the allow-list wins."""

    records = FEEDBACK_RECORDS

    def store(self, tup: Any) -> bool:
        """Store one feedback record."""
        _, sent = tup.values
        data = received_bytes(sent)
        record = decode_feedback(data, time.time_ns())

        def write(store: VerdictStore) -> None:
            if isinstance(record, Vote):
                store.put_votes([record])
            elif isinstance(record, AllowEntry):
                store.put_allowed([record])
            else:
                store.remove_allowed(record.caller)

        try:
            return self._store.write(write)
        except RowError as error:
            return self.set_aside(-1, error, data)
