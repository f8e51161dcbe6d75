"""Sends votes and changes of the allow-list to the feedback topic."""

import zlib

from kafka import KafkaProducer
from kafka.errors import KafkaError

from callprint.core.ground.errors import ConfigError
from callprint.core.wire.votes import FeedbackRecord, encode_feedback
from callprint.messaging.settings import KafkaSettings

BOOTSTRAP_TIMEOUT_S = 5.0
SEND_TIMEOUT_S = 10.0


def publish(settings: KafkaSettings, topic: str, record: FeedbackRecord) -> None:
    """Send a record and wait until the brokers have it. Raises ConfigError when they do not take it.

    All records about one caller go to one partition, so that they keep their order.
    """
    try:
        producer = KafkaProducer(
            **settings.client_options(),
            acks="all",
            bootstrap_timeout_ms=round(BOOTSTRAP_TIMEOUT_S * 1000),
            max_block_ms=round(SEND_TIMEOUT_S * 1000),
        )
        try:
            partitions = producer.partitions_for(topic)
            if not partitions:
                raise ConfigError(f"there is no topic {topic!r} at {','.join(settings.brokers)}")
            partition = zlib.crc32(record.caller.encode()) % len(partitions)
            producer.send(topic, encode_feedback(record), partition=partition).get(timeout=SEND_TIMEOUT_S)
        finally:
            producer.close(timeout=1)
    except KafkaError as error:
        raise ConfigError(f"the feedback did not reach {','.join(settings.brokers)}: {error}") from error
