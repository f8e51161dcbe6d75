"""The index of flows: whoever sends packets does not choose where their flows lie."""

from itertools import count, islice

import numpy as np
import pytest
from flow.packet_rows import IPV4, Packet, packet_rows, stream

from callprint.core.flow import EngineSettings, FlowEngine
from callprint.core.flow.hashing import half_session_hash
from callprint.core.ground.errors import ConfigError

FLOWS = 32
LOW_BITS = 1023  # as many slots as the index has in the beginning


def neighbours():
    """Sources whose hashes have low bits that are alike: eight numbers out of 1,024."""
    _, rows = packet_rows([Packet(0, size=12)])
    for source in count(1):
        rows["src_lo"] = IPV4 | (0x0A000000 + source)
        if int(half_session_hash(rows[0])) & LOW_BITS < 8:
            yield source


def longest_run(engine):
    used = engine._tables.slots[: LOW_BITS + 1] != 0
    gaps = np.flatnonzero(~np.concatenate((used, used)))  # a run may go around the end
    return int(np.diff(gaps).max()) - 1


@pytest.fixture(scope="module")
def packets():
    return packet_rows(
        sorted(
            (
                packet
                for source in islice(neighbours(), FLOWS)
                for packet in stream(3, source=source, size=12)
            ),
            key=lambda packet: packet.time_ms,
        )
    )


@pytest.mark.parametrize("key", [EngineSettings().index_key, 0x1234567_89ABCDEF, (1 << 64) - 59])
def test_flows_with_hashes_that_are_alike_lie_apart(packets, key):
    engine = FlowEngine(EngineSettings(maximum_flows=FLOWS, maximum_candidates=1 << 16, index_key=key))
    assert not list(engine.process(*packets))
    assert engine.gauges["flows"] == FLOWS
    assert longest_run(engine) < FLOWS // 2
    assert (engine.lookup(*packets) >= 0).all()
    assert sum(len(drain.events) for drain in engine.finish()) == FLOWS
    assert not engine._tables.slots.any()


def test_a_key_of_more_bits_is_refused():
    with pytest.raises(ConfigError, match="index_key"):
        EngineSettings(index_key=1 << 64)
