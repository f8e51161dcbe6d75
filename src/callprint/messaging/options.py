"""The command-line options that say how to reach Kafka."""

import argparse

from callprint.messaging.settings import DEFAULT_MECHANISM, PASSWORD_VARIABLE, SASL_MECHANISMS, KafkaSettings

_DEFAULT = KafkaSettings()


def add_kafka_options(parser: argparse.ArgumentParser) -> None:
    """Add --brokers and the options of TLS and SASL."""
    brokers = ",".join(_DEFAULT.brokers)
    parser.add_argument(
        "--brokers", metavar="HOST:PORT,...", default=brokers, help="of Kafka (default: %(default)s)"
    )
    parser.add_argument(
        "--tls-ca", metavar="PEM", help="authority of the brokers' certificates; turns TLS on"
    )
    parser.add_argument(
        "--tls-certificate", metavar="PEM", help="our own certificate, for brokers that ask for one"
    )
    parser.add_argument("--tls-key", metavar="PEM", help="the key of our own certificate")
    parser.add_argument(
        "--sasl-user", metavar="USER", help=f"turns SASL on; the password is ${PASSWORD_VARIABLE}"
    )
    parser.add_argument(
        "--sasl-mechanism",
        choices=SASL_MECHANISMS,
        help=f"of --sasl-user (default: {DEFAULT_MECHANISM})",
    )


def kafka_settings(arguments: argparse.Namespace) -> KafkaSettings:
    """Return what the options say. Raises ConfigError that names a wrong one."""
    return KafkaSettings(
        tuple(arguments.brokers.split(",")),
        tls_ca=arguments.tls_ca,
        tls_certificate=arguments.tls_certificate,
        tls_key=arguments.tls_key,
        sasl_user=arguments.sasl_user,
        sasl_mechanism=arguments.sasl_mechanism,
    )
