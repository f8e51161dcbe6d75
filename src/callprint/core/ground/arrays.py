"""The type of arrays, apart from compiled.py, so that formats and values do not import the compiler."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
"""Any array; comments say shape and type."""

CACHE_LINE = 64


def aligned_zeros(count: int, dtype: Any) -> Array:
    """Return zeros that begin with a cache line: rows of 64, 128 or 256 bytes then lie in as few lines as can be.

    (count,) of `dtype`. Like those of np.zeros, large ones take no memory until they are touched.
    """
    size = count * np.dtype(dtype).itemsize
    room = np.zeros(size + CACHE_LINE, dtype=np.uint8)
    start = -room.ctypes.data % CACHE_LINE
    return room[start : start + size].view(dtype)
