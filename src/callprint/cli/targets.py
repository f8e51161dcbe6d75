"""Files that commands write: never a capture, never an input, readable by their owner alone."""

import contextlib
import errno
import io
import os
import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, TextIO

from callprint.core.capture.pcap import is_pcap
from callprint.core.capture.pcapng import SECTION_HEADER
from callprint.core.ground.errors import CaptureError, ConfigError, StoreError
from callprint.model_files import DEFAULT_MODEL
from callprint.network_in_place import network_in_place
from callprint.output.console import printable
from callprint.owner_only import owner_only
from callprint.sources.streams import open_stream

STANDARD_OUTPUT = "-"
INPUTS = ("captures", "dataset", "data", "pseudonym_key", "key_file")
OUTPUTS = ("json", "csv", "map", "out", "output", "pcap", "evidence")
"""Arguments of commands that name files to be read (besides models) and to be written."""


def output_path(text: str) -> Path:
    """Return the path of a file to be written; an argparse type that refuses to overwrite a capture."""
    return Path(output_target(text))


def output_target(text: str) -> str:
    """Return FILE, or - for standard output; an argparse type that refuses to overwrite a capture."""
    if Path(text).is_dir():
        raise ArgumentTypeError(f"{printable(text)} is a folder: name a file")
    if text != STANDARD_OUTPUT and _is_capture(text):
        raise ArgumentTypeError(
            f"{printable(text)} is a packet capture and would be overwritten: name another file"
        )
    return text


def json_target(text: str) -> str:
    """Return FILE, or - for standard output; an argparse type for --json, whose value is easily forgotten."""
    try:
        return output_target(text)
    except ArgumentTypeError as error:
        raise ArgumentTypeError(f"{error}, or write `--json -` for standard output") from error


def check_place(path: Path) -> None:
    """Raise ConfigError when a file cannot be written where it is to go, before the minutes of work that it is to hold.

    Folders that are missing are made by whoever writes.
    """
    place = next(each for each in (path, *path.absolute().parents) if each.exists())
    if place != path and not place.is_dir():
        raise ConfigError(f"{path} cannot be written: {place} is no folder")
    if not os.access(place, os.W_OK):
        raise ConfigError(f"{path} cannot be written: {os.strerror(errno.EACCES)}")


def is_one_of(target: str, inputs: Iterable[str | Path]) -> bool:
    """Return whether a target is one of the files that are read, also by another name of it (a link)."""
    if target == STANDARD_OUTPUT or not Path(target).is_file():  # a pipe or a device may be both
        return False
    for each in inputs:
        with contextlib.suppress(OSError, ValueError):
            if Path(target).samefile(each):
                return True
    return False


def overwritten_input(args: Namespace) -> str:
    """Return what a command is told to write, if it is one of the files that it is told to read; else ""."""
    models = [*(getattr(args, "models", None) or []), getattr(args, "model", None) or _network_in_place()]
    cards = [Path(model).with_suffix(".json") for model in models if Path(model).name]
    others: list[str | Path] = []
    for name in INPUTS:
        value = getattr(args, name, None) or []
        others += value if isinstance(value, list) else [value]
    for name in OUTPUTS:
        target = getattr(args, name, None)
        # `export` looks at its model itself, where it knows more.
        if target and is_one_of(str(target), others if name == "out" else [*others, *models, *cards]):
            return str(target)
    return ""


def check_not_store(target: str, url: str) -> None:
    """Raise StoreError when a target is the store that is asked, or a file of the calls kept beside it."""
    path = url.removeprefix("sqlite:")
    if is_one_of(target, [path]):
        raise StoreError(f"{target} is the store that is asked: name another file")
    if is_one_of(target, Path(path + ".calls").glob("*")):
        raise StoreError(f"{target} holds a call that the store keeps: name another file")


@contextlib.contextmanager
def open_target(target: str, encoding: str = "utf-8") -> Iterator[TextIO]:
    """Give the stream of a target; each line is written at once. Raises StoreError when it cannot be opened."""
    if target == STANDARD_OUTPUT:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(line_buffering=True)
        yield sys.stdout
        return
    try:
        stream = open(target, "w", encoding=encoding, buffering=1, opener=owner_only)  # noqa: SIM115
    except OSError as error:
        raise not_written(target, error) from error
    try:
        yield stream
    finally:
        with contextlib.suppress(OSError):  # every line has been written, or its failure reported
            stream.close()


@contextlib.contextmanager
def open_binary_target(target: str) -> Iterator[BinaryIO]:
    """Give the binary stream of a file. Raises StoreError when it cannot be opened or written."""
    try:
        with open(target, "wb", opener=owner_only) as stream:
            yield stream
    except OSError as error:
        raise not_written(target, error) from error


def not_written(name: str, error: OSError) -> StoreError:
    """Return the error for a file that cannot be opened or take more."""
    return StoreError(f"{name}: {error.strerror}")


def _network_in_place() -> Path:
    try:
        return network_in_place()
    except ConfigError:  # whatever loads it tells
        return DEFAULT_MODEL


def _is_capture(path: str) -> bool:
    """Return whether there is a file that begins like a capture, also a compressed one."""
    try:
        if not Path(path).is_file():
            return False
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (OSError, ValueError):  # no such file, or none that could be read: opening it will tell
        return False
    head = bytearray(4)
    try:
        open_stream(descriptor).readinto(memoryview(head))
    except (OSError, CaptureError):
        return False
    finally:
        os.close(descriptor)
    return is_pcap(bytes(head)) or bytes(head) == SECTION_HEADER.to_bytes(4, "big")
