"""The type of arrays, apart from compiled.py, so that formats and values do not import the compiler."""

import mmap
from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
"""Any array; comments say shape and type."""

CACHE_LINE = 64

OWN_PAGES = 1 << 20
"""Bytes from which on an array has memory pages of its own."""


def aligned_zeros(count: int, dtype: Any) -> Array:
    """Return zeros that begin with a cache line: rows of 64, 128 or 256 bytes then lie in as few lines as can be.

    (count,) of `dtype`. Large ones take no memory until they are touched, and give all of it back: from the allocator
    of C they may get what was used before, which it must fill with zeros, and it may keep what it is given back.
    """
    size = count * np.dtype(dtype).itemsize
    if size >= OWN_PAGES:
        # Private pages, small ones: the kernel takes a third less to hand them out than shared ones, which is what one
        # gets unless one asks, and large ones took a virtual machine three times as long and made nothing faster.
        return np.frombuffer(mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS), dtype)
    room = np.zeros(size + CACHE_LINE, dtype=np.uint8)
    start = -room.ctypes.data % CACHE_LINE
    return room[start : start + size].view(dtype)


def joined(tables: Sequence[Array]) -> Array:
    """Return arrays of one type as one, without a copy when it is one."""
    if len(tables) == 1:
        return tables[0]
    found: Array = np.concatenate([_whole(table) for table in tables]).view(tables[0].dtype)
    return found


def rows_of(table: Array, at: Array) -> Array:
    """Return a copy of the rows that `at`, indices or a mask, names."""
    found: Array = _whole(table)[at].view(table.dtype)
    return found


def _whole(table: Array) -> Array:
    """Return a table with rows of bytes: numpy copies rows of many fields one by one, and plans that for 50 us."""
    return table if table.dtype.names is None else table.view(np.dtype((np.void, table.dtype.itemsize)))
