"""The flow engine against its reference, and the properties that its hosts rely on."""

from dataclasses import replace

import pytest
from flow.engine_run import SMALL, run
from flow.packet_rows import Packet, packet_rows, stream
from flow.reference import ReferenceEngine
from hypothesis import given, settings
from hypothesis import strategies as st

from callprint.core.evidence import ENOUGH_WHOLE, EVIDENCE_RTP_HEADER
from callprint.core.flow import EngineSettings, FlowEngine
from callprint.core.flow.hashing import media_session_hash
from callprint.core.flow.layout import EVENT_HORIZON
from callprint.core.flow.table import MOST_SOURCES
from callprint.core.ground.errors import ConfigError
from callprint.core.packets import Outcome, PacketKind

HASTY = replace(SMALL, horizon_at_latest_s=1.0)
"""Judges slow flows after a second."""

FEW = replace(SMALL, whole_enough=3)
"""Takes headers as evidence only until the third whole packet."""


@st.composite
def traffic(draw):
    """Packets of a few media sessions: streams with loss, reordering, long packets, RTCP, second sources, gaps."""
    packets = []
    for session in range(draw(st.integers(1, 3))):
        time_ms = draw(st.integers(0, 500))
        source_port = 4000 + 10 * session
        for _ in range(draw(st.integers(1, 4))):
            for kind, types in (
                (PacketKind.STUN, [1, 1, 0x0003, 0x0103, 0x0101]),
                (PacketKind.DTLS, [1, 2, 11]),
                (PacketKind.H225, [18, 18, 21]),
            ):
                for _ in range(draw(st.integers(0, 2))):
                    packets.append(
                        Packet(
                            time_ms=time_ms,
                            kind=kind,
                            source_port=source_port + draw(st.sampled_from([0, 0, 1])),
                            sequence=draw(st.integers(0, 2 if kind == PacketKind.H225 else 255)),
                            payload_type=draw(st.sampled_from(types)),
                            size=draw(st.sampled_from([20, 100, 400])),
                        )
                    )
                    time_ms += draw(st.sampled_from([0, 20, 1500, 61_000]))
            # A source may come back. No two flows between the same addresses share an SSRC: which of two equally
            # active ones RTCP on foreign ports belongs to is left open.
            ssrc = 10 * session + draw(st.sampled_from([7, 8]))
            sequence = draw(st.sampled_from([0, 5, 30000, 65533]))
            others = draw(st.sampled_from([PacketKind.RTP, PacketKind.RTP_LONG, PacketKind.RTP_CUT]))
            kinds = [PacketKind.RTP] * 3 + [others] * 3
            kinds += [PacketKind.RTCP, PacketKind.RTP_LONG, PacketKind.RTP_CUT]
            for _ in range(draw(st.integers(1, 18))):
                kind = draw(st.sampled_from(kinds))
                # Multiplexed, on the next port, or on ports that only `a=rtcp` announced.
                rtcp_port = draw(st.sampled_from([0, 1, 1001])) if kind == PacketKind.RTCP else 0
                packets.append(
                    Packet(
                        time_ms=time_ms,
                        kind=kind,
                        source_port=source_port + rtcp_port,
                        destination_port=5000 + rtcp_port,
                        ssrc=ssrc,
                        sequence=sequence,
                        timestamp=160 * sequence,
                        size=300 if kind == PacketKind.RTP_LONG else draw(st.sampled_from([12, 60, 255])),
                        missing=draw(st.sampled_from([1, 400])) if kind == PacketKind.RTP_CUT else 0,
                    )
                )
                time_ms += draw(st.sampled_from([0, 20, 20, 20, 700, 1500]))
                if kind != PacketKind.RTCP:
                    sequence += draw(st.sampled_from([1, 1, 1, 1, 0, 2, -1, 200]))
            time_ms += draw(st.sampled_from([0, 500, 1100, 61_000]))
    return sorted(packets, key=lambda packet: packet.time_ms)


@pytest.mark.parametrize("engine_settings", [SMALL, HASTY, FEW], ids=["usual", "hasty", "few"])
@settings(max_examples=100, deadline=None)
@given(packets=traffic())
def test_engine_reports_what_the_reference_reports(engine_settings, packets):
    reference = ReferenceEngine(engine_settings)
    for packet in packets:
        reference.process(packet)
    reference.finish()
    engine, reported = run(packets, engine_settings)
    assert engine.outcomes == reference.outcomes
    # When an event is reported may differ (a sweep is earlier); what is reported of each flow, in order, may not.
    for key in {entry[1] for entry in reference.reported} | {entry[1] for entry in reported}:
        assert [e for e in reported if e[1] == key and e[0] != "end"] == [
            e for e in reference.reported if e[1] == key and e[0] != "end"
        ]
        assert [e[3] for e in reported if e[1] == key and e[0] == "end"] == [
            e[3] for e in reference.reported if e[1] == key and e[0] == "end"
        ]


@settings(max_examples=60, deadline=None)
@given(traffic(), st.integers(1, 7))
def test_batch_size_changes_nothing(packets, batch):
    whole, reported_whole = run(packets)
    parts, reported_parts = run(packets, batch=batch)
    assert reported_parts == reported_whole
    assert parts.outcomes == whole.outcomes


def test_first_packet_is_evidence_after_confirmation():
    _, reported = run(stream(3))
    final = next(entry for entry in reported if entry[0] == "final")
    assert [payload[2:4] for _, _, payload in final[3]] == [b"\0\0", b"\0\1", b"\0\2"]


def test_lone_packets_and_jumping_numbers_are_no_flow():
    packets = [Packet(time_ms=20 * i, sequence=7 * i) for i in range(20)]
    engine, reported = run(packets)
    assert not reported
    assert engine.outcomes[Outcome.UNCONFIRMED] == 20


def test_horizon_waits_for_rtcp_and_no_longer():
    packets = [
        *stream(8),
        Packet(time_ms=9000, kind=PacketKind.RTCP, size=28),
        Packet(time_ms=20000, kind=PacketKind.RTCP, size=28),
    ]
    _, reported = run(packets)
    final = next(entry for entry in reported if entry[0] == "final")
    assert [kind for _, kind, _ in final[3]] == [0] * 6 + [1]


def test_a_slow_flow_is_judged_two_minutes_after_its_first_packet():
    slow = stream(12) + [Packet(time_ms=50_000 * i, sequence=11 + i, timestamp=160 * i) for i in range(1, 90)]
    when = []
    engine = FlowEngine(EngineSettings(maximum_flows=8, maximum_candidates=16, evidence_memory_bytes=1 << 20))
    data, rows = packet_rows(slow)
    for at in range(len(rows)):
        for drain in engine.process(data, rows[at : at + 1]):
            for event in drain.events[drain.events["kind"] == EVENT_HORIZON]:
                times = (rows["time_ns"][at], event["time_ns"])
                when.append((*(int(time - rows["time_ns"][0]) // 10**9 for time in times), int(event["k"])))
    assert when == [(150, 120, 14)], "at the first packet that comes too late"


def test_a_slow_flow_is_judged_while_it_is_silent_too():
    _, reported = run([*stream(3), Packet(time_ms=9_000, source=99)], HASTY)
    assert [entry[:3:2] for entry in reported if entry[0] == "final"] == [("final", 3)]


def finals(packets, engine_settings=SMALL):
    """Return (k, kinds of the RTP records) of each final verdict that is asked for."""
    _, reported = run(packets, engine_settings)
    return [
        (entry[2], "".join("WH"[kind == EVIDENCE_RTP_HEADER] for _, kind, _ in entry[3]))
        for entry in reported
        if entry[0] == "final"
    ]


def test_a_flow_of_long_or_cut_packets_leaves_their_headers():
    video = stream(150, kind=PacketKind.RTP_LONG, size=900)
    assert finals(video) == [(SMALL.horizon_packets, "H" * SMALL.horizon_packets)]
    cut = stream(150, kind=PacketKind.RTP_CUT, size=22, missing=150)
    assert finals(cut) == [(SMALL.horizon_packets, "H" * SMALL.horizon_packets)]


def test_headers_count_until_there_are_enough_whole_packets():
    long = stream(4, kind=PacketKind.RTP_LONG, size=900)
    few = stream(ENOUGH_WHOLE - 1, start=4, time_ms=80)
    engine_settings = EngineSettings(
        maximum_flows=64, maximum_candidates=64, evidence_memory_bytes=1 << 20, checkpoints=(4, 10)
    )
    assert finals(long + few, engine_settings) == [(13, "HHHH" + "W" * 9)]
    enough = stream(ENOUGH_WHOLE, start=4, time_ms=80)
    later = stream(5, start=14, time_ms=280, kind=PacketKind.RTP_LONG, size=900)
    assert finals(long + enough + later, engine_settings) == [(10, "HHHH" + "W" * 10)]
    _, reported = run(long + enough, engine_settings)
    assert [entry[2] for entry in reported if entry[0] == "checkpoint"] == [4, 10, 10]


def test_no_headers_are_kept_where_no_whole_packets_are_enough():
    engine_settings = EngineSettings(
        maximum_flows=64, maximum_candidates=64, evidence_memory_bytes=1 << 20, whole_enough=0
    )
    packets = stream(4, kind=PacketKind.RTP_LONG, size=900) + stream(6, start=4, time_ms=80)
    assert finals(packets, engine_settings) == [(6, "W" * 6)]


def test_port_reuse_by_another_call_is_another_flow():
    _, reported = run(
        stream(5, ssrc=7) + stream(5, ssrc=9, time_ms=3_000) + stream(4, ssrc=7, time_ms=70_000)
    )
    assert sorted(entry[3][0] for entry in reported if entry[0] == "end") == [4, 5, 5]


def test_sources_that_share_the_ports_do_not_disturb_each_other():
    audio = stream(30, ssrc=7)
    video = stream(90, ssrc=9, time_ms=5, kind=PacketKind.RTP_LONG, size=900)
    _, reported = run(sorted(audio + video, key=lambda packet: packet.time_ms))
    assert sorted(entry[3][:2] for entry in reported if entry[0] == "end") == [(0, 90), (30, 0)]


def test_flood_of_lone_packets_evicts_no_established_flow():
    settings_ = EngineSettings(maximum_flows=8, maximum_candidates=16, evidence_memory_bytes=1 << 20)
    calls = [p for host in range(8) for p in stream(50, source=10 + host)]
    flood = [Packet(time_ms=100 + i * 0.05, source=1000 + i, sequence=i * 31, ssrc=i) for i in range(10_000)]
    engine, reported = run(sorted(calls + flood, key=lambda packet: packet.time_ms), settings_)
    assert engine.gauges["flows_evicted"] == 0
    assert sorted(entry[3][0] for entry in reported if entry[0] == "end") == [50] * 8
    lost = engine.outcomes[Outcome.CANDIDATE_EVICTED] + engine.outcomes[Outcome.UNCONFIRMED]
    assert lost == 10_000


def test_sources_without_end_on_the_ports_of_a_flow_evict_each_other():
    settings_ = EngineSettings(maximum_flows=4 * MOST_SOURCES, evidence_memory_bytes=1 << 20)
    flood = [
        Packet(time_ms=i * 0.1 + n * 0.01, ssrc=100 + i, sequence=n, size=12)
        for i in range(2 * MOST_SOURCES)
        for n in range(2)
    ]
    call = stream(15) + stream(15, source=2, destination=1, source_port=5000, destination_port=4000)
    engine, reported = run(sorted(call + flood, key=lambda packet: packet.time_ms), settings_)
    assert engine.gauges["flows_evicted"] == MOST_SOURCES + 1
    assert sorted(entry[3][0] for entry in reported if entry[0] == "end")[-2:] == [15, 15]


def test_full_table_evicts_the_silent_flow_with_its_evidence():
    settings_ = EngineSettings(maximum_flows=2, maximum_candidates=16, evidence_memory_bytes=1 << 20)
    packets = stream(5, source=1) + stream(100, source=2) + stream(20, source=3, time_ms=1_000)
    engine, reported = run(sorted(packets, key=lambda packet: packet.time_ms), settings_)
    assert engine.gauges["flows_evicted"] == 1
    evicted = [entry for entry in reported if entry[0] == "end" and entry[2] == "evicted"]
    assert [entry[1][0] for entry in evicted] == [1]


def test_full_evidence_memory_judges_early_and_counts():
    settings_ = EngineSettings(maximum_flows=8, maximum_candidates=16, evidence_memory_bytes=4096)
    engine, reported = run(stream(60), settings_)
    finals = [entry for entry in reported if entry[0] == "final"]
    assert len(finals) == 1
    assert 10 < finals[0][2] < 30
    assert engine.gauges["evidence_exhausted"] == 1
    assert engine.outcomes[Outcome.ACCEPTED_RTP] == 60


def test_many_events_in_one_batch_are_drained_in_parts():
    packets = [
        Packet(time_ms=20 * i + host * 0.001, sequence=i, source=host)
        for i in range(12)
        for host in range(3000)
    ]
    big = EngineSettings(maximum_flows=4096, maximum_candidates=1 << 14)
    engine, reported = run(packets, big)
    assert sum(entry[0] == "end" for entry in reported) == 3000
    assert engine.gauges["flows_created"] == 3000


def test_lookup_finds_exactly_the_open_flows():
    engine = FlowEngine(SMALL)
    data, rows = packet_rows([*stream(5), Packet(time_ms=200, source=99)])
    list(engine.process(data, rows))
    found = engine.lookup(data, rows)
    assert (found[:5] == found[0]).all()
    assert found[0] >= 0
    assert found[5] == -1
    assert engine.flows["packets"][found[0]] == 5


def test_verdict_for_a_row_that_has_a_new_tenant_is_not_written():
    engine = FlowEngine(SMALL)
    data, rows = packet_rows(stream(3))
    drain = next(iter(engine.process(data, rows)))
    event, flow = drain.events[:1].copy(), drain.flows[:1].copy()
    flow["application"] = 3
    flow["generation"] += 1
    engine.set_verdicts(event, flow)
    assert engine.flows["application"][event["row"][0]] == -1
    flow["generation"] -= 1
    engine.set_verdicts(event, flow)
    assert engine.flows["application"][event["row"][0]] == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [("maximum_flows", 0), ("checkpoints", (4, 2)), ("idle_timeout_s", -1.0), ("horizon_packets", 70_000)],
)
def test_impossible_settings_are_named(name, value):
    with pytest.raises(ConfigError, match=name):
        EngineSettings(**{name: value})


def test_clock_that_jumps_back_begins_anew():
    packets = stream(5, time_ms=10_000_000) + stream(5, time_ms=0, source=3)
    _, reported = run(packets)
    assert sum(entry[0] == "end" for entry in reported) == 2


def test_session_hash_is_shared_by_flow_rtcp_and_reverse():
    def session(source, destination, source_port, destination_port):
        packet = Packet(
            time_ms=0,
            source=source,
            destination=destination,
            source_port=source_port,
            destination_port=destination_port,
        )
        return media_session_hash(packet_rows([packet])[1][0])

    forward = session(1, 2, 4000, 5000)
    assert forward == session(1, 2, 4001, 5001) == session(2, 1, 5000, 4000) == session(2, 1, 5001, 4001)
    assert forward != session(1, 2, 4002, 5000)
