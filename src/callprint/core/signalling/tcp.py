"""Puts TCP segments of signalling back in order (RFC 9293) and returns the SIP messages in them.

Passive and bounded: nobody can be asked to send again. A hole that is not filled within `HOLE_TIMEOUT_NS`, or
behind which more than `MAXIMUM_HELD` bytes wait, is given up, and the framer looks for the next message. The
limits are in packet time and bytes, so a replay gives the same messages. A segment costs its bytes and, behind a
hole, the logarithm of how many wait there; however many do, no segment looks at all of them.

Every segment ends in one TcpOutcome; those that wait behind a hole are in `held`.
"""

import heapq
from collections import Counter, OrderedDict
from dataclasses import dataclass
from enum import StrEnum

from callprint.core.signalling.websocket import SignallingFramer

FIN, SYN, RST = 0x01, 0x02, 0x04
HOLE_TIMEOUT_NS = 3_000_000_000
MAXIMUM_HELD = 131_072
"""Bytes of one direction that may wait behind a hole."""
MAXIMUM_HELD_SEGMENTS = 256
WINDOW = 1 << 20
"""A sequence number farther than this from the expected one belongs to another connection."""

StreamKey = tuple[int, int, int, int, int, int]
"""src_hi, src_lo, dst_hi, dst_lo, src_port, dst_port, as in a PACKET row."""


class TcpOutcome(StrEnum):
    """The one counter that a TCP segment ends in."""

    USED = "used"  # some or all of its bytes went on to the framer
    EMPTY = "empty"  # no payload: handshake, acknowledgement, end
    REPEATED = "repeated"  # all its bytes had been seen before
    DROPPED = "dropped"  # waited behind a hole when its stream was evicted, replaced or at its limit


@dataclass(slots=True)
class _Stream:
    framer: SignallingFramer
    expected: int | None  # next sequence number, not wrapped at 2**32; None before the first payload
    held: dict[int, bytes]  # sequence number, not wrapped -> payload
    order: list[int]  # heap of the keys of `held`: the earliest is the first
    held_bytes: int
    hole_since_ns: int

    @property
    def memory(self) -> int:
        """Bytes that the stream keeps."""
        return self.held_bytes + self.framer.buffered


class TcpReassembler:
    """All TCP directions that carry signalling, bounded in number and bytes; the longest idle goes first."""

    def __init__(self, maximum_streams: int = 4096, maximum_bytes: int = 64 << 20) -> None:
        self._maximum_streams = maximum_streams
        self._maximum_bytes = maximum_bytes
        self._bytes = 0  # in the memory of all streams
        self._streams: OrderedDict[StreamKey, _Stream] = OrderedDict()
        self.outcomes: Counter[TcpOutcome] = Counter()
        self.held = 0  # segments that wait now
        self.holes = 0  # holes given up
        self.evicted_streams = 0
        self.message_bytes = 0
        self.keepalive_bytes = 0
        self.skipped_bytes = 0

    @property
    def buffered_bytes(self) -> int:
        """Bytes in framers that wait for the rest of their message."""
        return sum(stream.framer.buffered for stream in self._streams.values())

    def segment(self, time_ns: int, key: StreamKey, sequence: int, flags: int, payload: bytes) -> list[bytes]:
        """Take one segment in the order of capture; return the SIP messages that it completes."""
        stream = self._streams.get(key)
        if flags & SYN or (stream is not None and self._is_foreign(stream, sequence)):
            if stream is not None:
                self._close(key)
            stream = None
        if stream is None:
            if not payload and not flags & SYN:
                self.outcomes[TcpOutcome.EMPTY] += 1
                return []
            stream = self._open(key, synced=bool(flags & SYN))
        self._streams.move_to_end(key)
        if flags & SYN:
            sequence = (sequence + 1) & 0xFFFFFFFF  # the SYN itself has a number
            stream.expected = sequence
        self._bytes -= stream.memory
        messages = self._payload(stream, time_ns, sequence, payload)
        self._bytes += stream.memory
        if flags & RST or (flags & FIN and not stream.held):
            self._close(key)
        while self._bytes > self._maximum_bytes:
            self._evict()
        return messages

    def close(self) -> None:
        """Give up everything that waits: the capture has ended."""
        for key in list(self._streams):
            self._close(key)

    def _payload(self, stream: _Stream, time_ns: int, sequence: int, payload: bytes) -> list[bytes]:
        messages: list[bytes] = []
        if not payload:
            self.outcomes[TcpOutcome.EMPTY] += 1
        else:
            if stream.expected is None:
                stream.expected = sequence
            behind = _distance(sequence, stream.expected)
            if behind >= len(payload):
                self.outcomes[TcpOutcome.REPEATED] += 1
            elif behind >= 0:
                messages += self._deliver(stream, sequence, payload)
            else:
                self._hold(stream, time_ns, sequence, payload)
        overdue = time_ns - stream.hole_since_ns >= HOLE_TIMEOUT_NS
        full = stream.held_bytes > MAXIMUM_HELD or len(stream.held) > MAXIMUM_HELD_SEGMENTS
        if stream.held and (overdue or full):
            self.holes += 1
            stream.framer.lost()
            stream.expected = stream.order[0]
            stream.hole_since_ns = time_ns
            messages += self._drain(stream)
        return messages

    def _deliver(self, stream: _Stream, sequence: int, payload: bytes) -> list[bytes]:
        assert stream.expected is not None
        fresh = payload[_distance(sequence, stream.expected) :]
        stream.expected += len(fresh)
        self.outcomes[TcpOutcome.USED] += 1
        return stream.framer.feed(fresh) + self._drain(stream)

    def _drain(self, stream: _Stream) -> list[bytes]:
        messages: list[bytes] = []
        while stream.held:
            expected = stream.expected
            assert expected is not None  # nothing is held before the first payload
            if stream.order[0] > expected:
                break
            sequence = heapq.heappop(stream.order)
            payload = stream.held.pop(sequence)
            stream.held_bytes -= len(payload)
            self.held -= 1
            fresh = payload[expected - sequence :]
            self.outcomes[TcpOutcome.USED if fresh else TcpOutcome.REPEATED] += 1
            stream.expected = expected + len(fresh)
            messages += stream.framer.feed(fresh)
        return messages

    def _hold(self, stream: _Stream, time_ns: int, sequence: int, payload: bytes) -> None:
        assert stream.expected is not None
        sequence = stream.expected - _distance(sequence, stream.expected)
        before = stream.held.get(sequence)
        if before is not None:
            if len(before) >= len(payload):
                self.outcomes[TcpOutcome.REPEATED] += 1
                return
            stream.held_bytes -= len(before)
            self.held -= 1
            self.outcomes[TcpOutcome.REPEATED] += 1  # the longer one holds all its bytes
        if not stream.held:
            stream.hole_since_ns = time_ns
        if before is None:
            heapq.heappush(stream.order, sequence)
        stream.held[sequence] = payload
        stream.held_bytes += len(payload)
        self.held += 1

    @staticmethod
    def _is_foreign(stream: _Stream, sequence: int) -> bool:
        return stream.expected is not None and abs(_distance(sequence, stream.expected)) > WINDOW

    def _open(self, key: StreamKey, synced: bool) -> _Stream:
        if len(self._streams) >= self._maximum_streams:
            self._evict()
        stream = _Stream(SignallingFramer(synced), None, {}, [], 0, 0)
        self._streams[key] = stream
        return stream

    def _evict(self) -> None:
        self._close(next(iter(self._streams)))
        self.evicted_streams += 1

    def _close(self, key: StreamKey) -> None:
        stream = self._streams.pop(key)
        self._bytes -= stream.memory
        self.outcomes[TcpOutcome.DROPPED] += len(stream.held)
        self.held -= len(stream.held)
        stream.framer.lost()
        self.message_bytes += stream.framer.message_bytes
        self.keepalive_bytes += stream.framer.keepalive_bytes
        self.skipped_bytes += stream.framer.skipped_bytes


def _distance(sequence: int, expected: int) -> int:
    """Return how many bytes `sequence` is before `expected`, modulo 2**32; negative when it is behind."""
    return ((expected - sequence + 0x80000000) & 0xFFFFFFFF) - 0x80000000
