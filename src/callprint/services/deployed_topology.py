"""The topology on this machine's cluster: submit it as an operator does, wait for it, end it, look at its processes."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from callprint.core.ground.errors import ConfigError
from callprint.services import storm
from callprint.services.layout import HOST, Layout

READY_TIMEOUT_S = 120.0
GONE_TIMEOUT_S = 60.0
NIMBUS_TIMEOUT = (
    "--timeout",
    "60000",
)  # milliseconds: streamparse's default of 7 s is too short on a busy machine


class DeployedTopology:
    """One topology of a layout's Storm. `root` is the checkout that holds config.json and topologies/.

    `name` is the name that Storm knows it by; its file is `topologies/FILE.py`.
    """

    def __init__(self, layout: Layout, root: Path, name: str = "voip", file: str = "voip") -> None:
        self.layout = layout
        self.name = name
        self._file = file
        self._root = root

    def submit(self, options: Mapping[str, object]) -> None:
        """Run `sparse submit` and wait until every task is up. Raises ConfigError with what it printed."""
        config = json.loads((self._root / "config.json").read_text())
        config["envs"]["local"]["options"] |= {
            "callprint.kafka.brokers": [f"{HOST}:{self.layout.kafka}"],
            **options,
        }
        written = self.layout.home / f"{self.name}-config.json"
        written.write_text(json.dumps(config))
        which = ["--name", self._file, "--override_name", self.name, "--environment", "local"]
        self._sparse(["submit", "--config", str(written), *which, "--force", "--wait", "1", *NIMBUS_TIMEOUT])
        began = time.monotonic()
        while not self._all_up():
            if time.monotonic() - began > READY_TIMEOUT_S:
                raise ConfigError(
                    f"the topology {self.name} is not up; logs are in {self.layout.logs / 'workers'}"
                )
            time.sleep(0.5)

    def kill(self) -> None:
        """End the topology and wait until Nimbus no longer knows it."""
        if self.summary() is None:
            return
        self._sparse(["kill", "--name", self.name, "--environment", "local", "--wait", "1", *NIMBUS_TIMEOUT])
        began = time.monotonic()
        while self.summary() is not None:
            if time.monotonic() - began > GONE_TIMEOUT_S:
                raise ConfigError(f"the topology {self.name} does not end")
            time.sleep(0.5)

    def summary(self) -> Any:
        """Return Nimbus's summary of the topology, None when it does not know it."""
        with self._nimbus() as nimbus:
            for summary in nimbus.getClusterInfo().topologies:
                if summary.name == self.name:
                    return summary
        return None

    def workers(self) -> list[int]:
        """Return the process ids of the topology's worker JVMs."""
        return [pid for pid, arguments in _processes() if self._is_worker(arguments)]

    def components(self, name: str) -> list[int]:
        """Return the process ids of a component's Python processes, by the name of the class that they run."""
        workers = set(self.workers())
        return [
            pid
            for pid, arguments in _processes()
            if _parent(pid) in workers and any(name in argument for argument in arguments)
        ]

    def _is_worker(self, arguments: list[str]) -> bool:
        mine = f"-Dworkers.artifacts={self.layout.logs / 'workers'}"
        # The log writer, the worker's parent process, has the same arguments behind its own class name.
        return (
            mine in arguments
            and "org.apache.storm.daemon.worker.Worker" in arguments
            and "org.apache.storm.LogWriter" not in arguments
            and any(re.fullmatch(rf"{re.escape(self.name)}-\d+-\d+", argument) for argument in arguments)
        )

    def _all_up(self) -> bool:
        summary = self.summary()
        if summary is None or summary.status != "ACTIVE":
            return False
        with self._nimbus() as nimbus:
            executors = nimbus.getTopologyInfo(summary.id).executors
        return bool(executors) and all(executor.uptime_secs > 0 for executor in executors)

    @contextmanager
    def _nimbus(self) -> Iterator[Any]:
        client = storm.nimbus_client(self.layout)
        try:
            yield client
        finally:
            client.close()

    def _sparse(self, arguments: list[str]) -> None:
        environment = {
            **os.environ,
            "PATH": str(Path(sys.executable).parent) + os.pathsep + os.environ.get("PATH", ""),
            "STREAMPARSE_NIMBUS": f"{HOST}:{self.layout.nimbus}",
            "LEIN_ROOT": "1",  # Leiningen asks root for this
            "PYTHONWARNINGS": "ignore",
        }
        done = subprocess.run(
            ["sparse", *arguments],
            cwd=self._root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ConfigError(f"sparse {arguments[0]} failed:\n{(done.stdout + done.stderr)[-3000:]}")


def _processes() -> Iterator[tuple[int, list[str]]]:
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        yield int(entry.name), arguments


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
