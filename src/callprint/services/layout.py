"""Where the cluster keeps its files, and which ports its services listen on (all of them on 127.0.0.1)."""

import os
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Layout:
    """One cluster on this machine: a folder and a shift of all ports, so that two can run side by side."""

    home: Path
    jars: Path
    port_offset: int = 0
    supervisors: int = 1
    slots: int = 4  # workers that each supervisor may start

    def __post_init__(self) -> None:
        object.__setattr__(self, "home", self.home.absolute())
        object.__setattr__(self, "jars", self.jars.absolute())

    def port(self, standard: int) -> int:
        """Return the port that this cluster uses for a service's standard port."""
        return standard + self.port_offset

    @property
    def kafka(self) -> int:
        return self.port(9092)

    @property
    def kafka_tls(self) -> int:
        return self.port(9094)

    @property
    def kafka_sasl(self) -> int:
        return self.port(9096)

    @property
    def cassandra(self) -> int:
        return self.port(9042)

    @property
    def nimbus(self) -> int:
        return self.port(6627)

    @property
    def zookeeper(self) -> int:
        return self.port(2181)

    def slot_ports(self, supervisor: int) -> range:
        """Return the ports of the workers that supervisor `supervisor` may start."""
        first = self.port(6700) + supervisor * self.slots
        return range(first, first + self.slots)

    def service(self, name: str) -> Path:
        """Return the folder of a service's configuration and data, made when it is not there."""
        folder = self.home / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def logs(self) -> Path:
        """Every service writes its log here, as `<service>.log`; Storm's workers below `workers/`."""
        folder = self.home / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def standard_layout(home: str | None = None, port_offset: int | None = None, supervisors: int = 1) -> Layout:
    """Return the layout of the arguments, else of CALLPRINT_CLUSTER_{HOME,PORT_OFFSET,JARS}, else standard.

    Supervisors that were started before and not stopped always belong to it.
    """
    root = Path(home or os.environ.get("CALLPRINT_CLUSTER_HOME") or ".cache/cluster")
    if port_offset is None:
        port_offset = int(os.environ.get("CALLPRINT_CLUSTER_PORT_OFFSET", "0"))
    jars = Path(os.environ.get("CALLPRINT_CLUSTER_JARS") or ".cache/cluster/jars")
    started = len(list(root.glob("supervisor-*.pid")))
    return Layout(root, jars, port_offset, max(supervisors, started))
