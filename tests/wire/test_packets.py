"""Packets beyond the heads: with the evidence, every packet of a flow is shipped once."""

import numpy as np
import pytest
from frames import ethernet, ipv4, records, rtcp, rtp, udp
from hypothesis import given
from hypothesis import strategies as st

from callprint.core.dissect import dissect
from callprint.core.evidence import HORIZON_PACKETS
from callprint.core.flow.engine import EngineSettings, FlowEngine
from callprint.core.ground.errors import DecodeError
from callprint.core.packets import PacketKind
from callprint.core.relay.packet_shipping import ALL, MAXIMUM_PAYLOAD_BYTES, PacketShipper
from callprint.core.wire.frame import Origin
from callprint.core.wire.packets import PacketBatch, decode_packets, encode_packets

SETTINGS = EngineSettings(maximum_flows=32, maximum_candidates=32, evidence_memory_bytes=1 << 20)
FLOWS = 3


def capture(packets: int) -> tuple[np.ndarray, np.ndarray]:
    """A few flows: every tenth packet too long for the filter, RTCP now and then, and something else."""
    frames = []
    for number in range(packets):
        for flow in range(FLOWS):
            body = b"v" * (300 if number % 10 == 9 else 20)
            frames.append(ethernet(ipv4(udp(rtp(body, sequence=number), 20_000 + 2 * flow, 30_000))))
            if number % 50 == 49:
                frames.append(ethernet(ipv4(udp(rtcp(), 20_001 + 2 * flow, 30_001))))
        frames.append(ethernet(ipv4(udp(b"neither"))))
    return records(frames)


def shipped(packets: int, head: int, batch: int) -> list[tuple[int, PacketBatch]]:
    data, rows = capture(packets)
    dissected = dissect(data, rows)
    engine = FlowEngine(SETTINGS)
    shipper = PacketShipper(7, 4, SETTINGS.maximum_flows, HORIZON_PACKETS, head)
    out = []
    for at in range(0, len(dissected), batch):
        some = dissected[at : at + batch]
        for _ in engine.process(data, some):
            pass
        out += shipper.take(data, some, engine)
    return out + shipper.flush()


@pytest.mark.parametrize("batch", [1, 7, 100_000])
def test_all_is_everything_but_the_evidence(batch):
    batches = shipped(200, ALL, batch)
    packets = np.concatenate([some.packets for _, some in batches])
    long = FLOWS * 20
    short = FLOWS * 180
    # With a batch of one, the packet in probation belongs to no flow yet when it is looked up: it is evidence.
    assert (packets["kind"] == PacketKind.RTP).sum() == short - FLOWS * HORIZON_PACKETS
    assert (packets["kind"] == PacketKind.RTP_LONG).sum() == long
    assert (packets["kind"] == PacketKind.RTCP).sum() == FLOWS * 4
    for _, some in batches:
        at = 0
        for packet in some.packets:
            payload = some.payload[at : at + packet["length"]].tobytes()
            at += len(payload)
            assert payload[0] == 0x80
        assert at == len(some.payload)


def test_a_flow_stays_in_one_partition_in_order_with_its_rtcp():
    by_session = {}
    for number, some in shipped(200, ALL, 64):
        for packet in some.packets:
            session = int(packet["src_port"]) & 0xFFFE
            by_session.setdefault(session, []).append((number, int(packet["time_ns"])))
    assert len(by_session) == FLOWS
    for shipped_packets in by_session.values():
        assert len({number for number, _ in shipped_packets}) == 1
        assert [time for _, time in shipped_packets] == sorted(time for _, time in shipped_packets)


def test_a_longer_head_ends():
    packets = np.concatenate([some.packets for _, some in shipped(200, 150, 64)])
    long_within = FLOWS * 15
    assert (packets["kind"] == PacketKind.RTP_LONG).sum() == long_within
    assert (packets["kind"] == PacketKind.RTP).sum() == FLOWS * (150 - 15 - HORIZON_PACKETS)


def test_packets_that_the_capture_has_cut_are_shipped_as_far_as_they_go():
    frames = [ethernet(ipv4(udp(rtp(b"v" * 100, sequence=number))))[:-60] for number in range(130)]
    data, rows = records(frames, missing=60)
    engine = FlowEngine(SETTINGS)
    dissected = dissect(data, rows)
    for _ in engine.process(data, dissected):
        pass
    shipper = PacketShipper(7, 1, SETTINGS.maximum_flows, HORIZON_PACKETS, 120)
    (_, batch), *_ = shipper.take(data, dissected, engine) + shipper.flush()
    batch = decode_packets(encode_packets(batch))
    assert set(batch.packets["kind"].tolist()) == {PacketKind.RTP_CUT}
    assert (batch.packets["length"] == 52).all()
    assert (batch.packets["missing"] == 60).all()
    assert len(batch.packets) == 120, "the evidence has their headers alone"
    assert len(batch.payload) == 120 * 52


def test_batches_are_numbered_and_bounded():
    batches = shipped(3000, ALL, 5000)
    numbers = {}
    for partition, some in batches:
        assert len(some.payload) <= MAXIMUM_PAYLOAD_BYTES
        numbers.setdefault(partition, []).append(some.origin.sequence)
        assert some.origin.source == 7
    assert all(found == list(range(len(found))) for found in numbers.values())


def test_what_is_encoded_decodes():
    for _, some in shipped(130, ALL, 64):
        data = encode_packets(some)
        again = decode_packets(data)
        assert encode_packets(again) == data
        assert (again.packets == some.packets).all()


@given(st.binary(max_size=200), st.integers(0, 200))
def test_any_bytes_decode_or_raise(noise, at):
    ((_, some), *_) = shipped(120, ALL, 1000)
    data = encode_packets(some)
    for broken in (noise, data[:at] + noise + data[at + len(noise) :]):
        try:
            again = decode_packets(broken)
        except DecodeError:
            continue
        assert encode_packets(again) == broken


def test_lengths_and_kinds_are_checked():
    ((_, some), *_) = shipped(120, ALL, 1000)
    for name, value in (("length", 9999), ("kind", int(PacketKind.SIP_UDP))):
        packets = some.packets.copy()
        packets[name][0] = value
        with pytest.raises(DecodeError, match="packet"):
            decode_packets(encode_packets(PacketBatch(Origin(1, 0, 0), packets, some.payload)))
