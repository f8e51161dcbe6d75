"""Replays capture files at the speed of their packets, or at N times that speed."""

import time
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from callprint.core.ground.arrays import Array

from .stopping import StopRequest

SLICE_NS = 50_000_000  # packets within this much capture time go together
EMPTY_BATCH_EVERY_S = 1.0  # during a silence


def paced(
    batches: Iterable[tuple[Array, Array]],
    speed: float,
    stopping: StopRequest,
    *,
    capture: Callable[[], int] = lambda: 0,
    longest_silence_s: float | None = None,
) -> Iterator[tuple[Array, Array]]:
    """Yield (data, records) no earlier than at `speed` times the capture's own pace; 0 means as fast as possible.

    `capture` returns, for each batch, which capture it belongs to: there is no wait between two captures, whatever
    their times. Silences within a capture are kept, but not longer than `longest_silence_s` of capture time; when time
    jumps back, there is no wait either. During a silence empty batches let the consumer look at its clock. Nobody
    waits once `stopping` is made.
    """
    if speed <= 0:
        yield from batches
        return
    longest_ns = None if longest_silence_s is None else round(longest_silence_s * 1e9)
    due_s = 0.0  # when to yield what was captured at `last_ns`, on the monotonic clock
    last_ns: int | None = None
    current = None
    for data, records in batches:
        start = 0
        while start < len(records):
            now_ns = int(records["time_ns"][start])
            later = np.flatnonzero(np.abs(records["time_ns"][start:] - now_ns) > SLICE_NS)
            end = start + int(later[0]) if len(later) else len(records)
            if last_ns is None or now_ns < last_ns or capture() != current:
                current, due_s = capture(), time.monotonic()
            else:
                step_ns = now_ns - last_ns
                due_s += (step_ns if longest_ns is None else min(step_ns, longest_ns)) / 1e9 / speed
            while (wait_s := due_s - time.monotonic()) > 0 and not stopping.is_made():
                stopping.wait(min(wait_s, EMPTY_BATCH_EVERY_S))
                if wait_s > EMPTY_BATCH_EVERY_S:
                    yield data, records[:0]
            yield data, records[start:end]
            start, last_ns = end, now_ns
