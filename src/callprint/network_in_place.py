"""Which network is used where none is named: the one that was put in its place last, or the one that ships."""

import fcntl
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from callprint.core.ground.errors import ConfigError
from callprint.model_files import DEFAULT_MODEL
from callprint.owner_only import make_folder
from callprint.stores import data_folder
from callprint.whole_files import write_whole

MOST_NETWORKS = 50  # that can be rolled back to
_LOCK = threading.Lock()


def place_file() -> Path:
    """Return the file that lists the networks that were put in place, the last one last; it need not exist."""
    return data_folder() / "networks.json"


def networks_in_place(file: Path | None = None) -> tuple[Path, ...]:
    """Return the networks that were put in place, the last one last. Raises ConfigError when the list is damaged."""
    file = file or place_file()
    try:
        rows = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return ()
    except (ValueError, RecursionError, OSError) as error:
        raise ConfigError(
            f"{file} is no list of networks: {error}; without it the shipped one is used"
        ) from None
    if not isinstance(rows, list) or not all(map(_is_path, rows)):
        raise ConfigError(f"{file} is no list of networks; without it the shipped one is used")
    return tuple(map(Path, rows))


def _is_path(row: object) -> bool:
    return isinstance(row, str) and row != "" and "\0" not in row


def network_in_place(file: Path | None = None) -> Path:
    """Return the network that is used where none is named. Raises ConfigError when the list is damaged."""
    return (DEFAULT_MODEL, *networks_in_place(file))[-1]


def put_in_place(network: Path, file: Path | None = None) -> None:
    """Let a network be used from now on. Raises ConfigError."""
    file = file or place_file()
    with _alone(file):
        before = networks_in_place(file)
        if before[-1:] != (network.absolute(),):  # else the one before it would be itself
            _write(file, (*before, network.absolute())[-MOST_NETWORKS:])


def roll_back(file: Path | None = None) -> bool:
    """Use the network before the one in place again. False: that is the one that ships. Raises ConfigError."""
    file = file or place_file()
    with _alone(file):
        found = networks_in_place(file)
        if found:
            _write(file, found[:-1])
        return bool(found)


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Keep other threads and programs from the list meanwhile. Raises ConfigError when its folder cannot be used."""
    with _LOCK:
        try:
            make_folder(file.parent)
            descriptor = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise ConfigError(f"{file} cannot be written: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _write(file: Path, networks: tuple[Path, ...]) -> None:
    write_whole(file, json.dumps(list(map(str, networks)), indent=1))
