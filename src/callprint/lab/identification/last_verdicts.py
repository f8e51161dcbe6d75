"""What becomes of the flows of a capture by others, with declared names."""

from pathlib import Path

from callprint.core.flow.engine import EngineSettings
from callprint.core.ground.errors import CaptureError
from callprint.core.spam.call_pipeline import CallPipeline
from callprint.core.verdict import FlowReport, Verdict
from callprint.core.verdicts.pipeline import IdentificationPipeline
from callprint.declared_names import shipped_names
from callprint.identification import CaptureRun
from callprint.inference.onnx_identifier import OnnxIdentifier
from callprint.sources import open_captures
from callprint.training.examine import LEAST_PACKETS

LIMITS = EngineSettings(maximum_flows=1 << 14, evidence_memory_bytes=32 << 20)


def last_verdicts(path: Path, identifier: OnnxIdentifier | None) -> list[Verdict]:
    """Return the last verdict on each flow of at least LEAST_PACKETS packets; of a file that is no capture none."""
    names = shipped_names()
    reports: list[FlowReport] = []
    run = CaptureRun(
        IdentificationPipeline(identifier, LIMITS, names=names),
        None,
        on_report=reports.append,
        calls=CallPipeline(names=names),
    )
    try:
        for _ in run.process_all(open_captures([str(path)])):
            pass
    except CaptureError:
        pass  # no capture, or a damaged one: what came before the damage counts
    run.finish()
    return [report.verdict for report in reports if report.verdict.k >= LEAST_PACKETS]
