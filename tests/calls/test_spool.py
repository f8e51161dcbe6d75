"""Packets of calls in bounded memory: what is found there is what a second reading of the capture would choose."""

from pathlib import Path

import numpy as np
import pytest
from sip_scenario import Talk, at

from callprint.core.calls.assembly import CallAssembler
from callprint.core.calls.keep_rules import KeepRules
from callprint.core.calls.packets_of_call import CallPackets, MessagePlaces, spans_of_call
from callprint.core.calls.spool import CallSpool
from callprint.core.dissect import dissect
from callprint.core.ground.errors import ConfigError
from callprint.core.packets import PACKET, RECORD, PacketKind
from callprint.core.signalling.reader import RawMessage
from callprint.core.spam.call_pipeline import CallPipeline
from callprint.core.verdicts.pipeline import IdentificationPipeline
from callprint.identification import CaptureRun
from callprint.sources import open_captures

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "applications.pcapng"


@pytest.fixture(scope="module")
def read():
    """The sample's batches, calls, flows, and the places of its messages."""
    batches, calls, flows, places = [], [], {}, MessagePlaces()
    run = CaptureRun(IdentificationPipeline(None), None, calls=CallPipeline(), on_call=calls.append)
    run.on_packets = lambda data, packets, records: batches.append((data.copy(), packets, records))
    run.on_report = lambda report: flows.__setitem__(report.verdict.flow, report)
    run.calls.assembler.on_message = places.take_message
    for _ in run.process_all(open_captures([str(SAMPLE)])):
        pass
    run.finish()
    return batches, [call for call in calls if call.phase == "end"], flows, places


def frames_of(spool, call, flows, places):
    (found,) = spool.frames_of([wanted(call, flows, places)])
    return found


def wanted(call, flows, places):
    return spans_of_call(
        places.of(call.call_id, call.from_tag),
        [flows[key] for key in (*call.caller_flows, *call.callee_flows)],
    )


def in_bytes(data, records):
    return [
        (
            int(row["time_ns"]),
            data[row["offset"] : row["offset"] + row["captured"]].tobytes(),
            int(row["original"]),
        )
        for row in records
    ]


@pytest.mark.parametrize("size", [1, 7, 1000, 100_000])
def test_it_finds_what_a_second_reading_finds(read, size):
    batches, calls, flows, places = read
    spool = CallSpool(1 << 30, voice=True)
    for data, packets, records in batches:
        for begin in range(0, min(len(packets), 20 * size if size < 1000 else len(packets)), size):
            spool.take(data, packets[begin : begin + size], records[begin : begin + size])
    whole = size >= 1000
    together = spool.frames_of([wanted(call, flows, places) for call in calls])
    for call, found in zip(calls, together, strict=True):
        chosen = CallPackets(
            places.of(call.call_id, call.from_tag),
            [flows[key] for key in (*call.caller_flows, *call.callee_flows)],
        )
        expected = [
            each
            for data, packets, records in batches
            for each in in_bytes(data, records[chosen.chosen(packets)])
        ]
        assert found.complete
        if whole:
            assert in_bytes(found.data, found.records) == expected
        else:
            assert set(in_bytes(found.data, found.records)) <= set(expected)


def test_of_rtp_the_header_stays(read):
    batches, calls, flows, places = read
    spool = CallSpool(1 << 30)
    for batch in batches:
        spool.take(*batch)
    kinds = set()
    for call in calls:
        found = frames_of(spool, call, flows, places)
        packets = dissect(found.data, found.records)
        kinds |= set(packets["kind"].tolist())
        cut = packets["kind"] == PacketKind.RTP_CUT
        assert (packets["length"][cut] >= 12).all()
        assert (packets["missing"][cut] > 0).all()
    assert PacketKind.RTP_CUT in kinds
    assert PacketKind.SIP_UDP in kinds
    assert PacketKind.RTP not in kinds


def test_full_memory_loses_the_oldest_and_says_so(read, monkeypatch):
    monkeypatch.setattr("callprint.core.calls.spool._BLOCK_PACKETS", 500)
    batches, calls, flows, places = read
    spool = CallSpool(200_000)
    for data, packets, records in batches:
        for begin in range(0, len(packets), 500):
            spool.take(data, packets[begin : begin + 500], records[begin : begin + 500])
    assert spool.given_up
    found = {call.started_ns: frames_of(spool, call, flows, places) for call in calls}
    complete = [found[started_ns].complete for started_ns in sorted(found)]
    assert complete == sorted(complete)
    assert {*complete} == {False, True}


def test_nothing_is_held_of_other_packets():
    spool = CallSpool(1 << 20)
    packets = np.zeros(3, PACKET)
    packets["kind"] = PacketKind.NOT_RTP
    spool.take(np.zeros(10, np.uint8), packets, np.zeros(3, RECORD))
    (found,) = spool.frames_of([spans_of_call({}, [])])
    assert not len(found.records)


@pytest.mark.parametrize("words", [["x"], ["spam:1"], ["quality:"], ["quality:nan"], ["quality:1"]])
def test_rules_that_are_none(words):
    with pytest.raises(ConfigError):
        KeepRules.parsed(words)


def test_places_of_a_call_are_bounded_whatever_its_ports():
    places, assembler, talk = MessagePlaces(), CallAssembler(), Talk()
    assembler.on_message = places.take_message
    begin, more = talk.request("INVITE"), talk.request("INFO", cseq=2)
    for number in range(2_000):
        text = more if number else begin
        assembler.message(RawMessage(at(number), "10.0.0.1", text, None, 5060 + number, ("10.0.0.2", 5060)))
    assembler.message(RawMessage(at(2_000), "10.0.0.1", more, None, 5060, ("10.0.0.2", 5060)))
    found = places.of(talk.call_id, talk.from_tag)
    assert len(found) == 1_000
    assert len(found[("10.0.0.1", 5060), ("10.0.0.2", 5060)]) == 2
