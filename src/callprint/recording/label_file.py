"""flows.csv: which flow in which capture was sent by which application (docs/use/models.md), written row by row."""

import csv
import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

from callprint.core.ground.errors import DatasetError
from callprint.owner_only import owner_only
from callprint.training.dataset import LABEL_ENCODING, LABEL_FILE, REQUIRED_COLUMNS

COLUMNS = (
    *("dataset", "capture", "call", "src_ip", "src_port", "dst_ip", "dst_port", "kind"),
    *("application", "engine", "version", "codec", "packets"),
)
"""What is written for each flow; a file may have further columns."""

Labels = Sequence[dict[str, str]]


def add_labels(folder: Path, labels: Labels) -> None:
    """Add rows to the labels of a folder; whatever happens, the file is the old one or the new one, and its owner's.

    Raises DatasetError when it cannot be written, or holds something else.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise DatasetError(f"{folder} cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # of two programs that end at once, neither loses its rows
        _add(folder / LABEL_FILE, labels)
    finally:
        os.close(descriptor)


def check_labels(folder: Path) -> None:
    """Raise DatasetError when there are labels in a folder to which none can be added."""
    path = folder / LABEL_FILE
    if path.exists():
        _read(path)


def _read(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Return the columns and rows of a file. Raises DatasetError."""
    try:
        with path.open(newline="", encoding=LABEL_ENCODING) as file:
            reader = csv.DictReader(file)
            rows = list(reader)
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path}: not a CSV file in UTF-8: {error}") from error
    names = list(reader.fieldnames or [])
    if not set(REQUIRED_COLUMNS) <= set(names):
        raise DatasetError(f"{path} does not label flows: name another folder")
    return names, rows


def _add(path: Path, labels: Labels) -> None:
    columns, rows = list(COLUMNS), list(labels)
    try:
        if path.exists():
            names, before = _read(path)
            columns += [name for name in names if name not in columns]
            rows = [{name: row.get(name) or "" for name in columns} for row in before] + rows
        new = path.with_suffix(".new")
        new.unlink(missing_ok=True)
        # Made anew: root may be recording into the folder of someone who has put a link there.
        with open(new, "x", newline="", encoding="utf-8", opener=owner_only) as file:
            writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        raise DatasetError(f"{path} cannot be written: {error.strerror}") from error
