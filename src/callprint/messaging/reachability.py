"""Why Kafka does not answer: kafka-python reports a timeout, never that a certificate was refused."""

import socket
import ssl

from callprint.messaging.settings import KafkaSettings

CONNECT_TIMEOUT_S = 3.0


def defect_of(settings: KafkaSettings) -> str:
    """Return what is wrong with the first broker that fails, in brackets; an empty string when all of them answer.

    Only connections and certificates are tried: this does not find a wrong password.
    """
    for broker in settings.brokers:
        host, _, port = broker.rpartition(":")
        try:
            host = host.strip("[]")  # of an IPv6 address
            with socket.create_connection((host, int(port)), CONNECT_TIMEOUT_S) as connection:
                if settings.tls_ca is not None:
                    context = ssl.create_default_context(cafile=settings.tls_ca)
                    if settings.tls_certificate is not None:
                        context.load_cert_chain(settings.tls_certificate, settings.tls_key)
                    context.wrap_socket(connection, server_hostname=host).close()
        except ssl.SSLCertVerificationError as error:
            return f" (the certificate of {broker} is refused: {error.verify_message})"
        except (OSError, ValueError) as error:
            return f" ({broker}: {error})"
    return ""
