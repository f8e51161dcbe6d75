"""JSON Lines: one object for each flow, the promise of docs/use/json.md and schemas/flow.schema.json."""

import json
from collections.abc import Iterable
from typing import Any, Protocol, TextIO

from callprint.core.ground.community_id import community_id
from callprint.core.verdict import RUNNING, FlowSummary, Verdict


class Reported(Protocol):
    """A verdict and what is known of its flow: core.verdict.FlowReport and stores.StoredVerdict are such."""

    @property
    def verdict(self) -> Verdict:
        """The verdict."""

    @property
    def summary(self) -> FlowSummary | None:
        """The statistics of the flow, None while it goes on."""


STATISTICS = (
    "payload_type",
    "codec",
    "clock_rate_hz",
    "bytes",
    "long_packets",
    "rtcp_packets",
    "expected",
    "lost",
    "duplicates",
    "reordered",
    "jitter_ms",
)
"""Fields of a flow object that may be null while the flow goes on."""


def flow_object(report: Reported) -> dict[str, Any]:
    """Return the JSON object of a flow, its keys always the same and in the same order."""
    verdict, summary = report.verdict, report.summary
    flow = verdict.flow
    statistics = {name: None if summary is None else getattr(summary, name) for name in STATISTICS}
    if summary is not None:
        statistics["jitter_ms"] = round(summary.jitter_ms, 3)
    return {
        "type": "flow",
        "src_ip": flow.src_ip,
        "src_port": flow.src_port,
        "dst_ip": flow.dst_ip,
        "dst_port": flow.dst_port,
        "ssrc": flow.ssrc,
        "application": verdict.application,
        "best_application": verdict.best_application,
        "confidence": round(verdict.confidence, 6),
        "k": verdict.k,
        "packets": verdict.k if summary is None else summary.packets,
        "final": verdict.final,
        "reason": verdict.reason,
        "model": verdict.model,
        "started_midflow": verdict.started_midflow,
        "first_seen_ns": flow.first_seen_ns,
        "last_seen_ns": verdict.last_seen_ns if summary is None else summary.last_seen_ns,
        "decided_at_ns": verdict.decided_at_ns,
        "community_id": community_id(flow.src_ip, flow.src_port, flow.dst_ip, flow.dst_port),
        **statistics,
        "ended": RUNNING if summary is None else summary.ended,
    }


def write_json_lines(reports: Iterable[Reported], stream: TextIO) -> int:
    """Write one line for each report and return how many. The lines are ASCII, whatever the names hold."""
    lines = 0
    for report in reports:
        # allow_nan: NaN is no JSON; better a loud ValueError here than a line that no other program reads.
        stream.write(json.dumps(flow_object(report), allow_nan=False) + "\n")
        lines += 1
    return lines
