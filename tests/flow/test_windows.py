"""Windows of flows: a literal reader of the rules is the oracle, with lists and no bounds."""

from dataclasses import replace
from itertools import chain, pairwise

import numpy as np
import pytest
from flow.packet_rows import Packet, packet_rows, stream
from hypothesis import given, settings
from hypothesis import strategies as st
from window_values import values_of

from callprint.core.flow import EngineSettings, FlowEngine
from callprint.core.flow.layout import EVENT_END
from callprint.core.flow.window_layout import LATE_IN_A_ROW, LEAST_GAP, WINDOWS_KEPT
from callprint.core.quality.windows import merged

SMALL = EngineSettings(
    maximum_flows=8,
    maximum_candidates=16,
    maximum_handshakes=16,
    evidence_memory_bytes=1 << 20,
    window_memory_bytes=1 << 20,
)


def windows_of(packets, engine=None, batch=None):
    """Return the windows of the one flow of these packets, (n,) WINDOW, and the row of REPORTED."""
    engine = engine or FlowEngine(SMALL)
    data, rows = packet_rows(packets)
    size = batch or len(rows)
    steps = (
        drain for at in range(0, len(rows), size) for drain in engine.process(data, rows[at : at + size])
    )
    drains = [
        (drain.events.copy(), drain.windows.copy(), drain.reported.copy())
        for drain in chain(steps, engine.finish())
    ]
    ((windows, reported),) = [
        (windows[event["first_window"] :][: event["windows"]], reported[i])
        for events, windows, reported in drains
        for i, event in enumerate(events)
        if event["kind"] == EVENT_END
    ]
    return windows, reported


def literal_bursts(sequences):
    """RFC 3611 4.7.2: (missing, runs, bursts, packets in bursts, missing packets in bursts) of what was received."""
    received = set(sequences)
    missing = [number for number in range(min(received), max(received)) if number not in received]
    runs = sum(number - 1 not in missing for number in missing)
    groups = []
    for number in missing:
        if groups and number - groups[-1][-1] - 1 < LEAST_GAP:
            groups[-1].append(number)
        else:
            groups.append([number])
    bursts = [group for group in groups if len(group) > 1]
    inside = sum(group[-1] - group[0] + 1 for group in bursts)
    return len(missing), runs, len(bursts), inside, sum(map(len, bursts))


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(2, 600), max_size=200), st.integers(1, 700))
def test_bursts_are_those_of_rfc_3611(lost, batch):
    packets = [packet for packet in stream(700) if packet.sequence not in lost]
    windows, _ = windows_of(packets, batch=batch)
    total = merged(values_of(windows))
    found = total.missing, total.runs, total.bursts, total.burst_packets, total.burst_missing
    assert found == literal_bursts([packet.sequence for packet in packets])
    assert total.expected == 700
    assert total.lost == len(lost)
    assert total.missing_percent == pytest.approx(100 * len(lost) / 700)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 59), min_size=100, max_size=200), st.integers(1, 50))
def test_packets_within_the_buffer_are_played_in_any_order(delays, batch):
    packets = stream(2) + [
        replace(p, time_ms=p.time_ms + delay)
        for p, delay in zip(stream(len(delays) + 2)[2:], delays, strict=True)
    ]
    windows, _ = windows_of(sorted(packets, key=lambda p: p.time_ms), batch=batch)
    total = merged(values_of(windows))
    assert (total.late, total.missing, total.pause_ms) == (0, 0, 0)
    assert total.received == len(packets)


def test_a_late_packet_is_not_played_though_it_came():
    packets = stream(200)
    packets[100] = replace(packets[100], time_ms=packets[100].time_ms + 61)
    packets[120] = replace(packets[120], time_ms=packets[120].time_ms + 59)
    windows, _ = windows_of(sorted(packets, key=lambda p: p.time_ms))
    total = merged(values_of(windows))
    assert (total.late, total.missing, total.lost, total.reordered) == (1, 1, 0, 2)


def test_a_delay_that_stays_costs_a_run_of_late_packets_and_no_more():
    packets = [replace(p, time_ms=p.time_ms + (300 if i >= 50 else 0)) for i, p in enumerate(stream(800))]
    windows, _ = windows_of(packets)
    assert merged(values_of(windows)).late == LATE_IN_A_ROW


def test_jitter_is_the_least_mean_and_greatest_after_each_packet():
    packets = [replace(p, time_ms=p.time_ms + (i % 7)) for i, p in enumerate(stream(400))]
    windows, _ = windows_of(packets)
    jitter, seen = 0.0, []
    for one, other in pairwise(packets):
        jitter += (abs(other.time_ms - one.time_ms - 20) - jitter) / 16
        seen.append(jitter)
    total = merged(values_of(windows[:1]))
    assert total.jitter_min_us == pytest.approx(min(seen) * 1e3, abs=1)
    assert total.jitter_max_us == pytest.approx(max(seen) * 1e3, abs=1)
    # The first packet of a flow is confirmed by the second: its jitter is not counted twice.
    assert total.jitter_mean_us == pytest.approx(np.mean(seen) * 1e3, abs=1)


def test_silence_that_is_not_sent_is_a_pause_and_no_loss():
    packets = stream(500)
    talk = [p for i, p in enumerate(packets) if i < 100 or i >= 200]
    talk = [replace(p, sequence=i) for i, p in enumerate(talk)]
    windows, reported = windows_of(talk)
    total = merged(values_of(windows))
    assert total.pause_ms == 2000
    assert total.missing == 0
    assert total.longest_gap_ms == 2020
    assert reported["packet_ms"] == 20


@pytest.mark.parametrize("windows", [1, 5, WINDOWS_KEPT, WINDOWS_KEPT + 1, 100, 300])
def test_long_flows_keep_coarser_windows_that_add_up(windows):
    every_ms = 200
    count = windows * 10_000 // every_ms
    packets = [
        Packet(time_ms=i * every_ms, sequence=i, timestamp=i * every_ms * 8)
        for i in range(count)
        if i < 2 or i == count - 1 or i % 50 != 13
    ]
    found, reported = windows_of(packets)
    assert 1 <= len(found) <= WINDOWS_KEPT + 1
    assert (
        reported["span_s"] * len(found) * 1000
        >= count * every_ms
        > reported["span_s"] * (len(found) - 1) * 1000
    )
    assert int(found["expected"].sum()) == count
    assert int(found["missing"].sum()) == count - len(packets)
    assert set(found["expected"][1:-1].tolist()) <= {reported["span_s"] * 1000 // every_ms}


def test_without_room_a_flow_keeps_one_window():
    settings_ = replace(SMALL, window_memory_bytes=1)
    engine = FlowEngine(settings_)
    both = [p for pair in zip(stream(1500), stream(1500, source=3), strict=True) for p in pair]
    data, rows = packet_rows(both)
    for _ in engine.process(data, rows):
        pass
    counts = [int(count) for drain in engine.finish() for count in drain.events["windows"]]
    assert sorted(counts) == [1, 3]
    assert engine.gauges["windows_exhausted"] == 1


def test_a_flow_gives_its_room_back():
    engine = FlowEngine(replace(SMALL, window_memory_bytes=1))
    for round_ in range(3):
        found, _ = windows_of(stream(1500, time_ms=round_ * 200_000), engine)
        assert len(found) == 3


def test_quiet_packets_of_g711_are_counted():
    data, rows = packet_rows(stream(100))
    data = data.copy()
    for row in rows[20:60]:
        data[row["offset"] + 12 : row["offset"] + row["length"]] = 0xFF
    engine = FlowEngine(SMALL)
    list(engine.process(data, rows))
    (windows,) = [drain.windows.copy() for drain in engine.finish()]
    assert windows["quiet"].tolist() == [5]
    assert windows["listened"].tolist() == [12]


def test_drops_of_the_capture_cast_doubt_on_flows_of_that_time():
    engine = FlowEngine(SMALL)
    data, rows = packet_rows(stream(500))
    for half in (rows[:250], rows[250:]):
        for _ in engine.process(data, half):
            pass
        if half[0] == rows[0]:
            engine.note_drops()
    (reported,) = [drain.reported.copy() for drain in engine.finish()]
    assert reported["doubts"].tolist() == [1]
    _, reported = windows_of(stream(500, time_ms=100_000), engine)
    assert reported["doubts"] == 0


def test_windows_of_a_flow_that_goes_on_are_those_so_far():
    engine = FlowEngine(SMALL)
    data, rows = packet_rows(stream(1200))
    for _ in engine.process(data, rows):
        pass
    windows, counts, reported = engine.quality_of(np.zeros(1, np.int64))
    assert counts.tolist() == [3]
    assert windows["received"].tolist() == [500, 500, 200]
    assert reported["span_s"].tolist() == [10]
