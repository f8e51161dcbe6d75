"""What a console is started with."""

from dataclasses import dataclass, field
from pathlib import Path

from callprint.messaging.topic_names import TopicNames
from callprint.model_files import SHIPPED
from callprint.network_in_place import place_file
from callprint.stores import data_folder


def default_folder() -> Path:
    """Return the folder of users.json and audit.jsonl."""
    return data_folder() / "console"


@dataclass(frozen=True, slots=True)
class ConsoleSettings:
    """What the command line says; the defaults are those of `callprint console`."""

    store_url: str
    folder: Path = field(default_factory=default_folder)
    hosts: tuple[str, ...] = ()  # names that browsers may use for this server besides those of loopback
    tls: bool = False  # cookies are sent over TLS alone
    models: tuple[Path, ...] = (SHIPPED,)
    placed: Path = field(default_factory=place_file)  # which network is in place
    kept_calls: Path | None = None  # where packets of calls are kept; None: beside the store
    key_file: Path | None = None  # of the key that they are encrypted with
    train_with: Path | None = None  # dataset that training joins the named flows to
    named: Path = field(default_factory=lambda: data_folder() / "named")
    brokers: tuple[str, ...] = ()  # votes go to Kafka instead of the store
    feedback_topic: str = "feedback"
    kafka_tls_ca: str | None = None
    sasl_user: str | None = None
    kafka: tuple[str, ...] = ()  # brokers that are asked how far the topology has read
    consumer_group: str = "callprint"
    topics: TopicNames = field(default_factory=TopicNames)
    agents: tuple[str, ...] = ()  # addresses of the metrics of capture agents
    forward_auth: str = ""  # header in which a proxy in front names the user
    trusted_proxies: tuple[str, ...] = ("127.0.0.1", "::1")
