"""What senders send before their media: kept for the flows that follow, and bounded."""

from flow.engine_run import run
from flow.packet_rows import Packet, stream

from callprint.core.evidence import (
    EVIDENCE_ALLOCATE,
    EVIDENCE_DTLS,
    EVIDENCE_H225,
    EVIDENCE_RTP,
    EVIDENCE_STUN,
)
from callprint.core.packets import Outcome, PacketKind


def test_the_handshake_of_the_sender_is_the_first_evidence():
    stun = Packet(time_ms=0, kind=PacketKind.STUN, payload_type=1, size=100, sequence=1)
    again = Packet(time_ms=5, kind=PacketKind.STUN, payload_type=1, size=80, sequence=2)
    hello = Packet(time_ms=10, kind=PacketKind.DTLS, payload_type=1, size=600)
    of_the_peer = Packet(
        time_ms=11, kind=PacketKind.DTLS, payload_type=2, source=2, destination=1, source_port=5000, size=90
    )
    engine, reported = run([stun, again, hello, of_the_peer, *stream(2, time_ms=20)])
    (final,) = [one for one in reported if one[0] == "final"]
    assert [(kind, payload) for _, kind, payload in final[3][:2]] == [
        (EVIDENCE_STUN, stun.payload()),
        (EVIDENCE_DTLS, hello.payload()[:255]),
    ]
    assert engine.outcomes[Outcome.STUN] == engine.outcomes[Outcome.DTLS] == 2


def test_the_last_allocate_before_media_through_a_relay_is_evidence():
    first = Packet(time_ms=0, kind=PacketKind.STUN, payload_type=0x0003, size=60, sequence=1)
    refused = Packet(
        time_ms=1,
        kind=PacketKind.STUN,
        payload_type=0x0113,
        source=2,
        destination=1,
        source_port=5000,
        size=90,
    )
    again = Packet(time_ms=2, kind=PacketKind.STUN, payload_type=0x0003, size=300, sequence=2)
    engine, reported = run([first, refused, again, *stream(2, time_ms=20)])
    (final,) = [one for one in reported if one[0] == "final"]
    assert [(kind, payload) for _, kind, payload in final[3][:1]] == [
        (EVIDENCE_ALLOCATE, again.payload()[:255])
    ]
    assert engine.outcomes[Outcome.STUN] == 3


def test_media_past_the_relay_have_the_allocate_of_their_socket():
    """ICE tries relays and the direct way from one socket: WhatsApp asks eight servers and sends media to none."""
    asked = [
        Packet(time_ms=i, kind=PacketKind.STUN, payload_type=0x0003, size=60, destination=8 + i, sequence=i)
        for i in range(3)
    ]
    of_the_next_socket = Packet(
        time_ms=4, kind=PacketKind.STUN, payload_type=0x0003, size=70, destination=8, source_port=4001
    )
    answer = Packet(
        time_ms=5,
        kind=PacketKind.STUN,
        payload_type=0x0103,
        size=80,
        source=8,
        destination=1,
        source_port=5000,
    )
    back = stream(2, time_ms=20, source=2, destination=1, source_port=5000, destination_port=4000)
    _, reported = run([*asked, of_the_next_socket, answer, *stream(2, time_ms=20), *back])
    logs = {one[1][0]: one[3] for one in reported if one[0] == "final"}
    assert logs[1][0] == (asked[-1].time_ns, EVIDENCE_ALLOCATE, asked[-1].payload())
    assert [kind for _, kind, _ in logs[2]] == [EVIDENCE_RTP, EVIDENCE_RTP]


def test_what_a_server_answers_counts_for_its_own_media():
    answer = Packet(time_ms=0, kind=PacketKind.STUN, payload_type=0x0103, size=80)
    elsewhere = stream(2, time_ms=20, destination=3, ssrc=8)
    _, reported = run([answer, *stream(2, time_ms=20), *elsewhere])
    logs = {one[1][2]: one[3] for one in reported if one[0] == "final"}
    assert [kind for _, kind, _ in logs[2]] == [EVIDENCE_ALLOCATE, EVIDENCE_RTP, EVIDENCE_RTP]
    assert [kind for _, kind, _ in logs[3]] == [EVIDENCE_RTP, EVIDENCE_RTP]


def h225(time_ms: float, manufacturer: int, product: int = 1, **fields: int) -> Packet:
    ports = {"source_port": 1720, "destination_port": 32803}
    return Packet(
        time_ms, PacketKind.H225, payload_type=manufacturer, sequence=product, **{**ports, **fields}
    )


def vendors_of(*before: Packet, time_ms: float = 20) -> list[bytes]:
    _, reported = run([*before, *stream(2, time_ms=time_ms)])
    (final,) = [one for one in reported if one[0] == "final"]
    return [payload for _, kind, payload in final[3] if kind == EVIDENCE_H225]


def test_what_a_host_says_of_its_maker_in_call_signalling_is_evidence_of_its_media():
    record = b"\2\xb5\0\0\x12\x08Gateway 1"
    assert vendors_of(h225(0, 18)) == [record]
    assert vendors_of(h225(0, 18), time_ms=59_000) == [record]
    assert vendors_of(h225(0, 18), time_ms=61_000) == []
    assert vendors_of(h225(0, 18, source=2, destination=1)) == []  # the other one said it
    assert vendors_of(h225(0, 18, destination=3)) == []


def test_two_makers_behind_one_address_are_none():
    assert vendors_of(h225(0, 18), h225(1, 21), h225(2, 18)) == []
    assert vendors_of(h225(0, 18, 1), h225(1, 18, 2)) == []
    assert vendors_of(h225(0, 18), h225(62_000, 21), time_ms=65_000) == []  # a long ringing of the first
    assert len(vendors_of(h225(0, 18), h225(130_000, 21), time_ms=130_020)) == 1
    assert len(vendors_of(h225(0, 18), h225(1, 18, destination_port=32804))) == 1


def test_who_leaves_its_product_out_of_some_messages_is_one_maker():
    record = b"\2\xb5\0\0\x12\x08Gateway 1"
    assert vendors_of(h225(0, 18), h225(1, 18, 0)) == [record]
    assert vendors_of(h225(0, 18, 0), h225(1, 18)) == [record]
    assert vendors_of(h225(0, 18), h225(121_000, 18, 0), time_ms=121_020) == [b"\0\xb5\0\0\x12"]
    assert vendors_of(h225(0, 18, 0)) == [b"\0\xb5\0\0\x12"]


def test_who_has_a_handshake_of_its_own_is_no_h323_endpoint():
    binding = Packet(time_ms=1, kind=PacketKind.STUN, payload_type=1, size=60)
    hello = Packet(time_ms=1, kind=PacketKind.DTLS, payload_type=1, size=90)
    allocate = Packet(time_ms=1, kind=PacketKind.STUN, payload_type=3, size=60, destination=9)
    assert [vendors_of(h225(0, 18), each) for each in (binding, hello, allocate)] == [[], [], []]


def test_ports_of_zero_are_ports():
    answer = Packet(
        time_ms=1, kind=PacketKind.STUN, payload_type=0x0103, size=60, source_port=0, destination_port=0
    )
    assert len(vendors_of(h225(0, 18), answer)) == 1


def test_an_allocate_keeps_no_older_request_alive():
    binding = Packet(time_ms=0, kind=PacketKind.STUN, payload_type=1, size=60)
    allocate = Packet(time_ms=50_000, kind=PacketKind.STUN, payload_type=0x0003, size=60)
    _, reported = run([binding, allocate, *stream(2, time_ms=70_000)])
    (final,) = [one for one in reported if one[0] == "final"]
    assert [kind for _, kind, _ in final[3]] == [EVIDENCE_ALLOCATE, EVIDENCE_RTP, EVIDENCE_RTP]


def test_flows_that_share_the_ports_share_the_handshake():
    stun = Packet(time_ms=0, kind=PacketKind.STUN, payload_type=1, size=100)
    _, reported = run([stun, *stream(2, time_ms=20), *stream(2, time_ms=90, ssrc=8)])
    assert [one[3][0][1] for one in reported if one[0] == "final"] == [EVIDENCE_STUN] * 2


def test_a_flood_of_handshakes_is_counted_and_evicts_no_flow():
    flood = [
        Packet(time_ms=40, kind=PacketKind.STUN, payload_type=1, size=20, source_port=1024 + i)
        for i in range(5000)
    ]
    engine, reported = run([*stream(2), *flood, *stream(2, start=2, time_ms=60)])
    assert engine.gauges["handshakes_evicted"] > 4000
    assert [one[3] for one in reported if one[0] == "end"] == [(4, 0, 0, 4 * 172)]
