"""Training in a process of its own, which outlives the console: one run at a time, its state in files.

A lock on the folder is held by the process as long as it lives, so a console that was killed and started again knows
whether it still runs. A run that was cut off goes on where it was: `callprint train` keeps its own state.
"""

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from callprint.core.ground.errors import CallprintError, ConfigError
from callprint.owner_only import make_folder, owner_only
from callprint.whole_files import write_whole

NAME = "own"
TRAIN = (sys.executable, "-m", "callprint", "train")
EPOCH = re.compile(r"epoch (\d+)/(\d+)")
LAST_BYTES = 20_000  # of the log
LINES_SHOWN = 8
ENDS_WITHIN_S = 3.0  # a page that stopped a run waits for this, at most


class NotNowError(CallprintError):
    """A run cannot do this as things stand: another one runs, or there is none."""


@dataclass(frozen=True, slots=True)
class Run:
    """What is trained."""

    number: int
    data: tuple[str, ...]
    named: str  # the folder of named flows, which is one of `data`
    today: str  # the network that was in place then
    epochs: int
    windows: int
    by: str
    begun_ns: int

    @property
    def title(self) -> str:
        """Return name and version of the network."""
        return f"{NAME} {self.number}"


@dataclass(frozen=True, slots=True)
class Training:
    """Where the latest run stands."""

    run: Run | None = None
    state: str = "none"  # none, running, interrupted, failed, done
    stage: str = ""
    epoch: int = 0
    lines: tuple[str, ...] = ()  # the last of its output
    comparison: tuple[dict[str, Any], ...] = ()
    problem: str = ""  # why there is no comparison


class TrainingRuns:
    """The runs in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._child: subprocess.Popen[bytes] | None = None
        self._asking = threading.Lock()  # who asks whether a run holds the file's lock holds it for a moment

    def network(self, run: Run) -> Path:
        """Return the file that a run writes."""
        return self.folder / f"{NAME}-{run.number}.onnx"

    def look(self) -> Training:
        """Say where the latest run stands. Raises ConfigError when its files are damaged."""
        run = read_run(self.folder)
        if run is None:
            return Training()
        if self._child is not None:
            self._child.poll()  # so that no dead process stays behind
        lines = self._log_lines()
        epochs = [found for line in lines if (found := EPOCH.search(line))]
        stages = [line for line in lines if not EPOCH.search(line)]
        outcome = read_outcome(self.folder)
        training = Training(
            run,
            stage=stages[-1] if stages else "",
            epoch=min(int(epochs[-1][1]), run.epochs) if epochs else 0,
            lines=tuple(lines[-LINES_SHOWN:]),
        )
        if self._is_running():
            return replace(training, state="running")
        if outcome.get("number") != run.number:
            return replace(training, state="interrupted")
        if outcome.get("failed"):
            return replace(training, state="failed")
        comparison, problem = tuple(outcome.get("comparison", ())), str(outcome.get("problem", ""))
        return replace(training, state="done", comparison=comparison, problem=problem)

    def start(self, run: Run) -> Run:
        """Begin a run; its number is given here. Raises NotNowError and ConfigError."""
        with self._asking, _locked(self.folder) as lock:
            before = read_run(self.folder)
            taken = [int(path.stem.rpartition("-")[2]) for path in self.folder.glob(f"{NAME}-[0-9]*.onnx")]
            run = replace(run, number=1 + max([before.number if before else 0, *taken]))
            (self.folder / "run.log").unlink(missing_ok=True)
            write_whole(self.folder / "run.json", json.dumps(asdict(run), indent=1))
            self._spawn(lock)
        return run

    def go_on(self) -> None:
        """Let the latest run, which was cut off or failed, go on. Raises NotNowError and ConfigError."""
        with self._asking, _locked(self.folder) as lock:
            run, outcome = read_run(self.folder), read_outcome(self.folder)
            if run is None or (outcome.get("number") == run.number and not outcome.get("failed")):
                raise NotNowError("there is no training to go on with")
            (self.folder / "outcome.json").unlink(missing_ok=True)
            self._spawn(lock)

    def stop(self) -> bool:
        """End the run; it can go on later. False: none runs."""
        if not self._is_running():
            return False
        with suppress(OSError, ValueError):
            os.killpg(int((self.folder / "lock").read_text()), signal.SIGTERM)
        until_s = time.monotonic() + ENDS_WITHIN_S
        while self._is_running() and time.monotonic() < until_s:
            time.sleep(0.02)
        return True

    def _spawn(self, lock: int) -> None:
        with (self.folder / "run.log").open("ab") as log:
            self._child = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "callprint.console.training_job",
                    str(lock),
                    str(self.folder),
                    *TRAIN,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=[lock],
                start_new_session=True,  # Ctrl-C in the console's terminal is not meant for it
            )
        # The lock goes on to the process; its number, which is also that of its group, stands in the file.
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(self._child.pid).encode(), 0)

    def _is_running(self) -> bool:
        try:
            with self._asking, _locked(self.folder):
                return False
        except NotNowError:
            return True

    def _log_lines(self) -> list[str]:
        try:
            with (self.folder / "run.log").open("rb") as stream:
                stream.seek(0, os.SEEK_END)
                stream.seek(max(0, stream.tell() - LAST_BYTES))
                return [
                    line for line in stream.read().decode("utf-8", "replace").splitlines() if line.strip()
                ]
        except OSError:
            return []


@contextmanager
def _locked(folder: Path) -> Iterator[int]:
    """Hold the lock of a folder; a process that took it over holds it on. Raises NotNowError when a run holds it."""
    try:
        make_folder(folder)
        lock = owner_only(str(folder / "lock"), os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise NotNowError("a training runs already: wait for it, or stop it") from None
    try:
        yield lock
    finally:
        os.close(lock)


def read_run(folder: Path) -> Run | None:
    """Return the latest run. Raises ConfigError when its file is damaged."""
    path = folder / "run.json"
    try:
        table = json.loads(path.read_text("utf-8"))
        return Run(**table | {"data": tuple(map(str, table["data"]))})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise ConfigError(f"{path} describes no training: {error}; delete it") from error


def read_outcome(folder: Path) -> dict[str, Any]:
    """Return what came of the latest run that ended."""
    try:
        table = json.loads((folder / "outcome.json").read_text("utf-8"))
    except (ValueError, OSError):
        return {}
    return table if isinstance(table, dict) else {}
