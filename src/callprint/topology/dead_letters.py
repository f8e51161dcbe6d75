"""The dead-letter topic: what cannot be processed, with where it came from and what is wrong with it."""

import logging
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError, MessageSizeTooLargeError

from callprint.messaging.settings import MAXIMUM_RECORD_BYTES
from callprint.topology.settings import TopologySettings

log = logging.getLogger(__name__)

WAIT_MS = 5000  # even with a second attempt far below the heartbeat timeout of Storm
MOST_REASON_BYTES = 2048
MOST_BYTES = (MAXIMUM_RECORD_BYTES - (16 << 10), 64 << 10, 0)
"""How much of a record is kept: nearly all that a broker takes by default, or less where the topic allows less."""


class DeadLetters:
    """Sets records aside, durably. It connects when it is first needed."""

    def __init__(self, settings: TopologySettings) -> None:
        self._settings = settings
        self._producer: Any = None
        self.count = 0

    def put(self, topic: str, partition: int, offset: int, reason: str, data: bytes) -> bool:
        """Set a record aside; return False when Kafka did not take it: then the record must not be skipped.

        A record that is too long for the topic is cut; the header `truncated` gives its length in bytes.
        """
        headers = [
            ("topic", topic.encode()),
            ("partition", str(partition).encode()),
            ("offset", str(offset).encode()),
            ("reason", reason.encode("utf-8", "replace")[:MOST_REASON_BYTES]),
        ]
        for most in MOST_BYTES:
            cut = [("truncated", str(len(data)).encode())] if len(data) > most else []
            try:
                self._send(data[:most], headers + cut)
            except MessageSizeTooLargeError as error:
                log.warning(
                    "a dead letter of %d bytes is too long for the topic: %s", min(len(data), most), error
                )
            except KafkaError as error:
                log.warning("%s:%d offset %d cannot be set aside now: %s", topic, partition, offset, error)
                return False
            else:
                self.count += 1
                log.error("%s:%d offset %d is set aside: %s", topic, partition, offset, reason)
                return True
        return False

    def _send(self, data: bytes, headers: list[tuple[str, bytes]]) -> None:
        if self._producer is None:
            self._producer = KafkaProducer(
                **self._settings.kafka.client_options(),
                acks="all",
                max_block_ms=WAIT_MS,
                request_timeout_ms=WAIT_MS,
                delivery_timeout_ms=2 * WAIT_MS,
                bootstrap_timeout_ms=WAIT_MS,
            )
        sent = self._producer.send(self._settings.dead_letter_topic, data, headers=headers)
        sent.get(timeout=WAIT_MS / 1000)
