"""`python -m callprint.services up | down | status`: the services of this machine."""

import argparse
import sys
import time

from callprint.core.ground.errors import CallprintError, ConfigError
from callprint.services import jars, storm
from callprint.services.layout import Layout, standard_layout
from callprint.services.service import Service, services


def up(known: dict[str, Service], names: list[str]) -> None:
    """Start the named services; Cassandra, the slowest, is launched first and waited for last."""
    missing = jars.missing_tools()
    if missing:
        raise ConfigError(
            f"not on the PATH: {', '.join(missing)}; a Java 17 JDK, Maven and openssl are needed"
        )
    began = time.monotonic()
    slow = [known[name] for name in names if name == "cassandra"]
    for service in slow:
        service.launch()
    for service in [known[name] for name in names if name != "cassandra"] + slow:
        service.start()
        print(
            f"{service.name:13} ready after {time.monotonic() - began:5.1f} s, {service.address}", flush=True
        )


def down(layout: Layout, known: dict[str, Service], names: list[str]) -> None:
    """Stop the named services in reverse order."""
    for name in reversed(names):
        known[name].stop()
        print(f"{name:13} stopped", flush=True)
    if any(name.startswith("supervisor") for name in names):
        storm.stop_workers(layout)


def status(known: dict[str, Service], names: list[str]) -> int:
    """Print a line for each service; return 0 when all of them are ready, else 1."""
    total = 0
    unready = 0
    for name in names:
        service = known[name]
        pid = service.process.pid
        state = "down" if pid is None else "ready" if service.ready() else "not ready"
        resident = service.process.resident_bytes()
        total += resident
        unready += state != "ready"
        print(
            f"{name:13} {state:10} pid {pid or '-':>8} {resident >> 20:6} MiB  {service.address:30}", end=" "
        )
        print(service.process.log)
    print(f"{'':13} {'':10} {'':12} {total >> 20:6} MiB")
    return 1 if unready else 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m callprint.services", description=__doc__)
    parser.add_argument("action", choices=("up", "down", "status"))
    parser.add_argument("services", nargs="*", help="only these (default: all)")
    parser.add_argument("--home", help="folder for data and logs (default: .cache/cluster)")
    parser.add_argument("--port-offset", type=int, help="added to every port, for a second cluster")
    parser.add_argument(
        "--supervisors", type=int, default=1, help="Storm supervisors, one per simulated node (default: 1)"
    )
    chosen = parser.parse_args(arguments)
    layout = standard_layout(chosen.home, chosen.port_offset, chosen.supervisors)
    known = services(layout)
    names = chosen.services or list(known)
    for name in names:
        if name not in known:
            parser.error(f"no service {name!r}; there are {', '.join(known)}")
    try:
        if chosen.action == "status":
            return status(known, names)
        if chosen.action == "up":
            up(known, names)
        else:
            down(layout, known, names)
    except CallprintError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
