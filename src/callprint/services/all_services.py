"""The services of one machine: what starts each, when it is ready, in which order they come up."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from callprint.services import cassandra, kafka, storm, zookeeper
from callprint.services.layout import HOST, Layout
from callprint.services.process import Process

START_TIMEOUT_S = 300.0  # Cassandra takes 40 s on two busy cores, minutes where ten others want them


@dataclass(frozen=True)
class Service:
    """A service that can be started. `prepare` writes its files and returns its command and its folder."""

    name: str
    process: Process
    prepare: Callable[[], tuple[Sequence[str], Path]]
    ready: Callable[[], bool]
    address: str

    def launch(self) -> None:
        """Start the process unless it runs; `wait` says when it is ready."""
        if self.process.pid is None:
            command, folder = self.prepare()
            self.process.start(command, daemon_environment(), folder)

    def wait(self) -> float:
        """Return the seconds until it was ready. Raises ConfigError when it ends or takes too long."""
        return self.process.wait_until(self.ready, START_TIMEOUT_S)

    def start(self) -> float:
        """Launch and wait."""
        self.launch()
        return self.wait()

    def stop(self) -> None:
        """End the service with SIGTERM, so that it writes what it holds."""
        self.process.stop()


def daemon_environment() -> dict[str, str]:
    """Return the environment of the daemons: this interpreter's scripts stand first on the PATH.

    Storm's workers inherit it from their supervisor and start bolts by the bare name `streamparse_run`. One
    OpenMP thread each: many Python bolts share the cores of one machine.
    """
    scripts = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": scripts + os.pathsep + os.environ.get("PATH", ""), "OMP_NUM_THREADS": "1"}


def services(layout: Layout) -> dict[str, Service]:
    """Return every service of the layout by name, in the order in which they start."""

    def service(
        name: str,
        prepare: Callable[[], tuple[Sequence[str], Path]],
        ready: Callable[[], bool],
        address: str,
    ) -> Service:
        return Service(name, Process(name, layout.home, layout.logs / f"{name}.out"), prepare, ready, address)

    listed = [
        service(
            "cassandra",
            partial(cassandra.prepare, layout),
            partial(cassandra.ready, layout),
            f"{HOST}:{layout.cassandra}",
        ),
        service(
            "kafka", partial(kafka.prepare, layout), partial(kafka.ready, layout), f"{HOST}:{layout.kafka}"
        ),
        service(
            "zookeeper",
            partial(zookeeper.prepare, layout),
            partial(zookeeper.ready, layout),
            f"{HOST}:{layout.zookeeper}",
        ),
        service(
            "nimbus",
            partial(storm.prepare_nimbus, layout),
            partial(storm.nimbus_ready, layout),
            f"{HOST}:{layout.nimbus}",
        ),
    ]
    listed += [
        service(
            f"supervisor-{number}",
            partial(storm.prepare_supervisor, layout, number),
            partial(storm.supervisors_ready, layout, number + 1),
            f"slots from {HOST}:{layout.slot_ports(number)[0]}",
        )
        for number in range(layout.supervisors)
    ]
    return {entry.name: entry for entry in listed}
