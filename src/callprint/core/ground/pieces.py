"""Copies many pieces of one byte array into another."""

import numpy as np

from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import compiled, copy_bytes, read_only


def copy_pieces(target: Array, target_at: Array, source: Array, source_at: Array, sizes: Array) -> None:
    """Copy pieces of `sizes` bytes, (n,) int64, that begin at `source_at` to `target_at`, (n,) int64.

    target, source: (bytes,) uint8. Raises ValueError where a piece is not within both.
    """
    if not len(sizes):
        return
    for array, at in ((source, source_at), (target, target_at)):
        if sizes.min() < 0 or at.min() < 0 or (at + sizes).max() > len(array):
            raise ValueError("a piece is not within its array")
    at, target_at, sizes = (np.ascontiguousarray(each, np.int64) for each in (source_at, target_at, sizes))
    _copy(target, read_only(target_at), read_only(source), read_only(at), read_only(sizes))


@compiled
def _copy(target: Array, target_at: Array, source: Array, source_at: Array, sizes: Array) -> None:
    for i in range(len(sizes)):
        copy_bytes(target, target_at[i], source, source_at[i], sizes[i])
