"""Reassembles IP datagrams, for SIP alone: INVITEs with a long SDP body outgrow 1500 bytes.

RFC 791 3.2 and RFC 8200 4.5, with the caution of RFC 5722: a datagram whose fragments overlap is dropped as
a whole. A datagram is given up FRAGMENT_TIMEOUT_NS after its first piece, or when others need its room. Once its
first fragment shows that it is not SIP, its bytes are dropped, so that media and attacks cost a table entry each.

Every fragment ends in one FragmentOutcome; those of unfinished datagrams are in `held`. A fragment is compared with its
two neighbours alone, however many pieces its datagram has.
"""

import re
from bisect import bisect_left
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from enum import StrEnum

FRAGMENT_TIMEOUT_NS = 30_000_000_000
MAXIMUM_DATAGRAM = 65_535
HELD_PIECE = 130
"""Bytes of memory that a piece takes besides its payload: measured (tracemalloc, CPython 3.11)."""
UDP = 17

FragmentKey = tuple[int, int, int, int, int]
"""src_hi, src_lo, dst_hi, dst_lo, identification."""

_SIP = re.compile(rb"[\r\n]*(?:SIP/2\.0 |[A-Z]{3,16} [^\s]{1,1024} SIP/2\.0\r?\n)", re.IGNORECASE)


class FragmentOutcome(StrEnum):
    """The one counter that a fragment ends in."""

    USED = "used"  # part of a SIP message that was reassembled
    OTHER = "other"  # of a datagram that is not SIP over UDP
    BROKEN = "broken"  # cut off by the capture, overlapping, too long, or with an impossible header
    GIVEN_UP = "given_up"  # the rest did not come in time, or there was no room


@dataclass(frozen=True, slots=True)
class Fragment:
    """One piece of a datagram."""

    key: FragmentKey
    protocol: int
    offset: int  # bytes
    more: bool
    payload: bytes


@dataclass(slots=True)
class _Datagram:
    since_ns: int
    pieces: dict[int, bytes] = field(default_factory=dict)  # offset -> payload
    offsets: list[int] = field(default_factory=list)  # of `pieces`, ascending
    size: int = 0  # bytes held
    total: int = -1  # known with the last fragment
    ignored: bool = False


class FragmentReassembler:
    """Unfinished datagrams, at most `maximum_datagrams` and `maximum_bytes`; the oldest goes first."""

    def __init__(self, maximum_datagrams: int = 1024, maximum_bytes: int = 8 << 20) -> None:
        self._maximum_datagrams = maximum_datagrams
        self._maximum_bytes = maximum_bytes
        self._datagrams: OrderedDict[FragmentKey, _Datagram] = OrderedDict()
        self._bytes = 0
        self.outcomes: Counter[FragmentOutcome] = Counter()
        self.held = 0

    def add(self, time_ns: int, fragment: Fragment) -> bytes | None:
        """Take a fragment in the order of capture; return the SIP message that it completes, if any."""
        self._expire(time_ns)
        if fragment.protocol != UDP:
            self.outcomes[FragmentOutcome.OTHER] += 1
            return None
        datagram = self._datagrams.get(fragment.key)
        if datagram is None:
            datagram = self._open(fragment.key, time_ns)
        if fragment.offset == 0 and not datagram.ignored and not _SIP.match(fragment.payload, 8):
            self._drop(datagram, FragmentOutcome.OTHER)
            datagram.ignored = True
        if datagram.ignored:
            self.outcomes[FragmentOutcome.OTHER] += 1
            return None
        if datagram.pieces.get(fragment.offset) == fragment.payload:
            self.outcomes[FragmentOutcome.BROKEN] += 1  # a repetition, which does the datagram no harm
            return None
        at = bisect_left(datagram.offsets, fragment.offset)
        if not self._fits(datagram, fragment, at):
            self._drop(datagram, FragmentOutcome.BROKEN)
            datagram.ignored = True
            self.outcomes[FragmentOutcome.BROKEN] += 1
            return None
        datagram.pieces[fragment.offset] = fragment.payload
        datagram.offsets.insert(at, fragment.offset)
        datagram.size += len(fragment.payload)
        self._bytes += len(fragment.payload) + HELD_PIECE
        self.held += 1
        if not fragment.more:
            datagram.total = fragment.offset + len(fragment.payload)
        if datagram.size != datagram.total:
            self._make_room()
            return None
        return self._finish(fragment.key, datagram)

    def broken(self) -> None:
        """Count a fragment that could not be read."""
        self.outcomes[FragmentOutcome.BROKEN] += 1

    def close(self) -> None:
        """Give up everything that is not whole: the capture has ended."""
        for datagram in self._datagrams.values():
            self._drop(datagram, FragmentOutcome.GIVEN_UP)
        self._datagrams.clear()

    def _finish(self, key: FragmentKey, datagram: _Datagram) -> bytes | None:
        whole = b"".join(datagram.pieces[offset] for offset in datagram.offsets)
        length = int.from_bytes(whole[4:6], "big")
        sound = 8 <= length <= len(whole)
        self._drop(datagram, FragmentOutcome.USED if sound else FragmentOutcome.BROKEN)
        del self._datagrams[key]
        return whole[8:length] if sound else None

    def _open(self, key: FragmentKey, time_ns: int) -> _Datagram:
        if len(self._datagrams) >= self._maximum_datagrams:
            self._drop(self._datagrams.popitem(last=False)[1], FragmentOutcome.GIVEN_UP)
        datagram = _Datagram(time_ns)
        self._datagrams[key] = datagram
        return datagram

    @staticmethod
    def _fits(datagram: _Datagram, fragment: Fragment, at: int) -> bool:
        """Return whether a fragment lies between its neighbours, `at` being its index among the offsets."""
        end = fragment.offset + len(fragment.payload)
        if not fragment.payload or end > MAXIMUM_DATAGRAM or (fragment.more and end % 8):
            return False
        if datagram.total >= 0 and (not fragment.more or end > datagram.total):
            return False
        offsets = datagram.offsets
        if at < len(offsets) and (not fragment.more or offsets[at] < end):
            return False  # something lies behind the last fragment, or this one overlaps the next
        return at == 0 or offsets[at - 1] + len(datagram.pieces[offsets[at - 1]]) <= fragment.offset

    def _drop(self, datagram: _Datagram, outcome: FragmentOutcome) -> None:
        self.outcomes[outcome] += len(datagram.pieces)
        self.held -= len(datagram.pieces)
        self._bytes -= datagram.size + HELD_PIECE * len(datagram.pieces)
        datagram.pieces.clear()
        datagram.offsets.clear()
        datagram.size = 0

    def _expire(self, now_ns: int) -> None:
        while self._datagrams:
            key = next(iter(self._datagrams))
            if now_ns - self._datagrams[key].since_ns < FRAGMENT_TIMEOUT_NS:
                break
            self._drop(self._datagrams.pop(key), FragmentOutcome.GIVEN_UP)

    def _make_room(self) -> None:
        while self._bytes > self._maximum_bytes:
            self._drop(self._datagrams.popitem(last=False)[1], FragmentOutcome.GIVEN_UP)


def read_fragment(frame: bytes, at: int, addresses: tuple[int, int, int, int]) -> Fragment | None:
    """Read the fragment whose header begins at `at` of a captured frame; None when it is not whole.

    `at` is where the dissector stopped: at the IPv4 header, or at the fragment header of IPv6. `addresses`:
    src_hi, src_lo, dst_hi and dst_lo of the PACKET row.
    """
    is_ipv4 = addresses[0] == 0 and addresses[1] >> 32 == 0xFFFF
    return _read_ipv4(frame, at, addresses) if is_ipv4 else _read_ipv6(frame, at, addresses)


def _read_ipv4(frame: bytes, at: int, addresses: tuple[int, int, int, int]) -> Fragment | None:
    if len(frame) - at < 20:
        return None
    header = (frame[at] & 0x0F) * 4
    total = int.from_bytes(frame[at + 2 : at + 4], "big")
    if frame[at] >> 4 != 4 or header < 20 or total < header or at + total > len(frame):
        return None
    flags_and_offset = int.from_bytes(frame[at + 6 : at + 8], "big")
    return Fragment(
        (*addresses, int.from_bytes(frame[at + 4 : at + 6], "big")),
        frame[at + 9],
        (flags_and_offset & 0x1FFF) * 8,
        bool(flags_and_offset & 0x2000),
        frame[at + header : at + total],
    )


def _read_ipv6(frame: bytes, at: int, addresses: tuple[int, int, int, int]) -> Fragment | None:
    if len(frame) - at < 8:
        return None
    end = len(frame)
    if at >= 40 and frame[at - 40] >> 4 == 6:  # no other extension header before it: its length gives the end
        end = at + int.from_bytes(frame[at - 36 : at - 34], "big")
        if end > len(frame):
            return None
    offset_and_more = int.from_bytes(frame[at + 2 : at + 4], "big")
    return Fragment(
        (*addresses, int.from_bytes(frame[at + 4 : at + 8], "big")),
        frame[at],
        offset_and_more & 0xFFF8,
        bool(offset_and_more & 1),
        frame[at + 8 : end],
    )
