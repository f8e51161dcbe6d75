"""Windows of evidence: k consecutive packets of a flow with the RTCP around them, cut from a whole-flow log.

A window is again an evidence log, so training, evaluation and serving compute features from the same bytes.
Compiled: a training run cuts new windows for every epoch.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from callprint.core.evidence import (
    EVIDENCE_HEADER,
    EVIDENCE_RTCP,
    EVIDENCE_RTP,
    HANDSHAKE_RECORDS,
    HORIZON_AFTER_NS,
    HORIZON_RTCP_PACKETS,
)
from callprint.core.ground.compiled import compiled_allocating, read_only
from callprint.training.renegotiate import MAXIMUM_GROWTH, renegotiate


@dataclass(frozen=True)
class Windows:
    """Evidence logs cut from flows: `spans[i]` delimits window i in `buffer`; `flow[i]` is its flow's index."""

    buffer: npt.NDArray[np.uint8]  # (bytes,) uint8
    spans: npt.NDArray[np.int64]  # (n, 2) int64
    flow: npt.NDArray[np.int64]  # (n,) int64
    packets: npt.NDArray[np.int64]  # (n,) int64, RTP packets in the window


Numbers = int | npt.NDArray[np.int64]
Flags = bool | npt.NDArray[np.bool_]


@compiled_allocating
def _index(buffer, start, end, times, offsets, sizes, kinds):
    """List the records of one log; returns how many."""
    count = 0
    at = start
    while at + EVIDENCE_HEADER <= end and count < times.shape[0]:
        time_ns = np.int64(0)
        for i in range(8):
            time_ns |= np.int64(buffer[at + i]) << (8 * i)
        size = EVIDENCE_HEADER + np.int64(buffer[at + 8]) + (np.int64(buffer[at + 9]) << 8)
        times[count] = time_ns
        offsets[count] = at
        sizes[count] = size
        kinds[count] = buffer[at + 10]
        count += 1
        at += size
    return count


@compiled_allocating
def _cut(buffer, start, end, first, packets, tail_ns, lead_ns, handshake, out, at):
    """Copy one window to out[at:]; returns (end of the copy, RTP packets copied)."""
    limit = (end - start) // EVIDENCE_HEADER + 1
    times = np.empty(limit, np.int64)
    offsets = np.empty(limit, np.int64)
    sizes = np.empty(limit, np.int64)
    kinds = np.empty(limit, np.uint8)
    count = _index(buffer, start, end, times, offsets, sizes, kinds)
    seen = 0
    begin_ns = np.int64(0)
    end_ns = np.int64(0)
    for i in range(count):
        if kinds[i] == EVIDENCE_RTP:
            if seen == first:
                begin_ns = times[i]
            if first <= seen < first + packets:
                end_ns = times[i]
            seen += 1
    if seen <= first:
        return at, 0
    seen = 0
    taken = 0
    reports = 0
    lead = -1  # the flow engine holds one RTCP packet, the latest, for a flow that may follow
    for i in range(count):
        if kinds[i] == EVIDENCE_RTCP and begin_ns - lead_ns <= times[i] < begin_ns:
            lead = i
    for i in range(count):
        if kinds[i] == EVIDENCE_RTP:
            if first <= seen < first + packets:
                out[at : at + sizes[i]] = buffer[offsets[i] : offsets[i] + sizes[i]]
                at += sizes[i]
                taken += 1
            seen += 1
        elif kinds[i] != EVIDENCE_RTCP:
            if handshake and first == 0:  # a later start would not have seen it
                out[at : at + sizes[i]] = buffer[offsets[i] : offsets[i] + sizes[i]]
                at += sizes[i]
        elif (i == lead or begin_ns <= times[i] <= end_ns + tail_ns) and reports < HORIZON_RTCP_PACKETS:
            out[at : at + sizes[i]] = buffer[offsets[i] : offsets[i] + sizes[i]]
            at += sizes[i]
            reports += 1
    return at, taken


@compiled_allocating
def _cut_all(
    buffer, spans, flow, first, packets, tail_ns, lead_ns, handshake, augment, seed, out, out_spans, taken
):
    np.random.seed(seed)
    scratch = np.empty(1 << 17, np.uint8)
    at = 0
    for i in range(flow.shape[0]):
        span = spans[flow[i]]
        end, taken[i] = _cut(
            buffer,
            span[0],
            span[1],
            first[i],
            packets[i],
            tail_ns[i],
            lead_ns[i],
            handshake[i],
            scratch,
            0,
        )
        out_spans[i, 0] = at
        if augment[i]:
            at, taken[i] = renegotiate(scratch, end, first[i], out, at)
        else:
            out[at : at + end] = scratch[:end]
            at += end
        out_spans[i, 1] = at
    return at


def _for_each(value: Numbers | Flags, count: int, kind: type[np.generic]) -> npt.NDArray[Any]:
    return np.full(count, value, kind)


def cut_windows(
    buffer: npt.NDArray[np.uint8],
    spans: npt.NDArray[np.int64],
    flow: npt.NDArray[np.int64],
    first: Numbers,
    packets: Numbers,
    *,
    tail: Flags = False,
    lead: Flags = False,
    handshake: Flags = True,
    augment: Flags = False,
    seed: int = 0,
) -> Windows:
    """Cut windows out of whole-flow evidence logs.

    buffer (bytes,) uint8, spans (flows, 2) int64: the logs; flow (n,) int64: the log of each window. The others are
    one value for each window, or one for all. `first`: the window's first RTP packet; `packets`: how many RTP packets
    (at most 128); `tail`: whether RTCP counts until HORIZON_AFTER_NS after the last one (a final verdict) or only up
    to it (an early one); `lead`: whether the last RTCP packet before the first one is kept; `handshake`: whether a
    window that begins with the flow has the handshake before it; `augment`: whether the window is renegotiated, with
    random numbers of `seed`. Windows that start beyond their flow's end come back empty.
    """
    count = len(flow)
    packets = np.minimum(_for_each(packets, count, np.int64), 128)
    after_ns = np.int64(HORIZON_AFTER_NS)
    taken = np.zeros(count, np.int64)
    out_spans = np.zeros((count, 2), np.int64)
    record = EVIDENCE_HEADER + 255 + MAXIMUM_GROWTH
    out = np.empty(
        int((packets + HORIZON_RTCP_PACKETS + HANDSHAKE_RECORDS).sum()) * record + record,
        np.uint8,
    )
    end = _cut_all(
        read_only(buffer),
        read_only(spans),
        np.asarray(flow, np.int64),
        _for_each(first, count, np.int64),
        packets,
        _for_each(tail, count, np.bool_) * after_ns,
        _for_each(lead, count, np.bool_) * after_ns,
        _for_each(handshake, count, np.bool_),
        _for_each(augment, count, np.bool_),
        seed,
        out,
        out_spans,
        taken,
    )
    return Windows(out[:end].copy(), out_spans, np.asarray(flow, np.int64), taken)
