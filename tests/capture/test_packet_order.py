"""Packets come out exactly once, in the order of times that can be believed, however they are cut into batches."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from callprint.core.capture.packet_order import MOST_HELD_BYTES, OrderCounters, OrderSettings, PacketOrder
from callprint.core.ground.errors import ConfigError
from callprint.core.packets import RECORD

MS, S, HOUR = 1_000_000, 1_000_000_000, 3600_000_000_000
START = 1_760_000_000 * S
NOTHING = OrderCounters()


def frames(times_ns, sizes=None):
    """Return data and records; each frame begins with its number."""
    sizes = np.full(len(times_ns), 8) if sizes is None else np.maximum(sizes, 8)
    records = np.zeros(len(times_ns), RECORD)
    records["time_ns"] = times_ns
    records["captured"] = records["original"] = sizes
    records["offset"] = np.cumsum(sizes) - sizes
    data = np.zeros(int(sizes.sum()), np.uint8)
    for number, at in enumerate(records["offset"]):
        data[at : at + 8] = np.array([number], "<i8").view(np.uint8)
    return data, records


def put_in_order(times_ns, cuts=(), order=None, sizes=None, room=None):
    """Return (number, time, whether an earlier capture begins with it) of each packet as it comes out."""
    order = order or PacketOrder()
    data, records = frames(times_ns, sizes)
    out = []

    def read(batches):
        for batch in batches:
            anew = batch.begins_anew
            for record in batch.records:
                at = int(record["offset"])
                out.append((int(batch.data[at : at + 8].view("<i8")[0]), int(record["time_ns"]), anew))
                anew = False

    for begins, ends in zip([0, *cuts], [*cuts, len(records)], strict=True):
        part, buffer, rows = records[begins:ends].copy(), None, None
        if room is not None:
            buffer = np.concatenate((np.zeros(room, np.uint8), data))
            rows = np.concatenate((np.zeros(room, RECORD), part))
            part = rows[room:]
        read(order.take(data if buffer is None else buffer[room:], part, buffer=buffer, rows=rows))
    read(order.flush())
    return out


any_times = st.lists(
    st.one_of(
        st.integers(0, 100 * MS),
        st.sampled_from(
            [0, 1, 999 * MS, 1500 * MS, 30 * S, 2 * HOUR, 30 * 24 * HOUR, 2**62 - 1 - START, -START]
        ),
    ),
    max_size=120,
)
steps = st.lists(
    st.sampled_from([0, MS, 5 * MS, 21 * MS, -3 * MS, 2 * S, -2 * S, -2 * HOUR, HOUR]), max_size=150
)


@given(any_times | steps.map(lambda each: np.cumsum(each).tolist()), st.data())
@settings(max_examples=200, deadline=None)
def test_every_packet_comes_out_once_whatever_the_batches(offsets, data):
    times = [START + offset for offset in offsets]
    whole = put_in_order(times)
    assert sorted(number for number, _, _ in whole) == list(range(len(times)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(times)), max_size=8)))
    room = data.draw(st.sampled_from([None, 0, 4096]))
    assert put_in_order(times, cuts, room=room) == whole


@given(any_times | steps.map(lambda each: np.cumsum(each).tolist()))
@settings(max_examples=200, deadline=None)
def test_times_rise_but_for_the_late_ones_that_are_counted(offsets):
    order = PacketOrder()
    out = put_in_order([START + offset for offset in offsets], order=order)
    late, latest_ns = 0, None
    for _, time_ns, anew in out:
        latest_ns = time_ns if latest_ns is None or anew else latest_ns
        late += time_ns < latest_ns
        latest_ns = max(latest_ns, time_ns)
    counters = order.counters
    assert late == counters.late
    assert counters.begun_anew == sum(anew for _, _, anew in out)


@given(
    st.lists(st.integers(0, 3 * S), max_size=200),
    st.lists(st.integers(0, 20 * MS), min_size=200, max_size=200),
)
@settings(max_examples=100, deadline=None)
@example([0, 1_000_500_000, 999_500_000], [0, 0, 5 * MS] + [0] * 197)
def test_disorder_within_the_window_is_put_right(gaps, delays):
    times = START + np.cumsum(gaps, dtype=np.int64)
    arrival = np.argsort(times + delays[: len(times)], kind="stable")
    order = PacketOrder(OrderSettings(reorder_packets=1 << 16))
    out = put_in_order(times[arrival].tolist(), order=order)
    assert [time_ns for _, time_ns, _ in out] == times.tolist()
    assert order.counters == NOTHING


@given(st.lists(st.integers(0, 40 * 24 * HOUR), max_size=60))
@settings(max_examples=100, deadline=None)
def test_a_capture_in_order_stays_as_it_is(gaps):
    times = START + np.cumsum(gaps, dtype=np.int64)
    times[-1:] = times[-2:-1] + MS if len(times) > 1 else times[-1:]  # the very last one is not a month later
    order = PacketOrder()
    assert put_in_order(times.tolist(), order=order) == [(n, t, False) for n, t in enumerate(times.tolist())]
    assert order.counters == NOTHING


def steady(count, begins_ns=START):
    return [begins_ns + n * 20 * MS for n in range(count)]


@pytest.mark.parametrize("ahead_ns", [30 * S, HOUR, 400 * 24 * HOUR, 2**62 - 1 - START - 10 * S])
@pytest.mark.parametrize("at", [0, 1, 50, 85])
@pytest.mark.parametrize("packets", [1, 5])
def test_packets_from_the_future_get_the_time_of_the_newest(ahead_ns, at, packets):
    times = steady(100 + packets)
    wrong = times.copy()
    for n in range(at, at + packets):
        wrong[n] += ahead_ns
    order = PacketOrder()
    out = put_in_order(wrong, order=order)
    assert order.counters == NOTHING._replace(misdated=packets)
    believed = [time_ns for _, time_ns, _ in out]
    assert believed == sorted(believed)
    assert set(believed) <= set(times)


@pytest.mark.parametrize(("ahead_ns", "believed"), [(HOUR, True), (400 * 24 * HOUR, False)])
def test_the_last_packet_is_believed_unless_its_time_is_absurd(ahead_ns, believed):
    times = [*steady(100), START + ahead_ns]
    assert (put_in_order(times)[-1][1] == times[-1]) is believed


@pytest.mark.parametrize("at", [1, 50, 80])
def test_a_packet_from_the_past_gets_the_time_of_the_newest(at):
    times = steady(100)
    times[at] = 0
    order = PacketOrder()
    assert all(START <= time_ns <= times[-1] for _, time_ns, _ in put_in_order(times, order=order))
    assert order.counters == NOTHING._replace(misdated=1)


def test_after_a_clock_was_set_back_time_goes_on():
    times = steady(100)
    set_back = [time_ns - 30 * S if n >= 40 else time_ns for n, time_ns in enumerate(times)]
    order = PacketOrder()
    out = put_in_order(set_back, order=order)
    assert [time_ns for _, time_ns, _ in out] == times[:40] + [t - 20 * MS for t in times[40:]]
    assert order.counters == NOTHING._replace(set_back=1, set_back_ns=30 * S - 20 * MS)


def test_a_clock_that_is_set_right_again_is_believed_again():
    times = steady(200)
    wrong = [time_ns - 30 * S if 40 <= n < 150 else time_ns for n, time_ns in enumerate(times)]
    out = put_in_order(wrong)
    assert [time_ns for _, time_ns, _ in out][150:] == times[150:]


def test_a_clock_set_back_by_hours_begins_an_earlier_capture():
    times = steady(50) + steady(50, START - 5 * HOUR)
    order = PacketOrder()
    out = put_in_order(times, order=order)
    assert [time_ns for _, time_ns, _ in out] == times
    assert [number for number, _, anew in out if anew] == [50]
    assert order.counters == NOTHING._replace(begun_anew=1)


def test_a_silence_is_no_jump_and_files_have_clocks_of_their_own():
    order = PacketOrder()
    data, records = frames([START, START + 1, START + HOUR, START + HOUR + 1])
    earlier = records.copy()
    earlier["time_ns"] -= 30 * S
    batches = [
        *order.take(data, records, "a.pcap", 1),
        *order.take(data, earlier, "b.pcap", 2),
        *order.flush(),
    ]
    assert [(batch.capture, batch.records["time_ns"].tolist()) for batch in batches] == [
        ("a.pcap", records["time_ns"].tolist()),
        ("b.pcap", earlier["time_ns"].tolist()),
    ]
    assert order.counters == NOTHING


def test_interfaces_are_each_put_in_order():
    """Blocks of two interfaces overlap in time; that is no disorder of either."""
    order = PacketOrder()
    data, records = frames([START + n * MS for n in range(50)])
    shifted = records.copy()
    shifted["time_ns"] -= 30 * MS
    shifted[[3, 4]] = shifted[[4, 3]]
    given = {"eth0": [], "eth1": []}
    for block in range(3):
        for name, part in (("eth0", records), ("eth1", shifted)):
            for batch in order.take(data, moved(part, block * 50 * MS), name):
                given[batch.capture] += batch.records["time_ns"].tolist()
    for batch in order.flush():
        given[batch.capture] += batch.records["time_ns"].tolist()
    for times in given.values():
        assert len(times) == 150
        assert times == sorted(times)
    assert order.counters == NOTHING


def moved(records, by_ns):
    later = records.copy()
    later["time_ns"] += by_ns
    return later


def test_what_waits_is_bounded():
    order = PacketOrder(OrderSettings(reorder_packets=64))
    data, records = frames([START + n for n in range(1000)])
    given = sum(len(batch.records) for batch in order.take(data, records))
    assert given == 1000 - 64
    order = PacketOrder()
    data, records = frames([START + n for n in range(40)], np.full(40, MOST_HELD_BYTES // 10))
    assert sum(len(batch.records) for batch in order.take(data, records)) == 30


def test_nothing_is_held_without_a_window():
    order = PacketOrder(OrderSettings(reorder_window_ms=0))
    data, records = frames([START + n for n in range(100)])
    assert sum(len(batch.records) for batch in order.take(data, records)) == 100


@pytest.mark.parametrize(
    ("name", "value"), [("reorder_window_ms", 501), ("reorder_window_ms", -1), ("reorder_packets", 0)]
)
def test_impossible_settings_are_refused(name, value):
    with pytest.raises(ConfigError, match=name):
        OrderSettings(**{name: value})
