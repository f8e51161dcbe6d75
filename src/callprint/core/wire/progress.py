"""Progress: what an agent has sent up to one moment of its packet time.

Media and signalling travel in many partitions, each at its own speed, and a partition in which nothing happens is
silent. Progress makes time of that: whoever has all batches that a progress record counts knows everything that the
agent saw up to then. The record's clock is the largest packet time since the previous record: where one capture
follows another, time may go back. Progress records go to one partition of the signalling topic and are numbered
among its batches. The last one of a run says that the run has ended: the capture is over. Another may say that an
earlier capture follows.
"""

from dataclasses import dataclass

import numpy as np

from callprint.core.ground.errors import DecodeError
from callprint.core.wire.frame import BatchFormat, BatchType, Origin, TableFormat

MAXIMUM_PARTITIONS = 1 << 16
"""Of one topic; it bounds what a forged record can ask for."""

# Released layouts: they never change. A new column goes into a further layout at the end, as core/wire/frame.py says.
_SENT_LAYOUTS = (np.dtype([("batches", "<u8")]),)
_HEAD_LAYOUTS = (np.dtype([("number", "<u8"), ("media_partitions", "<u4"), ("ended", "u1")]),)
FORMAT = BatchFormat(BatchType.PROGRESS, TableFormat(_SENT_LAYOUTS), TableFormat(_HEAD_LAYOUTS))

_ENDED, _BEGINS_ANEW = 1, 2  # in the column `ended`


@dataclass(frozen=True, slots=True)
class Progress:
    """Everything so far is in the batches that are counted here; `origin.clock_ns` is of the packets since the last."""

    origin: Origin
    number: int  # among the progress records of its source, from 0
    media_sent: tuple[int, ...]  # for each partition of the media topic, how many batches were sent so far
    signalling_sent: tuple[int, ...]  # the same for the signalling topic, earlier progress records included
    ended: bool  # nothing of this source follows
    begins_anew: bool = False  # an earlier capture follows: what was seen so far has ended


def encode_progress(progress: Progress) -> bytes:
    """Return the record as bytes."""
    sent = np.zeros(len(progress.media_sent) + len(progress.signalling_sent), dtype=FORMAT.first.latest)
    sent["batches"] = progress.media_sent + progress.signalling_sent
    head = np.zeros(1, dtype=FORMAT.second.latest)
    head["number"], head["media_partitions"] = progress.number, len(progress.media_sent)
    head["ended"] = _ENDED if progress.ended else _BEGINS_ANEW if progress.begins_anew else 0
    return FORMAT.encode(progress.origin, sent, head, np.zeros(0, dtype=np.uint8))


def decode_progress(data: bytes) -> Progress:
    """Return the progress that the bytes hold. Raises DecodeError that names the defect."""
    frame = FORMAT.decode(data)
    if len(frame.second) != 1 or len(frame.payload):
        raise DecodeError("a progress record has one head and no payload")
    head = frame.second[0]
    media_partitions = int(head["media_partitions"])
    if media_partitions > len(frame.first) or len(frame.first) > 2 * MAXIMUM_PARTITIONS:
        raise DecodeError(
            f"a progress record counts {media_partitions} partitions of media and {len(frame.first)} in all"
        )
    if head["ended"] > _BEGINS_ANEW:
        raise DecodeError("a progress record says neither that its source has ended nor that it goes on")
    sent = tuple(frame.first["batches"].tolist())
    return Progress(
        frame.origin,
        int(head["number"]),
        sent[:media_partitions],
        sent[media_partitions:],
        ended=bool(head["ended"] == _ENDED),
        begins_anew=bool(head["ended"] == _BEGINS_ANEW),
    )
