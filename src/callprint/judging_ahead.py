"""Flows are judged in a thread of its own, while the packets behind them are read and followed.

Features are compiled code and the network runs in ONNX Runtime: neither needs the interpreter, so two cores have work.
Batches are completed in their order, each before the one after it is handed out, and no result depends on how fast the
thread is. What waits is bounded: one batch, and the one that is being begun.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from callprint.core.flow.layout import EVENT_END
from callprint.core.packets import PacketKind
from callprint.core.verdicts.ahead import Begun
from callprint.core.verdicts.pipeline import IdentificationPipeline, PipelineOutput

_SIGNALLING = (PacketKind.SIP_UDP, PacketKind.SIP_TCP, PacketKind.FRAGMENT)
_NO_DATA = np.empty(0, np.uint8)


def more_than_one_core() -> bool:
    """Tell whether this process may use two processors at once."""
    return len(os.sched_getaffinity(0)) > 1


class WaitingBatch(NamedTuple):
    """A batch whose flows are being judged, with what call assembly will want of it: the rest is overwritten soon."""

    begun: list[Begun]
    kept: np.ndarray  # (m,) int64: which packets
    data: np.ndarray  # (bytes,) uint8
    packets: np.ndarray  # (m,) PACKET
    records: np.ndarray  # (m,) RECORD
    capture: str | None

    def complete(self, pipeline: IdentificationPipeline) -> PipelineOutput:
        """Wait, and return what the batch brought about; its `report_packets` are indices of `packets`."""
        output = pipeline.complete(self.begun)
        output.report_packets = np.searchsorted(self.kept, output.report_packets).tolist()
        return output


class JudgingAhead:
    """One thread, which judges what it is given, in that order."""

    def __init__(self) -> None:
        """Start no thread yet."""
        self._threads = ThreadPoolExecutor(1, "judging")

    def begin(
        self,
        pipeline: IdentificationPipeline,
        data: np.ndarray,
        packets: np.ndarray,
        records: np.ndarray,
        capture: str | None,
    ) -> WaitingBatch:
        """Take a batch in and begin to judge its flows; the arguments are those of CaptureRun.process."""
        begun = pipeline.begin(data, packets, capture, self.submit)
        kinds = packets["kind"]
        wanted = np.isin(kinds, _SIGNALLING)
        has_messages = bool(wanted.any())
        _keep_newest(packets["time_ns"], begun, wanted)
        kept = np.flatnonzero(wanted)
        return WaitingBatch(
            begun, kept, data.copy() if has_messages else _NO_DATA, packets[kept], records[kept], capture
        )

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Callable[[], Any]:
        """Have the thread call a function; return what waits for it, and gives its result or raises its error."""
        return self._threads.submit(function, *arguments).result


def _keep_newest(times_ns: np.ndarray, begun: list[Begun], wanted: np.ndarray) -> None:
    """Choose of the packets between ends of flows, which call assembly gets together, one of the newest.

    Packets that are no message only let time pass there. wanted: (n,) bool.
    """
    ends = [drain.events["packet"][drain.events["kind"] == EVENT_END] for drain, _ in begun]
    bounds = np.unique(np.concatenate([*ends, [0, len(wanted)]])).tolist()
    for begin, end in pairwise(bounds):
        wanted[begin + int(times_ns[begin:end].argmax())] = True
