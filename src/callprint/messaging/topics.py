"""The topics, and making them: `media` and `signaling` are partitioned, `feedback` and `dead-letters` are people's."""

import argparse
import sys
from collections.abc import Iterable, Sequence

from kafka import KafkaAdminClient, KafkaConsumer
from kafka.admin import NewTopic
from kafka.errors import KafkaError, TopicAlreadyExistsError

from callprint.core.ground.errors import ConfigError
from callprint.messaging.reachability import defect_of
from callprint.messaging.settings import PASSWORD_VARIABLE, SASL_MECHANISMS, KafkaSettings

MEDIA = "media"
SIGNALING = "signaling"
FEEDBACK = "feedback"
DEAD_LETTERS = "dead-letters"

RETENTION_MS = 24 * 3600 * 1000
LONG_RETENTION_MS = 30 * RETENTION_MS  # of what is small and for people


def create_topics(
    settings: KafkaSettings,
    partitions: int,
    replication: int,
    names: tuple[str, str, str] | None = None,
    feedback: str = FEEDBACK,
) -> list[str]:
    """Make the topics that do not exist yet and return their names.

    `partitions` is the most bolts that can ever share the work, and cannot be raised later without breaking
    the order of flows that are under way. Raises ConfigError when the brokers refuse.
    """
    media, signaling, dead_letters = names or (MEDIA, SIGNALING, DEAD_LETTERS)
    # What is confirmed is on two brokers, so that it survives the loss of one, where there are two; with three one of
    # them may be away meanwhile.
    insync = str(min(2, replication))

    def topic(name: str, partitions: int, retention_ms: int) -> NewTopic:
        configs = {"retention.ms": str(retention_ms), "min.insync.replicas": insync}
        return NewTopic(name, partitions, replication, topic_configs=configs)

    wanted = [
        topic(media, partitions, RETENTION_MS),
        topic(signaling, partitions, RETENTION_MS),
        topic(feedback, 1, LONG_RETENTION_MS),
        topic(dead_letters, 1, LONG_RETENTION_MS),
    ]
    made = []
    try:
        admin = KafkaAdminClient(**settings.client_options())
        try:
            for new in wanted:
                try:
                    admin.create_topics([new])
                    made.append(new.name)
                except TopicAlreadyExistsError:
                    continue
        finally:
            admin.close()
    except KafkaError as error:
        raise ConfigError(
            f"the topics cannot be made on {','.join(settings.brokers)}: {error}{defect_of(settings)}"
        ) from error
    return made


def require_topics(settings: KafkaSettings, names: Iterable[str]) -> None:
    """Raise ConfigError when Kafka does not answer or a topic is not there."""
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
            f"there is no topic {', '.join(missing)}: `python -m callprint.messaging.topics` makes them"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the topics, from the command line."""
    parser = argparse.ArgumentParser(prog="python -m callprint.messaging.topics", description=__doc__)
    parser.add_argument("--brokers", default="127.0.0.1:9092", help="HOST:PORT,... (default: %(default)s)")
    parser.add_argument("--tls-ca", metavar="PEM", help="authority of the brokers; turns TLS on")
    parser.add_argument("--tls-certificate", metavar="PEM", help="our own, for brokers that ask for one")
    parser.add_argument("--tls-key", metavar="PEM")
    parser.add_argument("--sasl-user", help=f"its password is {PASSWORD_VARIABLE} in the environment")
    parser.add_argument(
        "--sasl-mechanism",
        choices=SASL_MECHANISMS,
        default=KafkaSettings().sasl_mechanism,
        help="(default: %(default)s)",
    )
    parser.add_argument(
        "--partitions", type=int, default=16, help="of media and signaling (default: %(default)s)"
    )
    parser.add_argument(
        "--replication", type=int, default=1, help="(default: %(default)s; 3 for real clusters)"
    )
    chosen = parser.parse_args(arguments)
    try:
        settings = KafkaSettings(
            tuple(chosen.brokers.split(",")),
            tls_ca=chosen.tls_ca,
            tls_certificate=chosen.tls_certificate,
            tls_key=chosen.tls_key,
            sasl_user=chosen.sasl_user,
            sasl_mechanism=chosen.sasl_mechanism,
        )
        made = create_topics(settings, chosen.partitions, chosen.replication)
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"made {', '.join(made)}" if made else "all topics are there")
    return 0


if __name__ == "__main__":
    sys.exit(main())
