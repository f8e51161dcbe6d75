"""A source of which only some packets are wanted: those that pass a filter, within a range of time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from callprint.core.ground.arrays import Array
from callprint.core.ground.errors import CaptureError
from callprint.sources.batch import Batch, PacketSource

if TYPE_CHECKING:
    from callprint.sources.pcap_filter import PacketFilter

TICK_NS = 1_000_000_000
"""Packet time after which an empty batch shows that time passes, though nothing is wanted."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A time of day, or a time after the first packet."""

    ns: int
    after_start: bool = False

    def at(self, start_ns: int) -> int:
        """Return nanoseconds since 1970; `start_ns`: of the first packet."""
        return self.ns + start_ns if self.after_start else self.ns


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Packets that were read and not looked at: each in one of the two."""

    by_time: int = 0
    by_filter: int = 0


class Selection:
    """The packets of a source from `since` on and before `until` that pass a filter; counts the others.

    Everything else is as in the source itself.
    """

    def __init__(
        self,
        source: PacketSource,
        packet_filter: "PacketFilter | None" = None,
        since: Moment | None = None,
        until: Moment | None = None,
    ) -> None:
        self.left_out = LeftOut()
        self._source = source
        self._filter = packet_filter
        self._since, self._until = since, until
        self._start_ns: int | None = None
        self._ticked_ns = 0

    def __getattr__(self, name: str) -> Any:
        """Return what the source says of itself, as PacketSource lists it."""
        return getattr(self._source, name)

    @property
    def warnings(self) -> list[CaptureError]:
        """Those of the source, and link types on which the filter means nothing."""
        not_applicable = self._filter.not_applicable if self._filter else {}
        return self._source.warnings + [
            CaptureError(f"--filter left out every packet of link type {link_type}: {reason}")
            for link_type, reason in not_applicable.items()
        ]

    def __iter__(self) -> Iterator[Batch]:
        """Yield what is wanted of each batch; an empty one when nothing was for a second."""
        for data, records in self._source:
            wanted = self._wanted(data, records) if len(records) else records
            if not len(wanted) and len(records):
                last_ns = int(records["time_ns"][-1])
                if abs(last_ns - self._ticked_ns) < TICK_NS:
                    continue
                self._ticked_ns = last_ns
            yield Batch(data, wanted)

    def _wanted(self, data: Array, records: Array) -> Array:
        if self._start_ns is None:
            self._start_ns = int(records["time_ns"][0])
        read = len(records)
        if self._since is not None:
            records = records[records["time_ns"] >= self._since.at(self._start_ns)]
        if self._until is not None:
            records = records[records["time_ns"] < self._until.at(self._start_ns)]
        in_time = len(records)
        if self._filter is not None and in_time:
            records = records[self._filter.passes(data, records)]
        self.left_out = LeftOut(
            self.left_out.by_time + read - in_time, self.left_out.by_filter + in_time - len(records)
        )
        return records
