"""Captures that were given twice, by name or by what they hold: their packets would count twice."""

import hashlib
import os
import stat
from collections import defaultdict
from collections.abc import Iterable

HEAD_BYTES = 1 << 16
"""Bytes that must be the same in two captures of one size: hundreds of packets with their times."""


def given_twice(paths: Iterable[str]) -> list[tuple[str, str]]:
    """Return each file that an earlier one holds as well, with the earlier one. What cannot be read is left out."""
    by_size: dict[int, list[tuple[str, os.stat_result]]] = defaultdict(list)
    for path in paths:
        try:
            status = os.stat(path)  # noqa: PTH116 - thousands of files
        except (OSError, ValueError):
            continue
        if stat.S_ISREG(status.st_mode) and status.st_size:
            by_size[status.st_size].append((path, status))
    found = []
    for same_size in by_size.values():
        if len(same_size) == 1:
            continue
        firsts: dict[bytes, str] = {}
        heads: dict[tuple[int, int], bytes] = {}
        for path, status in same_size:
            inode = status.st_dev, status.st_ino
            if inode not in heads:
                heads[inode] = _head(path)
            if heads[inode] in firsts:
                found.append((path, firsts[heads[inode]]))
            elif heads[inode]:
                firsts[heads[inode]] = path
    return found


def _head(path: str) -> bytes:
    """Return a digest of the beginning of a file; empty where it cannot be read."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - as above
            return hashlib.sha256(file.read(HEAD_BYTES)).digest()
    except OSError:
        return b""
