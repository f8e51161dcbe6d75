"""Records that Kafka has not accepted yet: on disk, in order, up to a limit.

There is one file for each record, `NNNNNNNNNNNNNNNN.TOPIC.PARTITION.BYTES`, written under another name and then
renamed, so that a crash of the agent leaves only whole records. A thread syncs them to the disk, since a slow disk must
not block the capture; a file whose length is not the one in its name, after a crash of the machine, counts as lost.
Records have some ten kilobytes, which file systems handle well. Beside them is what an agent must know about Kafka
while it is unreachable: how many partitions the topics have.

A record itself says which version wrote it (core/wire/frame.py), and is sent as it is: an agent sends what an older one
has left.
"""

import contextlib
import errno
import fcntl
import json
import os
import queue
import re
import threading
import time
import weakref
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from callprint.core.ground.errors import ConfigError
from callprint.owner_only import make_folder, owner_only

_PARTIAL = ".partial"
_PARTITIONS = "partitions.json"
_RECORD = re.compile(r"(\d{16})\.([A-Za-z0-9._-]+)\.(\d+)\.(\d+)")
_SYNC_TIMEOUT_S = 10.0
_MIDDLE = 10**15  # records are numbered upwards from here; those that must go first, downwards


class Outgoing(NamedTuple):
    """One record on its way to Kafka."""

    topic: str
    partition: int
    data: bytes


class Spool:
    """A queue of records. A record that was read is deleted only by `confirm`; `rewind` starts reading over.

    One process owns the folder, by a lock that ends with the process. Files that are not records are left alone.
    After a crash of the agent, records that Kafka received but did not confirm are sent again: readers of the topic
    recognise repeats by their batch numbers.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        """Raises ConfigError when the folder cannot be created or read, or another process owns it."""
        self._folder = folder
        self._limit_bytes = limit_bytes
        try:
            make_folder(folder)
            self._lock = _lock(folder)
            self._unlock = weakref.finalize(self, os.close, self._lock)
            for partial in folder.glob(f"*{_PARTIAL}"):
                partial.unlink()
            paths = sorted(
                path for path in folder.iterdir() if _RECORD.fullmatch(path.name) and path.is_file()
            )
            self._waiting = deque((path, path.stat().st_size) for path in paths if not _is_torn(path))
        except OSError as error:
            raise ConfigError(f"the spool folder {folder} cannot be used: {error.strerror}") from error
        self._first = _number(paths[0]) if paths else _MIDDLE
        self._next = _number(paths[-1]) + 1 if paths else _MIDDLE
        self._read = 0  # how many of _waiting have been read
        self._unsynced: queue.Queue[Path] = queue.Queue()
        self._syncing: threading.Thread | None = None
        self.bytes = sum(size for _, size in self._waiting)
        # Records for which there was no room, or that the disk did not return.
        self.lost = len(paths) - len(self._waiting)

    def __len__(self) -> int:
        return len(self._waiting)

    def append(self, record: Outgoing) -> bool:
        """Add a record at the end; count it and return False when the limit is reached or the disk is full."""
        path = self._write(self._next, record)
        if path is None:
            return False
        self._next += 1
        self._waiting.append((path, len(record.data)))
        return True

    def put_first(self, records: Sequence[Outgoing]) -> None:
        """Add records, oldest first, before all others, and continue reading there. Counts those without room."""
        self.rewind()
        for record in reversed(records):
            path = self._write(self._first - 1, record)
            if path is not None:
                self._first -= 1
                self._waiting.appendleft((path, len(record.data)))

    def read(self) -> Outgoing | None:
        """Return the oldest record that has not been read, None if there is none."""
        while self._read < len(self._waiting):
            path, size = self._waiting[self._read]
            try:
                data = path.read_bytes()
            except OSError:
                del self._waiting[self._read]
                self.bytes -= size
                self.lost += 1
                continue
            found = _RECORD.fullmatch(path.name)
            assert found is not None
            self._read += 1
            return Outgoing(found[2], int(found[3]), data)
        return None

    def confirm(self) -> None:
        """The oldest record is in Kafka: delete it."""
        self._forget(0)

    def drop(self) -> None:
        """Delete the record that was read last: Kafka refuses it."""
        self._forget(self._read - 1)

    def rewind(self) -> None:
        """Start over: read everything that is not confirmed again."""
        self._read = 0

    def partitions(self) -> dict[str, int]:
        """Return {topic: partitions} as of the last connection to Kafka; nothing if that is not known."""
        try:
            known = json.loads((self._folder / _PARTITIONS).read_text())
        except (OSError, ValueError):
            return {}
        if not isinstance(known, dict):
            return {}
        return {str(topic): n for topic, n in known.items() if isinstance(n, int) and n > 0}

    def remember_partitions(self, known: dict[str, int]) -> None:
        """Save {topic: partitions} for a start without Kafka."""
        with contextlib.suppress(OSError):  # if that fails, the next start waits for Kafka
            path = self._folder / _PARTITIONS
            partial = path.with_name(path.name + _PARTIAL)
            _write_private(partial, json.dumps(known).encode())
            partial.rename(path)

    def close(self) -> None:
        """Wait until everything is on the disk, then release the folder."""
        deadline_s = time.monotonic() + _SYNC_TIMEOUT_S
        while self._unsynced.unfinished_tasks and time.monotonic() < deadline_s:
            time.sleep(0.005)
        self._unlock()

    def _forget(self, index: int) -> None:
        path, size = self._waiting[index]
        del self._waiting[index]
        with contextlib.suppress(OSError):  # if that fails, it is sent again later: a repeat
            path.unlink(missing_ok=True)
        self._read -= 1
        self.bytes -= size

    def _write(self, number: int, record: Outgoing) -> Path | None:
        if self.bytes + len(record.data) > self._limit_bytes:
            self.lost += 1
            return None
        path = self._folder / f"{number:016}.{record.topic}.{record.partition}.{len(record.data)}"
        partial = path.with_name(path.name + _PARTIAL)
        try:
            _write_private(partial, record.data)
            partial.rename(path)
        except OSError:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
            self.lost += 1
            return None
        self.bytes += len(record.data)
        self._unsynced.put(path)
        if self._syncing is None:
            self._syncing = threading.Thread(
                target=_sync, args=(self._unsynced, self._folder), name="fsync", daemon=True
            )
            self._syncing.start()
        return path


def _sync(unsynced: "queue.Queue[Path]", folder: Path) -> None:
    """Sync files to the disk as they come, and the folder with their names when nothing else is waiting."""
    while True:
        path = unsynced.get()
        for each in (path, folder) if unsynced.empty() else (path,):
            with contextlib.suppress(OSError):  # it has been sent, and deleted, meanwhile
                descriptor = os.open(each, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
        unsynced.task_done()


def _write_private(path: Path, data: bytes) -> None:
    """Write a file that its owner alone can read: records are people's calls."""
    with open(path, "wb", buffering=0, opener=owner_only) as file:
        written = file.write(data)
    if written != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def _is_torn(path: Path) -> bool:
    """Return whether the machine crashed before the whole record was on the disk; delete what is left of it."""
    torn = path.stat().st_size != int(path.name.rpartition(".")[2])
    if torn:
        path.unlink()
    return torn


def _number(path: Path) -> int:
    return int(path.name.split(".")[0])


def _lock(folder: Path) -> int:
    """Return a locked descriptor of the folder itself: no lock file that could be left behind or deleted."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise ConfigError(
            f"the spool folder {folder} is in use by another agent; give each its own with --spool"
        ) from error
    return descriptor
