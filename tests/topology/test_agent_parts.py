"""The parts of the agent that need no Kafka: spool, pace, counters."""

import signal
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from call_stream import PARTITIONS, Recorder, agent_for
from hypothesis import given, settings
from hypothesis import strategies as st

from callprint.core.capture.packet_order import OrderedBatch
from callprint.core.ground.errors import ConfigError
from callprint.core.packets import RECORD
from capture_agent.metrics import MetricsServer, exposition, open_metrics, status_line
from capture_agent.replay import paced
from capture_agent.spool import Outgoing, Spool
from capture_agent.stopping import StopRequest


def out(number: int) -> Outgoing:
    return Outgoing("media.test", number % 3, bytes([number % 256]) * 10)


def test_records_come_back_in_order_after_a_crash(tmp_path):
    spool = Spool(tmp_path, 1000)
    assert all(spool.append(out(number)) for number in range(12))
    assert [spool.read() for _ in range(12)] == [out(number) for number in range(12)]
    spool.confirm()
    (tmp_path / f"{99:016}.media.0.7.partial").write_bytes(b"cut off")
    spool.close()
    again = Spool(tmp_path, 1000)
    assert len(again) == 11
    assert again.bytes == 110
    again.append(out(12))
    assert [again.read() for _ in range(13)] == [*(out(number) for number in range(1, 13)), None]


def test_the_limit_holds_and_loss_is_counted(tmp_path):
    spool = Spool(tmp_path, 25)
    assert [spool.append(out(number)) for number in range(4)] == [True, True, False, False]
    assert (spool.lost, spool.bytes) == (2, 20)
    spool.read()
    spool.confirm()
    assert spool.append(out(9))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(["append", "read", "confirm", "drop", "rewind", "put first"]), max_size=40))
def test_the_spool_is_a_queue_whatever_happens(tmp_path_factory, steps: list[str]):
    spool = Spool(tmp_path_factory.mktemp("spool"), 1 << 20)
    waiting: list[Outgoing] = []
    read = number = 0
    for step in steps:
        if step == "append":
            spool.append(out(number))
            waiting.append(out(number))
            number += 1
        elif step == "read":
            assert spool.read() == (waiting[read] if read < len(waiting) else None)
            read = min(read + 1, len(waiting))
        elif step == "confirm" and read:
            spool.confirm()
            waiting.pop(0)
            read -= 1
        elif step == "drop" and read:
            spool.drop()
            read -= 1
            waiting.pop(read)
        elif step == "rewind":
            spool.rewind()
            read = 0
        elif step == "put first":
            earlier = [out(number), out(number + 1)]
            spool.put_first(earlier)
            waiting[:0] = earlier
            number += 2
            read = 0
        assert len(spool) == len(waiting)
    spool.close()
    again = Spool(spool._folder, 1 << 20)
    assert [again.read() for _ in waiting] == waiting
    again.close()


def test_only_one_agent_owns_a_spool_folder(tmp_path):
    first = Spool(tmp_path, 100)
    with pytest.raises(ConfigError, match="in use by another agent"):
        Spool(tmp_path, 100)
    first.append(out(1))
    first.close()
    second = Spool(tmp_path, 100)
    assert second.read() == out(1)


def test_files_that_are_not_records_are_left_alone(tmp_path):
    (tmp_path / "lost+found").mkdir()
    (tmp_path / f"{7:016}.media.0.5").mkdir()
    (tmp_path / "notes.txt").write_text("of the operator")
    spool = Spool(tmp_path, 100)
    assert len(spool) == 0
    spool.append(out(1))
    assert spool.read() == out(1)
    assert (tmp_path / "notes.txt").exists()


def test_a_record_that_the_disk_does_not_return_is_counted(tmp_path):
    spool = Spool(tmp_path, 100)
    for number in range(3):
        spool.append(out(number))
    next(tmp_path.glob("*.media.test.1.*")).unlink()
    assert [spool.read(), spool.read(), spool.read()] == [out(0), out(2), None]
    assert (spool.lost, spool.bytes, len(spool)) == (1, 20, 2)


def test_a_record_torn_by_a_crash_of_the_machine_is_counted(tmp_path):
    spool = Spool(tmp_path, 100)
    for number in range(3):
        spool.append(out(number))
    spool.close()
    next(tmp_path.glob("*.media.test.1.*")).write_bytes(b"")
    again = Spool(tmp_path, 100)
    assert [again.read(), again.read(), again.read()] == [out(0), out(2), None]
    assert again.lost == 1


def test_partitions_are_remembered(tmp_path):
    spool = Spool(tmp_path, 100)
    assert spool.partitions() == {}
    spool.remember_partitions({"media": 16})
    spool.close()
    assert Spool(tmp_path, 100).partitions() == {"media": 16}
    (tmp_path / "partitions.json").write_text("[1")
    spool = Spool(tmp_path / "other", 100)
    assert spool.partitions() == {}


def records(*times_ms: int) -> np.ndarray:
    rows = np.zeros(len(times_ms), dtype=RECORD)
    rows["time_ns"] = np.array(times_ms, dtype=np.int64) * 1_000_000
    return rows


DATA = np.zeros(1, dtype=np.uint8)


def ordered(*times_ms: int, clock: int = 0, anew: bool = False) -> OrderedBatch:
    return OrderedBatch(DATA, records(*times_ms), "a.pcap", anew, clock)


def test_packets_keep_their_pace_and_an_earlier_capture_does_not_wait():
    began = time.monotonic()
    batches = [ordered(0, 10, 400, 800), ordered(-900_000, anew=True)]
    seen = [
        (time.monotonic() - began, len(batch.records), batch.begins_anew)
        for batch in paced(batches, 4.0, StopRequest())
    ]
    assert [count for _, count, _ in seen] == [2, 1, 1, 1]
    assert [anew for _, _, anew in seen] == [False, False, False, True]
    assert all(when >= due for (when, _, _), due in zip(seen, (0, 0.1, 0.2, 0.2), strict=True))


def test_late_packets_do_not_shorten_the_pace():
    began = time.monotonic()
    batches = [ordered(100 * number, 100 * number - 90) for number in range(1, 9)]
    assert sum(len(batch.records) for batch in paced(batches, 2.0, StopRequest())) == 16
    assert time.monotonic() - began >= 0.35


def test_silences_within_a_capture_are_kept_but_not_those_between_captures():
    began = time.monotonic()
    batches = paced([ordered(0, 8_000), ordered(10**9, clock=1)], 20.0, StopRequest())
    seen = [time.monotonic() - began for batch in batches if len(batch.records)]
    assert seen[1] >= 0.4
    assert seen[2] < 5


def test_a_long_silence_can_be_shortened_and_yields_empty_batches():
    began = time.monotonic()
    batches = list(paced([ordered(0, 10**9)], 1.0, StopRequest(), longest_silence_s=1.2))
    assert 1.2 <= time.monotonic() - began < 5
    assert [len(batch.records) for batch in batches] == [1, 0, 1]


def test_nobody_waits_once_the_agent_is_to_stop():
    stopping = StopRequest()
    stopping.make()
    began = time.monotonic()
    list(paced([ordered(0, 3_600_000)], 1.0, stopping))
    assert time.monotonic() - began < 5


def test_a_replay_is_paced_by_times_that_can_be_believed():
    """One packet from next year, and a clock that is set back for a while, do not hold the others up."""
    times = [20 * number for number in range(60)]
    times[20] += 365 * 86_400_000
    times[30:45] = [time_ms - 5_000 for time_ms in times[30:45]]
    began = time.monotonic()
    with agent_for(Recorder(PARTITIONS), None) as agent:
        agent.run([(DATA, records(*times))], through=lambda batches: paced(batches, 4.0, StopRequest()))
        assert agent.finish(1.0)
        assert agent.read == 60
    assert 0.2 <= time.monotonic() - began < 10


def test_counters_as_prometheus_reads_them():
    values = {
        ("callprint_packets_read_total", ""): 5,
        ("callprint_packets_total", 'outcome="accepted_rtp"'): 4,
        ("callprint_packets_total", 'outcome="stun"'): 0,
    }
    text = exposition(values)
    assert text.count("# TYPE callprint_packets_total counter") == 1
    assert 'callprint_packets_total{outcome="accepted_rtp"} 4' in text.splitlines()
    assert status_line(values) == "packets_read=5 accepted_rtp=4"
    server = MetricsServer("127.0.0.1", 0)
    server.serve(lambda: values)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=5) as answer:
            assert answer.read().decode() == text
    finally:
        server.close()


def test_a_port_that_cannot_be_bound_is_an_error_in_one_line():
    server = MetricsServer("127.0.0.1", 0)
    try:
        for where in (f"127.0.0.1:{server.port}", "127.0.0.1:99999", "nowhere", "127.0.0.1:-1", ""):
            with pytest.raises(ConfigError, match="metrics"):
                open_metrics(where)
    finally:
        server.close()


def test_the_project_s_jar_holds_nothing_that_names_a_repository():
    assert "http" not in Path(__file__).parents[2].joinpath("project.clj").read_text()


def test_a_request_to_stop_may_come_in_the_middle_of_waiting_for_one():
    """A handler runs between any two instructions of the wait; with threading.Event this ended in a deadlock."""
    handled = 0

    def handle(_number, _frame):
        nonlocal handled
        handled += 1
        request.make()

    request = StopRequest()
    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 1e-4, 1e-4)
    try:
        while handled < 500:
            request.wait(1e-3)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert request.is_made()
    assert request.wait(60.0), "and from then on nobody waits"
