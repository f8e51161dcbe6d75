"""ZooKeeper: one node, for Storm."""

import socket
from collections.abc import Sequence
from pathlib import Path

from callprint.services import jars
from callprint.services.layout import HOST, Layout

HEAP_MIB = 96


def prepare(layout: Layout) -> tuple[Sequence[str], Path]:
    """Write zoo.cfg and return the server's command."""
    classes = jars.resolve(jars.ZOOKEEPER, layout.jars)
    folder = layout.service("zookeeper")
    settings = {
        "dataDir": str(folder / "data"),
        "clientPort": str(layout.zookeeper),
        "clientPortAddress": HOST,
        "tickTime": "2000",
        "maxClientCnxns": "0",
        "admin.enableServer": "false",
        "4lw.commands.whitelist": "ruok,srvr",
    }
    configuration = folder / "zoo.cfg"
    configuration.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    main = "org.apache.zookeeper.server.ZooKeeperServerMain"
    java = ["java", f"-Xmx{HEAP_MIB}m", "-XX:+UseSerialGC", "-cp", f"{classes}/*"]
    return [*java, main, str(configuration)], folder


def ready(layout: Layout) -> bool:
    """Return whether ZooKeeper answers `srvr` with its mode, which it only does while it serves."""
    try:
        with socket.create_connection((HOST, layout.zookeeper), timeout=2.0) as connection:
            connection.sendall(b"srvr")
            answer = b""
            while part := connection.recv(4096):
                answer += part
    except OSError:
        return False
    return b"Mode: standalone" in answer
