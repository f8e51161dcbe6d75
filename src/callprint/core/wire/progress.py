"""The mark: what an agent says it has sent up to one moment of its packet time.

Media and signalling travel in many partitions, each at its own speed, and a partition in which nothing
happens is silent. A mark makes time of that: whoever has all batches that it counts knows everything that
the agent saw up to then. Its clock is the largest packet time since the mark before: where one capture follows
another, time may go back. Marks go to one partition of the signalling topic, numbered among its
batches. The last one of a run says that it has ended: the capture is over.
"""

from dataclasses import dataclass

import numpy as np

from callprint.core.ground.errors import DecodeError
from callprint.core.wire.frame import BatchType, Origin, decode_frame, encode_frame

MAXIMUM_PARTITIONS = 1 << 16
"""Of one topic; it bounds what a forged mark can ask for."""

_SENT = np.dtype([("batches", "<u8")])
_HEAD = np.dtype([("number", "<u8"), ("media_partitions", "<u4"), ("ended", "u1")])


@dataclass(frozen=True, slots=True)
class Progress:
    """Everything so far is in the batches that are counted here; `origin.clock_ns` is of the packets since the last."""

    origin: Origin
    number: int  # of this mark among those of its source, from 0
    media_sent: tuple[int, ...]  # for each partition of the media topic, how many batches were sent so far
    signalling_sent: tuple[int, ...]  # the same of the signalling topic, marks included, without this one
    ended: bool  # nothing of this source follows


def encode_progress(mark: Progress) -> bytes:
    """Return the mark as bytes."""
    sent = np.zeros(len(mark.media_sent) + len(mark.signalling_sent), dtype=_SENT)
    sent["batches"] = mark.media_sent + mark.signalling_sent
    head = np.zeros(1, dtype=_HEAD)
    head["number"], head["media_partitions"] = mark.number, len(mark.media_sent)
    head["ended"] = mark.ended
    return encode_frame(BatchType.PROGRESS, mark.origin, sent, head, np.zeros(0, dtype=np.uint8))


def decode_progress(data: bytes) -> Progress:
    """Return the mark that the bytes hold. Raises DecodeError that names the defect."""
    frame = decode_frame(data, BatchType.PROGRESS, _SENT, _HEAD)
    if len(frame.second) != 1 or len(frame.payload):
        raise DecodeError("a mark has one head and no payload")
    head = frame.second[0]
    media_partitions = int(head["media_partitions"])
    if media_partitions > len(frame.first) or len(frame.first) > 2 * MAXIMUM_PARTITIONS:
        raise DecodeError(
            f"a mark tells of {media_partitions} partitions of media and {len(frame.first)} in all"
        )
    if head["ended"] > 1:
        raise DecodeError("a mark neither says that its source has ended nor that it goes on")
    sent = tuple(frame.first["batches"].tolist())
    return Progress(
        frame.origin,
        int(head["number"]),
        sent[:media_partitions],
        sent[media_partitions:],
        bool(head["ended"]),
    )
