"""What Kafka knows of the topology: how far its groups have read, and what was set aside as dead letters.

Spouts commit the offset below which everything is worked off; what lies beyond waits. The console only looks: it joins
no group, commits nothing and reads no record.
"""

import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from callprint.core.ground.errors import ConfigError
from callprint.messaging.settings import KafkaSettings
from callprint.messaging.topic_names import TopicNames
from callprint.output.console import quantity

if TYPE_CHECKING:
    from kafka import KafkaConsumer

LATE_S = 600
"""Records that wait for longer are an alarm. Flows that wait for a silent agent hold an offset for five minutes."""
FRESH_S = 3_600
"""Dead letters of the last hour are an alarm."""
TIMEOUT_MS = 5_000

Offsets = Mapping[int, int | None]
"""By partition; None where there is none."""


class Progress(NamedTuple):
    """How far the topology has read a topic."""

    topic: str
    waiting: int  # records that are not worked off
    late: int  # of these, those that wait for longer than LATE_S
    started: bool  # False: no group has committed anything yet


class DeadLetterCount(NamedTuple):
    """What was set aside, as long as Kafka keeps it."""

    topic: str
    kept: int
    fresh: int  # within the last FRESH_S


class TopologyState(NamedTuple):
    """What Kafka knows of a topology."""

    topics: tuple[Progress, ...] = ()
    dead_letters: DeadLetterCount | None = None
    problem: str = ""  # why there are no numbers

    @property
    def alarms(self) -> list[str]:
        """What somebody should look at."""
        words = [self.problem] if self.problem else []
        words += [
            f"{quantity(each.late, 'record')} of {each.topic} waiting for more than {LATE_S // 60} minutes"
            for each in self.topics
            if each.late
        ]
        if self.dead_letters and self.dead_letters.fresh:
            words.append(f"{quantity(self.dead_letters.fresh, 'dead letter')} in the last hour")
        return words


def plain(state: TopologyState) -> dict[str, Any]:
    """Return a state as JSON has it."""
    letters = state.dead_letters
    return {
        "topics": [each._asdict() for each in state.topics],
        "dead_letters": letters._asdict() if letters else None,
        "problem": state.problem,
    }


def progress_of(topic: str, begins: Offsets, ends: Offsets, aged: Offsets, committed: Offsets) -> Progress:
    """Return how far a topic is read.

    begins, ends: of the records that there are; aged: the first record that has not waited for LATE_S (None: every
    record has); committed: below which everything is worked off (None: nothing yet).
    """
    waiting = late = 0
    for partition, last in ends.items():
        end = last or 0
        done = max(committed.get(partition) or 0, begins.get(partition) or 0)
        young = aged.get(partition)
        waiting += max(0, end - done)
        late += max(0, (end if young is None else young) - done)
    return Progress(topic, waiting, late, any(offset is not None for offset in committed.values()))


def dead_letters_of(topic: str, begins: Offsets, ends: Offsets, recent: Offsets) -> DeadLetterCount:
    """Count dead letters; recent: the first one of the last FRESH_S, None where there is none."""
    kept = sum((end or 0) - (begins.get(partition) or 0) for partition, end in ends.items())
    fresh = sum((ends[partition] or 0) - first for partition, first in recent.items() if first is not None)
    return DeadLetterCount(topic, kept, fresh)


class Topology:
    """Asks Kafka about one topology; the connections stay."""

    def __init__(self, kafka: KafkaSettings, group: str, names: TopicNames) -> None:
        """Ask nobody yet. group: `callprint.consumer_group` of the topology."""
        self._kafka = kafka
        self._group = group
        self._names = names
        self._consumers: dict[str, KafkaConsumer] = {}
        self._lock = threading.Lock()

    def ask(self) -> TopologyState:
        """Return what is known now; errors are in it."""
        with self._lock:
            try:
                return self._ask(time.time())
            except ConfigError as error:
                return TopologyState(problem=str(error))
            except ImportError as error:
                return TopologyState(problem=f"Kafka's client is missing ({error}): extra `cluster`")
            except Exception as error:  # kafka-python raises what it likes, a page must not end by it
                self.close()
                return TopologyState(problem=f"Kafka does not answer: {type(error).__name__}")

    def close(self) -> None:
        """Close the connections."""
        consumers, self._consumers = self._consumers, {}
        for consumer in consumers.values():
            consumer.close(autocommit=False, timeout_ms=TIMEOUT_MS)

    def _ask(self, now_s: float) -> TopologyState:
        found = []
        for topic in (self._names.media, self._names.signalling, self._names.feedback):
            consumer = self._consumer(topic)
            begins, ends, aged = self._offsets(consumer, topic, now_s - LATE_S)
            found.append(progress_of(topic, begins, ends, aged, self._committed(consumer, topic, ends)))
        letters = self._names.dead_letters
        return TopologyState(
            tuple(found),
            dead_letters_of(letters, *self._offsets(self._consumer(letters), letters, now_s - FRESH_S)),
        )

    def _consumer(self, topic: str) -> Any:
        if topic not in self._consumers:
            from kafka import KafkaConsumer  # noqa: PLC0415 - the extra `cluster`

            self._consumers[topic] = KafkaConsumer(
                **self._kafka.client_options(),
                group_id=f"{self._group}-{topic}",
                enable_auto_commit=False,
                bootstrap_timeout_ms=TIMEOUT_MS,
            )
        return self._consumers[topic]

    @staticmethod
    def _offsets(consumer: Any, topic: str, since_s: float) -> tuple[Offsets, Offsets, Offsets]:
        """Return where a topic's records begin and end, and the first one that is not older than a time."""
        from kafka import TopicPartition  # noqa: PLC0415 - the extra `cluster`

        numbers = consumer.partitions_for_topic(topic)
        if not numbers:
            raise ConfigError(f"there is no topic {topic!r}")
        partitions = [TopicPartition(topic, number) for number in numbers]
        begins = consumer.beginning_offsets(partitions, timeout_ms=TIMEOUT_MS)
        ends = consumer.end_offsets(partitions, timeout_ms=TIMEOUT_MS)
        times = dict.fromkeys(partitions, int(since_s * 1000))
        since = consumer.offsets_for_times(times, timeout_ms=TIMEOUT_MS)
        return (
            {each.partition: offset for each, offset in begins.items()},
            {each.partition: offset for each, offset in ends.items()},
            {each.partition: found.offset if found else None for each, found in since.items()},
        )

    @staticmethod
    def _committed(consumer: Any, topic: str, numbers: Offsets) -> Offsets:
        from kafka import TopicPartition  # noqa: PLC0415 - the extra `cluster`

        return {
            number: consumer.committed(TopicPartition(topic, number), timeout_ms=TIMEOUT_MS)
            for number in numbers
        }
