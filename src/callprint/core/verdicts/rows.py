"""Verdicts and flow summaries as rows with names: what Storm tuples, journals and snapshots hold."""

from callprint.core.ground.named_rows import NamedRows
from callprint.core.verdict import FlowSummary, RunningFlow, Verdict

# The fields of callprint 0.1.0, which wrote rows without names. They never change.
_FLOW_KEY = ("src_ip", "src_port", "dst_ip", "dst_port", "ssrc", "first_seen_ns")
_KEY = tuple(f"flow.{name}" for name in _FLOW_KEY)

VERDICTS = NamedRows(
    Verdict,
    released=(
        *_KEY,
        *("application", "best_application", "confidence", "k", "final", "model", "started_midflow"),
        *("last_seen_ns", "decided_at_ns", "reason"),
    ),
)

SUMMARIES = NamedRows(
    FlowSummary,
    released=(
        *_KEY,
        *("payload_type", "codec", "clock_rate_hz", "packets", "bytes", "long_packets", "rtcp_packets"),
        *("expected", "lost", "duplicates", "reordered", "jitter_ms", "last_seen_ns", "ended"),
    ),
)

RUNNING_FLOWS = NamedRows(RunningFlow, released=(*_KEY, "last_seen_ns"))
