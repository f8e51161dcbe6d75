"""Puts TCP segments of signalling back in order (RFC 9293) and returns the SIP messages in them.

Passive and bounded: nobody can be asked to send again. A hole that is not filled within `HOLE_TIMEOUT_NS`, or
behind which more than `MAXIMUM_HELD` bytes wait, is given up, and the framer looks for the next message; so it is when
the connection or the capture ends. A connection is over when all before its FIN was read. The next segment of any
stream notices that the time is over: a connection may be silent from then on, and what waits can be the BYE of its
call. A message that a filled hole completes is as old as the segment that filled it; one behind a hole that was given
up is as old as its own segment, which its receiver read then.

The limits are in packet time and bytes, so a replay gives the same messages. A segment costs its bytes and, behind a
hole, the logarithm of how many wait there; however many do, no segment looks at all of them.

Every segment ends in one TcpOutcome; those that wait behind a hole are in `held`.
"""

import heapq
from collections import Counter, OrderedDict
from dataclasses import dataclass
from enum import StrEnum
from itertools import takewhile
from typing import NamedTuple

from callprint.core.signalling.websocket import SignallingFramer

FIN, SYN, RST = 0x01, 0x02, 0x04
HOLE_TIMEOUT_NS = 3_000_000_000
MAXIMUM_HELD = 131_072
"""Bytes of one direction that may wait behind a hole."""
MAXIMUM_HELD_SEGMENTS = 256
HELD_SEGMENT = 200
"""Bytes of memory that a segment takes behind a hole, besides its payload: measured (tracemalloc, CPython 3.11)."""
SENT_AGAIN_NS = 64_000_000_000
"""How long a last segment may be sent again (RFC 6298, six repetitions)."""
MAXIMUM_FINISHED = 1024
"""Connections that are over and remembered, so that their last segment is not read twice."""
WINDOW = 1 << 20
"""A sequence number farther than this from the expected one belongs to another connection."""

StreamKey = tuple[int, int, int, int, int, int]
"""src_hi, src_lo, dst_hi, dst_lo, src_port, dst_port, as in a PACKET row."""


class TcpOutcome(StrEnum):
    """The one counter that a TCP segment ends in."""

    USED = "used"  # some or all of its bytes went on to the framer
    EMPTY = "empty"  # no payload: handshake, acknowledgement, end
    REPEATED = "repeated"  # all its bytes had been seen before
    DROPPED = "dropped"  # waited behind a hole when its stream was evicted


class TcpMessage(NamedTuple):
    """A SIP message of a stream."""

    time_ns: int
    key: StreamKey
    payload: bytes
    capture: str | None  # the file or interface that its last byte came from


class _Segment(NamedTuple):
    """A segment with payload, which may wait behind a hole."""

    time_ns: int
    payload: bytes
    capture: str | None


@dataclass(slots=True)
class _Stream:
    framer: SignallingFramer
    opened_ns: int
    first: int  # sequence number that the stream was opened with, behind the SYN if there was one
    expected: int  # next sequence number, not wrapped at 2**32
    held: dict[int, _Segment]  # by sequence number, not wrapped
    order: list[int]  # heap of the keys of `held`: the earliest is the first
    held_bytes: int
    hole_since_ns: int
    end: int | None = None  # sequence number behind the FIN, not wrapped; None before one is seen

    @property
    def is_over(self) -> bool:
        """Whether all was read, up to its FIN."""
        return self.end is not None and not self.held and self.expected >= self.end

    @property
    def memory(self) -> int:
        """Bytes that the stream keeps."""
        return self.held_bytes + HELD_SEGMENT * len(self.held) + self.framer.buffered


class TcpReassembler:
    """All TCP directions that carry signalling, bounded in number and bytes; the longest idle goes first."""

    def __init__(self, maximum_streams: int = 4096, maximum_bytes: int = 64 << 20) -> None:
        self._maximum_streams = maximum_streams
        self._maximum_bytes = maximum_bytes
        self._bytes = 0  # in the memory of all streams
        self._streams: OrderedDict[StreamKey, _Stream] = OrderedDict()
        self._with_hole: OrderedDict[StreamKey, _Stream] = OrderedDict()  # the oldest hole first
        self._finished: OrderedDict[StreamKey, tuple[int, int]] = (
            OrderedDict()
        )  # when, and the number behind it
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

    def segment(
        self,
        time_ns: int,
        key: StreamKey,
        sequence: int,
        flags: int,
        payload: bytes,
        capture: str | None = None,
    ) -> list[TcpMessage]:
        """Take one segment in the order of capture; return the SIP messages that it completes.

        With them come those of other streams whose holes are given up by its time, before its own. `capture`: the file
        or interface that it is from.
        """
        messages = self.overdue(time_ns, key)
        stream = self._streams.get(key)
        if flags & SYN:
            sequence = (sequence + 1) & 0xFFFFFFFF  # the SYN itself has a number
        if stream is not None and self._is_foreign(stream, time_ns, sequence, flags):
            messages += self._end(key, stream)
            stream = None
        if stream is None:
            if not flags & SYN and (not payload or self._is_sent_again(key, time_ns, sequence, payload)):
                self.outcomes[TcpOutcome.REPEATED if payload else TcpOutcome.EMPTY] += 1
                return messages
            stream = self._open(key, time_ns, sequence, synced=bool(flags & SYN))
        self._streams.move_to_end(key)
        self._bytes -= stream.memory
        messages += self._payload(key, stream, sequence, _Segment(time_ns, payload, capture))
        self._bytes += stream.memory
        if flags & FIN:
            stream.end = _unwrapped(sequence, stream.expected) + len(payload)
            if not stream.held and not stream.is_over:
                self._begin_hole(key, stream, time_ns)
        if flags & RST:
            messages += self._end(key, stream)
        elif stream.is_over:
            self._finish(key, stream, time_ns)
        while self._bytes > self._maximum_bytes:
            self._evict()
        return messages

    def overdue(self, now_ns: int, but: StreamKey | None = None) -> list[TcpMessage]:
        """Give up the holes that are too old by now, and return the messages behind them.

        `but`: a stream that is left alone, because its next segment may fill its hole.
        """
        if not self._with_hole:
            return []
        messages: list[TcpMessage] = []
        oldest_first = self._with_hole.items()
        overdue = list(
            takewhile(lambda each: now_ns - each[1].hole_since_ns >= HOLE_TIMEOUT_NS, oldest_first)
        )
        for key, stream in overdue:
            if key == but:
                continue
            if stream.held:
                self._bytes -= stream.memory
                messages += self._give_up(key, stream, now_ns)
                self._bytes += stream.memory
            else:
                self._lose_the_rest(stream)
            if stream.is_over:
                self._finish(key, stream, now_ns)
        return messages

    def close(self) -> list[TcpMessage]:
        """Give up all holes, and everything that is not whole: the capture has ended."""
        return [message for key, stream in list(self._streams.items()) for message in self._end(key, stream)]

    def _payload(self, key: StreamKey, stream: _Stream, sequence: int, segment: _Segment) -> list[TcpMessage]:
        messages: list[TcpMessage] = []
        time_ns, payload, capture = segment
        if not payload:
            self.outcomes[TcpOutcome.EMPTY] += 1
        else:
            behind = _distance(sequence, stream.expected)
            if behind >= len(payload):
                self.outcomes[TcpOutcome.REPEATED] += 1
            elif behind >= 0:
                self.outcomes[TcpOutcome.USED] += 1
                stream.expected += len(payload) - behind
                whole = stream.framer.feed(payload[behind:])
                whole += [message.payload for message in self._drain(key, stream)]
                messages += [TcpMessage(time_ns, key, message, capture) for message in whole]
            else:
                self._hold(key, stream, sequence, segment)
        overdue = time_ns - stream.hole_since_ns >= HOLE_TIMEOUT_NS
        full = stream.held_bytes > MAXIMUM_HELD or len(stream.held) > MAXIMUM_HELD_SEGMENTS
        if stream.held and (overdue or full):
            messages += self._give_up(key, stream, time_ns)
        return messages

    def _give_up(self, key: StreamKey, stream: _Stream, now_ns: int) -> list[TcpMessage]:
        """Go on behind the first hole of a stream that has one."""
        self.holes += 1
        stream.framer.lost()
        stream.expected = stream.order[0]
        stream.hole_since_ns = now_ns
        self._with_hole.move_to_end(key)
        return self._drain(key, stream)

    def _drain(self, key: StreamKey, stream: _Stream) -> list[TcpMessage]:
        """Read what waits up to the next hole."""
        messages: list[TcpMessage] = []
        while stream.held:
            expected = stream.expected
            if stream.order[0] > expected:
                break
            sequence = heapq.heappop(stream.order)
            time_ns, payload, capture = stream.held.pop(sequence)
            stream.held_bytes -= len(payload)
            self.held -= 1
            fresh = payload[expected - sequence :]
            self.outcomes[TcpOutcome.USED if fresh else TcpOutcome.REPEATED] += 1
            stream.expected = expected + len(fresh)
            messages += [TcpMessage(time_ns, key, message, capture) for message in stream.framer.feed(fresh)]
        if not stream.held and (stream.end is None or stream.is_over):
            self._with_hole.pop(key, None)
        return messages

    def _begin_hole(self, key: StreamKey, stream: _Stream, now_ns: int) -> None:
        stream.hole_since_ns = now_ns
        self._with_hole[key] = stream
        self._with_hole.move_to_end(key)

    def _lose_the_rest(self, stream: _Stream) -> None:
        """Give up what is missing before a FIN."""
        assert stream.end is not None  # without a FIN, a hole is one because something is held behind it
        self.holes += 1
        stream.expected = stream.end

    def _hold(self, key: StreamKey, stream: _Stream, sequence: int, segment: _Segment) -> None:
        sequence = _unwrapped(sequence, stream.expected)
        before = stream.held.get(sequence)
        if before is not None:
            if len(before.payload) >= len(segment.payload):
                self.outcomes[TcpOutcome.REPEATED] += 1
                return
            stream.held_bytes -= len(before.payload)
            self.held -= 1
            self.outcomes[TcpOutcome.REPEATED] += 1  # the longer one holds all its bytes
        if not stream.held:
            self._begin_hole(key, stream, segment.time_ns)
        if before is None:
            heapq.heappush(stream.order, sequence)
        stream.held[sequence] = segment
        stream.held_bytes += len(segment.payload)
        self.held += 1

    @staticmethod
    def _is_foreign(stream: _Stream, time_ns: int, sequence: int, flags: int) -> bool:
        """Return whether a segment begins or belongs to another connection of the same addresses and ports."""
        if not flags & SYN:
            return abs(_distance(sequence, stream.expected)) > WINDOW
        # A SYN that is captured twice, or was overtaken by what it began, begins nothing new. Later the same number is
        # that of a device that has restarted.
        return sequence != stream.first or time_ns - stream.opened_ns > HOLE_TIMEOUT_NS

    def _is_sent_again(self, key: StreamKey, time_ns: int, sequence: int, payload: bytes) -> bool:
        """Return whether a segment of no stream is the last one of a stream that was finished."""
        if key not in self._finished:
            return False
        finished_ns, end = self._finished[key]
        return time_ns - finished_ns <= SENT_AGAIN_NS and len(payload) <= _distance(sequence, end) <= WINDOW

    def _finish(self, key: StreamKey, stream: _Stream, now_ns: int) -> None:
        """Close a stream that is over, and remember its end for a while."""
        self._finished.pop(key, None)
        self._finished[key] = now_ns, stream.expected
        if len(self._finished) > MAXIMUM_FINISHED:
            self._finished.popitem(last=False)
        self._close(key)

    def _open(self, key: StreamKey, time_ns: int, first: int, *, synced: bool) -> _Stream:
        if len(self._streams) >= self._maximum_streams:
            self._evict()
        stream = _Stream(SignallingFramer(synced), time_ns, first, first, {}, [], 0, 0)
        self._streams[key] = stream
        return stream

    def _evict(self) -> None:
        self._close(next(iter(self._streams)))
        self.evicted_streams += 1

    def _end(self, key: StreamKey, stream: _Stream) -> list[TcpMessage]:
        """Give up the holes of a stream that is over, and close it; return the messages behind them."""
        messages: list[TcpMessage] = []
        self._bytes -= stream.memory
        while stream.held:
            messages += self._give_up(key, stream, stream.hole_since_ns)
        self._bytes += stream.memory
        self._close(key)
        return messages

    def _close(self, key: StreamKey) -> None:
        stream = self._streams.pop(key)
        self._with_hole.pop(key, None)
        self._bytes -= stream.memory
        self.outcomes[TcpOutcome.DROPPED] += len(stream.held)
        self.held -= len(stream.held)
        stream.framer.lost()
        self.message_bytes += stream.framer.message_bytes
        self.keepalive_bytes += stream.framer.keepalive_bytes
        self.skipped_bytes += stream.framer.skipped_bytes


def _unwrapped(sequence: int, expected: int) -> int:
    """Return a sequence number as one that is not wrapped, near the expected one."""
    return expected - _distance(sequence, expected)


def _distance(sequence: int, expected: int) -> int:
    """Return how many bytes `sequence` is before `expected`, modulo 2**32; negative when it is behind."""
    return ((expected - sequence + 0x80000000) & 0xFFFFFFFF) - 0x80000000
