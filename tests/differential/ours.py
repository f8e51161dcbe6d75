"""What callprint says about the streams and messages of a capture, in the words of the comparison."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from differential.tshark_streams import StreamKey

from callprint.core.dissect import dissect
from callprint.core.flow.engine import EngineSettings
from callprint.core.packets import Outcome
from callprint.core.signalling.defects import SipError
from callprint.core.signalling.reader import SignallingReader
from callprint.core.signalling.sip import parse_message
from callprint.core.spam.call_pipeline import CallPipeline
from callprint.core.verdict import FlowSummary
from callprint.core.verdicts.pipeline import IdentificationPipeline
from callprint.identification import CaptureRun
from callprint.sources import open_captures

ENGINE = EngineSettings(maximum_flows=1 << 16, evidence_memory_bytes=32 << 20)


@dataclass
class Found:
    """What callprint found in one capture."""

    streams: dict[StreamKey, list[FlowSummary]] = field(default_factory=lambda: defaultdict(list))
    requests: Counter[str] = field(default_factory=Counter)
    responses: Counter[int] = field(default_factory=Counter)
    damaged: Counter[str] = field(default_factory=Counter)  # messages that do not parse
    calls: set[str] = field(default_factory=set)
    outcomes: dict[Outcome, int] = field(default_factory=dict)


def read(capture: Path) -> Found:
    """Run the embedded path without a network; the counts do not need one."""
    found = Found()
    calls = CallPipeline()
    run = CaptureRun(
        IdentificationPipeline(None, ENGINE),
        None,
        on_report=lambda report: _take(report.summary, found),
        calls=calls,
        on_call=lambda call: found.calls.add(call.call_id),
    )
    reader, source = SignallingReader(), open_captures([capture])
    for data, records in source:
        for message in reader.read(data, dissect(data, records), records):
            _count(message.payload, found)
        run.take(
            data, records, source.capture, source.clock, source.buffer, source.rows
        )  # may move the records
    run.finish()
    found.outcomes = run.pipeline.engine.outcomes
    return found


def _take(summary: FlowSummary, found: Found) -> None:
    flow = summary.flow
    key = StreamKey(flow.src_ip, flow.src_port, flow.dst_ip, flow.dst_port, flow.ssrc)
    found.streams[key].append(summary)


def _count(payload: bytes, found: Found) -> None:
    try:
        message = parse_message(payload)
    except SipError as error:
        found.damaged[error.defect] += 1
        return
    if message.is_request:
        found.requests[message.method] += 1
    else:
        found.responses[message.status] += 1
