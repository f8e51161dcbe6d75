"""IP fragments: any order of the pieces gives the message, nothing goes uncounted, memory is bounded."""

import struct

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sip_samples import INVITE

from callprint.core.dissect import dissect
from callprint.core.packets import RECORD
from callprint.core.signalling.fragments import (
    FRAGMENT_TIMEOUT_NS,
    HELD_PIECE,
    UDP,
    Fragment,
    FragmentOutcome,
    FragmentReassembler,
)
from callprint.core.signalling.reader import RawMessage, SignallingReader

LONG = INVITE.replace(b"Content-Length: 3", b"Content-Length: 3003") + b"a=x\r\n" * 600
DATAGRAM = struct.pack(">HHHH", 5060, 5060, 8 + len(LONG), 0) + LONG
ETHERNET, RAW_IP = 1, 101


def fragments(datagram: bytes, size: int = 1480, identification: int = 7) -> list[Fragment]:
    key = (0, 1, 0, 2, identification)
    return [
        Fragment(key, UDP, at, at + size < len(datagram), datagram[at : at + size])
        for at in range(0, len(datagram), size)
    ]


@settings(max_examples=50, deadline=None)
@given(st.permutations(range(5)), st.sampled_from([800, 1000]))
def test_any_order_gives_the_message(order, size):
    pieces = fragments(DATAGRAM, size)
    reassembler = FragmentReassembler()
    got = [reassembler.add(0, pieces[i]) for i in order if i < len(pieces)]
    assert [message for message in got if message is not None] == [LONG]
    assert reassembler.outcomes[FragmentOutcome.USED] == len(pieces)
    assert reassembler.held == 0


def test_tiny_pieces_are_bounded_by_what_they_really_take():
    room = 100 * (8 + HELD_PIECE)
    reassembler = FragmentReassembler(maximum_bytes=room)
    for i in range(1000):
        piece = Fragment((0, 1, 0, 2, i // 50), UDP, 8 + i % 50 * 8, True, b"8 bytes.")
        assert reassembler.add(0, piece) is None
        assert reassembler.held <= 100
    assert reassembler.outcomes[FragmentOutcome.GIVEN_UP] + reassembler.held == 1000
    reassembler.close()
    assert reassembler.held == reassembler._bytes == 0


def test_what_is_no_sip_costs_no_memory():
    reassembler = FragmentReassembler()
    for piece in fragments(b"\x80" * 5000):
        assert reassembler.add(0, piece) is None
    assert reassembler.outcomes == {FragmentOutcome.OTHER: 4}
    assert reassembler.held == reassembler._bytes == 0


def test_overlapping_fragments_condemn_their_datagram():
    first, *rest = fragments(DATAGRAM)
    reassembler = FragmentReassembler()
    reassembler.add(0, first)
    reassembler.add(0, Fragment(first.key, UDP, 8, True, b"smuggled"))
    assert [reassembler.add(0, piece) for piece in rest] == [None] * len(rest)
    assert FragmentOutcome.USED not in reassembler.outcomes
    assert sum(reassembler.outcomes.values()) == 2 + len(rest)


class _Pieces(dict):
    """The pieces of a datagram, counting how often one is looked at."""

    looks = 0

    def __getitem__(self, offset):
        self.looks += 1
        return super().__getitem__(offset)

    def items(self):
        self.looks += len(self)
        return super().items()

    def __iter__(self):
        self.looks += len(self)
        return super().__iter__()


def test_a_fragment_is_compared_with_its_neighbours_alone():
    reassembler = FragmentReassembler()
    key = (0, 1, 0, 2, 9)
    reassembler.add(0, Fragment(key, UDP, 8, True, b"12345678"))
    pieces = reassembler._datagrams[key].pieces = _Pieces(reassembler._datagrams[key].pieces)
    for at in range(2, 8000):
        assert reassembler.add(0, Fragment(key, UDP, at * 8, True, b"12345678")) is None
    assert pieces.looks <= 2 * 8000
    assert reassembler.held == 7999


def test_pieces_that_never_come_are_given_up_in_packet_time():
    reassembler = FragmentReassembler()
    first, second, *rest = fragments(DATAGRAM)
    reassembler.add(0, first)
    assert reassembler.add(FRAGMENT_TIMEOUT_NS, second) is None
    assert reassembler.outcomes == {FragmentOutcome.GIVEN_UP: 1}
    assert [reassembler.add(FRAGMENT_TIMEOUT_NS, piece) for piece in [*rest, first]][-1] == LONG


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.builds(
            Fragment,
            st.tuples(st.just(0), st.just(1), st.just(0), st.just(2), st.integers(0, 3)),
            st.sampled_from([UDP, UDP, 6]),
            st.integers(0, 40).map(lambda n: n * 8),
            st.booleans(),
            st.binary(max_size=64) | st.sampled_from([DATAGRAM[:64], DATAGRAM[:1480]]),
        ),
        max_size=40,
    )
)
def test_garbage_never_raises_and_every_fragment_is_counted(pieces):
    reassembler = FragmentReassembler(maximum_datagrams=2, maximum_bytes=2000)
    for at, piece in enumerate(pieces):
        reassembler.add(at * FRAGMENT_TIMEOUT_NS // 10, piece)
        assert reassembler._bytes <= 2000
    reassembler.close()
    assert sum(reassembler.outcomes.values()) == len(pieces)
    assert reassembler.held == reassembler._bytes == 0


def _ipv4(piece: Fragment) -> bytes:
    flags_and_offset = piece.offset // 8 | (0x2000 if piece.more else 0)
    head = struct.pack(
        ">BBHHHBBH4s4s",
        0x45,
        0,
        20 + len(piece.payload),
        7,
        flags_and_offset,
        64,
        UDP,
        0,
        b"\x0a\0\0\1",
        b"\x0a\0\0\2",
    )
    return head + piece.payload


def _ipv6(piece: Fragment) -> bytes:
    head = struct.pack(
        ">IHBB16s16s",
        0x60000000,
        8 + len(piece.payload),
        44,
        64,
        b"\x20\1" + b"\1" * 14,
        b"\x20\1" + b"\2" * 14,
    )
    return head + struct.pack(">BBHI", UDP, 0, piece.offset | piece.more, 9) + piece.payload


def test_captured_frames_of_both_versions_are_read():
    for build, source in ((_ipv4, "10.0.0.1"), (_ipv6, "2001:101:101:101:101:101:101:101")):
        frames = [build(piece) for piece in fragments(DATAGRAM)]
        frames[-1] += b"\xaa" * 4  # a frame check sequence that the capture kept
        records = np.zeros(len(frames), RECORD)
        records["captured"] = records["original"] = [len(frame) for frame in frames]
        records["offset"] = np.cumsum([0, *map(len, frames[:-1])])
        records["link_type"] = RAW_IP
        records["time_ns"] = range(len(frames))
        data = np.frombuffer(b"".join(frames), np.uint8)
        packets = dissect(data, records)
        assert SignallingReader().read(data, packets) == [], "without records nobody knows where frames end"
        (message,) = SignallingReader().read(data, packets, records)
        assert message[:4] == RawMessage(len(frames) - 1, source, LONG)[:4]
        records["captured"][1] -= 10
        reader = SignallingReader()
        assert reader.read(data, dissect(data, records), records) == []
        reader.close()
        assert sum(reader.fragments.outcomes.values()) == np.sum(dissect(data, records)["kind"] == 7)
