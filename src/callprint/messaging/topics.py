"""The topics and how they are created: agents write `media` and `signaling`, users write `feedback`."""

import argparse
import sys
from collections.abc import Iterable, Sequence

from kafka import KafkaAdminClient, KafkaConsumer
from kafka.admin import NewTopic
from kafka.errors import KafkaError, TopicAlreadyExistsError

from callprint.core.ground.errors import ConfigError
from callprint.messaging.options import add_kafka_options, kafka_settings
from callprint.messaging.reachability import defect_of
from callprint.messaging.settings import KafkaSettings
from callprint.messaging.topic_names import TopicNames

DESCRIPTION = "Create the topics that agents, users and the topology need and that do not exist yet."

RETENTION_MS = 24 * 3600 * 1000
LONG_RETENTION_MS = 30 * RETENTION_MS  # for what is small and read by people


def create_topics(
    settings: KafkaSettings, partitions: int, replication: int, names: TopicNames | None = None
) -> list[str]:
    """Create the topics that do not exist yet and return their names.

    `partitions`, of `media` and of `signalling`, is the largest number of tasks that can ever share the work; it
    cannot be raised later without breaking the order of flows in progress. Raises ConfigError when the brokers refuse.
    """
    names = names or TopicNames()
    # With two brokers or more, what is confirmed is on two of them, so that it survives the loss of one; with three,
    # one of them may be down meanwhile.
    insync = str(min(2, replication))

    def topic(name: str, partitions: int, retention_ms: int) -> NewTopic:
        configs = {"retention.ms": str(retention_ms), "min.insync.replicas": insync}
        return NewTopic(name, partitions, replication, topic_configs=configs)

    wanted = [
        topic(names.media, partitions, RETENTION_MS),
        topic(names.signalling, partitions, RETENTION_MS),
        topic(names.feedback, 1, LONG_RETENTION_MS),
        topic(names.dead_letters, 1, LONG_RETENTION_MS),
    ]
    created = []
    try:
        admin = KafkaAdminClient(**settings.client_options())
        try:
            for new in wanted:
                try:
                    admin.create_topics([new])
                    created.append(new.name)
                except TopicAlreadyExistsError:
                    continue
        finally:
            admin.close()
    except KafkaError as error:
        raise ConfigError(
            f"the topics cannot be created on {','.join(settings.brokers)}: {error}{defect_of(settings)}"
        ) from error
    return created


def require_topics(settings: KafkaSettings, names: Iterable[str]) -> None:
    """Raise ConfigError when Kafka does not answer or a topic does not exist."""
    try:
        consumer = KafkaConsumer(**settings.client_options())
        try:
            missing = sorted(set(names) - consumer.topics())
        finally:
            consumer.close()
    except KafkaError as error:
        raise ConfigError(
            f"Kafka at {','.join(settings.brokers)} does not answer: {error}{defect_of(settings)}"
        ) from error
    if missing:
        raise ConfigError(
            f"there is no topic {', '.join(missing)}: `python -m callprint.messaging.topics` creates the topics"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Create the topics, from the command line."""
    parser = argparse.ArgumentParser(prog="python -m callprint.messaging.topics", description=DESCRIPTION)
    add_kafka_options(parser)
    parser.add_argument(
        "--partitions",
        type=int,
        metavar="N",
        default=16,
        help="of media and signaling: the most tasks that can ever share the work (default: %(default)s)",
    )
    parser.add_argument(
        "--replication",
        type=int,
        metavar="N",
        default=1,
        help="copies of each (default: %(default)s; use 3 on a real cluster)",
    )
    chosen = parser.parse_args(arguments)
    try:
        created = create_topics(kafka_settings(chosen), chosen.partitions, chosen.replication)
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"created {', '.join(created)}" if created else "all topics exist")
    return 0


if __name__ == "__main__":
    sys.exit(main())
