"""The bit mixer behind hashes and draws that must be the same in every process."""

import numpy as np

from callprint.core.ground.compiled import compiled

_M1 = np.uint64(0xFF51AFD7ED558CCD)
_M2 = np.uint64(0xC4CEB9FE1A85EC53)
_S33 = np.uint64(33)


@compiled
def mix(value: np.uint64) -> np.uint64:
    """Return `value` with every bit spread over all others (the finaliser of MurmurHash3)."""
    value = (value ^ (value >> _S33)) * _M1
    value = (value ^ (value >> _S33)) * _M2
    return value ^ (value >> _S33)
