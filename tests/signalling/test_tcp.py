"""TCP: whatever the network does to the segments, the same messages come out; nothing goes uncounted."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sip_samples import INVITE
from tcp_payloads import Payloads

from callprint.core.signalling.framing import SipFramer
from callprint.core.signalling.tcp import (
    FIN,
    HELD_SEGMENT,
    HOLE_TIMEOUT_NS,
    MAXIMUM_HELD,
    MAXIMUM_HELD_SEGMENTS,
    RST,
    SYN,
    TcpMessage,
    TcpOutcome,
    TcpReassembler,
)

KEY = (0, 1, 0, 2, 5060, 5060)
OTHER = (0, 2, 0, 1, 5060, 5060)
OK = INVITE.replace(b"INVITE sip:bob@biloxi.example SIP/2.0", b"SIP/2.0 200 OK")
SECOND_NS = 1_000_000_000


def _assert_adds_up(tcp: TcpReassembler, segments: int) -> None:
    tcp.close()
    assert sum(tcp.outcomes.values()) == segments
    assert tcp.held == 0


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_cut_order_and_repetition_gives_the_messages(data):
    wire = b"\r\n\r\n".join([INVITE, OK, INVITE, b""])
    cuts = sorted(data.draw(st.sets(st.integers(1, len(wire) - 1), max_size=12)))
    pieces = [(start, wire[start:end]) for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    overlaps = [(max(0, start - 7), wire[max(0, start - 7) : start + len(piece)]) for start, piece in pieces]
    extra = data.draw(st.lists(st.sampled_from(pieces + overlaps), max_size=5))
    order = data.draw(st.permutations(pieces + extra))
    base = data.draw(st.sampled_from([0, 1, 0xFFFFFFF0, 0xFFFFFFFF, 0x7FFFFFF0]))
    tcp = Payloads()
    messages = tcp.segment(0, KEY, base, SYN, b"")
    for start, piece in order:
        messages += tcp.segment(1, KEY, (base + 1 + start) & 0xFFFFFFFF, 0, piece)
    assert messages == [INVITE, OK, INVITE]
    _assert_adds_up(tcp, 1 + len(order))
    assert (tcp.message_bytes + tcp.keepalive_bytes, tcp.skipped_bytes) == (len(wire), 0)


def test_a_stream_first_seen_in_the_middle_is_read_from_its_next_message():
    tcp = Payloads()
    tail = INVITE[100:]
    assert tcp.segment(0, KEY, 5000, 0, tail) == []
    assert tcp.segment(0, KEY, 5000 + len(tail), 0, OK) == [OK]
    tcp.close()
    assert tcp.skipped_bytes == len(tail)


def test_a_hole_is_given_up_after_its_time_and_the_next_message_is_found():
    tcp = Payloads()
    wire = INVITE + OK + INVITE
    lost = len(INVITE) + 50
    tcp.segment(0, KEY, 0, SYN, b"")
    assert tcp.segment(0, KEY, 1, 0, wire[:lost]) == [INVITE]
    assert tcp.segment(0, KEY, 101 + lost, 0, wire[lost + 100 :]) == []
    assert tcp.segment(HOLE_TIMEOUT_NS - 1, KEY, 1 + len(wire), 0, b"\r\n\r\n") == []
    assert tcp.segment(HOLE_TIMEOUT_NS, KEY, 5 + len(wire), 0, OK) == [INVITE, OK]
    assert tcp.holes == 1
    _assert_adds_up(tcp, 5)


def test_a_hole_is_given_up_when_too_much_waits_behind_it():
    tcp = Payloads()
    tcp.segment(0, KEY, 0, SYN, b"")
    at = 1 + 10_000  # the first 10 kB never come
    got = []
    for _ in range(MAXIMUM_HELD // len(OK) + 1):
        got += tcp.segment(0, KEY, at, 0, OK)
        at += len(OK)
    assert tcp.holes == 1
    assert got == [OK] * (MAXIMUM_HELD // len(OK) + 1)
    assert tcp.held == 0


def test_another_stream_shows_that_the_time_of_a_hole_is_over():
    tcp = TcpReassembler()
    tcp.segment(0, KEY, 0, SYN, b"")
    assert tcp.segment(7, KEY, 101, 0, OK, "a") == []
    assert tcp.segment(HOLE_TIMEOUT_NS, OTHER, 1, 0, INVITE) == [
        TcpMessage(HOLE_TIMEOUT_NS, OTHER, INVITE, None)
    ]
    assert tcp.segment(HOLE_TIMEOUT_NS + 7, OTHER, 1 + len(INVITE), 0, INVITE, "b") == [
        TcpMessage(7, KEY, OK, "a"),
        TcpMessage(HOLE_TIMEOUT_NS + 7, OTHER, INVITE, "b"),
    ]
    _assert_adds_up(tcp, 4)


def test_the_oldest_hole_being_that_of_the_stream_that_is_read_keeps_no_other_waiting():
    tcp = TcpReassembler()
    for key in (KEY, OTHER):
        tcp.segment(0, key, 0, SYN, b"")
        assert tcp.segment(7, key, 101, 0, OK) == []
    late_ns = HOLE_TIMEOUT_NS + 7
    assert tcp.segment(late_ns, KEY, 1, 0, b"\r\n" * 50) == [
        TcpMessage(7, OTHER, OK, None),
        TcpMessage(late_ns, KEY, OK, None),
    ]
    assert tcp.holes == 1


@pytest.mark.parametrize("how", ["reset", "new connection", "end of the capture"])
def test_what_waits_behind_holes_is_read_when_its_connection_is_over(how):
    tcp = TcpReassembler()
    tcp.segment(0, KEY, 0, SYN, b"")
    assert tcp.segment(1, KEY, 101, 0, OK) == []
    assert tcp.segment(2, KEY, 201 + len(OK), FIN, INVITE) == []
    if how == "end of the capture":
        messages = tcp.close()
    else:
        messages = tcp.segment(9, KEY, 301 + 2 * len(OK), RST if how == "reset" else SYN, b"")
    assert messages == [TcpMessage(1, KEY, OK, None), TcpMessage(2, KEY, INVITE, None)]
    assert tcp.holes == 2
    assert tcp.close() == []
    assert tcp.outcomes[TcpOutcome.DROPPED] == tcp.held == tcp.buffered_bytes == 0


def test_the_segment_that_fills_a_hole_after_its_time_is_not_too_late_for_its_own_stream():
    tcp = TcpReassembler()
    tcp.segment(0, KEY, 0, SYN, b"")
    assert tcp.segment(1, KEY, 101, 0, OK[100:]) == []
    late_ns = HOLE_TIMEOUT_NS + SECOND_NS
    assert tcp.segment(late_ns, KEY, 1, 0, OK[:100]) == [TcpMessage(late_ns, KEY, OK, None)]
    assert tcp.holes == 0


def test_a_new_connection_on_the_same_ports_starts_afresh():
    tcp = Payloads()
    assert tcp.segment(0, KEY, 10, SYN, b"") == []
    assert tcp.segment(0, KEY, 11, 0, INVITE[:200]) == []
    assert tcp.segment(0, KEY, 3_000_000_000, 0, OK) == [OK]
    assert tcp.segment(0, KEY, 77, SYN, b"") == []
    assert tcp.segment(0, KEY, 78, FIN, INVITE) == [INVITE]
    _assert_adds_up(tcp, 5)
    assert tcp.skipped_bytes == 200


def test_a_syn_that_is_sent_again_or_overtaken_by_data_ends_nothing():
    tcp = Payloads()
    tcp.segment(0, KEY, 10, SYN, b"")
    assert tcp.segment(0, KEY, 11, 0, INVITE[:200]) == []
    assert tcp.segment(0, KEY, 11 + 300, 0, INVITE[300:]) == []
    assert tcp.segment(0, KEY, 10, SYN, b"") == []
    assert tcp.segment(0, KEY, 11 + 200, 0, INVITE[200:300]) == [INVITE]
    assert tcp.segment(0, OTHER, 0, 0, OK[:200]) == []
    assert tcp.segment(0, OTHER, 0xFFFFFFFF, SYN, b"") == []
    assert tcp.segment(0, OTHER, 200, 0, OK[200:]) == [OK]
    assert tcp.segment(0, OTHER, 5, SYN, b"") == [], "of another connection"
    assert tcp.segment(0, OTHER, 6, 0, OK) == [OK]
    _assert_adds_up(tcp, 10)
    assert tcp.skipped_bytes == 0


@pytest.mark.parametrize("began_with_syn", [True, False])
def test_a_device_that_restarts_with_the_same_number_begins_anew(began_with_syn):
    tcp = Payloads()
    if began_with_syn:
        tcp.segment(0, KEY, 10, SYN, b"")
    assert tcp.segment(1, KEY, 11, 0, INVITE) == [INVITE]
    assert tcp.segment(3600 * SECOND_NS, KEY, 10, SYN, b"") == []
    assert tcp.segment(3600 * SECOND_NS, KEY, 11, 0, OK) == [OK]


def test_a_syn_between_the_second_and_the_first_segment_loses_neither():
    tcp = Payloads()
    assert tcp.segment(0, KEY, 11 + len(INVITE), 0, OK) == [OK]
    assert tcp.segment(1, KEY, 10, SYN, b"") == []
    assert tcp.segment(2, KEY, 11, 0, INVITE) == [INVITE]
    _assert_adds_up(tcp, 3)


def test_a_fin_that_overtakes_the_last_data_does_not_cut_them_off():
    tcp = Payloads()
    tcp.segment(0, KEY, 10, SYN, b"")
    assert tcp.segment(1, KEY, 11, 0, OK[:100]) == []
    assert tcp.segment(2, KEY, 11 + len(OK), FIN, b"") == []
    assert tcp.segment(3, KEY, 111, 0, OK[100:]) == [OK]
    assert tcp.close() == [], "it was over"
    _assert_adds_up(tcp, 4)


def test_a_connection_whose_last_data_were_never_captured_is_over_after_the_time_of_a_hole():
    tcp = Payloads()
    tcp.segment(0, KEY, 10, SYN, b"")
    assert tcp.segment(1, KEY, 11, 0, INVITE + OK[:50]) == [INVITE]
    assert tcp.segment(2, KEY, 11 + len(INVITE + OK), FIN, b"") == []
    assert tcp.holes == 0
    assert tcp.segment(HOLE_TIMEOUT_NS + 2, OTHER, 1, 0, OK) == [OK]
    assert (tcp.holes, tcp.skipped_bytes) == (1, 50)
    late = tcp.segment(HOLE_TIMEOUT_NS + 3, KEY, 11 + len(INVITE) + 50, 0, OK[50:])
    assert (late, tcp.outcomes[TcpOutcome.REPEATED]) == ([], 1), "it is of the connection that is over"
    _assert_adds_up(tcp, 5)


def test_a_last_segment_that_is_sent_again_is_read_once():
    tcp = Payloads()
    tcp.segment(0, KEY, 0xFFFFFFFF, SYN, b"")
    assert tcp.segment(1, KEY, 0, 0, INVITE) == [INVITE]
    last = len(INVITE)
    for time_ns, messages in ((2, [OK]), (SECOND_NS, []), (9 * SECOND_NS, [])):
        assert tcp.segment(time_ns, KEY, last, FIN, OK) == messages
    assert tcp.outcomes[TcpOutcome.REPEATED] == 2
    assert tcp.segment(10 * SECOND_NS, KEY, last + len(OK), 0, OK) == [OK], "another one, met in its middle"
    assert tcp.segment(11 * SECOND_NS, KEY, 70, SYN, b"") == []
    assert tcp.segment(11 * SECOND_NS, KEY, 71, 0, INVITE) == [INVITE]
    _assert_adds_up(tcp, 8)


def test_a_flood_of_connections_evicts_the_longest_idle_and_counts():
    tcp = Payloads(maximum_streams=2)
    tcp.segment(0, KEY, 1, 0, INVITE[:100])
    tcp.segment(0, OTHER, 1, 0, INVITE[:100])
    tcp.segment(0, KEY, 101, 0, INVITE[100:200])
    tcp.segment(0, (9, 9, 9, 9, 9, 9), 1, 0, b"x")
    assert tcp.evicted_streams == 1
    assert tcp.segment(0, KEY, 201, 0, INVITE[200:]) == [INVITE]
    assert tcp.segment(0, OTHER, 101, 0, INVITE[100:]) == []
    _assert_adds_up(tcp, 6)


def test_memory_is_bounded_whatever_the_streams_hold():
    tcp = Payloads(maximum_bytes=100_000)
    unfinished = INVITE.replace(b"Content-Length: 3", b"Content-Length: 60000") + b"x" * 30_000
    for i in range(20):
        tcp.segment(i, (i, 0, 0, 0, 0, 0), 0, SYN, b"")
        assert tcp.segment(i, (i, 0, 0, 0, 0, 0), 1, 0, unfinished) == []
        assert tcp.buffered_bytes <= 100_000
    assert tcp.evicted_streams == 17
    _assert_adds_up(tcp, 40)


def test_segments_of_a_byte_behind_holes_are_bounded_by_what_they_really_take():
    tcp = TcpReassembler(maximum_bytes=100 * HELD_SEGMENT)
    for i in range(1000):
        tcp.segment(0, (i // 50, 0, 0, 0, 0, 0), 1 + 2 * (i % 50), 0, b"A")
        assert tcp.held <= 100
    assert tcp.evicted_streams > 0
    _assert_adds_up(tcp, 1000)


def test_acknowledgements_are_counted_and_keep_no_state():
    tcp = Payloads()
    for _ in range(10):
        assert tcp.segment(0, KEY, 7, 16, b"") == []
    assert tcp.outcomes == {TcpOutcome.EMPTY: 10}


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([KEY, OTHER]),
            st.integers(0, 2**32 - 1) | st.integers(0, 500),
            st.sampled_from([0, 1, 2, 3, 4, 16, 24]),
            st.binary(max_size=60) | st.sampled_from([INVITE, OK, INVITE[:90], INVITE[90:], b"\r\n\r\n"]),
            st.integers(0, 5 * SECOND_NS),
        ),
        max_size=30,
    )
)
def test_garbage_segments_never_raise_and_every_one_is_counted(segments):
    tcp = Payloads(maximum_streams=1)
    for key, sequence, flags, payload, time_ns in segments:
        tcp.segment(time_ns, key, sequence, flags, payload)
    _assert_adds_up(tcp, len(segments))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.binary(max_size=50) | st.sampled_from([INVITE, OK, INVITE[:50], b"\r\n"]), max_size=20),
    st.booleans(),
)
def test_every_byte_of_a_stream_is_accounted_for(pieces, synced):
    framer = SipFramer(synced)
    got = [message for piece in pieces for message in framer.feed(piece)]
    counted = framer.message_bytes + framer.keepalive_bytes + framer.skipped_bytes + framer.buffered
    assert counted == sum(map(len, pieces))
    assert framer.message_bytes == sum(map(len, got))


def test_a_message_without_content_length_ends_at_its_empty_line():
    framer = SipFramer(synced=True)
    bare = OK.replace(b"Content-Length: 3\r\n", b"").replace(b"v=0", b"")
    assert framer.feed(bare + INVITE) == [bare, INVITE]


def test_a_length_no_message_can_have_is_skipped_not_waited_for():
    framer = SipFramer(synced=True)
    assert framer.feed(INVITE.replace(b"Content-Length: 3", b"Content-Length: 4000000000") + OK) == [OK]


def test_encrypted_bytes_are_skipped_without_being_kept():
    framer = SipFramer(synced=False)
    for _ in range(100):
        assert framer.feed(b"\x17\x03\x03\x01\x00" + bytes(range(256))) == []
    assert framer.buffered < 2048


def _examined(segments: list[bytes]) -> tuple[int, list[bytes]]:
    """Feed segments to one framer; return how many bytes it looked at, and its messages."""
    framer = SipFramer(synced=True)
    got = [message for piece in segments for message in framer.feed(piece)]
    return framer.examined, got


START_LINES = b"ABCDEFGHIJKLMNOP x SIP/2.0\n" * 2400


@pytest.mark.parametrize(
    "wire",
    [
        START_LINES,
        START_LINES + b"Content-Length: x\r\n\r\n",
        START_LINES + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n" + START_LINES,
        (START_LINES[:270] + b"Content-Length: 9000000\r\n\r\n") * 100,
        b"INVITE sip:b@x SIP/2.0\r\nX: " + b"y" * 65_000,
        b"\r\n\r\n\r" * 10_000,
        INVITE * 150,
    ],
)
def test_one_segment_costs_a_few_looks_at_each_byte(wire):
    examined, _ = _examined([wire])
    assert examined <= 8 * len(wire)


@pytest.mark.parametrize("longer", [1, 4])
def test_a_head_or_body_that_comes_byte_by_byte_costs_the_same_for_each_byte(longer):
    head = b"INVITE sip:b@x SIP/2.0\r\n" + b"X: y\r\n" * 500 * longer
    body = (
        INVITE.replace(b"Content-Length: 3", b"Content-Length: %d" % (3000 * longer)) + b"z" * 3000 * longer
    )
    for wire in (head, body):
        examined, _ = _examined([bytes([byte]) for byte in wire])
        assert examined <= 8 * len(wire)


def test_after_a_head_that_makes_no_sense_the_message_behind_it_is_found():
    damaged = b"INVITE sip:x@y SIP/2.0\r\nContent-Length: many\r\n" * 3
    assert _examined([damaged + INVITE])[1] == [INVITE]
    assert _examined([damaged + b"\r\n" + INVITE])[1] == [INVITE]


class _Counted(int):
    """A sequence number that counts how often one is compared with another."""

    comparisons = 0

    def __lt__(self, other: int) -> bool:
        _Counted.comparisons += 1
        return int(self) < int(other)


def test_segments_behind_a_hole_are_not_searched_by_every_segment_before_it(monkeypatch):
    monkeypatch.setattr(TcpReassembler, "_hold", _hold_counted(TcpReassembler._hold))
    tcp = Payloads()
    tcp.segment(0, KEY, 0, SYN, b"")
    for i in range(MAXIMUM_HELD_SEGMENTS):
        tcp.segment(0, KEY, 5000 + 2 * i, 0, b"A")
    _Counted.comparisons = 0
    for i in range(1000):
        tcp.segment(0, KEY, 1 + i, 0, b"A")
    assert _Counted.comparisons <= 1000
    assert tcp.held == MAXIMUM_HELD_SEGMENTS
    _assert_adds_up(tcp, 1 + MAXIMUM_HELD_SEGMENTS + 1000)


def _hold_counted(hold):
    def counted(self, key, stream, sequence, segment):
        hold(self, key, stream, sequence, segment)
        stream.order[:] = [_Counted(each) for each in stream.order]  # stays a heap

    return counted
