"""What all sources of packets have in common."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np

from callprint.core.ground.errors import CaptureError


class Batch(NamedTuple):
    """Some captured frames. `data` is overwritten by the next batch: copy what must be kept."""

    data: np.ndarray  # (n,) uint8
    records: np.ndarray  # (m,) RECORD, offsets into data


class PacketSource(Protocol):
    """A source of batches that can be iterated over once; its figures are up to date between batches."""

    @property
    def capture(self) -> str | None:
        """The name of the file or interface that the last batch came from."""

    @property
    def clock(self) -> int:
        """A number for the clock that dated the last batch: each file has its own, interfaces have that of the host."""

    @property
    def buffer(self) -> np.ndarray | None:
        """The array that ends with the data of the last batch, if it may be written to in front of that; (n,) uint8."""

    @property
    def rows(self) -> np.ndarray | None:
        """The same for its records; (n,) RECORD."""

    @property
    def bytes_total(self) -> int | None:
        """How many bytes there are to read; None if that is not known (a pipe, an interface)."""

    @property
    def bytes_done(self) -> int:
        """Bytes read so far."""

    @property
    def packets(self) -> int:
        """Packets yielded so far."""

    @property
    def dropped(self) -> int:
        """Packets that the capture itself says it has lost so far, which is not loss in the network."""

    @property
    def not_captures(self) -> int:
        """Files skipped because they are not captures."""

    @property
    def warnings(self) -> list[CaptureError]:
        """What went wrong so far without ending the run."""

    def __iter__(self) -> Iterator[Batch]:
        """Yield batches; an empty one only shows that time passes."""
        ...
