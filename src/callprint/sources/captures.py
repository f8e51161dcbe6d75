"""Capture files, folders of them and standard input, as one stream of batches."""

import errno
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from callprint.core.capture import SUPPORTED, CaptureDecoder
from callprint.core.capture.name import capture_name
from callprint.core.capture.packet_order import MOST_HELD_BYTES
from callprint.core.capture.pcapng import MAXIMUM_BLOCK
from callprint.core.ground.errors import CaptureError
from callprint.sources.batch import Batch
from callprint.sources.streams import ByteStream, open_stream

READ_BYTES = 7 << 19
"""Bytes per read: about as many packets of voice as one batch holds. The buffer is reused, which keeps it in cache."""

ROOM_BYTES = 2 * MOST_HELD_BYTES
"""Bytes in front of those: packets of the last batch that wait for their turn are copied there."""

STANDARD_INPUT = "-"


@dataclass(slots=True)
class FileReport:
    """What became of one file."""

    path: str
    named: bool = True  # by the user; False: found in a folder
    descriptor: int | None = None  # of an open file, which stays open; None: `path` is opened
    packets: int = 0
    dropped: int = 0  # packets that it says the capture has lost
    is_capture: bool = True  # False: its contents are something else
    is_readable: bool = True  # False: the system refused, so it is not known what it is
    defect: CaptureError | None = None  # why reading ended before the end, or why it never began

    @property
    def name(self) -> str:
        """Its name for people."""
        return "standard input" if self.path == STANDARD_INPUT else self.path

    @property
    def stays_open(self) -> bool:
        """Whether somebody else has opened it."""
        return self.descriptor is not None or self.path == STANDARD_INPUT

    def refuse(self, error: CaptureError) -> None:
        """Note that it is not a capture."""
        self.is_capture = False
        self.defect = CaptureError(f"{self.name}: {error}", error.offset)

    def fail(self, error: OSError) -> None:
        """Note that the system does not let us read it, or the rest of it."""
        self.is_readable = self.packets > 0
        so_far = f" after {self.packets:,} packets" if self.packets else ""
        self.defect = CaptureError(f"{self.name}: {error.strerror or error}{so_far}")


def in_memory(data: "bytes | bytearray | memoryview", stack: ExitStack) -> FileReport:
    """Return bytes as a file in memory, which is gone when the stack is closed."""
    descriptor = os.memfd_create("capture", os.MFD_CLOEXEC)
    stack.callback(os.close, descriptor)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return FileReport("bytes", descriptor=descriptor)


class CaptureSource:
    """Iterates once over the batches of several captures, in order.

    `bytes_total` is the size of all files together, None if one of them is a pipe. `bytes_done`, `packets`, `files`
    (those begun so far) and `warnings` are up to date between batches.
    """

    def __init__(self, files: list[FileReport], bytes_total: int | None) -> None:
        self.bytes_total = bytes_total
        self.packets = 0
        self.files: list[FileReport] = []
        self.buffer: np.ndarray | None = None
        self.rows: np.ndarray | None = None
        self._to_read = files
        self._bytes_before = 0  # bytes of the files that are done
        self._stream: ByteStream | None = None

    @property
    def capture(self) -> str | None:
        """The file that the last batch came from, as it was named; `-` for standard input."""
        return capture_name(self.files[-1].path) if self.files else None

    @property
    def clock(self) -> int:
        """How many files were begun: each was dated by a clock of its own."""
        return len(self.files)

    @property
    def paths(self) -> list[str]:
        """All files, as they were named; `-` for standard input."""
        return [file.path for file in self._to_read]

    @property
    def bytes_done(self) -> int:
        """Bytes read so far; of a compressed file, compressed bytes."""
        return self._bytes_before + (self._stream.bytes_read if self._stream else 0)

    @property
    def dropped(self) -> int:
        """Packets that captures say they have lost, as pcapng can."""
        return sum(file.dropped for file in self.files)

    @property
    def not_captures(self) -> int:
        """How many files so far were not captures."""
        return sum(not file.is_capture for file in self.files)

    @property
    def warnings(self) -> list[CaptureError]:
        """What is wrong with captures, and with files that cannot be read; each message begins with the file's name."""
        return [file.defect for file in self.files if file.is_capture and file.defect is not None]

    @property
    def refusals(self) -> list[CaptureError]:
        """Why files that the user named are not captures; what is in a folder may be anything."""
        return [file.defect for file in self.files if file.named and not file.is_capture and file.defect]

    def __iter__(self) -> Iterator[Batch]:
        """Yield batches of at least one record.

        Raises CaptureError when the only file cannot be read or is not a capture, or none of several is one.
        """
        buffer = np.empty(ROOM_BYTES + READ_BYTES + MAXIMUM_BLOCK, np.uint8)
        for report in self._to_read:
            self.files.append(report)
            if report.is_readable:
                yield from self._read_file(report, buffer)
        if any(file.is_capture and file.is_readable for file in self.files):
            return
        first = next((f for f in self.files if not f.is_readable), self.files[0])
        if len(self.files) == 1:
            assert first.defect is not None
            raise first.defect
        cause = f"for example {first.defect}" if not first.is_readable else f"supported are {SUPPORTED}"
        what = "can be read as a packet capture" if not first.is_readable else "is a packet capture"
        raise CaptureError(f"none of {len(self.files)} files {what}; {cause}")

    def _read_file(self, report: FileReport, buffer: np.ndarray) -> Iterator[Batch]:
        descriptor = -1
        try:
            descriptor = _open(report)
            self._stream = open_stream(descriptor)
            yield from self._decode(self._stream, report, buffer)
        except OSError as error:
            report.fail(error)
        finally:
            if descriptor >= 0:
                status = os.fstat(descriptor)
                # A file that was abandoned half-way counts as done.
                read = self._stream.bytes_read if self._stream else 0
                self._bytes_before += status.st_size if stat.S_ISREG(status.st_mode) else read
            self._stream = None
            if descriptor >= 0 and not report.stays_open:
                os.close(descriptor)

    def _decode(self, stream: ByteStream, report: FileReport, buffer: np.ndarray) -> Iterator[Batch]:
        decoder = CaptureDecoder()
        view = buffer.data
        kept = 0  # bytes after the room that have not been decoded yet
        damage: CaptureError | None = None
        while decoder.error is None:
            try:
                count = stream.readinto(view[ROOM_BYTES + kept : ROOM_BYTES + kept + READ_BYTES])
            except CaptureError as error:
                damage = error
                break
            if count == 0:
                break
            begin = ROOM_BYTES
            end = begin + kept + count
            while True:
                try:
                    records, consumed = decoder.feed(buffer[begin:end])
                except CaptureError as error:
                    report.refuse(error)
                    return
                report.dropped = decoder.dropped
                if len(records):
                    report.packets += len(records)
                    self.packets += len(records)
                    self.buffer, self.rows = buffer[:end], decoder.rows
                    yield Batch(buffer[begin:end], records)
                if consumed == 0:
                    break
                begin += consumed
            kept = end - begin
            buffer[ROOM_BYTES : ROOM_BYTES + kept] = buffer[begin:end].copy()
        if damage is not None:
            offset = decoder.position + kept
            if decoder.format is None:
                report.refuse(damage)
            else:
                report.defect = CaptureError(
                    f"{report.name}: {damage} (after {offset:,} plain bytes); packets before it were read",
                    offset,
                )
            return
        try:
            defect = decoder.finish(buffer[ROOM_BYTES : ROOM_BYTES + kept])
        except CaptureError as error:
            report.refuse(error)
            return
        if defect is not None:
            report.defect = CaptureError(f"{report.name}: {defect}", defect.offset)


def open_captures(paths: Sequence[str | os.PathLike[str] | FileReport]) -> CaptureSource:
    """Return a source over `paths`: files, folders (every file below, sorted), "-" for standard input, and open files.

    A file that cannot be read or is not a capture is an error if it is the only one, and otherwise noted.
    Raises CaptureError when a path does not exist or cannot be accessed, or a folder contains no file.
    """
    files: list[FileReport] = []
    for named in paths:
        if isinstance(named, FileReport):
            files.append(named)
            continue
        path = os.fspath(named)
        try:
            is_folder = path != STANDARD_INPUT and stat.S_ISDIR(os.stat(path).st_mode)  # noqa: PTH116 - raises
        except FileNotFoundError:
            raise CaptureError(f"{path}: no such file or folder") from None
        except (OSError, ValueError) as error:  # no permission, a NUL in the name ...
            raise CaptureError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
        files += _files_below(path) if is_folder else [FileReport(path)]
    if not files:
        raise CaptureError(f"no file below {', '.join(map(str, paths)) or 'no path'}")
    return CaptureSource(files, _total_size(files))


def _files_below(folder: str) -> list[FileReport]:
    """Return every regular file below `folder`; links to folders are not followed, so there are no cycles.

    A file or folder that cannot be accessed is in the list, too, so that it is not skipped silently.
    """
    found: list[FileReport] = []

    def refused(error: OSError) -> None:
        report = FileReport(str(error.filename), named=False)
        report.fail(error)
        found.append(report)

    for root, _folders, names in os.walk(folder, onerror=refused):
        for name in names:
            path = os.path.join(root, name)  # noqa: PTH118
            try:
                if stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116
                    found.append(FileReport(path, named=False))
            except FileNotFoundError:  # a dangling link
                continue
            except OSError as error:
                refused(error)
    return sorted(found, key=lambda report: report.path)


def _total_size(files: list[FileReport]) -> int | None:
    total = 0
    for file in files:
        try:
            status = os.fstat(_open(file)) if file.stays_open else Path(file.path).stat()
        except OSError:
            continue  # reading it will report why
        if not stat.S_ISREG(status.st_mode):
            return None
        total += status.st_size
    return total


def _standard_input() -> int:
    if sys.stdin is None:  # the program was started without one
        raise OSError(errno.EBADF, "is closed")
    return sys.stdin.fileno()


def _open(file: FileReport) -> int:
    if file.descriptor is not None:
        return file.descriptor
    if file.path == STANDARD_INPUT:
        return _standard_input()
    return os.open(file.path, os.O_RDONLY | os.O_CLOEXEC)
