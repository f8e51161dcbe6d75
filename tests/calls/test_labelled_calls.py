"""Calls of real telephones: each has both its flows, and they are those that the labels name."""

import csv
from collections import defaultdict

import pytest
from call_player import CallPlayer

from callprint.core.call import EndedBy, Phase
from callprint.core.dissect import dissect
from callprint.core.flow import EngineSettings
from callprint.core.spam.histories import CallHistory
from callprint.core.verdicts.pipeline import IdentificationPipeline
from callprint.sources import open_captures

WITH_SIP = ["asterisk", "baresip", "diago", "jami", "linphone", "pjsua", "pyvoip", "sipp", "twinkle"]
SMALL = EngineSettings(maximum_flows=256, maximum_candidates=64, evidence_memory_bytes=1 << 20)


@pytest.fixture(scope="module")
def labels(labelled_calls) -> dict[str, set[tuple]]:
    """Capture -> its labelled media flows."""
    flows = defaultdict(set)
    with (labelled_calls / "flows.csv").open() as stream:
        for row in csv.DictReader(stream):
            if row["dataset"] == "dataset1" and row["kind"] != "rtcp":
                key = (row["src_ip"], int(row["src_port"]), row["dst_ip"], int(row["dst_port"]))
                flows[row["capture"]].add(key)
    return flows


@pytest.mark.parametrize("application", WITH_SIP)
def test_both_flows_of_every_call_are_joined(labelled_calls, labels, application):
    captures = sorted((labelled_calls / "dataset1").glob(f"{application}-*.pcap"))[:4]
    assert captures
    for capture in captures:
        pipeline, engine = IdentificationPipeline(None, SMALL), CallPlayer(history=CallHistory(8))
        rows = []
        for data, records in open_captures([capture]):
            packets = dissect(data, records)
            rows += engine.add_flows(pipeline.process(data, packets).reports)
            rows += engine.process(data, packets, records)
        rows += engine.add_flows(pipeline.finish().reports) + engine.finish()
        (call,) = [row for row in rows if row.phase is Phase.END]
        assert call.ended_by is not EndedBy.MEDIA
        assert call.caller
        assert call.callee
        assert not engine.assembler.defects
        (ours,), (theirs,) = call.caller_flows, call.callee_flows
        assert {ours[:4], theirs[:4]} == labels[f"dataset1/{capture.name}"]
        assert ours[:2] == theirs[2:4], f"{capture.name}: the two directions of one call"
        assert call.signalling_ip in (ours.src_ip, ours.dst_ip)
