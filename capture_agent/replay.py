"""Capture files at the speed of their packets, or at N times that speed."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
SLICE_NS = 50_000_000  # packets of so much capture time go together
SIGN_OF_LIFE_S = 1.0  # in a silence, an empty batch comes this often


def paced(
    batches: Iterable[tuple[Array, Array]],
    speed: float,
    stopping: threading.Event,
    *,
    capture: Callable[[], int] = lambda: 0,
    longest_silence_s: float | None = None,
) -> Iterator[tuple[Array, Array]]:
    """Yield (data, records) no earlier than `speed` times the capture's own pace; 0 means as fast as it goes.

    `capture` says, after each batch, which capture it is of: nothing is waited for between one and the next,
    whatever their times. Silences within one are kept, but for `longest_silence_s` of capture time at the most; where
    time goes back, it begins anew. Empty batches in between let the consumer look at its clock. Nobody waits once
    `stopping` is set.
    """
    if speed <= 0:
        yield from batches
        return
    longest_ns = None if longest_silence_s is None else round(longest_silence_s * 1e9)
    due_s = 0.0  # when what comes at `last_ns` is to be told, on the monotonic clock
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
            while (wait_s := due_s - time.monotonic()) > 0 and not stopping.is_set():
                stopping.wait(min(wait_s, SIGN_OF_LIFE_S))
                if wait_s > SIGN_OF_LIFE_S:
                    yield data, records[:0]
            yield data, records[start:end]
            start, last_ns = end, now_ns
