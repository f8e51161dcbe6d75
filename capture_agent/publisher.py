"""Sends records to Kafka, in order and at least once, with a spool on disk for the time when Kafka is unreachable.

    unreachable  --a broker answers-->                                  draining
    draining     --the spool is empty-->                                direct
    direct       --more is unconfirmed than the client may hold-->      draining (an agent on interfaces)
    direct       --the same-->                                          waiting (an agent on captures, which may)
    any          --nothing is confirmed for too long, or an error-->    unreachable

Whatever is unconfirmed when the connection is lost goes to the spool before anything newer, and a new producer sends
the spool before anything newer. So each partition gets the batches of this run in the order of their numbers, some of
them twice.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from kafka.errors import (
    InvalidRecordError,
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)

from callprint.core.ground.errors import ConfigError
from callprint.messaging.settings import KafkaSettings

from .connection import Connection, abandon, look_up
from .spool import Outgoing, Spool

log = logging.getLogger(__name__)

UNCONFIRMED_BYTES = 16 << 20  # handed to the client but not confirmed: beyond it records wait, or are spooled
REPORT_EVERY_S = 10.0
REMEMBERED_TIMEOUT_S = 4.0  # at the start, if an earlier run knew the partitions: time for one attempt

# Kafka will never accept these records. AssertionError: a partition that no longer exists.
_REFUSALS = (
    InvalidRecordError,
    InvalidTopicError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    AssertionError,
)


@dataclass(slots=True)
class PublisherCounters:
    """Counts records by what became of them.

    At any time: sent + what an earlier run left in the spool == confirmed + unconfirmed + spooled + lost + failed.
    """

    sent: int = 0  # passed to `publish`
    confirmed: int = 0
    lost: int = 0  # no room in the spool, or the disk did not return them
    failed: int = 0  # refused by Kafka for good
    disconnections: int = 0
    bytes: int = 0  # of the confirmed ones


class _Unconfirmed(NamedTuple):
    future: Any
    record: Outgoing
    since_s: float
    of_spool: bool


class Publisher:
    """Sends records. For use by one thread, which must call `poll` now and then, even between records.

    `patient` is for an agent that can wait (on captures): a slow Kafka slows it down. One that cannot (on interfaces)
    is never blocked longer than the client takes to notice that it lacks metadata; it spools instead.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        spool: Spool,
        *,
        compression: str | None = None,
        lost_after_s: float = 10.0,
        patient: bool = True,
    ) -> None:
        """Raises ConfigError when the password is missing."""
        self._brokers = ",".join(settings.brokers)
        self._spool = spool
        self._lost_after_s = lost_after_s
        self._patient = patient
        self._connection = Connection(settings, compression)
        self._producer: Any = None
        self._partitions: dict[str, int] = {}  # of the topics that were asked for; 0: not known
        self._unconfirmed: deque[_Unconfirmed] = deque()
        self._unconfirmed_bytes = 0
        self._direct = 0  # how many of the unconfirmed did not come from the spool
        self._started_without_kafka = False
        self._confirmed_s = 0.0  # when Kafka last confirmed something: a slow broker is not an absent one
        self.counters = PublisherCounters()

    @property
    def unconfirmed(self) -> int:
        """Records that only the client holds: not confirmed, and not in the spool."""
        return self._direct

    @property
    def connected(self) -> bool:
        """Whether there is a connection to Kafka."""
        return self._producer is not None

    def partitions(
        self,
        topic: str,
        timeout_s: float = 60.0,
        *,
        report: Callable[[str], None] = log.warning,
    ) -> int:
        """Return how many partitions a topic has; wait for Kafka unless the spool folder remembers the number.

        Raises ConfigError when there is no such topic, and when Kafka does not answer within `timeout_s` and no
        earlier run knew the number.
        """
        self._partitions.setdefault(topic, 0)
        if (
            self._producer is not None and not self._partitions[topic]
        ):  # connected before anybody asked for it
            self._learn({topic: look_up(self._producer, topic)})
        began_s = reported_s = time.monotonic()
        remembered = self._spool.partitions().get(topic)
        if remembered is not None:
            timeout_s = 0.0 if self._started_without_kafka else min(timeout_s, REMEMBERED_TIMEOUT_S)
        while not self._partitions[topic]:
            self._connect()
            now_s = time.monotonic()
            if self._partitions[topic]:
                break
            if now_s - began_s > timeout_s:
                if remembered is None:
                    raise ConfigError(
                        f"no Kafka broker of {self._brokers} answers, and how many partitions {topic} has is not known "
                        "from an earlier run: start Kafka, or name others with --brokers"
                    )
                if not self._started_without_kafka:
                    report(f"Kafka at {self._brokers} is unreachable: records go to the spool")
                self._started_without_kafka = True
                self._partitions[topic] = remembered
            elif now_s - reported_s > REPORT_EVERY_S:
                reported_s = now_s
                report(f"waiting for Kafka at {self._brokers} for {now_s - began_s:.0f} s")
            time.sleep(0.02)
        return self._partitions[topic]

    def publish(self, record: Outgoing) -> None:
        """Send a record, or spool it while Kafka is unreachable; a patient publisher may wait for confirmations."""
        self.counters.sent += 1
        self.poll()
        while self._patient and self._producer is not None and self._is_full:
            time.sleep(0.005)
            self.poll()
        if self._producer is None or len(self._spool) or self._is_full:
            self._spool.append(record)
        else:
            self._send(record, of_spool=False)
        self.counters.lost = self._spool.lost

    def poll(self) -> None:
        """Process confirmations, notice a lost connection, reconnect, drain the spool."""
        while self._unconfirmed and (future := self._unconfirmed[0].future).is_done and future.succeeded():
            done = self._forget_oldest()
            self.counters.confirmed += 1
            self.counters.bytes += len(done.record.data)
            self._confirmed_s = time.monotonic()
        if self._unconfirmed:
            oldest = self._unconfirmed[0]
            if oldest.future.is_done:
                if isinstance(oldest.future.exception, _REFUSALS):
                    self._refuse(self._forget_oldest().record, oldest.future.exception)
                self._disconnect(oldest.future.exception)
            elif time.monotonic() - max(oldest.since_s, self._confirmed_s) > self._lost_after_s:
                self._disconnect("no confirmation")
        if self._producer is None:
            self._connect()
        while (
            self._producer is not None and not self._is_full and (waiting := self._spool.read()) is not None
        ):
            self._send(waiting, of_spool=True)
        self.counters.lost = self._spool.lost

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything is confirmed; the rest goes to the spool. Return whether the spool is empty."""
        deadline_s = time.monotonic() + timeout_s
        while (self._unconfirmed or len(self._spool)) and time.monotonic() < deadline_s:
            self.poll()
            time.sleep(0.01)
        if self._unconfirmed:
            self._disconnect("the time to flush ran out")
        return not len(self._spool)

    def close(self) -> None:
        """Close the connection and the spool. What is unconfirmed is spooled."""
        if self._unconfirmed:
            self._disconnect("closing")
        elif self._producer is not None:
            self._producer.close(timeout=1)
            self._producer = None
        self._spool.close()

    @property
    def _is_full(self) -> bool:
        return self._unconfirmed_bytes > UNCONFIRMED_BYTES

    def _connect(self) -> None:
        made = self._connection.poll(self._partitions)
        if made is None:
            return
        try:
            known = self._learn(made.partitions)
        except ConfigError:
            abandon(made.producer)
            raise
        if not known:
            abandon(made.producer)
            return
        self._producer = made.producer
        self._spool.rewind()

    def _learn(self, partitions: dict[str, int]) -> bool:
        """Take over the partitions of topics; return False if a topic is gone. Raises ConfigError if it never was."""
        for topic, count in partitions.items():
            known = self._partitions[topic]
            if not count and not known:
                raise ConfigError(
                    f"there is no topic {topic!r}; `python -m callprint.messaging.topics` creates it"
                )
            if not count:
                log.warning("Kafka at %s has no topic %s: records go to the spool", self._brokers, topic)
                return False
            if known not in (0, count):
                log.warning("%s now has %d partitions, not %d: restart the agent", topic, count, known)
            self._partitions[topic] = known or count
        self._spool.remember_partitions({**self._partitions, **partitions})
        return True

    def _send(self, record: Outgoing, *, of_spool: bool) -> None:
        try:
            future = self._producer.send(record.topic, record.data, partition=record.partition)
        except _REFUSALS as error:
            self._refuse(record, error)
            if of_spool:
                self._spool.drop()
        except KafkaError as error:
            self._disconnect(error)
            if not of_spool:
                self._spool.append(record)
        else:
            self._direct += not of_spool
            self._unconfirmed.append(_Unconfirmed(future, record, time.monotonic(), of_spool))
            self._unconfirmed_bytes += len(record.data)

    def _forget_oldest(self) -> _Unconfirmed:
        done = self._unconfirmed.popleft()
        self._unconfirmed_bytes -= len(done.record.data)
        self._direct -= not done.of_spool
        if done.of_spool:
            self._spool.confirm()
        return done

    def _refuse(self, record: Outgoing, why: object) -> None:
        """Count a record that Kafka will never accept; the others go on without it."""
        self.counters.failed += 1
        log.warning(
            "Kafka refuses a record of %d bytes for %s, partition %d: %r",
            *(len(record.data), record.topic, record.partition, why),
        )

    def _disconnect(self, why: object) -> None:
        log.warning("Kafka is unreachable (%s): %d records go to the spool", why, len(self._unconfirmed))
        self.counters.disconnections += 1
        producer, self._producer = self._producer, None
        abandon(producer)
        # What came from the spool is still in it. The others are older than anything in the spool.
        self._spool.put_first([each.record for each in self._unconfirmed if not each.of_spool])
        self.counters.lost = self._spool.lost
        self._unconfirmed.clear()
        self._unconfirmed_bytes = self._direct = 0
