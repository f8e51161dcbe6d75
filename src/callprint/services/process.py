"""Start a service as a process with its own session, recognise that very process later, and end it."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from callprint.core.ground.errors import ConfigError

POLL_S = 0.2
LIGHT_JVM = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""For services that live for minutes on few cores: the second compiler took half of their processor time."""


def _start_ticks(pid: int) -> str | None:
    """Return when the process started, in clock ticks since boot; None when there is none, or only a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


class Process:
    """One service. Its pid file holds pid and start time, so that a reused pid is not mistaken for it."""

    def __init__(self, name: str, folder: Path, log: Path) -> None:
        self.name = name
        self.log = log
        self._pid_file = folder / f"{name}.pid"

    @property
    def pid(self) -> int | None:
        """The process id while the service is running, else None."""
        try:
            pid, ticks = self._pid_file.read_text().split()
        except (OSError, ValueError):
            return None
        return int(pid) if _start_ticks(int(pid)) == ticks else None

    def start(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        """Start `command` detached from the terminal; its output is appended to the log."""
        with self.log.open("ab") as log:
            started = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=dict(environment),
                start_new_session=True,
            )
        self._pid_file.write_text(f"{started.pid} {_start_ticks(started.pid)}\n")

    def wait_until(self, ready: Callable[[], bool], timeout_s: float) -> float:
        """Wait for `ready()`; return the seconds it took. Raises ConfigError when the process ends or time runs out."""
        began = time.monotonic()
        while not ready():
            if self.pid is None:
                raise ConfigError(
                    f"{self.name} ended during its start; its log is {self.log}:\n{self.tail()}"
                )
            if time.monotonic() - began > timeout_s:
                raise ConfigError(
                    f"{self.name} is not ready after {timeout_s:.0f} s; its log is {self.log}:\n{self.tail()}"
                )
            time.sleep(POLL_S)
        return time.monotonic() - began

    def tail(self, lines: int = 12) -> str:
        """Return the last lines of the log."""
        with contextlib.suppress(OSError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        return ""

    def kill(self) -> None:
        """End the process with SIGKILL, as a crash would, and wait until it is gone."""
        self._end(signal.SIGKILL, 10.0)

    def stop(self, timeout_s: float = 20.0) -> None:
        """End the process with SIGTERM, and with SIGKILL when that takes too long."""
        if not self._end(signal.SIGTERM, timeout_s):
            self.kill()
        self._pid_file.unlink(missing_ok=True)

    def _end(self, number: int, timeout_s: float) -> bool:
        pid = self.pid
        if pid is None:
            return True
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)  # our own child would remain a zombie
            if self.pid is None:
                return True
            time.sleep(POLL_S / 4)
        return False

    def resident_bytes(self) -> int:
        """Return the memory that the process occupies now, 0 when it is not running."""
        with contextlib.suppress(OSError):
            return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return 0


def port_open(host: str, port: int) -> bool:
    """Return whether something accepts TCP connections there."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((host, port)) == 0
