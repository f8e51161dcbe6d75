"""How to reach Kafka: brokers, TLS, SASL. One value for agents, spouts and tools."""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from callprint.core.ground.errors import ConfigError

log = logging.getLogger(__name__)

PASSWORD_VARIABLE = "CALLPRINT_KAFKA_PASSWORD"
SASL_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
DEFAULT_MECHANISM = "SCRAM-SHA-512"
MAXIMUM_RECORD_BYTES = 1 << 20  # Kafka's own default; batches stay far below it


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """A Kafka cluster. The SASL password is CALLPRINT_KAFKA_PASSWORD: settings are shipped and printed."""

    brokers: tuple[str, ...] = ("127.0.0.1:9092",)
    tls_ca: str | None = None  # PEM file; turns TLS on
    tls_certificate: str | None = None
    tls_key: str | None = None
    sasl_user: str | None = None  # turns SASL on
    sasl_mechanism: str | None = None  # of sasl_user; None: DEFAULT_MECHANISM

    def __post_init__(self) -> None:
        """Raise ConfigError naming the first setting whose value is not allowed."""
        if not self.brokers or not all(map(_is_place, self.brokers)):
            raise ConfigError(f"kafka.brokers must be HOST:PORT, one or more, not {','.join(self.brokers)!r}")
        if self.sasl_mechanism not in (None, *SASL_MECHANISMS):
            raise ConfigError(
                f"kafka.sasl_mechanism must be one of {', '.join(SASL_MECHANISMS)}, not {self.sasl_mechanism!r}"
            )
        for name in ("tls_ca", "tls_certificate", "tls_key", "sasl_user"):
            if getattr(self, name) == "":
                raise ConfigError(f"kafka.{name} must not be an empty text: leave it out")
        if self.sasl_mechanism is not None and not self.sasl_user:
            raise ConfigError("kafka.sasl_mechanism does nothing without kafka.sasl_user")
        if self.tls_ca is None and (self.tls_certificate is not None or self.tls_key is not None):
            raise ConfigError("kafka.tls_certificate and kafka.tls_key do nothing without kafka.tls_ca")
        if self.tls_key is not None and self.tls_certificate is None:
            raise ConfigError("kafka.tls_key does nothing without kafka.tls_certificate")

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "KafkaSettings":
        """Read the keys `kafka.*` of a configuration. Raises ConfigError that names the key."""
        known = {field.name for field in fields(cls)}
        for key, value in values.items():
            if key not in known:
                raise ConfigError(f"kafka.{key} is not a setting; there are {', '.join(sorted(known))}")
            if key != "brokers" and value is not None and not isinstance(value, str):
                raise ConfigError(f"kafka.{key} must be a string, not {value!r}")
        brokers = values.get("brokers", cls().brokers)
        if isinstance(brokers, str):
            brokers = brokers.split(",")
        if not isinstance(brokers, list | tuple) or not all(isinstance(broker, str) for broker in brokers):
            raise ConfigError(f"kafka.brokers must be a list of HOST:PORT, not {brokers!r}")
        return cls(**{**values, "brokers": tuple(brokers)})

    def client_options(self) -> dict[str, Any]:
        """Return the options that every kafka-python client takes. Raises ConfigError without the password."""
        options: dict[str, Any] = {"bootstrap_servers": list(self.brokers)}
        if self.tls_ca is not None:
            options |= {
                "ssl_cafile": self.tls_ca,
                "ssl_certfile": self.tls_certificate,
                "ssl_keyfile": self.tls_key,
            }
        if self.sasl_user is not None:
            password = os.environ.get(PASSWORD_VARIABLE)
            if password is None:
                raise ConfigError(f"no password for the Kafka user {self.sasl_user}: set {PASSWORD_VARIABLE}")
            if self.sasl_mechanism == "PLAIN" and self.tls_ca is None:
                log.warning(
                    "SASL PLAIN without TLS sends the password of %s in clear text: set kafka.tls_ca (--tls-ca)",
                    self.sasl_user,
                )
            options |= {
                "sasl_mechanism": self.sasl_mechanism or DEFAULT_MECHANISM,
                "sasl_plain_username": self.sasl_user,
                "sasl_plain_password": password,
            }
        protocol = ("SASL_" if self.sasl_user else "") + ("SSL" if self.tls_ca else "PLAINTEXT")
        return {**options, "security_protocol": protocol}


def _is_place(broker: str) -> bool:
    """Return whether a text is HOST:PORT; the Kafka client raises ValueError for a port that is no number."""
    host, _, port = broker.rpartition(":")
    return bool(host) and port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) <= 0xFFFF
