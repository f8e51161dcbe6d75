"""Storm: Nimbus and one or more supervisors, each with its own STORM_HOME, as if they were machines.

Such a folder is what Storm's scripts expect: `lib/` (daemons), `lib-worker/` (the class path of workers), `extlib/`,
`conf/storm.yaml`, `log4j2/`.
"""

import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from callprint.services import jars
from callprint.services.layout import HOST, Layout
from callprint.services.process import LIGHT_JVM, port_open

NIMBUS_HEAP_MIB = 256
SUPERVISOR_HEAP_MIB = 128
WORKER_HEAP_MIB = 256

LOG4J = """<?xml version="1.0" encoding="UTF-8"?>
<configuration monitorInterval="60">
  <appenders>
    <RollingFile name="main" fileName="{file}" filePattern="{file}.%i">
      <PatternLayout pattern="%d %c{{1.}} %t [%p] %msg%n"/>
      <Policies><SizeBasedTriggeringPolicy size="20 MB"/></Policies>
      <DefaultRolloverStrategy max="3"/>
    </RollingFile>
  </appenders>
  <loggers><root level="info"><appender-ref ref="main"/></root></loggers>
</configuration>
"""
WORKER_LOG = "${sys:workers.artifacts}/${sys:storm.id}/${sys:worker.port}/worker.log"


def _yaml(layout: Layout, name: str, home: Path, supervisor: int) -> str:
    """Return storm.yaml. JSON values are valid YAML, so no YAML writer is needed."""
    settings: Mapping[str, str] = {
        "storm.zookeeper.servers": f'["{HOST}"]',
        "storm.zookeeper.port": str(layout.zookeeper),
        "nimbus.seeds": f'["{HOST}"]',
        "nimbus.thrift.port": str(layout.nimbus),
        "storm.local.hostname": f'"{HOST}"',
        "storm.local.dir": f'"{home / "local"}"',
        "storm.log.dir": f'"{layout.logs}"',
        "storm.workers.artifacts.dir": f'"{layout.logs / "workers"}"',
        "storm.log4j2.conf.dir": f'"{home / "log4j2"}"',
        "supervisor.slots.ports": str(list(layout.slot_ports(supervisor))),
        "supervisor.thrift.port": str(layout.port(6640) + supervisor),
        "supervisor.memory.capacity.mb": "8192.0",
        "supervisor.cpu.capacity": "800.0",
        "worker.heap.memory.mb": str(WORKER_HEAP_MIB),
        "worker.childopts": f'"-Xmx{WORKER_HEAP_MIB}m {" ".join(LIGHT_JVM)}"',
        "topology.worker.logwriter.childopts": '"-Xmx24m -XX:+UseSerialGC"',
        "nimbus.monitor.freq.secs": "5",
        "nimbus.task.timeout.secs": "30",
        "supervisor.worker.timeout.secs": "30",
    }
    return f"# {name}\n" + "".join(f"{key}: {value}\n" for key, value in settings.items())


def _home(layout: Layout, name: str, supervisor: int = 0) -> Path:
    home = layout.service(name)
    for link, bundle in (("lib", jars.STORM_DAEMON), ("lib-worker", jars.STORM_WORKER)):
        path = home / link
        path.unlink(missing_ok=True)
        path.symlink_to(jars.resolve(bundle, layout.jars))
    for folder in ("extlib", "extlib-daemon", "conf", "log4j2", "local"):
        (home / folder).mkdir(exist_ok=True)
    (home / "conf" / "storm.yaml").write_text(_yaml(layout, name, home, supervisor))
    (home / "log4j2" / "cluster.xml").write_text(LOG4J.format(file=layout.logs / f"{name}.log"))
    (home / "log4j2" / "worker.xml").write_text(LOG4J.format(file=WORKER_LOG))
    return home


def _java(layout: Layout, name: str, home: Path, heap_mib: int, main: str) -> Sequence[str]:
    return [
        "java",
        f"-Xmx{heap_mib}m",
        *LIGHT_JVM,
        f"-Dstorm.home={home}",
        f"-Dstorm.log.dir={layout.logs}",
        f"-Dstorm.conf.file={home / 'conf' / 'storm.yaml'}",
        f"-Dlog4j.configurationFile={home / 'log4j2' / 'cluster.xml'}",
        f"-Ddaemon.name={name}",
        "-cp",
        f"{home}/lib/*:{home}/extlib/*:{home}/extlib-daemon/*:{home}/conf",
        main,
    ]


def prepare_nimbus(layout: Layout) -> tuple[Sequence[str], Path]:
    """Write Nimbus's home and return its command."""
    home = _home(layout, "nimbus")
    return _java(layout, "nimbus", home, NIMBUS_HEAP_MIB, "org.apache.storm.daemon.nimbus.Nimbus"), home


def prepare_supervisor(layout: Layout, number: int) -> tuple[Sequence[str], Path]:
    """Write the home of supervisor `number` (0, 1, ...) and return its command."""
    name = f"supervisor-{number}"
    home = _home(layout, name, number)
    main = "org.apache.storm.daemon.supervisor.Supervisor"
    return _java(layout, name, home, SUPERVISOR_HEAP_MIB, main), home


def stop_workers(layout: Layout) -> None:
    """End the workers that a supervisor left behind: by design they outlive it, so that it can be upgraded.

    When a worker's JVM ends, the pipes of its Python bolts close, which ends them.
    """
    mine = f"-Dworkers.artifacts={layout.logs / 'workers'}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mine in (process / "cmdline").read_bytes().split(b"\0"):
                os.kill(int(process.name), signal.SIGKILL)


def nimbus_client(layout: Layout, timeout_ms: int = 5000) -> Any:
    """Return a Thrift client of Nimbus (methods as in Storm's storm.thrift); the caller closes it."""
    from streamparse.thrift import Nimbus  # noqa: PLC0415 - the extra `cluster`
    from thriftpy2.protocol import TBinaryProtocolFactory  # noqa: PLC0415
    from thriftpy2.rpc import make_client  # noqa: PLC0415
    from thriftpy2.transport import TFramedTransportFactory  # noqa: PLC0415

    return make_client(
        Nimbus,
        host=HOST,
        port=layout.nimbus,
        proto_factory=TBinaryProtocolFactory(),
        trans_factory=TFramedTransportFactory(),
        timeout=timeout_ms,
    )


def nimbus_ready(layout: Layout) -> bool:
    """Return whether Nimbus accepts topologies: ZooKeeper needs some 15 s to forget a leader that crashed.

    This is tried by beginning an upload, which only a leader allows, and which Nimbus drops when nothing follows.
    """
    return _ask(layout, lambda client: client.beginFileUpload()) is not None


def supervisors_ready(layout: Layout, wanted: int) -> bool:
    """Return whether Nimbus knows `wanted` live supervisors."""
    summary = _ask(layout, lambda client: client.getClusterInfo())
    return summary is not None and len(summary.supervisors) >= wanted


def _ask(layout: Layout, question: Callable[[Any], Any]) -> Any:
    """Return Nimbus's answer, None when it does not answer."""
    if not port_open(HOST, layout.nimbus):
        return None
    from thriftpy2.thrift import TException  # noqa: PLC0415 - the extra `cluster`

    try:
        client = nimbus_client(layout)
        try:
            return question(client)
        finally:
            client.close()
    except (TException, OSError):
        return None
