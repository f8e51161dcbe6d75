"""Flows and calls together: the rows are the same whatever the size of the batches, also while time passes."""

import numpy as np
import pytest
from sip_scenario import Talk, sdp, talking, write_capture

from callprint.core.call import EndedBy, Phase
from callprint.core.dissect import dissect
from callprint.core.flow import EngineSettings
from callprint.core.spam.call_pipeline import CallPipeline
from callprint.core.spam.histories import CallHistory
from callprint.core.verdicts.pipeline import IdentificationPipeline
from callprint.sources import open_captures

PHONE, GATEWAY = ("10.0.0.1", 5060), ("10.0.0.2", 5060)
SMALL = EngineSettings(maximum_flows=256, maximum_candidates=64, evidence_memory_bytes=1 << 20)


def calls(count: int):
    """Calls every 40 s, each 6 s long, all from the same ports; every third without signalling."""
    packets = []
    for number in range(count):
        talk = Talk(f"c{number}@x", from_tag=f"t{number}")
        begin = 40.0 * number
        ours, theirs = ("10.0.0.1", 4000), ("10.0.0.2", 5000 + 2 * (number % 2))
        packets += talking(ours, theirs, begin + 2, begin + 8, 2 * number)
        packets += talking(theirs, ours, begin + 2, begin + 8, 2 * number + 1)
        if number % 3 == 2:
            continue
        packets += [
            (begin, PHONE, GATEWAY, talk.request("INVITE", sdp=sdp(*ours))),
            (begin + 2, GATEWAY, PHONE, talk.response(200, sdp=sdp(*theirs))),
            (begin + 8, PHONE, GATEWAY, talk.request("BYE", cseq=2, to_tag="tag-b")),
        ]
    return packets


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    path = tmp_path_factory.mktemp("batches") / "calls.pcap"
    write_capture(path, calls(9))
    data, records, at = [], [], 0
    for part, rows in open_captures([path]):
        moved = rows.copy()
        moved["offset"] += at
        at += len(part)
        data.append(part.copy())
        records.append(moved)
    return np.concatenate(data), np.concatenate(records)


def rows_of(frames, batch: int):
    data, records = frames
    pipeline = IdentificationPipeline(None, SMALL)
    engine = CallPipeline(history=CallHistory(64))
    rows = []
    for start in range(0, len(records), batch):
        part = records[start : start + batch]
        packets = dissect(data, part)
        engine.add_flows(pipeline.process(data, packets).reports)
        rows += engine.process(data, packets, part)
    engine.add_flows(pipeline.finish().reports)
    return rows + engine.finish()


def test_the_calls_are_as_they_were(frames):
    ended = [row for row in rows_of(frames, 10_000_000) if row.phase is Phase.END]
    assert len(ended) == 9
    media_only = [row for row in ended if row.ended_by is EndedBy.MEDIA]
    assert len(media_only) == 3
    for row in ended:
        assert (len(row.caller_flows), len(row.callee_flows)) == (1, 1)
    judged = {
        row.call_id: row.judged_at_ns - row.ended_ns for row in ended if row.ended_by is not EndedBy.MEDIA
    }
    assert judged["c0@x"] == 70_000_000_000, "judged when its time came, not at the end of the capture"


@pytest.mark.parametrize("batch", [1, 100])
def test_the_rows_do_not_depend_on_the_batches(frames, batch):
    expected = rows_of(frames, 10_000_000)
    got = rows_of(frames, batch)
    assert sorted(map(repr, got)) == sorted(map(repr, expected))


def test_rows_leave_in_the_order_of_time(frames):
    for rows in (rows_of(frames, 100), rows_of(frames, 10_000_000)):
        times = [row.judged_at_ns for row in rows]
        assert np.all(np.diff(times) >= 0)
