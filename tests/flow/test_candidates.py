"""What is counted when sources in probation take each other's place."""

from flow.packet_rows import Packet, packet_rows, stream

from callprint.core.flow import EngineSettings, FlowEngine
from callprint.core.packets import Outcome

SMALL = EngineSettings(maximum_flows=64, maximum_candidates=64, evidence_memory_bytes=1 << 20)


def outcomes(packets):
    engine = FlowEngine(SMALL)
    data, rows = packet_rows(packets)
    for _ in engine.process(data, rows):
        pass
    for _ in engine.finish():
        pass
    assert sum(engine.outcomes.values()) == len(rows)
    return {outcome: count for outcome, count in engine.outcomes.items() if count}


def test_a_protocol_that_merely_looks_like_rtp_is_no_flood():
    """Each of its packets names a new source on the same two ports: it pushes out nothing that had a chance."""
    chatter = [Packet(time_ms=i, ssrc=1000 + i, sequence=i * 7919) for i in range(500)]
    assert outcomes(chatter) == {Outcome.UNCONFIRMED: 500}


def test_sources_on_other_ports_that_take_their_place_are_one():
    scan = [Packet(time_ms=i, source=i, source_port=1024 + i, sequence=i * 7919) for i in range(500)]
    found = outcomes(scan)
    assert found[Outcome.CANDIDATE_EVICTED] > 300
    assert found[Outcome.CANDIDATE_EVICTED] + found[Outcome.UNCONFIRMED] == 500


def test_a_call_among_such_chatter_on_its_own_ports_is_found():
    chatter = [Packet(time_ms=20 * i + 1, ssrc=1000 + i, sequence=i * 7919) for i in range(50)]
    mixed = sorted(stream(50, ssrc=7) + chatter, key=lambda packet: packet.time_ms)
    assert outcomes(mixed) == {Outcome.ACCEPTED_RTP: 50, Outcome.UNCONFIRMED: 50}
