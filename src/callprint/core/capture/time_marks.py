"""Marks in packet time: multiples of a period, at which hosts look at what goes on.

Every host passes a mark between the same two packets, whatever its batches, so all of them see the same.
"""

import numpy as np

from callprint.core.ground.arrays import Array


class TimeMarks:
    """Finds the marks that packets pass. Of several marks in a silence only the first counts: nothing happens there."""

    def __init__(self, every_ns: int) -> None:
        """`every_ns`: the period."""
        self._every_ns = every_ns
        self._next_ns: int | None = None

    def passed(self, times: Array) -> list[tuple[int, int]]:
        """Return for each mark the index of the packet before which it is passed, and its time.

        times: (n,) int64, in order, or nearly. Where an earlier capture begins, marks begin anew.
        """
        found: list[tuple[int, int]] = []
        at = 0
        while at < len(times):
            first_ns = int(times[at])
            if self._next_ns is None or first_ns < self._next_ns - 2 * self._every_ns:
                self._next_ns = self._after(first_ns)
            later = np.flatnonzero(times[at:] >= self._next_ns)
            if not len(later):
                break
            at += int(later[0])
            found.append((at, self._next_ns))
            self._next_ns = self._after(int(times[at]))
        return found

    def _after(self, time_ns: int) -> int:
        return (time_ns // self._every_ns + 1) * self._every_ns
