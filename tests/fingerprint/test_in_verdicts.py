"""Fingerprints in verdicts and reports: of both paths, whatever the batches, and never those of another flow."""

from types import SimpleNamespace

import numpy as np
import pytest
from call_stream import frames_of
from evidence_logs import record, rtp
from length_identifier import ByLength
from sip_scenario import talking, write_capture

from callprint.core.dissect import dissect
from callprint.core.evidence import EVIDENCE_RTP
from callprint.core.flow import EngineSettings
from callprint.core.verdicts.fingerprints import KeptFingerprints
from callprint.core.verdicts.pipeline import IdentificationPipeline

SMALL = EngineSettings(maximum_flows=4096, maximum_candidates=1024, evidence_memory_bytes=16 << 20)


@pytest.mark.parametrize("batch", [7, 1000])
def test_every_verdict_and_the_report_at_the_end_have_one(batch, tmp_path):
    path = tmp_path / "media.pcap"
    write_capture(path, talking(("10.0.0.1", 4000), ("10.0.0.2", 5000), 0, 3, 7))
    data, records = frames_of(path)
    rows = dissect(data, records)
    pipeline = IdentificationPipeline(ByLength(), SMALL)
    outputs = [pipeline.process(data, rows[at : at + batch]) for at in range(0, len(rows), batch)]
    (running,) = pipeline.reports_so_far()
    outputs.append(pipeline.finish())
    verdicts = [verdict for output in outputs for verdict in output.verdicts]
    (report,) = [report for output in outputs for report in output.reports]
    found = {verdict.fingerprint for verdict in [*verdicts, report.verdict, running.verdict]}
    assert len(verdicts) > 1
    assert found == {"mf1_-_00lnnnn_-_-"}, "looks after 10 and after 100 packets agree"


def drain_of(flows: list[tuple[int, int]], sequences: list[int]) -> tuple[SimpleNamespace, np.ndarray]:
    """Events about flows by (row, generation), each with a log that begins at its sequence number."""
    logs = [record(9, rtp(sequence, 1 << 31), EVIDENCE_RTP) for sequence in sequences]
    ends = np.cumsum([len(log) for log in logs])
    events = {
        "row": np.array([row for row, _ in flows]),
        "start": ends - [len(log) for log in logs],
        "end": ends,
    }
    tenants = {"generation": np.array([generation for _, generation in flows], np.uint32)}
    return SimpleNamespace(events=events, evidence=np.frombuffer(b"".join(logs), np.uint8)), tenants


def test_two_tenants_of_a_row_in_one_drain_and_a_tenant_that_comes_later():
    kept = KeptFingerprints(4)
    counted, random = "mf1_-_0rrnnnn_-_-", "mf1_-_rrrnnnn_-_-"
    drain, flows = drain_of([(3, 1), (3, 1), (3, 2)], [5, 5, 7000])
    given, ends = np.array([0, 2]), np.array([1])
    assert kept.take(drain, flows, given, ends) == ([counted, random], [counted])
    rows = np.array([3, 3, 3])
    assert kept.of(rows, np.array([1, 2, 3], np.uint32)) == [None, random, None]
    drain, flows = drain_of([(3, 2), (3, 3)], [5, 5])
    assert kept.take(drain, flows, np.zeros(0, np.int64), np.array([0, 1])) == ([], [random, None])
