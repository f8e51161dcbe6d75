"""Replays capture files at the speed of their packets, or at N times that speed."""

import time
from collections.abc import Iterable, Iterator

import numpy as np

from callprint.core.capture.packet_order import OrderedBatch

from .stopping import StopRequest

SLICE_NS = 50_000_000  # packets within this much capture time go together
EMPTY_BATCH_EVERY_S = 1.0  # during a silence


def paced(
    batches: Iterable[OrderedBatch],
    speed: float,
    stopping: StopRequest,
    *,
    longest_silence_s: float | None = None,
) -> Iterator[OrderedBatch]:
    """Yield packets no earlier than at `speed` times the capture's own pace; 0 means as fast as possible.

    Their times are believed ones, so that a clock that jumps delays nothing. There is no wait between two captures,
    whatever their times. Silences within a capture are kept, but not longer than `longest_silence_s` of capture time.
    During a silence empty batches let the consumer look at its clock. Nobody waits once `stopping` is made.
    """
    if speed <= 0:
        yield from batches
        return
    longest_ns = None if longest_silence_s is None else round(longest_silence_s * 1e9)
    due_s = 0.0  # when to yield what was captured at `last_ns`, on the monotonic clock
    last_ns: int | None = None
    clock: int | None = None
    for batch in batches:
        if not len(batch.records):
            yield batch
            continue
        if batch.begins_anew or batch.clock != clock:
            clock, last_ns = batch.clock, None
        times = batch.records["time_ns"]
        start = 0
        while start < len(times):
            now_ns = int(times[start])
            later = np.flatnonzero(times[start:] > now_ns + SLICE_NS)
            end = start + int(later[0]) if len(later) else len(times)
            if last_ns is None:
                last_ns, due_s = now_ns, time.monotonic()
            elif now_ns > last_ns:  # a late packet does not wait
                step_ns = now_ns - last_ns
                due_s += (step_ns if longest_ns is None else min(step_ns, longest_ns)) / 1e9 / speed
                last_ns = now_ns
            while (wait_s := due_s - time.monotonic()) > 0 and not stopping.is_made():
                stopping.wait(min(wait_s, EMPTY_BATCH_EVERY_S))
                if wait_s > EMPTY_BATCH_EVERY_S:
                    yield batch._replace(records=batch.records[:0], begins_anew=False)
            yield batch._replace(
                records=batch.records[start:end], begins_anew=batch.begins_anew and start == 0
            )
            start = end
