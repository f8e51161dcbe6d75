"""When and for how long kafka-python's consumer is polled.

kafka-python 3.0.12 joins a consumer group only inside polls. A join that completes between two polls is started over,
which disturbs all other members, and a member that does not poll holds them all up: members whose polls are short or
rare keep joining for ever, and meanwhile nobody can commit. So members of a group poll now and then whatever else they
have to do, and wait in their polls until they have joined.
"""

from typing import Any

from kafka.structs import MemberState

IDLE_TIMEOUT_MS = 20  # a spout with nothing to read sleeps; acknowledgements wait for it at most this long
REST_TIMEOUT_MS = 250  # where none can come; a record ends any poll at once
JOIN_TIMEOUT_MS = 1000  # shorter polls end before the join does on a busy machine: one took a minute to join
LONGEST_PAUSE_S = 1.0


class Poller:
    """Gets records from a consumer."""

    def __init__(self, consumer: Any, *, of_group: bool) -> None:
        """`of_group`: Kafka's consumer group assigns the partitions."""
        self._consumer = consumer
        self._of_group = of_group
        self._next_s = 0.0

    def keep_membership(self, now_s: float) -> list[Any]:
        """Poll if the group needs it, although nobody needs records; return the few that came with it."""
        if not self._of_group or (self._stable() and now_s < self._next_s):
            return []
        return self.records(now_s, most=1)

    def records(self, now_s: float, most: int | None = None, *, in_flight: bool = True) -> list[Any]:
        """Return at most `most` records, after a short wait for the first; `in_flight`: acknowledgements may come."""
        self._next_s = now_s + LONGEST_PAUSE_S
        idle_ms = IDLE_TIMEOUT_MS if in_flight else REST_TIMEOUT_MS
        timeout_ms = idle_ms if self._stable() else JOIN_TIMEOUT_MS
        polled = self._consumer.poll(timeout_ms=timeout_ms, max_records=most)
        return [record for records in polled.values() for record in records]

    def _stable(self) -> bool:
        return not self._of_group or self._consumer.group_metadata().state is MemberState.STABLE
