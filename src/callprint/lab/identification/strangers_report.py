"""The report's section on captures by others, most of them of applications that the model does not know."""

import csv
from collections.abc import Collection
from pathlib import Path

from callprint.core.dissect import dissect
from callprint.core.flow.engine import EngineSettings
from callprint.core.ground.errors import CaptureError
from callprint.core.verdict import UNKNOWN, FlowReport, Verdict
from callprint.core.verdicts.pipeline import IdentificationPipeline
from callprint.inference.onnx_identifier import OnnxIdentifier
from callprint.lab.identification.report_text import Report
from callprint.sources import open_captures
from callprint.training.examine import LEAST_PACKETS
from callprint.training.statistics import share

CAPTURE_LIMITS = EngineSettings(maximum_flows=1 << 16, evidence_memory_bytes=32 << 20)
MANIFEST = "manifest.csv"


def captured_applications(folder: Path) -> dict[str, str]:
    """Return the application of each capture that a manifest (columns `file` and `app`) in the folder names."""
    path = folder / MANIFEST
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        return {row["file"]: row["app"] for row in csv.DictReader(file) if row.get("file") and row.get("app")}


def is_known(application: str, classes: Collection[str]) -> bool:
    """Return whether an application as a manifest names it (`Asterisk testsuite`) is one of the model's classes."""
    words = application.lower().split()
    return bool(words) and words[0] in {name.lower() for name in classes}


def strangers_section(report: Report, folder: Path, identifier: OnnxIdentifier) -> None:
    """Append the section."""
    applications = captured_applications(folder)
    strangers: list[tuple[str, Verdict]] = []
    known: list[tuple[str, Verdict]] = []
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        name = path.relative_to(folder).as_posix()
        part = known if is_known(applications.get(name, ""), identifier.applications) else strangers
        part += [
            (name, found.verdict)
            for found in judge_capture(path, identifier)
            if found.verdict.k >= LEAST_PACKETS
        ]
    sure = [(name, verdict) for name, verdict in strangers if verdict.application != UNKNOWN]
    count = len(strangers)
    report.add("## Applications never trained on")
    report.add(
        f"Captures by others of applications and devices that the model does not know: {count} flows of at least "
        f"{LEAST_PACKETS} packets, of which {share(count - len(sure), count)} are `unknown`. The sure ones:"
    )
    report.table(
        ["capture", "named", "confidence", "packets"],
        [[name, verdict.application, f"{verdict.confidence:.1%}", str(verdict.k)] for name, verdict in sure],
    )
    if known:
        report.add(
            f"{len(known)} further flows are of applications that it knows, by the name of their capture. (Another "
            "version counts as another sender, and so does playing a file.) Its verdicts:"
        )
        report.table(
            ["capture", "application", "verdict", "best confidence", "packets"],
            [
                [
                    name,
                    applications[name],
                    verdict.application,
                    f"{verdict.confidence:.1%}",
                    str(verdict.k),
                ]
                for name, verdict in known
            ],
        )


def judge_capture(path: Path, identifier: OnnxIdentifier) -> list[FlowReport]:
    """Return the flows of a capture with their last verdicts; none when the file is no capture."""
    pipeline = IdentificationPipeline(identifier, CAPTURE_LIMITS)
    reports: list[FlowReport] = []
    try:
        for data, records in open_captures([path]):
            reports += pipeline.process(data, dissect(data, records)).reports
    except CaptureError:
        return []
    return reports + pipeline.finish().reports
