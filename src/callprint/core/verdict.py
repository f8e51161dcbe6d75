"""The values that callprint tells the world: verdicts and flow summaries; all times are packet times."""

from dataclasses import dataclass
from typing import NamedTuple

UNKNOWN = "unknown"
"""The application of a verdict that is not sure enough."""

REASON_TOO_SHORT = "too_short"  # fewer packets than the smallest k of the model
REASON_LOW_CONFIDENCE = "low_confidence"  # confidence below the threshold of the model's card
REASON_NOVEL = "novel"  # the open-set score says: no application that the model knows

REASONS = (None, REASON_TOO_SHORT, REASON_LOW_CONFIDENCE, REASON_NOVEL)
"""Reasons by the number that a flow row and a judgement hold; None: the application is known."""

ENDED_NAMES = ("idle", "evicted", "capture_end")
"""What a summary says of the end of its flow, by the ENDED_ numbers of core/flow/layout.py."""

RUNNING = "running"
"""What stands in their place while a flow goes on."""


class FlowKey(NamedTuple):
    """One RTP source on a quad-tuple (ADR 0003). `first_seen_ns` tells a source that fell silent and came back."""

    src_ip: str
    src_port: int
    dst_ip: str
    dst_port: int
    ssrc: int  # synchronisation source of its RTP packets, RFC 3550
    first_seen_ns: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one look at a flow's evidence said. A later look is a new verdict; none is ever changed."""

    flow: FlowKey
    application: str  # the application of the flow's sender, or UNKNOWN
    best_application: str | None  # the best guess, also when unknown; None when nothing could be judged
    confidence: float  # calibrated probability of best_application, 0..1
    k: int  # RTP packets that were looked at
    final: bool  # True: made at the evidence horizon or at the flow's end; no later one follows
    model: str  # name and version of the model, "none" when no model looked
    started_midflow: bool  # the flow was already running when it was first seen
    last_seen_ns: int  # the last RTP packet that was looked at
    decided_at_ns: int  # packet time at which the evidence was complete
    reason: str | None = None  # a REASON_ when the application is UNKNOWN


@dataclass(frozen=True, slots=True)
class FlowSummary:
    """The counters and RTP statistics of a whole flow, known when it has ended (RFC 3550 A.3, A.8)."""

    flow: FlowKey
    payload_type: int
    codec: str  # from the static payload types of RFC 3551, else "dynamic"
    clock_rate_hz: int  # known from the payload type or estimated; 0 when neither worked
    packets: int  # RTP packets accepted by the filter
    bytes: int  # their UDP payload bytes
    long_packets: int  # RTP packets of the same source, too long for the filter
    rtcp_packets: int  # RTCP packets of the same sender
    expected: int  # packets that the sequence numbers say were sent
    lost: int  # expected minus received, never below 0
    duplicates: int
    reordered: int
    jitter_ms: float  # interarrival jitter at the end, RFC 3550 6.4.1
    last_seen_ns: int
    ended: str  # one of ENDED_NAMES, or RUNNING


@dataclass(frozen=True, slots=True)
class FlowReport:
    """A flow with its last verdict: one line of the table and one object of `--json`."""

    verdict: Verdict
    summary: FlowSummary
