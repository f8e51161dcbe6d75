"""The services of one machine: how each is started, when it is ready, in which order they come up."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from callprint.services import cassandra, kafka, storm, zookeeper
from callprint.services.layout import HOST, Layout
from callprint.services.process import Process

START_TIMEOUT_S = 300.0  # Cassandra takes 40 s on two busy cores, minutes when ten others want them


@dataclass(frozen=True)
class Service:
    """A service that can be started. `prepare` writes its files and returns its command and its folder."""

    name: str
    process: Process
    prepare: Callable[[], tuple[Sequence[str], Path]]
    ready: Callable[[], bool]
    address: str

    def launch(self) -> None:
        """Start the process unless it is running; `wait` waits until it is ready."""
        if self.process.pid is None:
            command, folder = self.prepare()
            self.process.start(command, daemon_environment(), folder)

    def wait(self) -> float:
        """Return after how many seconds it was ready. Raises ConfigError when it ends or takes too long."""
        return self.process.wait_until(self.ready, START_TIMEOUT_S)

    def start(self) -> float:
        """Launch and wait."""
        self.launch()
        return self.wait()

    def stop(self) -> None:
        """End the service with SIGTERM, so that it can save its data."""
        self.process.stop()


def daemon_environment() -> dict[str, str]:
    """Return the environment of the daemons, in which this interpreter's scripts come first on the PATH.

    Storm's workers inherit it from their supervisor, and start bolts by the bare name `streamparse_run`. Each gets
    one OpenMP thread, because many Python bolts share the cores of one machine.
    """
    scripts = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": scripts + os.pathsep + os.environ.get("PATH", ""), "OMP_NUM_THREADS": "1"}


def services(layout: Layout) -> dict[str, Service]:
    """Return every service of the layout by name, in the order in which they start."""

    def service(
        name: str,
        prepare: Callable[..., tuple[Sequence[str], Path]],
        ready: Callable[..., bool],
        port: int,
        prefix: str = "",
    ) -> Service:
        process = Process(name, layout.home, layout.logs / f"{name}.out")
        address = f"{prefix}{HOST}:{port}"
        return Service(name, process, partial(prepare, layout), partial(ready, layout), address)

    def supervisor(number: int) -> Service:
        prepare = partial(storm.prepare_supervisor, number=number)
        ready = partial(storm.supervisors_ready, wanted=number + 1)
        return service(
            f"supervisor-{number}", prepare, ready, layout.slot_ports(number)[0], prefix="slots from "
        )

    listed = [
        service("cassandra", cassandra.prepare, cassandra.ready, layout.cassandra),
        service("kafka", kafka.prepare, kafka.ready, layout.kafka),
        service("zookeeper", zookeeper.prepare, zookeeper.ready, layout.zookeeper),
        service("nimbus", storm.prepare_nimbus, storm.nimbus_ready, layout.nimbus),
        *(supervisor(number) for number in range(layout.supervisors)),
    ]
    return {entry.name: entry for entry in listed}
