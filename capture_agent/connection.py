"""Producers for the publisher, made in a thread: a broker that swallows packets must not block the capture."""

import logging
import queue
import socket
import threading
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError

from callprint.messaging.settings import MAXIMUM_RECORD_BYTES, KafkaSettings

log = logging.getLogger(__name__)

RECONNECT_EVERY_S = 2.0
PROBE_TIMEOUT_S = 2.0
SEND_BLOCKS_MS = 1000  # how long the client may block a record while it lacks metadata
LOOK_UP_ATTEMPTS = 5
FOREVER_MS = 1 << 30


class Connected(NamedTuple):
    """A producer that has reached a broker, and how many partitions each topic has (0: it does not exist)."""

    producer: Any
    partitions: dict[str, int]


class Connection:
    """Makes one producer at a time. `poll` never waits: a thread probes the brokers, connects and looks topics up."""

    def __init__(self, settings: KafkaSettings, compression: str | None) -> None:
        """Raises ConfigError when the password is missing."""
        self._options = settings.client_options()
        self._brokers = settings.brokers
        self._compression = compression
        self._results: queue.SimpleQueue[Connected | None] = queue.SimpleQueue()
        self._connecting = False
        self._next_attempt_s = 0.0

    def poll(self, topics: Iterable[str]) -> Connected | None:
        """Return a new producer if one is ready; otherwise make sure that one is being made."""
        if self._connecting:
            try:
                result = self._results.get_nowait()
            except queue.Empty:
                return None
            self._connecting = False
            if result is not None:
                return result
        now_s = time.monotonic()
        if now_s >= self._next_attempt_s:
            self._next_attempt_s = now_s + RECONNECT_EVERY_S
            self._connecting = True
            threading.Thread(target=self._try, args=(tuple(topics),), name="connect", daemon=True).start()
        return None

    def _try(self, topics: tuple[str, ...]) -> None:
        result = None
        try:
            if any(_answers(broker) for broker in self._brokers):
                result = self._connect(topics)
        except Exception as error:  # whatever it is, the agent goes on without Kafka and logs it
            log.warning("no connection to Kafka at %s: %s", ",".join(self._brokers), error)
        self._results.put(result)

    def _connect(self, topics: tuple[str, ...]) -> Connected:
        producer = KafkaProducer(
            **self._options,
            acks="all",
            enable_idempotence=True,
            compression_type=self._compression,
            linger_ms=5,
            batch_size=MAXIMUM_RECORD_BYTES // 4,
            max_request_size=MAXIMUM_RECORD_BYTES,
            request_timeout_ms=5000,
            max_block_ms=SEND_BLOCKS_MS,
            # The client retries for ever, in order; when to give up is the publisher's decision.
            delivery_timeout_ms=FOREVER_MS,
        )
        try:
            # Once the metadata is here, sending does not wait for it.
            return Connected(producer, {topic: look_up(producer, topic) for topic in topics})
        except BaseException:
            abandon(producer)
            raise


def abandon(producer: Any) -> None:
    """Close a producer at once, whatever it still holds."""
    try:
        producer.close(timeout=0)
    except KafkaError:
        # kafka-python 3.0 raises here if something is unsent, before it stops the sending thread.
        producer._sender.force_close()


def look_up(producer: Any, topic: str) -> int:
    """Return how many partitions a topic has, 0 when Kafka knows of no such topic."""
    for _ in range(LOOK_UP_ATTEMPTS):
        try:
            return len(producer.partitions_for(topic) or ())
        except KafkaTimeoutError:  # the client reports nothing else for a topic that does not exist
            continue
    return 0


def _answers(broker: str) -> bool:
    host, _, port = broker.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=PROBE_TIMEOUT_S):
            return True
    except (OSError, ValueError):
        return False
