"""Which rows of a table are free: a stack of those given back, then those never used."""

import numpy as np

from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import compiled


@compiled
def take(given_back: Array, count: int, fresh: int) -> tuple[int, int, int]:
    """Return (a free row, or -1 when there is none; `count` and `fresh` after it was taken).

    given_back: (rows,), of which the first `count` are a stack of rows; rows from `fresh` on were never used.
    """
    if count > 0:
        row: int = np.int64(given_back[count - 1])  # type: ignore[assignment]  # compiled code has one integer type
        return row, count - 1, fresh
    if fresh < given_back.shape[0]:
        return fresh, count, fresh + 1
    return -1, count, fresh
