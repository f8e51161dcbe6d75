"""The agent's counters, for Prometheus and as one line for people."""

import contextlib
import socket
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from callprint.core.ground.errors import ConfigError

MAXIMUM_CONNECTIONS = 16
"""Connections at a time: a scraper needs one for a moment, and the agent needs its descriptors for records."""

TIMEOUT_S = 5.0
"""How long a connection may be silent."""

Read = Callable[[], Mapping[tuple[str, str], float]]
"""Returns the counters as {(name, labels in Prometheus notation or ""): value}."""

HELP = {
    "callprint_packets_read_total": "Packets read from captures or interfaces.",
    "callprint_packets_total": "Packets by outcome; each packet ends in exactly one.",
    "callprint_kernel_drops_total": "Packets that the kernel dropped before the agent read them.",
    "callprint_packet_times_total": "Packets out of order by more than the reorder window, or with an impossible time.",
    "callprint_clock_steps_total": "How often the clock of a capture was set back, or an earlier capture began in it.",
    "callprint_packets_held": "Packets in probation: read, outcome not known yet.",
    "callprint_flows": "Flows in the table.",
    "callprint_flows_evicted_total": "Flows evicted from the full table.",
    "callprint_rtp_lost_total": "RTP packets lost in the network, by the sequence numbers of ended flows.",
    "callprint_sip_messages_total": "SIP messages sent.",
    "callprint_records_total": "Kafka records by what became of them: sent, confirmed, failed (refused), lost.",
    "callprint_records_unconfirmed": "Kafka records that the client holds.",
    "callprint_spool_records": "Kafka records on disk.",
    "callprint_spool_bytes": "Bytes on disk.",
    "callprint_bytes_confirmed_total": "Bytes that Kafka confirmed.",
    "callprint_disconnections_total": "How often the connection to Kafka was lost.",
    "callprint_packets_shipped_total": "Packets sent beyond the heads of their flows (--head).",
    "callprint_connected": "1 while there is a connection to Kafka.",
}


def exposition(values: Mapping[tuple[str, str], float]) -> str:
    """Return the counters in the Prometheus text format, version 0.0.4."""
    lines: list[str] = []
    described = ""
    for (name, labels), value in values.items():
        if name != described:
            kind = "counter" if name.endswith("_total") else "gauge"
            lines += [f"# HELP {name} {HELP[name]}", f"# TYPE {name} {kind}"]
            described = name
        lines.append(f"{name}{{{labels}}} {value:.15g}" if labels else f"{name} {value:.15g}")
    return "\n".join(lines) + "\n"


def status_line(values: Mapping[tuple[str, str], float]) -> str:
    """Return the counters in one line; outcomes that are zero are left out."""
    parts = []
    for (name, labels), value in values.items():
        if not labels:
            parts.append(f"{name.removeprefix('callprint_').removesuffix('_total')}={value:.0f}")
        elif value:
            parts.append(f"{labels.split(chr(34))[1]}={value:.0f}")
    return " ".join(parts)


class MetricsServer:
    """Serves /metrics in its own thread. Reading plain counters from there needs no lock."""

    def __init__(self, host: str, port: int) -> None:
        """Bind the port, 0 for any free one (see `port`). Raises ConfigError when that is not possible."""
        try:
            self._server = _Server((host, port), _Handler)
        except (OSError, OverflowError) as error:
            raise ConfigError(f"metrics cannot be served at {host}:{port}: {error}") from error
        self.port: int = self._server.server_address[1]
        self._serving = False

    def serve(self, read: Read) -> None:
        """Answer requests from now on."""
        self._server.read = read  # type: ignore[attr-defined]  # for the handler: each request has a new one
        self._serving = True
        threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()

    def close(self) -> None:
        """Stop serving."""
        if self._serving:
            self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    """One thread for each connection, of which there are MAXIMUM_CONNECTIONS: a new one ends the oldest.

    So idle connections, however many, keep neither descriptors nor a scraper out.
    """

    daemon_threads = True
    request_queue_size = 128  # of 5, a flood leaves no place: whoever comes then tries again a second later

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._lock = threading.Lock()
        self._connections: OrderedDict[socket.socket, None] = OrderedDict()
        self._freed = threading.Condition(self._lock)
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread, as soon as there is room."""
        with self._lock:
            while len(self._connections) >= MAXIMUM_CONNECTIONS:
                with contextlib.suppress(OSError):
                    next(iter(self._connections)).shutdown(socket.SHUT_RDWR)  # ends what its thread waits for
                self._freed.wait(TIMEOUT_S)
            self._connections[request] = None
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection and make room for the next."""
        super().shutdown_request(request)
        with self._lock:
            self._connections.pop(request, None)
            self._freed.notify()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Do not print tracebacks of scrapers that leave early."""


class _Handler(BaseHTTPRequestHandler):
    timeout = TIMEOUT_S

    def do_GET(self) -> None:
        if self.path != "/metrics":
            self.send_error(404, "there is only /metrics")
            return
        body = exposition(self.server.read()).encode()  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Do not log requests: scrapers send them all the time."""


def open_metrics(where: str) -> MetricsServer:
    """Bind [HOST:]PORT. Raises ConfigError when it is not that, or cannot be bound."""
    host, _, port = where.rpartition(":")
    if not port.isascii() or not port.isdigit():
        raise ConfigError(f"--metrics must be [HOST:]PORT, not {where!r}")
    return MetricsServer(host or "127.0.0.1", int(port))
