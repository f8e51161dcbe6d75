"""A literal reader of RFC 3550: the numbers of one RTP stream from its packets in order of arrival. Only an oracle."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

MAXIMUM_DROPOUT, MAXIMUM_MISORDER = 3000, 100  # RFC 3550 A.1
REMEMBERED = 64  # a copy of an older packet than this counts as late, as in any reader with a bounded memory


class RtpPacket(NamedTuple):
    """The fields of a packet's header."""

    time_ns: int
    sequence: int
    timestamp: int
    payload_type: int


@dataclass
class StreamNumbers:
    """What a receiver would report of a stream."""

    packets: int = 0
    expected: int = 0
    duplicates: int = 0
    restarts: int = 0
    payload_types: dict[int, int] = field(default_factory=dict)  # packets of each
    jitter_ms: dict[int, float] = field(default_factory=dict)  # of each; empty without a clock rate

    @property
    def lost(self) -> int:
        """Packets that never came; a copy does not stand in for one that is lost."""
        return max(0, self.expected - (self.packets - self.duplicates))


class _Jitter:
    """Interarrival jitter (RFC 3550 6.4.1, A.8) of the packets of one payload type (RFC 7160)."""

    def __init__(self) -> None:
        self.units = 0.0
        self._transit: float | None = None

    def take(self, packet: RtpPacket, clock_rate_hz: int) -> None:
        transit = packet.time_ns * clock_rate_hz / 1e9 - packet.timestamp
        if self._transit is not None:
            step = (transit - self._transit + (1 << 31)) % (1 << 32) - (1 << 31)
            self.units += (abs(step) - self.units) / 16
        self._transit = transit


def read_stream(packets: Iterable[RtpPacket], clock_rate_hz: int) -> StreamNumbers:
    """Count a stream (A.1, A.3) and follow its jitter; what came twice was not sent twice."""
    found = StreamNumbers()
    jitter: dict[int, _Jitter] = {}
    base, highest = 0, -1  # extended sequence numbers
    seen: set[int] = set()
    bad: int | None = None
    start_ns = 0
    for packet in packets:
        found.packets += 1
        found.payload_types[packet.payload_type] = found.payload_types.get(packet.payload_type, 0) + 1
        start_ns = start_ns or packet.time_ns
        ahead = (packet.sequence - highest) % 65536
        if found.packets == 1:
            base = highest = packet.sequence
        elif 0 < ahead < MAXIMUM_DROPOUT:
            highest += ahead
            bad = None
        elif ahead == 0 or ahead > 65536 - MAXIMUM_MISORDER:
            number = highest - (-ahead) % 65536
            if number in seen:
                found.duplicates += 1
                continue
            if number > highest - REMEMBERED:
                base = min(base, number)
                seen.add(number)
        elif packet.sequence == bad:
            found.expected += highest - base + 1
            found.restarts += 1
            highest, base, seen, bad = packet.sequence, packet.sequence - 1, {packet.sequence - 1}, None
        else:
            bad = (packet.sequence + 1) % 65536
            continue
        seen.add(highest)
        seen = {number for number in seen if number > highest - REMEMBERED} if len(seen) > 200 else seen
        if clock_rate_hz:
            relative = packet._replace(time_ns=packet.time_ns - start_ns)
            jitter.setdefault(packet.payload_type, _Jitter()).take(relative, clock_rate_hz)
    if found.packets:
        found.expected += highest - base + 1
    if clock_rate_hz:
        found.jitter_ms = {number: one.units * 1000 / clock_rate_hz for number, one in jitter.items()}
    return found
