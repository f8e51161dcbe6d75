"""Flow reports are valid JSON objects of the schema, for flows made here and for other people's captures."""

import json
from importlib.resources import files
from types import SimpleNamespace

import numpy as np
import pytest
from flow.packet_rows import packet_rows, stream
from jsonschema import Draft202012Validator, FormatChecker

from callprint.core.dissect import dissect
from callprint.core.flow import EngineSettings
from callprint.core.ground.errors import CaptureError
from callprint.core.packets import PacketKind
from callprint.core.verdict import BASED_ON_HEADERS, REASON_TOO_SHORT, UNKNOWN
from callprint.core.verdicts.pipeline import IdentificationPipeline
from callprint.output.json_lines import flow_object
from callprint.sources import open_captures

SMALL = EngineSettings(maximum_flows=4096, maximum_candidates=1024, evidence_memory_bytes=16 << 20)


@pytest.fixture(scope="module")
def validator():
    schema = json.loads((files("callprint") / "schemas" / "flow.schema.json").read_text())
    return Draft202012Validator(schema, format_checker=FormatChecker())


def test_without_a_model_a_flow_of_packets_that_are_all_too_long_is_unknown_with_a_reason(validator):
    pipeline = IdentificationPipeline(None, SMALL)
    data, rows = packet_rows(stream(20, kind=PacketKind.RTP_LONG, size=900))
    outputs = [pipeline.process(data, rows), pipeline.finish()]
    (report,) = [report for output in outputs for report in output.reports]
    (verdict,) = [verdict for output in outputs for verdict in output.verdicts]
    assert report.verdict == verdict, "the reported verdict is also stored"
    assert (verdict.application, verdict.reason, verdict.k, verdict.final, verdict.based_on) == (
        UNKNOWN,
        REASON_TOO_SHORT,
        20,
        True,
        BASED_ON_HEADERS,
    )
    assert verdict.decided_at_ns == rows["time_ns"][-1]
    assert (report.summary.packets, report.summary.long_packets) == (0, 20)
    validator.validate(flow_object(report))


class Namer:
    """An identifier that is always sure."""

    name = "namer-1"
    digest = "a1" * 8
    applications = ("zoiper",)
    engines = ("its own",)
    minimum_k = 4

    def identify(self, evidence, spans):
        n = len(spans)
        return SimpleNamespace(
            application=np.zeros(n, np.int16),
            confidence=np.ones(n, np.float32),
            reason=np.zeros(n, np.uint8),
            engine=np.zeros(n, np.int16),
            engine_confidence=np.ones(n, np.float32),
        )


@pytest.mark.parametrize(
    ("packets", "application", "model"), [(3, UNKNOWN, "none"), (4, "zoiper", "namer-1")]
)
def test_the_verdict_of_a_flow_that_no_model_looked_at_names_no_model(validator, packets, application, model):
    pipeline = IdentificationPipeline(Namer(), SMALL)
    pipeline.process(*packet_rows(stream(packets)))
    (report,) = pipeline.finish().reports
    assert (report.verdict.application, report.verdict.model) == (application, model)
    assert (report.verdict.best_application is None) == (model == "none")
    validator.validate(flow_object(report))


def test_every_flow_of_real_captures_is_a_valid_object(validator, public_corpus):
    captures = sorted((public_corpus / "ntop+nDPI").rglob("*.pcap*"))
    flows = 0
    for path in captures:
        pipeline = IdentificationPipeline(None, SMALL)
        reports = []
        try:
            for data, records in open_captures([path]):
                reports += pipeline.process(data, dissect(data, records)).reports
        except CaptureError:
            continue
        reports += pipeline.finish().reports
        for report in reports:
            validator.validate(flow_object(report))
        keys = {(report.verdict.flow, report.verdict.model, report.verdict.k) for report in reports}
        assert len(keys) == len(reports), f"two flows of {path} would share a row of the store"
        flows += len(reports)
    assert flows > 100
