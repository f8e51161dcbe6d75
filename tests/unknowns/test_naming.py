"""A named cluster becomes a folder that training reads: the same packets, the same times, nothing twice."""

import csv
import subprocess
from pathlib import Path

import numpy as np
import pytest
from evidence_logs import record, steady_flow
from verdict_samples import JAMI_IPV6, LINPHONE

from callprint.core.dissect import dissect
from callprint.core.evidence import (
    EVIDENCE_DTLS,
    EVIDENCE_RTCP,
    EVIDENCE_RTP,
    EVIDENCE_RTP_HEADER,
    EVIDENCE_STUN,
    split,
)
from callprint.core.flow import EngineSettings
from callprint.core.ground.errors import DatasetError
from callprint.core.identify.decision import LOW_CONFIDENCE, Decisions
from callprint.core.verdicts.pipeline import IdentificationPipeline
from callprint.sources import open_captures
from callprint.stores import UnknownEvidence
from callprint.training.dataset import build_dataset
from callprint.unknowns.clusters import KeptFlow, flow_digest
from callprint.unknowns.naming import engine_of, flow_capture, named_flows, session_name, write_named

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "applications.pcapng"


class Nobody:
    """Knows no application."""

    name, digest, applications, engines, minimum_k = "nobody 1", "00" * 8, ("one",), ("one",), 2

    def identify(self, evidence, spans):
        count = len(spans)
        return Decisions(
            np.zeros(count, np.int16),
            np.zeros(count, np.float32),
            np.full(count, LOW_CONFIDENCE, np.uint8),
            np.full(count, -1, np.int16),
            np.zeros(count, np.float32),
        )


@pytest.fixture(scope="module")
def flows():
    """Every flow of the sample capture, unknown."""
    pipeline = IdentificationPipeline(Nobody(), EngineSettings(maximum_flows=4096), keep_unknown=True)
    kept = []
    for data, records in open_captures([SAMPLE]):
        kept += pipeline.process(data, dissect(data, records)).unknown
    kept += pipeline.finish().unknown
    return [
        KeptFlow(
            UnknownEvidence(verdict.flow, verdict.decided_at_ns, verdict.k, verdict.model, log),
            flow_digest(verdict.flow), "PCMU", "one", 0.5,
        )
        for verdict, log in kept
    ]  # fmt: skip


def test_training_sees_the_packets_that_were_kept(flows, tmp_path):
    assert len(flows) >= 8
    kinds = {EVIDENCE_RTP, EVIDENCE_RTCP, EVIDENCE_STUN, EVIDENCE_DTLS}
    assert {kind for flow in flows for _, kind, _ in records_of(flow)} == {*kinds, EVIDENCE_RTP_HEADER}
    assert write_named(tmp_path, "Zoiper", "its own", flows) == len(flows)
    dataset, report = build_dataset(tmp_path)
    assert (report.flows, report.labels_without_flow, report.unlabelled_flows) == (len(flows), 0, 0)
    assert set(dataset.application) == {"Zoiper"}
    assert set(dataset.engine) == {"its own"}
    by_capture = {
        str(capture): dataset.buffer[start:end].tobytes()
        for capture, (start, end) in zip(dataset.capture, dataset.spans, strict=True)
    }
    for flow in flows:
        # Headers from before there were enough whole packets count for nothing.
        counting = [entry for entry in records_of(flow) if entry[1] in kinds]
        log = b"".join(record(time_ns, payload, kind) for time_ns, kind, payload in counting)
        assert by_capture[f"Zoiper/{flow.digest}.pcap"] == log


def records_of(flow):
    return split(np.frombuffer(flow.kept.evidence, np.uint8))


def test_what_is_named_twice_is_there_once(flows, tmp_path):
    assert write_named(tmp_path, "Zoiper", "Zoiper", flows[:3]) == 3
    assert write_named(tmp_path, "Linphone 5", "oRTP", flows) == len(flows) - 3
    assert write_named(tmp_path, "Zoiper", "Zoiper", flows) == 0
    assert named_flows(tmp_path) == {flow.digest for flow in flows}
    rows = list(csv.DictReader((tmp_path / "flows.csv").open()))
    assert len(rows) == len(flows)
    assert {row["application"] for row in rows} == {"Zoiper", "Linphone 5"}
    assert len(build_dataset(tmp_path)[0].packets) == len(flows)


@pytest.mark.parametrize(
    ("application", "engine"), [("pjsua", "of the card"), ("blink", "PJMEDIA"), ("nobody", "nobody")]
)
def test_an_application_has_the_engine_of_the_network_then_of_the_table(application, engine):
    assert engine_of(application, {"pjsua": "of the card"}) == engine


def test_both_directions_belong_to_one_call():
    back = LINPHONE._replace(
        src_ip=LINPHONE.dst_ip, src_port=LINPHONE.dst_port, dst_ip=LINPHONE.src_ip, dst_port=LINPHONE.src_port
    )
    assert session_name(LINPHONE) == session_name(back) != session_name(JAMI_IPV6)


def test_other_programs_read_the_captures(flows, tmp_path):
    for version, key in ((4, LINPHONE), (6, JAMI_IPV6)):
        kept = flows[0].kept._replace(flow=key)
        flow = KeptFlow(kept, f"{version}" * 8, "PCMU", "one", 0.5)
        write_named(tmp_path, "Zoiper", "Zoiper", [flow])
        try:
            said = subprocess.run(
                ["tcpdump", "-nn", "-v", "-r", tmp_path / "Zoiper" / f"{flow.digest}.pcap"],
                capture_output=True, text=True, check=True,
            )  # fmt: skip
        except FileNotFoundError:
            pytest.skip("tcpdump is not installed")
        assert said.stdout.count("UDP, length") == len(records_of(flow))
        assert "bad" not in said.stdout
        assert key.dst_ip in said.stdout


@pytest.mark.parametrize("name", ["", "unknown", "../etc", "a/b", "-x", "x" * 65, "é\n", ".hidden"])
def test_a_name_that_is_none(name, tmp_path):
    with pytest.raises(DatasetError, match="cannot name"):
        write_named(tmp_path, name, name, [])
    assert list(tmp_path.iterdir()) == []


def test_labels_of_another_kind_are_left_alone(flows, tmp_path):
    (tmp_path / "flows.csv").write_text("capture,application\n")
    with pytest.raises(DatasetError, match="other columns"):
        write_named(tmp_path, "Zoiper", "Zoiper", flows[:1])
    assert (tmp_path / "flows.csv").read_text() == "capture,application\n"


@pytest.mark.parametrize("start_ns", [-(1 << 62), -1, (1 << 32) * 10**9 - 1, (1 << 62) - 10**12])
def test_times_that_no_pcap_has_keep_their_distances(tmp_path, start_ns):
    path = tmp_path / "flow.pcap"
    path.write_bytes(flow_capture(LINPHONE, steady_flow(5, start_ns=start_ns)))
    (times,) = (records["time_ns"].tolist() for _, records in open_captures([path]))
    assert times == [20_000_000 * i for i in range(5)]


def test_a_handshake_longer_than_a_datagram_is_cut():
    hello = b"\x16\xfe\xfd" + bytes(8) + b"\xff\xff\x01"
    assert flow_capture(LINPHONE, record(1, hello, EVIDENCE_DTLS))


def test_a_flow_whose_label_was_never_written_can_still_be_named(flows, tmp_path):
    def interrupted():
        yield flows[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_named(tmp_path, "Zoiper", "Zoiper", interrupted())
    assert named_flows(tmp_path) == frozenset()
    assert write_named(tmp_path, "Zoiper", "Zoiper", flows[:2]) == 2
    assert named_flows(tmp_path) == {flow.digest for flow in flows[:2]}


def test_a_table_whose_last_line_an_editor_left_open_is_continued_on_a_line_of_its_own(flows, tmp_path):
    write_named(tmp_path, "Zoiper", "Zoiper", flows[:1])
    labels = tmp_path / "flows.csv"
    labels.write_text(labels.read_text().rstrip())
    write_named(tmp_path, "Zoiper", "Zoiper", flows[1:2])
    assert len(build_dataset(tmp_path)[0].packets) == 2


def test_a_table_that_a_spreadsheet_saved_with_a_mark_is_still_ours(flows, tmp_path):
    write_named(tmp_path, "Zoiper", "Zoiper", flows[:1])
    labels = tmp_path / "flows.csv"
    labels.write_bytes(b"\xef\xbb\xbf" + labels.read_bytes())
    assert named_flows(tmp_path) == {flows[0].digest}
    assert write_named(tmp_path, "Zoiper", "Zoiper", flows[:2]) == 1
    assert len(build_dataset(tmp_path)[0].packets) == 2
