"""Kafka: one node in KRaft mode, both broker and controller, with a plain, a TLS and a TLS + SASL listener."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from callprint.core.ground.errors import ConfigError
from callprint.services import certificates, jars
from callprint.services.layout import HOST, Layout
from callprint.services.process import LIGHT_JVM, port_open

if TYPE_CHECKING:
    from callprint.messaging.settings import KafkaSettings

CLUSTER_ID = "Y2FsbHByaW50LWNsdXN0ZQ"  # 22 characters of base64: any id will do for a cluster of one
HEAP_MIB = 320
SASL_USER, SASL_PASSWORD = "callprint", "callprint"  # of this cluster, which only listens on this machine
PLAIN_LOGIN = (
    f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{SASL_USER}="{SASL_PASSWORD}";'
)


def _properties(layout: Layout, folder: Path, tls: Path) -> str:
    controller = layout.port(9093)
    settings = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{HOST}:{controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": (
            f"PLAINTEXT://{HOST}:{layout.kafka},SSL://{HOST}:{layout.kafka_tls},"
            f"SASL_SSL://{HOST}:{layout.kafka_sasl},CONTROLLER://{HOST}:{controller}"
        ),
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT",
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.sasl_ssl.plain.sasl.jaas.config": PLAIN_LOGIN,
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(tls / "server-keystore.pem"),
        "log.dirs": str(folder / "data"),
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "group.initial.rebalance.delay.ms": "0",
        "auto.create.topics.enable": "false",  # such a topic would have one partition
        "log.cleaner.dedupe.buffer.size": str(8 << 20),
        "num.network.threads": "2",
        "num.io.threads": "4",
    }
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def _java(layout: Layout) -> list[str]:
    classes = jars.resolve(jars.KAFKA, layout.jars)
    return [
        "java",
        f"-Xmx{HEAP_MIB}m",
        *LIGHT_JVM,
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",  # otherwise it prints hundreds of lines of settings
        "-cp",
        f"{classes}/*",
    ]


def prepare(layout: Layout) -> tuple[Sequence[str], Path]:
    """Write server.properties, format the log folder when it is new, and return the broker's command."""
    folder = layout.service("kafka")
    properties = folder / "server.properties"
    properties.write_text(_properties(layout, folder, certificates.make(layout.home / "certificates")))
    if not (folder / "data" / "meta.properties").exists():
        tool = ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(properties)]
        command = [*_java(layout), *tool]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ConfigError(f"Kafka could not format its log folder: {done.stderr.strip()[-1000:]}")
    return [*_java(layout), "kafka.Kafka", str(properties)], folder


def ready(layout: Layout) -> bool:
    """Return whether the broker answers a metadata request as its own controller."""
    if not port_open(HOST, layout.kafka):  # the client would wait, longer each time
        return False
    from kafka import KafkaAdminClient  # noqa: PLC0415 - the extra `cluster`
    from kafka.errors import KafkaError  # noqa: PLC0415

    try:
        admin = KafkaAdminClient(bootstrap_servers=f"{HOST}:{layout.kafka}", request_timeout_ms=3000)
    except (KafkaError, OSError):
        return False
    try:
        return bool(admin.describe_cluster()["brokers"])
    except (KafkaError, OSError):
        return False
    finally:
        admin.close()


def delete_topics(settings: "KafkaSettings", prefix: str) -> None:
    """Delete every topic whose name begins with `prefix`. Raises ConfigError when the broker refuses."""
    from kafka import KafkaAdminClient  # noqa: PLC0415 - the extra `cluster`
    from kafka.errors import KafkaError  # noqa: PLC0415

    try:
        admin = KafkaAdminClient(**settings.client_options())
        try:
            names = [name for name in admin.list_topics() if name.startswith(prefix)]
            if names:
                admin.delete_topics(names)
        finally:
            admin.close()
    except (KafkaError, OSError) as error:
        raise ConfigError(f"topics cannot be deleted on {','.join(settings.brokers)}: {error}") from error
