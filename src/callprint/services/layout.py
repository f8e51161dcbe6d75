"""Where the cluster keeps its files, and on which ports of 127.0.0.1 its services listen."""

import os
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"


class Port:
    """A service's port in a layout: its standard port, moved by the layout's offset."""

    def __init__(self, standard: int) -> None:
        self._standard = standard

    def __get__(self, layout: "Layout", _owner: type) -> int:
        return layout.port(self._standard)


@dataclass(frozen=True)
class Layout:
    """One cluster on this machine: a folder, and an offset of all ports, so that two can run side by side."""

    home: Path
    jars: Path
    port_offset: int = 0
    supervisors: int = 1
    slots: int = 4  # workers that each supervisor may start

    kafka = Port(9092)
    kafka_tls = Port(9094)
    kafka_sasl = Port(9096)
    cassandra = Port(9042)
    nimbus = Port(6627)
    zookeeper = Port(2181)

    def __post_init__(self) -> None:
        object.__setattr__(self, "home", self.home.absolute())
        object.__setattr__(self, "jars", self.jars.absolute())

    def port(self, standard: int) -> int:
        """Return this cluster's port for a standard port."""
        return standard + self.port_offset

    def slot_ports(self, supervisor: int) -> range:
        """Return the ports of the workers that supervisor `supervisor` may start."""
        first = self.port(6700) + supervisor * self.slots
        return range(first, first + self.slots)

    def service(self, name: str) -> Path:
        """Return the folder of a service's configuration and data; create it if it does not exist."""
        return _existing(self.home / name)

    @property
    def logs(self) -> Path:
        """The folder of the logs: each service's `<service>.log`, and Storm's workers' below `workers/`."""
        return _existing(self.home / "logs")


def standard_layout(home: str | None = None, port_offset: int | None = None, supervisors: int = 1) -> Layout:
    """Return the layout of the arguments, or else of CALLPRINT_CLUSTER_{HOME,PORT_OFFSET,JARS}, or else the default.

    It always includes the supervisors that were started earlier and not stopped.
    """
    root = Path(home or os.environ.get("CALLPRINT_CLUSTER_HOME") or ".cache/cluster")
    if port_offset is None:
        port_offset = int(os.environ.get("CALLPRINT_CLUSTER_PORT_OFFSET", "0"))
    jars = Path(os.environ.get("CALLPRINT_CLUSTER_JARS") or ".cache/cluster/jars")
    started = len(list(root.glob("supervisor-*.pid")))
    return Layout(root, jars, port_offset, max(supervisors, started))


def _existing(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
