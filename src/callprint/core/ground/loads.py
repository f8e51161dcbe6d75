"""Unaligned loads of numbers from a byte array. The caller has checked the bounds."""

import numpy as np

from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import compiled


@compiled
def load8(data: Array, at: int) -> int:
    """Return the byte at `at` as a signed 64-bit number: Numba would shift a uint8 in its own width."""
    # Unsigned, because Numba lets a negative index count from the end: with that in the way of each byte, LLVM does not
    # see that bytes beside each other are one number.
    value: int = np.int64(data[np.uint64(at)])  # type: ignore[assignment]  # compiled code has one integer type
    return value


@compiled
def be16(data: Array, at: int) -> int:
    """Return the big-endian 16-bit number at `at`."""
    return (load8(data, at) << 8) | load8(data, at + 1)


@compiled
def le16(data: Array, at: int) -> int:
    """Return the little-endian 16-bit number at `at`."""
    return (load8(data, at + 1) << 8) | load8(data, at)


@compiled
def be32(data: Array, at: int) -> int:
    """Return the big-endian 32-bit number at `at`."""
    # Written out: LLVM turns the four bytes into one load and a byte swap.
    return (
        (load8(data, at) << 24)
        | (load8(data, at + 1) << 16)
        | (load8(data, at + 2) << 8)
        | load8(data, at + 3)
    )


@compiled
def be64(data: Array, at: int) -> np.uint64:
    """Return the big-endian 64-bit number at `at`, unsigned."""
    high: np.uint64 = np.uint64(be32(data, at)) << np.uint64(32)
    return high | np.uint64(be32(data, at + 4))


@compiled
def le32(data: Array, at: int) -> int:
    """Return the little-endian 32-bit number at `at`."""
    return (
        (load8(data, at + 3) << 24)
        | (load8(data, at + 2) << 16)
        | (load8(data, at + 1) << 8)
        | load8(data, at)
    )


@compiled
def load16(data: Array, at: int, big_endian: bool) -> int:
    """Return the 16-bit number at `at` in the given byte order."""
    return be16(data, at) if big_endian else le16(data, at)


@compiled
def load32(data: Array, at: int, big_endian: bool) -> int:
    """Return the 32-bit number at `at` in the given byte order."""
    return be32(data, at) if big_endian else le32(data, at)
