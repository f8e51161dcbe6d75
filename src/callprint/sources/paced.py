"""A source whose batches are divided at marks of packet time, at which something is to be done."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from callprint.core.ground.arrays import Array
from callprint.sources.batch import Batch, PacketSource


class Paced:
    """The batches of a source, and a call between the last packet before a mark and the first one after it.

    Marks are the multiples of a period since 1970. Of several in a silence only the first counts. Everything else is as
    in the source itself.
    """

    def __init__(self, source: PacketSource, every_ns: int, on_mark: Callable[[], None]) -> None:
        self._source = source
        self._every_ns = every_ns
        self._on_mark = on_mark
        self._next_ns: int | None = None

    def __getattr__(self, name: str) -> Any:
        """Return what the source says of itself, as PacketSource lists it."""
        return getattr(self._source, name)

    def __iter__(self) -> Iterator[Batch]:
        """Yield each batch, or its parts."""
        for data, records in self._source:
            begin = 0
            for at in self._marks(records["time_ns"]):
                if at > begin:
                    yield Batch(data, records[begin:at])  # and when the next one is asked for, it is done
                begin = at
                self._on_mark()
            yield Batch(data, records[begin:])

    def _marks(self, times: Array) -> Iterator[int]:
        """Yield the indices of the packets before which a mark is passed; times: (n,) int64."""
        at = 0
        while at < len(times):
            if self._next_ns is None:
                self._next_ns = self._after(int(times[at]))
            later = np.flatnonzero(times[at:] >= self._next_ns)
            if not len(later):
                return
            at += int(later[0])
            self._next_ns = self._after(int(times[at]))
            yield at

    def _after(self, time_ns: int) -> int:
        return (time_ns // self._every_ns + 1) * self._every_ns
