"""Calls through the topology without its services: agent, records, site. The rows are those of the embedded path."""

import random

import pytest
from call_stream import (
    busy_frames,
    busy_line,
    embedded_rows,
    frames_of,
    inputs_of,
    record,
    record_together,
    site_for,
)
from sip_scenario import write_capture

from callprint.core.call import EndedBy, Phase
from callprint.core.relay import order
from callprint.core.relay.site_inputs import FlowResults, RecordOffset, SourceSilent
from callprint.core.signalling.reader import RawMessage
from callprint.core.spam.detector_names import DETECTORS
from callprint.core.verdict import FlowKey, RunningFlow
from callprint.core.wire.frame import Origin
from callprint.core.wire.progress import Progress
from callprint.core.wire.signalling import SignallingBatch
from callprint.core.wire.source import site_of
from callprint.messaging.topic_names import SIGNALLING


def taken(calls, inputs):
    """The rows, sorted; as text, for NaN is not equal to itself."""
    return sorted(repr(row) for each in inputs for row in calls.take(each))


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    return busy_frames(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def wanted(frames):
    """The rows of the embedded path, sorted."""
    rows = embedded_rows(frames)
    assert {row.phase for row in rows} == set(Phase)
    assert {EndedBy.MEDIA, EndedBy.CAPTURE_END, EndedBy.CALLER} <= {row.ended_by for row in rows}
    return sorted(map(repr, rows))


@pytest.mark.parametrize("detector", DETECTORS)
def test_the_rows_are_those_of_the_embedded_path(frames, detector):
    inputs = inputs_of(record(frames, batch=60))
    calls = site_for(inputs, detector)
    assert taken(calls, inputs.in_turn()) == sorted(map(repr, embedded_rows(frames, detector=detector)))
    assert calls.over


@pytest.mark.parametrize("seed", range(6))
def test_the_partitions_may_come_in_any_interleaving_and_twice(frames, wanted, seed):
    chance = random.Random(seed)
    inputs = inputs_of(record(frames, batch=chance.choice([40, 300, 100_000])))
    calls = site_for(inputs)
    assert taken(calls, inputs.shuffled(chance, repeats=0.3)) == wanted
    assert calls.repeats > 0
    assert calls.order.waiting == 0


@pytest.mark.parametrize("linger_s", [0.0, 60.0])
@pytest.mark.parametrize("seed", range(2))
def test_an_earlier_capture_within_a_capture(tmp_path, linger_s, seed):
    """Flows and calls end where time goes back by hours; the same calls may come again."""
    chance = random.Random(seed)
    parts = []
    for number, start_s in enumerate([20_000.0, 0.0, 10_000.0]):
        path = tmp_path / f"{number}.pcap"
        write_capture(path, [(start_s + seconds, *rest) for seconds, *rest in busy_line(5)])
        parts.append(path)
    frames = frames_of(*parts)
    rows = embedded_rows(frames)
    assert (
        sum(row.ended_by is EndedBy.CAPTURE_END for row in rows) == 2
    )  # the third follows the second in time
    inputs = inputs_of(record(frames, batch=chance.choice([100, 100_000]), linger_s=linger_s))
    calls = site_for(inputs)
    assert taken(calls, inputs.shuffled(chance, repeats=0.1)) == sorted(map(repr, rows))
    assert calls.over


@pytest.mark.parametrize("linger_s", [0.0, 60.0])
@pytest.mark.parametrize("seed", range(3))
def test_captures_of_different_days_in_one_replay(tmp_path, linger_s, seed):
    """Time goes back from one capture to the next: flows of an early call must not be settled by the later time."""
    chance = random.Random(seed)
    starts = [0.0, 5000.0, 200.0, 4000.0, 100.0]
    chance.shuffle(starts)
    captures = []
    for number, start_s in enumerate(starts):
        packets = [(start_s + seconds, *rest) for seconds, *rest in busy_line(2, name=f"d{number}-")]
        path = tmp_path / f"{number}.pcap"
        write_capture(path, packets)
        captures.append(frames_of(path))
    expected = sorted(map(repr, embedded_rows(*captures)))
    inputs = inputs_of(record(*captures, batch=chance.choice([100, 100_000]), linger_s=linger_s))
    assert taken(site_for(inputs), inputs.shuffled(chance)) == expected


def halves(frames):
    """What two capture processes see that share a line by flow: signalling here, media there."""
    data, records = frames
    voice = records["captured"] == 200  # IP, UDP, RTP and 160 bytes of PCMA
    assert 1000 < voice.sum() < len(records)
    return (data, records[~voice]), (data, records[voice])


@pytest.mark.parametrize("seed", range(3))
def test_two_agents_of_a_site_see_one_line_together(frames, wanted, seed):
    chance = random.Random(seed)
    recorder = record_together(halves(frames), "berlin", step_s=chance.choice([3, 20]))
    inputs = inputs_of(recorder)
    assert len(inputs.sources) == 2
    calls = site_for(inputs)
    began = [each for name, count in recorder.began.items() for each in inputs.topics[name][:count]]
    assert taken(calls, [*began, *inputs.shuffled(chance)]) == wanted
    assert not calls.over, "a site with a name waits for the next run"


def test_of_two_sites_each_has_its_own_histories(frames):
    one, other = (inputs_of(record(frames, batch=100)) for _ in range(2))
    assert {site_of(s) for s in one.sources} != {site_of(s) for s in other.sources}
    assert taken(site_for(one), one.in_turn()) == taken(site_for(other), other.in_turn())


def test_callers_keep_their_history_when_the_agent_of_a_named_site_starts_again(frames):
    first, second = (inputs_of(record(frames, batch=100, site="berlin")) for _ in range(2))
    calls = site_for(first)
    once = taken(calls, first.in_turn())
    again = taken(calls, second.in_turn())
    assert len(once) == len(again)
    assert once != again, "the caller was known the second time"


def test_an_agent_that_dies_silently_ends_when_its_silence_is_noticed(frames, wanted):
    inputs = inputs_of(record(frames, batch=100, end=False))
    (source,) = inputs.sources
    calls = site_for(inputs)
    before = taken(calls, inputs.in_turn())
    after = taken(calls, [SourceSilent(source)])
    assert calls.over
    assert set(before) < set(wanted)
    assert {row for row in before + after if "capture_end" not in row} >= {
        row for row in before if "capture_end" not in row
    }
    assert sum("<Phase.END" in row for row in before + after) == sum("<Phase.END" in row for row in wanted)


def test_an_agent_that_was_taken_for_dead_counts_again_when_it_wakes_up(frames, wanted):
    inputs = inputs_of(record(frames, batch=100))
    (source,) = inputs.sources
    topics = list(inputs.topics.values())
    calls = site_for(inputs)
    first = [each for topic in topics for each in topic[: len(topic) // 2]]
    rows = taken(calls, [*first, SourceSilent(source)])
    assert calls.over
    rows += taken(calls, (each for topic in topics for each in topic))
    assert calls.over
    begun = [
        sorted(row.split(", phase")[0] for row in some if "<Phase.SETUP" in row) for some in (rows, wanted)
    ]
    assert begun[0] == begun[1], "every call begins, and once"


def test_a_site_that_joins_in_the_middle_does_not_wait_for_what_was_before(frames):
    inputs = inputs_of(record(frames, batch=100))
    for topic in inputs.topics.values():
        del topic[: len(topic) // 2]
    calls = site_for(inputs)
    rows = taken(calls, inputs.in_turn())
    assert rows
    assert calls.over
    assert calls.order.waiting == 0


def test_signalling_that_is_far_ahead_of_its_media_is_bounded(frames, monkeypatch):
    monkeypatch.setattr(order, "MOST_WAITING", 10)
    inputs = inputs_of(record(frames, batch=100))
    calls = site_for(inputs)
    signalling_first = sorted(inputs.topics, key=lambda name: name[0] != SIGNALLING)
    rows = 0
    for name in signalling_first:
        for each in inputs.topics[name]:
            rows += len(calls.take(each))
            assert calls.order.waiting <= 10 + 256
    assert calls.order.released_early > 0
    assert rows


@pytest.mark.parametrize("waits", ["flows of one batch", "large messages", "progress"])
def test_what_waits_is_bounded_by_what_it_holds(waits: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "MOST_WAITING", 100)
    found = order.SiteOrder()
    for number in range(400):
        if waits == "flows of one batch":
            running = (RunningFlow(FlowKey("192.0.2.1", 1, "192.0.2.2", 2, number, 3), 4),) * 30
            found.take_flows(FlowResults(7, 0, number, (), (), running))
        elif waits == "progress":
            sent = (number + 1,)  # a batch that never comes
            found.take(
                RecordOffset(0, number), Progress(Origin(7, number, 1), number + 1, sent, (), ended=False)
            )
        else:
            large = RawMessage(5, "192.0.2.1", b"INVITE" * 10_000)
            found.take(RecordOffset(0, number), SignallingBatch(Origin(7, number, 1), (large,), (number,)))
        released = list(found.steps())
        source = found.sources[7]
        held = sum(len(message.message.payload) for message in found.merged)
        held += sum(len(message.payload) for batch in source.batches.values() for message in batch.messages)
        assert held <= 100 * order.BYTES_OF_WEIGHT
        assert sum(flows.rows for flows in source.flows) <= 100
        assert len(source.progress) <= 100
        assert all(step.flows or step.messages for step in released) or waits == "progress"
    assert (found.released_early > 0) == (waits != "progress")


def test_runs_that_die_again_and_again_push_out_none_that_works(monkeypatch):
    monkeypatch.setattr(order, "MOST_SOURCES", 4)
    found = order.SiteOrder()
    working = 7
    for number, dying in enumerate(range(100, 120)):
        found.take(RecordOffset(0, 2 * number), _progress(working, number))
        found.take(RecordOffset(0, 2 * number + 1), _progress(dying, 0))
        assert list(found.steps())
        found.expire(dying)
        assert list(found.steps())
    assert found.knows(working, order.Topic.SIGNALLING, 0, number)
    assert len(found.sources) == 4


def _progress(source: int, number: int) -> Progress:
    return Progress(Origin(source, number, 1_000 * number), number, (), (), ended=False)
