"""One partition as its spout sees it: which records are in flight, which are done, what may be committed.

    reading  --a tuple fails-->  paused  --back-off over-->  reading, in a new epoch, from the low-water mark

Everything emitted in an old epoch is forgotten: acknowledgements of it mean nothing in the new one.
Nothing here does I/O, and time is an argument, with one exception: the wall clock decides whether a vote lies in the
future and is rejected.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from callprint.core.ground.errors import DecodeError
from callprint.core.relay.flow_assembly import nothing_of
from callprint.core.relay.low_water import Batch, LowWater
from callprint.core.relay.shipping import MAXIMUM_PARTS
from callprint.core.wire.frame import Origin
from callprint.core.wire.media import MediaBatch, decode_media, encode_media
from callprint.core.wire.progress import Progress, encode_progress
from callprint.core.wire.signalling import decode_record
from callprint.core.wire.source import site_of
from callprint.core.wire.votes import decode_feedback

if TYPE_CHECKING:
    from callprint.topology.settings import TopologySettings

FIRST_BACK_OFF_S = 0.5
LONGEST_BACK_OFF_S = 30.0


@dataclass(frozen=True, slots=True)
class TopicFormat:
    """Which topic a spout reads, and how its records are coded."""

    topic: Callable[["TopologySettings"], str]
    decode: Callable[[bytes], Batch | None]  # raises DecodeError; None: a valid record that has no source
    expiry: Callable[[Origin], bytes]  # the record that means "this source has fallen silent"


def _decode_shipped(data: bytes) -> MediaBatch:
    """Return an agent's batch, which must not be larger than what bolts can work off between two heartbeats."""
    batch = decode_media(data)
    if len(batch.parts) > MAXIMUM_PARTS:
        raise DecodeError(
            f"a batch of {len(batch.parts)} parts; an agent puts at most {MAXIMUM_PARTS} into one"
        )
    return batch


def _check_feedback(data: bytes) -> None:
    """Raise DecodeError unless it is a feedback record. These have no source: each is read once."""
    decode_feedback(data, time.time_ns())


MEDIA_RECORDS = TopicFormat(
    lambda settings: settings.media_topic,
    _decode_shipped,
    lambda origin: encode_media(nothing_of(origin)),
)
SIGNALLING_RECORDS = TopicFormat(
    lambda settings: settings.signalling_topic,
    decode_record,
    lambda origin: encode_progress(Progress(origin, 0, (), (), ended=True)),
)
FEEDBACK_RECORDS = TopicFormat(lambda settings: settings.feedback_topic, _check_feedback, lambda _origin: b"")


class Ticket(NamedTuple):
    """Identifies a tuple in flight; Storm carries it as text."""

    partition: int
    epoch: int
    offset: int  # of the record; -1 for an expiry
    source: int  # that expires; -1 for a record

    def text(self) -> str:
        """Return the ticket as Storm carries it."""
        return ":".join(map(str, self))

    @classmethod
    def parse(cls, text: str) -> "Ticket":
        """Return the ticket of `text`."""
        return cls(*map(int, text.split(":")))


@dataclass(slots=True)
class _Source:
    last_record_s: float
    origin: Origin  # of its last record
    expiring: bool = False


class PartitionStream:
    """The state of one partition in one spout."""

    def __init__(
        self,
        partition: int,
        start: int,
        sequences: dict[int, int],
        epoch: int,
        records: TopicFormat = MEDIA_RECORDS,
    ) -> None:
        """`start` and `sequences` are what was committed; `epoch` is above every earlier one of this partition."""
        self.partition = partition
        self._records = records
        self.low_water = LowWater(start, sequences)
        self.epoch = epoch
        self._sequences: Counter[int] = Counter()  # tuples of this epoch, by the site that they go to
        self._sources: dict[int, _Source] = {}
        self._back_off_s = FIRST_BACK_OFF_S
        self._paused_until_s = 0.0
        self._highest_mark = start
        self.rewinds = 0
        self.repeats = 0

    @property
    def in_flight(self) -> int:
        """How many tuples are in flight."""
        return self.low_water.in_flight + sum(source.expiring for source in self._sources.values())

    def paused(self, now_s: float) -> bool:
        """Return whether the stream waits after a failure."""
        return now_s < self._paused_until_s

    def take(self, offset: int, data: bytes, now_s: float) -> tuple[Ticket, int] | None:
        """Accept the record at `offset`; return its ticket and sequence number, None when it is a repeat.

        The media tuples of a partition all go to one task and are numbered together; signalling tuples go to the
        task of their site, and each site has numbers of its own.

        Raises DecodeError for a broken record; the caller sets it aside and then calls `rejected`.
        """
        batch = self._records.decode(data)
        if batch is not None and self.low_water.is_repeat(batch):
            self.repeats += 1
            self.rejected(offset)
            return None
        if batch is not None:
            self._note_source(batch, now_s)
        self.low_water.emitted(offset, batch)
        site = 0 if batch is None or isinstance(batch, MediaBatch) else site_of(batch.origin.source)
        return Ticket(self.partition, self.epoch, offset, -1), self._next(site)

    def rejected(self, offset: int) -> None:
        """The record at `offset` needs no more work: it was set aside, or is a repeat."""
        self.low_water.emitted(offset, None)
        self.low_water.done(offset)

    def silent(self, now_s: float, timeout_s: float) -> tuple[Ticket, int, bytes] | None:
        """Return the expiry of a source that has pending flows but sent nothing for `timeout_s`, if there is one."""
        for number, source in list(self._sources.items()):
            if source.expiring or now_s - source.last_record_s <= timeout_s:
                continue
            if not self.low_water.pending_of(number):
                del self._sources[number]
                continue
            source.expiring = True
            site = 0 if self._records is MEDIA_RECORDS else site_of(number)
            ticket = Ticket(self.partition, self.epoch, -1, number)
            return ticket, self._next(site), self._records.expiry(source.origin)
        return None

    def caught_up(self, now_s: float, at_end: bool) -> None:
        """While there is more to read, no source counts as silent: its next record may lie ahead."""
        if not at_end:
            for source in self._sources.values():
                source.last_record_s = now_s

    def acked(self, ticket: Ticket) -> None:
        """A tuple was worked off: everything it led to is stored."""
        if ticket.epoch != self.epoch:
            return
        if ticket.offset >= 0:
            self.low_water.done(ticket.offset)
        else:
            self.low_water.expired(ticket.source)
            self._sources.pop(ticket.source, None)
        if self.low_water.mark > self._highest_mark:
            self._highest_mark = self.low_water.mark
            self._back_off_s = FIRST_BACK_OFF_S

    def failed(self, ticket: Ticket, now_s: float, epoch: int) -> int | None:
        """A tuple failed: return the offset to read on from in a new epoch; None for a tuple of an old epoch."""
        if ticket.epoch != self.epoch:
            return None
        return self.rewind(now_s, epoch)

    def rewind(self, now_s: float, epoch: int) -> int:
        """Begin a new epoch at the low-water mark, after a pause that grows as long as there is no progress."""
        mark, sequences = self.low_water.mark, self.low_water.sequences
        self.low_water = LowWater(mark, sequences)
        self.epoch = max(epoch, self.epoch + 1)
        self._sequences.clear()
        self._sources.clear()
        self._paused_until_s = now_s + self._back_off_s
        self._back_off_s = min(2 * self._back_off_s, LONGEST_BACK_OFF_S)
        self.rewinds += 1
        return mark

    def _note_source(self, batch: Batch, now_s: float) -> None:
        known = self._sources.get(batch.origin.source)
        if known is None:
            self._sources[batch.origin.source] = _Source(now_s, batch.origin)
        else:
            known.last_record_s, known.origin = now_s, batch.origin

    def _next(self, site: int) -> int:
        sequence = self._sequences[site]
        self._sequences[site] += 1
        return sequence
