"""Set-associative tables: a key may stand in any of the WAYS entries of the one set that its hash chooses.

Memory is fixed and a look-up costs at most WAYS comparisons. What a match is, and what becomes of a displaced
entry, is the business of each table.
"""

from typing import Any

import numpy as np

from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import compiled
from callprint.core.ground.mixing import mix

WAYS = 8
"""Entries of a set."""
AS_HASHED = 1 << 32
"""The key that leaves a hash as it is."""


@compiled
def keyed(key_hash: np.uint32, set_key: np.uint64) -> np.uint64:
    """Return a hash that chooses a set, by a key that no sender knows: hashes alone can be made to meet in one set."""
    return np.uint64((np.uint64(key_hash) * set_key) >> np.uint64(32))


@compiled
def first_of_set(entries: int, key_hash: np.unsignedinteger[Any]) -> int:
    """Return the first entry of a key's set in a table of `entries` (a power of two, at least WAYS)."""
    return int((np.int64(key_hash) & (entries // WAYS - 1)) * WAYS)


@compiled
def entry_to_claim(
    entries: Array, key_hash: np.unsignedinteger[Any], stale_before_ns: int, draws: int
) -> int:
    """Return the entry for a new key in its set: the first one empty or stale, else a drawn one.

    entries: (n,) with `used` and `time_ns`. `draws` counts the draws and so makes each a different one. The oldest
    entry is not the one to go: a few more calls than ways, all sending every 20 ms, would push each other out forever.
    """
    first = first_of_set(entries.shape[0], key_hash)
    for way in range(first, first + WAYS):
        if not entries[way].used or entries[way].time_ns < stale_before_ns:
            return int(way)
    return int(first + np.int64(mix(np.uint64(draws)) & np.uint64(WAYS - 1)))
