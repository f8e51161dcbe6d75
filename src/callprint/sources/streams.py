"""Byte streams from a file descriptor: as they are, or decompressed with gzip or zstd, with bounded memory.

A stream returns what is available instead of waiting for more, so a pipe that never ends yields packets as they come.
"""

import os
import zlib
from typing import Any, Protocol

import zstandard

from callprint.core.ground.errors import CaptureError

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"

GZIP_READ = 1 << 17  # compressed bytes per read; zlib has an argument that bounds its output
ZSTD_READ = 1 << 17
ZSTD_SLICE = 1024
"""Compressed bytes given to zstd at once. Its output cannot be bounded, but 1,024 bytes hold at most 256
blocks of 128 KiB, so a decompression bomb fills at most 64 MiB (the pieces and their sum)."""

ZSTD_WINDOW = (
    1 << 27
)  # 128 MiB, as `zstd --long` writes; a larger window needs more memory than is reasonable


class ByteStream(Protocol):
    """What the capture reader needs."""

    bytes_read: int  # from the file itself, so compressed bytes if it is compressed

    def readinto(self, target: memoryview) -> int:
        """Fill the start of `target` with what is available, at least one byte; return how many, 0 at the end.

        Raises CaptureError when a compressed stream is damaged or cut off.
        """
        ...


def open_stream(descriptor: int) -> ByteStream:
    """Return the stream of an open file descriptor, decompressed if its first bytes say that it is compressed."""
    head = b""
    while len(head) < 4:
        more = os.read(descriptor, 4 - len(head))
        if not more:
            break
        head += more
    if head[:2] == GZIP_MAGIC:
        return GzipStream(descriptor, head)
    if head == ZSTD_MAGIC:
        return ZstdStream(descriptor, head)
    return PlainStream(descriptor, head)


class PlainStream:
    """The bytes as they are. Reading beats a memory map here: a page fault costs more than copying a page."""

    def __init__(self, descriptor: int, head: bytes) -> None:
        self.bytes_read = len(head)
        self._descriptor = descriptor
        self._head = head

    def readinto(self, target: memoryview) -> int:
        """See ByteStream."""
        if self._head:
            count = min(len(self._head), len(target))
            target[:count] = self._head[:count]
            self._head = self._head[count:]
            return count
        count = os.readv(self._descriptor, [target])
        self.bytes_read += count
        return count


class GzipStream:
    """One or more gzip members, one after the other (RFC 1952 2.2); zeros may follow, as tape drives add them."""

    def __init__(self, descriptor: int, head: bytes) -> None:
        self.bytes_read = len(head)
        self._descriptor = descriptor
        self._compressed = head
        self._member = zlib.decompressobj(wbits=31)
        self._in_member = False
        self._damage: CaptureError | None = None

    def readinto(self, target: memoryview) -> int:
        """See ByteStream."""
        if self._damage is not None:
            raise self._damage
        while self._in_member or self._next_member():
            before = self._member.copy()
            try:
                plain = self._member.decompress(self._compressed, len(target))
            except zlib.error as error:
                self._damage = CaptureError(f"the gzip data is damaged ({error})")
                plain = _before_damage(before, self._compressed, len(target))
                if not plain:
                    raise self._damage from error
                target[: len(plain)] = plain
                return len(plain)
            self._in_member = not self._member.eof
            # zlib may report the bytes after a member's end as unconsumed, too: count them once.
            self._compressed = self._member.unconsumed_tail if self._in_member else self._member.unused_data
            if plain:
                target[: len(plain)] = plain
                return len(plain)
            if self._in_member and not self._compressed and not self._refill():
                raise CaptureError("the gzip data is cut off")
        return 0

    def _next_member(self) -> bool:
        """Move on to the next member; return whether there is one."""
        while True:
            self._compressed = self._compressed.lstrip(b"\0")
            if len(self._compressed) >= len(GZIP_MAGIC):
                break
            if not self._refill():
                if self._compressed:
                    break
                return False
        if not self._compressed.startswith(GZIP_MAGIC):
            raise CaptureError("the gzip data is followed by something else")
        self._member = zlib.decompressobj(wbits=31)
        self._in_member = True
        return True

    def _refill(self) -> bool:
        """Read on; return whether there was more."""
        more = os.read(self._descriptor, GZIP_READ)
        self.bytes_read += len(more)
        self._compressed += more
        return bool(more)


def _before_damage(member: Any, compressed: bytes, most: int) -> bytes:
    """Return what can be had of `compressed` before zlib finds the damage: it gives nothing with its error."""
    plain = b""
    high = most
    while len(plain) < high:
        middle = (len(plain) + high + 1) // 2
        try:
            found = member.copy().decompress(compressed, middle)
        except zlib.error:
            high = middle - 1
        else:
            plain, high = found, high if len(found) == middle else len(found)
    return plain


class ZstdStream:
    """One or more zstd frames, one after the other (RFC 8878)."""

    def __init__(self, descriptor: int, head: bytes) -> None:
        self.bytes_read = len(head)
        self._descriptor = descriptor
        self._compressed = head
        self._at = 0  # bytes of `_compressed` that have been decompressed
        self._context = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW)
        self._frame = self._context.decompressobj()
        self._begun = False  # the frame has had its first byte
        self._plain = memoryview(b"")

    def readinto(self, target: memoryview) -> int:
        """See ByteStream."""
        while not self._plain:
            if self._at == len(self._compressed):
                self._compressed, self._at = os.read(self._descriptor, ZSTD_READ), 0
                self.bytes_read += len(self._compressed)
                if not self._compressed:
                    if self._begun:
                        raise CaptureError("the zstd data is cut off")
                    return 0
            self._decompress_slice()
        count = min(len(self._plain), len(target))
        target[:count] = self._plain[:count]
        self._plain = self._plain[count:]
        return count

    def _decompress_slice(self) -> None:
        piece = self._compressed[self._at : self._at + ZSTD_SLICE]
        self._at += len(piece)
        self._begun = True
        try:
            self._plain = memoryview(self._frame.decompress(piece))
        except zstandard.ZstdError as error:
            raise CaptureError(f"the zstd data is damaged ({error})") from error
        if self._frame.eof:
            self._at -= len(self._frame.unused_data)
            self._frame = self._context.decompressobj()
            self._begun = False
