"""A name that RTCP or H.323 declares is in the verdicts of both paths: from the moment at which it was said."""

import struct

import numpy as np
import pytest
from call_stream import frames_of
from h225_messages import ALERTING, Message, Vendor
from length_identifier import ByLength
from sip_scenario import talking, write_capture

from callprint.core.dissect import dissect
from callprint.core.flow.engine import EngineSettings, FlowEngine
from callprint.core.packets import PacketKind
from callprint.core.relay.flow_assembly import PartitionAssembly
from callprint.core.relay.flow_judging import PartJudge
from callprint.core.relay.shipping import Shipper
from callprint.core.verdict import REASON_CONTRADICTED, UNKNOWN
from callprint.core.verdicts.pipeline import IdentificationPipeline, PipelineOutput
from callprint.core.wire.media import decode_media, encode_media
from callprint.declared_names import shipped_names

SETTINGS = EngineSettings(maximum_flows=64, maximum_candidates=64, evidence_memory_bytes=1 << 20)
NAMES = shipped_names()
SENDER, RECEIVER = ("10.0.0.1", 4000), ("10.0.0.2", 5000)
GATEWAY = ("10.0.0.3", 4000)
CONTROL = ("10.0.0.1", 4001), ("10.0.0.2", 5001)


def report(ssrc: int, note: bytes) -> bytes:
    chunk = struct.pack("!IBB", ssrc, 7, len(note)) + note + b"\0"
    chunk += b"\0" * (-len(chunk) % 4)
    sender = struct.pack("!BBHIIIIII", 0x80, 200, 6, ssrc, 1, 2, 3, 4, 5)
    return sender + struct.pack("!BBH", 0x81, 202, len(chunk) // 4) + chunk


@pytest.fixture(scope="module")
def packets(tmp_path_factory):
    """Three flows: one signs its reports after half a second, one signs nothing, one is of an H.323 gateway."""
    path = tmp_path_factory.mktemp("declared") / "media.pcap"
    sent = talking(SENDER, RECEIVER, 0, 4, 7) + talking(RECEIVER, SENDER, 0, 4, 8)
    sent += [(0.5 + 0.7 * i, *CONTROL, report(7, b"FreeSWITCH.org 1.10.7")) for i in range(4)]
    sent += talking(GATEWAY, RECEIVER, 0, 4, 9)
    write_capture(path, sent)
    data, records = frames_of(path)
    rows = dissect(data, records)
    message = Message(ALERTING, Vendor((181, 0, 18))).encode()
    said = rows[rows["src_lo"] & 0xFF == 3][:1].copy()
    said["kind"], said["transport"], said["src_port"], said["dst_port"] = PacketKind.H225, 6, 1720, 32803
    said["time_ns"] -= 1_000_000_000
    said["offset"], said["length"] = len(data), len(message)
    return np.append(data, np.frombuffer(message, np.uint8)), np.concatenate([said, rows])


def embedded(packets) -> PipelineOutput:
    pipeline = IdentificationPipeline(ByLength(), SETTINGS, keep_unknown=True, names=NAMES)
    output, rest = pipeline.process(*packets), pipeline.finish()
    return PipelineOutput(
        output.verdicts + rest.verdicts,
        output.reports + rest.reports,
        unknown=output.unknown + rest.unknown,
    )


def test_names_come_with_the_verdicts(packets):
    output = embedded(packets)
    signed = [verdict for verdict in output.verdicts if verdict.flow.ssrc == 7]
    *early, final = signed
    assert [verdict.declared_application for verdict in early] == [None], (
        "it was sure before the first report came"
    )
    assert (final.declared_application, final.declared_version, final.declared_by) == (
        "freeswitch",
        "1.10.7",
        "rtcp",
    )
    assert (final.application, final.reason) == (UNKNOWN, REASON_CONTRADICTED)
    assert {verdict.declared_by for verdict in output.verdicts if verdict.flow.ssrc == 8} == {None}
    of_gateway = [verdict for verdict in output.verdicts if verdict.flow.ssrc == 9]
    assert {(verdict.declared_application, verdict.declared_by) for verdict in of_gateway} == {
        ("cisco-gateway", "h323")
    }
    assert {report.verdict for report in output.reports} <= set(output.verdicts), (
        "the report at the end has the name, too"
    )
    unknown = [verdict for verdict, _ in output.unknown if verdict.flow.ssrc == 7]
    assert unknown == [final], "it can be learned from"


@pytest.mark.parametrize("batch_packets", [7, 5000])
def test_parts_behind_kafka_have_the_same_names(packets, batch_packets):
    data, rows = packets
    engine, shipper = FlowEngine(SETTINGS), Shipper(1, 1, SETTINGS.maximum_flows)
    sent = []
    for at in range(0, len(rows), batch_packets):
        for drain in engine.process(data, rows[at : at + batch_packets]):
            sent += shipper.take(drain, engine.captures)
        sent += shipper.flush()
    for drain in engine.finish():
        sent += shipper.take(drain, engine.captures)
    sent += shipper.flush()
    assembly, judge = PartitionAssembly(), PartJudge(ByLength(), names=NAMES)
    found = set()
    for _, media in sent:
        found |= set(judge.judge(assembly.absorb(decode_media(encode_media(media)))).verdicts)
    assert found == set(embedded(packets).verdicts)
