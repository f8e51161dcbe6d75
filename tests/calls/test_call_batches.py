"""Flows and calls together: the rows are the same whatever the size of the batches, also while time passes."""

import numpy as np
import pytest
from call_player import CallPlayer
from call_stream import SMALL, busy_line, frames_of
from sip_scenario import write_capture

from callprint.core.call import EndedBy, Phase
from callprint.core.dissect import dissect
from callprint.core.spam.histories import CallHistory
from callprint.core.verdicts.pipeline import IdentificationPipeline


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    path = tmp_path_factory.mktemp("batches") / "calls.pcap"
    write_capture(path, busy_line(9, endless=None))
    return frames_of(path)


def rows_of(frames, batch: int):
    data, records = frames
    pipeline = IdentificationPipeline(None, SMALL)
    engine = CallPlayer(history=CallHistory(64))
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
