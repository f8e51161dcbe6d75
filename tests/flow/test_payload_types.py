"""Jitter, clock rate and codec of flows: a literal reader of RFC 3550 A.8 is the oracle of jitter."""

from dataclasses import replace

import pytest
from flow.packet_rows import Packet, packet_rows, stream
from hypothesis import given, settings
from hypothesis import strategies as st

from callprint.core.flow import EngineSettings, FlowEngine
from callprint.core.flow.layout import TYPE, TYPES_OF_FLOW
from callprint.core.flow.payload_types import CODEC_NAMES
from callprint.core.packets import PacketKind

SMALL = EngineSettings(
    maximum_flows=8, maximum_candidates=16, maximum_handshakes=16, evidence_memory_bytes=1 << 20
)


def flow_of(packets, engine=None):
    """Return the FLOW row of the one flow of these packets while it goes on."""
    engine = engine or FlowEngine(SMALL)
    data, rows = packet_rows(packets)
    for _ in engine.process(data, rows):
        pass
    return engine.flows[engine.lookup(data, rows)[-1]]


def literal_jitter_ms(packets, rate):
    """RFC 3550 A.8 as it stands there, packets in order of arrival."""
    jitter, transit = 0.0, None
    for packet in packets:
        now = packet.time_ns / 1e9 * rate - packet.timestamp
        if transit is not None:
            jitter += (abs(now - transit) - jitter) / 16
        transit = now
    return jitter / rate * 1e3


def jitter_ms(flow):
    return flow["jitter"] / flow["clock_rate_hz"] * 1e3


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 120), min_size=40, max_size=60))
def test_jitter_is_rfc_3550_in_order_of_arrival(delays):
    late = [
        replace(packet, time_ms=packet.time_ms + delay)
        for packet, delay in zip(stream(len(delays), time_ms=100), delays, strict=True)
    ]
    packets = stream(2, start=65534, time_ms=0) + sorted(late, key=lambda packet: packet.time_ms)
    packets = [replace(p, timestamp=p.timestamp + (0 if i < 2 else 800)) for i, p in enumerate(packets)]
    flow = flow_of(packets)
    assert flow["duplicates"] == 0
    assert jitter_ms(flow) == pytest.approx(literal_jitter_ms(packets, 8000), abs=1e-3)


def test_copies_are_not_in_the_jitter():
    packets = stream(50)
    twice = [replace(p, time_ms=p.time_ms + late) for p in packets for late in (0.0, 0.04)]
    flow = flow_of(twice)
    assert flow["duplicates"] == 49
    assert jitter_ms(flow) < 0.001, "the first packet's copy took its place: 40 us late"


def test_another_type_has_its_own_clock_and_takes_over_when_it_has_more_packets():
    first = stream(60)
    then = [
        Packet(time_ms=1200 + 20 * i, sequence=60 + i, timestamp=7 + 960 * i, payload_type=111)
        for i in range(100)
    ]
    flow = flow_of(first + then[:60])
    assert (flow["payload_type"], flow["clock_rate_hz"], flow["jitter"]) == (0, 8000, 0.0)
    flow = flow_of(first + then)
    assert (flow["payload_type"], flow["clock_rate_hz"], flow["jitter"]) == (111, 48000, 0.0)


@pytest.mark.parametrize("kinds", [(0, 111, 0), (111, 0, 111), (0, 111, 0, 111, 0, 111)])
def test_after_another_clock_a_type_begins_anew(kinds):
    """RFC 7160 4: time stamps go on through each change, in ticks of the clock of the type; paced exactly."""
    packets, timestamp = [], 0
    for i in range(70 * len(kinds)):
        kind = kinds[i // 70]
        packets.append(Packet(time_ms=20 * i, sequence=i, timestamp=timestamp, payload_type=kind))
        timestamp += 960 if kind == 111 else 160
    engine = FlowEngine(SMALL)
    flow = flow_of(packets, engine)
    assert flow["jitter"] == 0.0
    types = engine._tables.types[:TYPES_OF_FLOW]
    assert max(row["jitter"] for row in types if row["packets"]) == 0.0


def test_types_change_places_as_often_as_they_lead():
    packets = []
    for i, kind in enumerate([0] * 10 + [8] * 15 + [0] * 10 + [18] * 30 + [8] * 20):
        packets.append(Packet(time_ms=20 * i, sequence=i, timestamp=160 * i, payload_type=kind))
    leaders = [int(flow_of(packets[:n])["payload_type"]) for n in (20, 21, 30, 31, 55, 56, 65, 80, 81, 85)]
    assert leaders == [0, 8, 8, 0, 0, 18, 18, 18, 8, 8]


@pytest.mark.parametrize("first", [True, False])
def test_noise_and_events_are_no_codec_while_there_is_one(first):
    noise = [
        Packet(time_ms=20 * i, sequence=i, timestamp=160 * i, payload_type=13, size=13) for i in range(20)
    ]
    digits = [
        Packet(time_ms=400 + 20 * i, sequence=20 + i, timestamp=3200, payload_type=101, size=16)
        for i in range(20)
    ]
    voice = [
        Packet(time_ms=800 + 20 * i, sequence=40 + i, timestamp=6400 + 160 * i, payload_type=8)
        for i in range(5)
    ]
    flow = flow_of(noise + digits + voice)
    assert (flow["payload_type"], flow["jitter"]) == (8, 0.0)
    only = flow_of(noise if first else digits)
    assert only["payload_type"] == (13 if first else 101)


def paced(count, rate, start_ms=0.0, first=0, **fields):
    return [
        Packet(
            time_ms=start_ms + 20 * i,
            sequence=first + i,
            timestamp=rate // 50 * (first + i),
            payload_type=96,
            **fields,
        )
        for i in range(count)
    ]


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_the_clock_is_that_of_most_windows(rate):
    burst = [replace(packet, time_ms=packet.time_ms / 100) for packet in paced(12, rate)]
    flow = flow_of(burst + paced(120, rate, 20.0, 12))
    assert flow["clock_rate_hz"] == rate
    assert flow["jitter"] < 1e-6


def test_a_pause_of_clock_and_voice_does_not_unsettle_the_clock():
    packets = paced(400, 8000) + paced(40, 8000, 8000.0 + 500, 400) + paced(400, 8000, 9300.0 + 600, 440)
    assert flow_of(packets)["clock_rate_hz"] == 8000


def test_a_row_of_a_former_tenant_says_nothing_about_the_next_one():
    engine = FlowEngine(replace(SMALL, maximum_flows=1))
    other = [Packet(time_ms=20 * i, sequence=i, timestamp=160 * i, payload_type=i % 2 * 8) for i in range(31)]
    assert flow_of(other, engine)["payload_type"] == 0
    fresh = [replace(packet, time_ms=packet.time_ms + 5000) for packet in other[:5]]
    flow = flow_of([replace(packet, source=9) for packet in fresh], engine)
    assert flow["payload_type"] == 0
    assert flow["packets"] == 5


def test_rtcp_of_a_source_is_found_on_foreign_ports_and_is_no_evidence():
    voice = stream(20, source_port=4001)
    report = Packet(time_ms=400, kind=PacketKind.RTCP, source_port=4002, destination_port=6000, size=28)
    flow = flow_of([*voice, report, *stream(1, start=20, time_ms=420, source_port=4001)])
    assert (flow["rtcp_packets"], flow["evidence_rtcp"]) == (1, 0)
    stranger = replace(report, ssrc=8)
    flow = flow_of([*voice, stranger, *stream(1, start=20, time_ms=420, source_port=4001)])
    assert flow["rtcp_packets"] == 0


def test_random_types_stay_within_the_rows_of_their_flow():
    engine = FlowEngine(SMALL)
    packets = [
        Packet(time_ms=20 * i, sequence=i, timestamp=160 * i, payload_type=i * 37 % 64) for i in range(500)
    ]
    flow_of(packets, engine)
    rows = engine._tables.types
    assert rows.dtype == TYPE
    assert not rows["packets"][TYPES_OF_FLOW:].any()


def test_codec_names_are_those_of_static_types():
    assert max(CODEC_NAMES) < 96
