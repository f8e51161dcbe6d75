"""What is counted when sources in probation take each other's place."""

from dataclasses import replace
from itertools import count, islice

import pytest
from flow.packet_rows import IPV4, Packet, packet_rows, stream

from callprint.core.flow import EngineSettings, FlowEngine
from callprint.core.flow.hashing import half_session_hash
from callprint.core.ground.errors import ConfigError
from callprint.core.ground.sets import WAYS
from callprint.core.packets import Outcome

SMALL = EngineSettings(maximum_flows=64, maximum_candidates=64, evidence_memory_bytes=1 << 20)


def outcomes(packets, settings=SMALL):
    engine = FlowEngine(settings)
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


def in_the_set_of(packet, sets):
    """Sources whose hash chooses the same of some sets as a packet's."""
    _, rows = packet_rows([packet])
    wanted = int(half_session_hash(rows[0])) % sets
    for source in count(2):
        rows["src_lo"] = IPV4 | (0x0A000000 + source)
        if int(half_session_hash(rows[0])) % sets == wanted:
            yield source


@pytest.fixture(scope="module")
def aimed_at_a_call():
    """A call, and between two of its packets fifty of others, all of them in its set as the hash alone chooses it."""
    call = stream(20)
    others = in_the_set_of(call[0], 1024 // WAYS)
    junk = [
        Packet(time_ms=packet.time_ms + 0.1 + 0.3 * i, source=source, sequence=source * 7919, size=12)
        for packet in call
        for i, source in enumerate(islice(others, 50))
    ]
    return sorted(call + junk, key=lambda packet: packet.time_ms)


def test_junk_that_is_aimed_at_a_call_hides_it_only_where_its_set_can_be_told(aimed_at_a_call):
    settings = replace(SMALL, maximum_candidates=1024)
    assert outcomes(aimed_at_a_call, settings).get(Outcome.ACCEPTED_RTP, 0) == 0
    keyed = replace(settings, set_key=0xC2B2AE3D_27D4EB4F)
    assert outcomes(aimed_at_a_call, keyed)[Outcome.ACCEPTED_RTP] == 20


def test_a_key_of_sets_of_more_bits_is_refused():
    with pytest.raises(ConfigError, match="set_key"):
        EngineSettings(set_key=1 << 64)
