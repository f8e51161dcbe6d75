"""A topic as one spout task reads it: Kafka's side of `PartitionStream`.

With the assignment `static` every task has its partitions for good: a task that dies gets them back when Storm
restarts it, within some ten seconds, and nobody waits for a session to time out. With `group`, Kafka's consumer group
hands the partitions of a dead task to the others.
"""

import json
import logging
import time
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from callprint.core.ground.errors import ConfigError, DecodeError
from callprint.messaging.reachability import defect_of
from callprint.topology.dead_letters import DeadLetters
from callprint.topology.milestones import Milestones
from callprint.topology.partition_stream import PartitionStream, Ticket, TopicFormat
from callprint.topology.polling import Poller
from callprint.topology.settings import GROUP, TopologySettings
from callprint.topology.tuples import BATCH, EXPIRE

log = logging.getLogger(__name__)

COMMIT_EVERY_S = 1.0
COMMIT_TIMEOUT_MS = 3000  # far below the heartbeat timeout of Storm
EXPIRY_EVERY_S = 5.0
LONGEST_GAP_S = 30.0
"""Between two looks at the ends of the partitions: after a longer one nobody knows whether agents were silent."""
MOST_HELD = 1024
"""Batches of a partition that are in flight, or done but behind one that is: beyond it nothing more is read."""
POLL_RECORDS = 64
SESSION_TIMEOUT_MS = 6000


class SpoutTuple(NamedTuple):
    """What a spout is to emit."""

    ticket: Ticket
    sequence: int
    action: str
    data: bytes


class TopicReader(ConsumerRebalanceListener):
    """Reads partitions of one topic in epochs and commits their low-water marks. For use by one thread."""

    def __init__(self, settings: TopologySettings, records: TopicFormat, task: int, tasks: int) -> None:
        """Read the share of task number `task` of `tasks`. Raises ConfigError without Kafka or the topic."""
        self._settings = settings
        self._records = records
        self._topic = topic = records.topic(settings)
        self._group = f"{settings.consumer_group}-{topic}"
        self._streams: dict[int, PartitionStream] = {}
        self._buffer: deque[Any] = deque()
        self._rewound: dict[int, int] = {}  # partition that is backing off: the offset to read it from again
        self._changes: deque[tuple[bool, TopicPartition]] = deque()  # (assigned, partition), of a rebalance
        self._dead_letters = DeadLetters(settings)
        self._committed: dict[int, tuple[int, int]] = {}  # by partition: its mark and its epoch
        self._next_commit_s = self._next_expiry_s = 0.0
        self._ends_seen_s: float | None = None  # when Kafka last answered where the partitions end
        self._evicted = Milestones()
        options = settings.kafka.client_options()
        try:
            self._consumer = KafkaConsumer(
                **options,
                group_id=self._group,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                session_timeout_ms=SESSION_TIMEOUT_MS,
                heartbeat_interval_ms=SESSION_TIMEOUT_MS // 3,
                max_poll_records=POLL_RECORDS,
                max_partition_fetch_bytes=4 << 20,
            )
            self._poller = Poller(self._consumer, of_group=settings.assignment == GROUP)
            # Before a subscription, too: if kafka-python 3.0.12 learns the partitions while it joins a group, it may
            # rejoin at once and never accept the result.
            partitions = self._partitions()
            if settings.assignment == GROUP:
                self._consumer.subscribe([topic], listener=self)
            else:
                mine = [number for number in sorted(partitions) if number % tasks == task]
                self._consumer.assign([TopicPartition(topic, number) for number in mine])
                self.on_partitions_assigned([TopicPartition(topic, number) for number in mine])
        except KafkaError as error:
            raise ConfigError(
                f"the topic {topic} cannot be read: {error}{defect_of(settings.kafka)}"
            ) from error

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Another task has them now, and begins at what is committed. Called from the client's own thread."""
        self._changes.extend((False, partition) for partition in revoked)

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """This task has them now. Called from the client's own thread, which must not wait for Kafka."""
        self._changes.extend((True, partition) for partition in assigned)

    def _take_over(self) -> None:
        """Begin every new partition at its committed low-water mark, in an epoch above all earlier ones.

        Epochs must rise even when a task is restarted on another host whose clock is behind: so the last one is
        committed together with the low-water mark, and nothing is read until that is done (`_resume`).
        """
        while self._changes:
            assigned, partition = self._changes[0]
            number = partition.partition
            self._streams.pop(number, None)
            self._committed.pop(number, None)
            self._rewound.pop(number, None)
            self._buffer = deque(record for record in self._buffer if record.partition != number)
            if assigned and partition in self._consumer.assignment():
                try:
                    start, sequences, epoch = self._start_of(partition)
                except KafkaError as error:
                    log.warning("the beginning of partition %d is not known yet: %s", number, error)
                    return
                epoch = max(_epoch(), epoch + 1)
                self._streams[number] = PartitionStream(number, start, sequences, epoch, self._records)
                self._consumer.seek(partition, start)
                self._rewound[number] = start
                self._next_commit_s = 0.0
            self._changes.popleft()

    def next(self, now_s: float) -> SpoutTuple | None:
        """Return what to emit next, None when nothing arrived during a short wait."""
        self._buffer.extend(self._poller.keep_membership(now_s))
        self._take_over()
        if now_s >= self._next_commit_s:
            self._next_commit_s = now_s + COMMIT_EVERY_S
            self.commit()
        in_flight = sum(stream.in_flight for stream in self._streams.values())
        if in_flight >= self._settings.maximum_in_flight:
            return None
        if any(stream.low_water.held >= MOST_HELD for stream in self._streams.values()):
            return None
        if now_s >= self._next_expiry_s:
            self._next_expiry_s = now_s + EXPIRY_EVERY_S
            expiry = self._expiry(now_s)
            if expiry is not None:
                self._next_expiry_s = now_s
                return expiry
        self._resume(now_s)
        if not self._buffer:
            self._buffer.extend(self._poller.records(now_s, in_flight=in_flight > 0))
        while self._buffer:
            record = self._buffer.popleft()
            if record.partition not in self._streams or record.partition in self._rewound:
                continue
            stream = self._streams[record.partition]
            taken = self._take(stream, record, now_s)
            if self._evicted.reached(stream.low_water.evicted):
                log.warning(
                    "partition %d: %d pending flows were evicted", stream.partition, stream.low_water.evicted
                )
            if taken is not None:
                return taken
        return None

    @property
    def has_fetched(self) -> bool:
        """Whether records are at hand, so that `next` does not wait."""
        return bool(self._buffer)

    def marks(self) -> list[int]:
        """Return the low-water mark of each partition of this task, by partition."""
        return [self._streams[number].low_water.mark for number in sorted(self._streams)]

    def ack(self, ticket: Ticket) -> None:
        """A tuple was worked off."""
        stream = self._streams.get(ticket.partition)
        if stream is not None:
            stream.acked(ticket)

    def fail(self, ticket: Ticket, now_s: float) -> None:
        """A tuple failed: its partition will be read again from the low-water mark."""
        stream = self._streams.get(ticket.partition)
        if stream is None:
            return
        offset = stream.failed(ticket, now_s, _epoch())
        if offset is not None:
            self._read_again(ticket.partition, offset)

    def _read_again(self, number: int, offset: int) -> None:
        log.warning("partition %d is read again from offset %d", number, offset)
        self._rewound[number] = offset
        self._next_commit_s = 0.0

    def commit(self) -> None:
        """Commit every low-water mark that has moved, and every new epoch. What fails is tried again later."""
        marks: dict[TopicPartition, OffsetAndMetadata] = {}
        committing: dict[int, tuple[int, int]] = {}
        for number, stream in self._streams.items():
            mark_and_epoch = (stream.low_water.mark, stream.epoch)
            if mark_and_epoch != self._committed.get(number):
                metadata = _encode_metadata(stream.epoch, stream.low_water.sequences)
                marks[TopicPartition(self._topic, number)] = OffsetAndMetadata(
                    stream.low_water.mark, metadata, -1
                )
                committing[number] = mark_and_epoch
        if not marks:
            return
        try:
            self._consumer.commit(marks, timeout_ms=COMMIT_TIMEOUT_MS)
        except KafkaError as error:
            log.warning("the low-water marks cannot be committed now: %s", error)
            return
        self._committed |= committing

    def close(self) -> None:
        """Commit and close the connection."""
        self.commit()
        self._consumer.close(autocommit=False, timeout_ms=COMMIT_TIMEOUT_MS)

    def _partitions(self) -> set[int]:
        found = self._consumer.partitions_for_topic(self._topic)
        if not found:
            raise ConfigError(
                f"there is no topic {self._topic!r} at {','.join(self._settings.kafka.brokers)}"
            )
        return set(found)

    def _start_of(self, partition: TopicPartition) -> tuple[int, dict[int, int], int]:
        """Return the offset to begin at, the batch numbers below it, and the last epoch of the partition."""
        first = self._consumer.beginning_offsets([partition], timeout_ms=COMMIT_TIMEOUT_MS)[partition]
        committed = self._consumer.committed(partition, metadata=True, timeout_ms=COMMIT_TIMEOUT_MS)
        if committed is None or committed.offset < 0:
            return first, {}, -1
        sequences, epoch = _decode_metadata(committed.metadata)
        if committed.offset < first:
            log.error(
                "%s: offsets %d to %d were deleted before they were worked off: raise the topic's retention",
                partition, committed.offset, first - 1,
            )  # fmt: skip
            return first, {}, epoch
        return committed.offset, sequences, epoch

    def _resume(self, now_s: float) -> None:
        """Seek every partition whose back-off is over and whose epoch is committed to its low-water mark.

        The consumer is not paused during the back-off, and what it fetches is dropped: kafka-python 3.0.12 may never
        again fetch a partition that was paused, sought and resumed.
        """
        for number in list(self._rewound):
            stream = self._streams[number]
            if stream.paused(now_s) or self._committed.get(number, (0, -1))[1] != stream.epoch:
                continue
            partition = TopicPartition(self._topic, number)
            self._consumer.seek(partition, self._rewound.pop(number))
            self._buffer = deque(record for record in self._buffer if record.partition != number)

    def _take(self, stream: PartitionStream, record: Any, now_s: float) -> SpoutTuple | None:
        data = record.value or b""
        try:
            taken = stream.take(record.offset, data, now_s)
        except DecodeError as error:
            if self._dead_letters.put(self._topic, record.partition, record.offset, str(error), data):
                stream.rejected(record.offset)
            else:
                self._read_again(record.partition, stream.rewind(now_s, _epoch()))
            return None
        return None if taken is None else SpoutTuple(*taken, BATCH, data)

    def _expiry(self, now_s: float) -> SpoutTuple | None:
        ends = self._ends()
        # While Kafka does not answer nobody knows whether agents are silent: that time does not count.
        last_s = self._ends_seen_s
        known = bool(ends) and last_s is not None and now_s - last_s <= LONGEST_GAP_S
        self._ends_seen_s = now_s if ends else None
        for number, stream in self._streams.items():
            partition = TopicPartition(self._topic, number)
            at_end = known and not self._buffer and self._position(partition) >= ends.get(partition, 1 << 62)
            stream.caught_up(now_s, at_end)
            silent = stream.silent(now_s, self._settings.source_timeout_s)
            if silent is not None:
                ticket, sequence, data = silent
                return SpoutTuple(ticket, sequence, EXPIRE, data)
        return None

    def _ends(self) -> dict[TopicPartition, int]:
        """Ask Kafka where the partitions end now; return nothing when it does not answer.

        The high-water mark that the consumer remembers would not show that Kafka is down.
        """
        partitions = [TopicPartition(self._topic, number) for number in self._streams]
        if not partitions:
            return {}
        try:
            return dict(self._consumer.end_offsets(partitions, timeout_ms=COMMIT_TIMEOUT_MS))
        except KafkaError as error:
            log.warning("the ends of %s are not known now: %s", self._topic, error)
            return {}

    def _position(self, partition: TopicPartition) -> int:
        try:
            return int(self._consumer.position(partition, timeout_ms=COMMIT_TIMEOUT_MS) or 0)
        except KafkaError:
            return 0

    @property
    def rejected(self) -> int:
        """How many records were set aside."""
        return self._dead_letters.count


def _epoch() -> int:
    """Return an epoch by the wall clock, so that epochs rise even when what was committed is gone."""
    return time.time_ns()


def _encode_metadata(epoch: int, sequences: Mapping[int, int]) -> str:
    """Return the text that is committed together with a low-water mark."""
    return json.dumps(
        {"epoch": epoch, "sequences": {f"{source:x}": last for source, last in sequences.items()}},
        separators=(",", ":"),
    )


def _decode_metadata(metadata: str) -> tuple[dict[int, int], int]:
    """Return the sequences and the epoch of `_encode_metadata`; nothing and -1 when somebody else committed."""
    try:
        fields = json.loads(metadata or "{}")
        sequences = {int(source, 16): int(last) for source, last in fields["sequences"].items()}
        return sequences, int(fields["epoch"])
    except (ValueError, AttributeError, KeyError, TypeError):
        return {}, -1  # repeats then cost work but do no harm: rows are idempotent
