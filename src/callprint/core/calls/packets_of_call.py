"""Which packets of a capture belong to a call: those that its messages and its media came in.

Call assembly has decided which messages are a call's. A datagram is a message, found by its time and its endpoints.
Over TCP a message may come in several segments, and a segment may bring several messages: all that came on the stream
since the last message of a call, of whatever call, belongs to it. Fragments of a datagram are those between its hosts
shortly before the message was whole.
"""

from collections.abc import Callable, Iterable

import numpy as np

from callprint.core.calls.attempt import Attempt
from callprint.core.calls.packet_index import ALL_KINDS, PacketIndex, hashes_of, kinds_of, spans_from, way_row
from callprint.core.ground.addresses import Endpoint
from callprint.core.ground.arrays import Array
from callprint.core.packets import PacketKind
from callprint.core.signalling.reader import RawMessage
from callprint.core.signalling.sip import SipMessage
from callprint.core.verdict import FlowReport

_FRAGMENTS_WITHIN_NS = 1_000_000_000
_SEGMENTS_WITHIN_NS = 5_000_000_000  # of the first message of a stream
_LAST_PORT = 0xFFFF
_MOST_WAYS = 100_000
_MOST_WAYS_OF_CALL = (
    1_000  # a proxy has several ports, but whoever makes up a port for each message has 65,535
)
_MOST_CALLS = 100_000
_MOST_MESSAGES = 10_000  # of a call on one way: re-INVITEs and retransmissions may go on for ever
_RTCP_BEFORE_NS = (
    10_000_000_000  # a flow takes in the report that came last before it: they come every 5 s or so
)
_RTCP_AFTER_NS = 5_000_000_000  # the last report and the BYE of a source come after its last RTP packet
_HANDSHAKE_BEFORE_NS = 60_000_000_000
_DATAGRAM, _SEGMENT, _FRAGMENT = map(kinds_of, (PacketKind.SIP_UDP, PacketKind.SIP_TCP, PacketKind.FRAGMENT))
_RTCP = kinds_of(PacketKind.RTCP, PacketKind.RTCP_LONG)
_HANDSHAKE = kinds_of(PacketKind.STUN, PacketKind.DTLS)

_Way = tuple[Endpoint, Endpoint]
Places = dict[_Way, list[tuple[int, int]]]
"""Of the messages of a call: after when, and until when, each came."""


class MessagePlaces:
    """Notes where the messages of calls came in; by this their packets are found again."""

    def __init__(self, wanted: Callable[[str], bool] = lambda _call_id: True) -> None:
        """`wanted`: tells by a Call-ID whether the messages of a call are noted."""
        self._wanted = wanted
        self._spans: dict[tuple[str, str], Places] = {}
        self._last_ns: dict[_Way, int] = {}  # when the last message was whole, of whatever call

    def take_message(self, call: Attempt, raw: RawMessage, _message: SipMessage) -> None:
        """Take a message, and the call that took it."""
        way = (raw.source_ip, raw.source_port), raw.target
        if self._wanted(call.call_id):
            after_ns = self._last_ns.get(way, raw.time_ns - _SEGMENTS_WITHIN_NS)
            places = self._spans.setdefault((call.call_id, call.from_tag), {})
            spans = places.setdefault(way, []) if way in places or len(places) < _MOST_WAYS_OF_CALL else None
            if spans is not None and len(spans) < _MOST_MESSAGES:
                spans.append((after_ns, raw.time_ns))
            if len(self._spans) > _MOST_CALLS:
                del self._spans[next(iter(self._spans))]
        self._last_ns[way] = raw.time_ns
        if len(self._last_ns) > _MOST_WAYS:
            del self._last_ns[next(iter(self._last_ns))]

    def of(self, call_id: str, from_tag: str) -> Places:
        """Return the places of a call's messages; none where there were none, or too many calls since."""
        return self._spans.get((call_id, from_tag), {})

    def forget(self, call_id: str, from_tag: str) -> None:
        """Forget a call."""
        self._spans.pop((call_id, from_tag), None)


def spans_of_call(places: Places, flows: Iterable[FlowReport]) -> Array:
    """Return which packets are a call's, (s,) SPAN, by the places of its messages and its flows."""
    rows: list[tuple[int, ...]] = []
    for way, spans in places.items():
        on_way = way_row(*way)
        between = (*on_way[:4], 0, 0)
        for after_ns, until_ns in spans:
            rows.append((*on_way, until_ns, until_ns, _DATAGRAM))
            rows.append((*on_way, after_ns + 1, until_ns, _SEGMENT))
            rows.append((*between, until_ns - _FRAGMENTS_WITHIN_NS + 1, until_ns, _FRAGMENT))
    for report in flows:
        flow, last_ns = report.verdict.flow, report.summary.last_seen_ns
        first_ns = flow.first_seen_ns
        stream = way_row((flow.src_ip, flow.src_port), (flow.dst_ip, flow.dst_port))
        rows.append((*stream, first_ns, last_ns, ALL_KINDS))
        rows.append((*stream, first_ns - _RTCP_BEFORE_NS, last_ns + _RTCP_AFTER_NS, _RTCP))
        if max(flow.src_port, flow.dst_port) < _LAST_PORT:
            beside = (*stream[:4], flow.src_port + 1, flow.dst_port + 1)
            rows.append((*beside, first_ns - _RTCP_BEFORE_NS, last_ns + _RTCP_AFTER_NS, _RTCP))
        # The handshake on the ports of a flow is evidence of its verdicts, and comes before its first packet.
        rows.append((*stream, first_ns - _HANDSHAKE_BEFORE_NS, first_ns - 1, _HANDSHAKE))
    return spans_from(rows)


class CallPackets:
    """Chooses the packets of a call from those of a capture, read again in the same order and with the same times."""

    def __init__(self, places: Places, flows: Iterable[FlowReport]) -> None:
        """Take the places of its messages and its flows."""
        self._spans = spans_of_call(places, flows)
        self._hashes = hashes_of(self._spans)

    def chosen(self, packets: Array) -> Array:
        """Return (n,) bool: which packets are of the call; packets: (n,) PACKET."""
        found = np.zeros(len(packets), np.bool_)
        if len(packets):
            found[PacketIndex.of(packets).find(self._spans, self._hashes)[1]] = True
        return found
