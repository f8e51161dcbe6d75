"""Time as the world tells it: disorder, long calls and clocks set back, cases of shared/data/world."""

import random
import shutil
import subprocess

import numpy as np
import pytest
from call_stream import SMALL, embedded_rows, frames_of, inputs_of, record

from callprint.core.call import CallRecord, CallState, EndedBy, Phase
from callprint.core.relay.site import SiteCalls
from callprint.core.spam.call_pipeline import CallPipeline
from callprint.core.spam.detectors import make_detector
from callprint.core.verdicts.pipeline import IdentificationPipeline
from callprint.core.wire.source import site_of
from callprint.identification import CaptureRun
from callprint.sources import open_captures


def run_of(capture) -> tuple[CaptureRun, list[CallRecord]]:
    """Run the embedded path; return it with the rows of calls at their end."""
    rows: list[CallRecord] = []
    run = CaptureRun(IdentificationPipeline(None, SMALL), None, calls=CallPipeline(), on_call=rows.append)
    for _ in run.process_all(open_captures([capture])):
        pass
    run.finish()
    last = {row.call_id: row for row in rows if row.phase is Phase.END}
    return run, list(last.values())


def seconds(ns: int) -> float:
    return ns / 1e9


def test_small_disorder_in_a_file(world):
    run, (call,) = run_of(world / "06-reordered-file.pcap")
    assert (call.state, call.final_status, call.ended_by) == (CallState.COMPLETED, 200, EndedBy.CALLER)
    assert call.answered_ns - call.started_ns == 1_100_000
    assert seconds(call.ended_ns - call.answered_ns) == pytest.approx(32.0, abs=0.01)
    assert not any(run.order.counters)


@pytest.mark.skipif(shutil.which("reordercap") is None, reason="reordercap, of Wireshark, is not installed")
def test_the_rows_are_those_of_the_sorted_file(world, tmp_path):
    capture = world / "06-reordered-file.pcap"
    subprocess.run(["reordercap", capture, tmp_path / "sorted.pcap"], check=True, capture_output=True)
    assert list(map(repr, embedded_rows(frames_of(capture)))) == list(
        map(repr, embedded_rows(frames_of(tmp_path / "sorted.pcap")))
    )


def test_a_call_of_four_hours_without_a_message(world):
    _, (call,) = run_of(world / "08-long-call.pcap")
    assert (call.state, call.ended_by) == (CallState.COMPLETED, EndedBy.CALLER)
    assert seconds(call.ended_ns - call.answered_ns) == pytest.approx(15_000, abs=1)
    assert (len(call.caller_flows), len(call.callee_flows)) == (1, 1)


def test_a_clock_set_back_in_a_call(world):
    run, (call,) = run_of(world / "30-clock-back.pcap")
    assert call.state is CallState.COMPLETED
    assert call.started_ns <= call.answered_ns <= call.ended_ns
    assert seconds(call.ended_ns - call.answered_ns) == pytest.approx(20, abs=0.1)
    assert (len(call.caller_flows), len(call.callee_flows)) == (1, 1)
    assert run.order.counters.set_back == 1
    assert seconds(run.order.counters.set_back_ns) == pytest.approx(30, abs=0.1)


@pytest.mark.parametrize("name", ["06-reordered-file", "08-long-call", "30-clock-back"])
def test_the_topology_gives_the_same_rows(world, name):
    frames = frames_of(world / f"{name}.pcap")
    inputs = inputs_of(record(frames, batch=50))
    (site,) = {site_of(source) for source in inputs.sources}
    calls = SiteCalls(site, make_detector("callprint"))
    rows = [repr(row) for each in inputs.shuffled(random.Random(0)) for row in calls.take(each)]
    assert sorted(rows) == sorted(map(repr, embedded_rows(frames)))


@pytest.mark.parametrize(
    "name", ["01-failover-egress", "06-reordered-file", "08-long-call", "17-fragments-vlan"]
)
@pytest.mark.parametrize("seed", range(3))
def test_disorder_within_the_window_changes_no_row(world, name, seed):
    data, records = frames_of(world / f"{name}.pcap")
    records = records[np.argsort(records["time_ns"], kind="stable")]
    delays = np.random.default_rng(seed).integers(0, 20_000_000, len(records))
    arrival = np.argsort(records["time_ns"] + delays, kind="stable")
    assert list(map(repr, embedded_rows((data, records[arrival])))) == list(
        map(repr, embedded_rows((data, records)))
    )


@pytest.mark.parametrize("ahead_s", [30, 3600, 86_400 * 365])
@pytest.mark.parametrize("at", [3, 60, 150])
def test_one_packet_from_the_future_ends_nothing(world, ahead_s, at):
    data, records = frames_of(world / "06-reordered-file.pcap")
    records = records[np.argsort(records["time_ns"], kind="stable")]
    wrong = records.copy()
    wrong["time_ns"][at] += ahead_s * 1_000_000_000

    def outcome(frames):
        (call,) = [row for row in embedded_rows(frames) if row.phase is Phase.END][-1:]
        return call.state, call.started_ns, call.ended_ns, call.caller_flows, call.callee_flows

    assert outcome((data, wrong)) == outcome((data, records))
