"""Which packets of a capture belong to a call: those that its messages and its media came in.

Call assembly has decided which messages are a call's. A datagram is a message, found by its time and its endpoints.
Over TCP a message may come in several segments, and a segment may bring several messages: all that came on the stream
since the last message of a call, of whatever call, belongs to it. Fragments of a datagram are those between its hosts
shortly before the message was whole.
"""

from collections.abc import Callable, Iterable

import numpy as np

from callprint.core.calls.attempt import Attempt
from callprint.core.ground.addresses import Endpoint, address_numbers
from callprint.core.ground.arrays import Array
from callprint.core.packets import PacketKind
from callprint.core.signalling.reader import RawMessage
from callprint.core.signalling.sip import SipMessage
from callprint.core.verdict import FlowReport

_FRAGMENTS_WITHIN_NS = 1_000_000_000
_SEGMENTS_WITHIN_NS = 5_000_000_000  # of the first message of a stream
_MOST_WAYS = 100_000
_MOST_CALLS = 100_000
_MOST_MESSAGES = 10_000  # of a call on one way: re-INVITEs and retransmissions may go on for ever
_RTCP_AFTER_NS = 5_000_000_000  # the last report and the BYE of a source come after its last RTP packet
_HANDSHAKE_BEFORE_NS = 60_000_000_000
_HANDSHAKE = (PacketKind.STUN, PacketKind.DTLS)

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
            spans = places.setdefault(way, [])
            if len(spans) < _MOST_MESSAGES:
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


class CallPackets:
    """Chooses the packets of a call from those of a capture, read again in the same order and with the same times."""

    def __init__(self, places: Places, flows: Iterable[FlowReport]) -> None:
        """Take the places of its messages and its flows."""
        self._spans = {way: np.array(sorted(spans), np.int64).T for way, spans in places.items()}
        self._flows = list(flows)

    def chosen(self, packets: Array) -> Array:
        """Return (n,) bool: which packets are of the call; packets: (n,) PACKET in the order of the first reading."""
        found = np.zeros(len(packets), np.bool_)
        for way, (after, until) in self._spans.items():
            # On one way messages come one behind the other, so the next one is the only one that a packet may be of.
            following = np.searchsorted(until, packets["time_ns"])
            within = following < len(until)
            following[~within] = 0
            after_ns, until_ns = after[following], until[following]
            on_way = within & _from(packets, way[0]) & _to(packets, way[1])
            found |= on_way & _signalling(packets, after_ns, until_ns)
            found |= within & _fragments(packets, way, until_ns)
        for report in self._flows:
            found |= self._media(packets, report)
        return found

    def _media(self, packets: Array, report: FlowReport) -> Array:
        flow = report.verdict.flow
        source, target = (flow.src_ip, flow.src_port), (flow.dst_ip, flow.dst_port)
        times, kinds = packets["time_ns"], packets["kind"]
        last_ns = report.summary.last_seen_ns
        since = times >= flow.first_seen_ns
        media = _from(packets, source) & _to(packets, target) & (times <= last_ns)
        rtcp = np.isin(kinds, (PacketKind.RTCP, PacketKind.RTCP_LONG)) & (times <= last_ns + _RTCP_AFTER_NS)
        beside = [
            _from(packets, (flow.src_ip, flow.src_port + more))
            & _to(packets, (flow.dst_ip, flow.dst_port + more))
            for more in (0, 1)
        ]
        # The handshake on the ports of a flow is evidence of its verdicts, and comes before its first packet.
        handshake = _from(packets, source) & _to(packets, target) & np.isin(kinds, _HANDSHAKE)
        handshake &= (times < flow.first_seen_ns) & (times >= flow.first_seen_ns - _HANDSHAKE_BEFORE_NS)
        return np.asarray(since & (media | (rtcp & (beside[0] | beside[1]))) | handshake)


def _signalling(packets: Array, after_ns: Array, until_ns: Array) -> Array:
    times, kinds = packets["time_ns"], packets["kind"]
    datagram = (kinds == PacketKind.SIP_UDP) & (times == until_ns)
    segment = (kinds == PacketKind.SIP_TCP) & (times > after_ns) & (times <= until_ns)
    return np.asarray(datagram | segment)


def _fragments(packets: Array, way: _Way, end_ns: Array) -> Array:
    times = packets["time_ns"]
    near = (times > end_ns - _FRAGMENTS_WITHIN_NS) & (times <= end_ns)
    between = _host(packets, "src", way[0][0]) & _host(packets, "dst", way[1][0])
    return np.asarray((packets["kind"] == PacketKind.FRAGMENT) & near & between)


def _from(packets: Array, endpoint: Endpoint) -> Array:
    return np.asarray(_host(packets, "src", endpoint[0]) & (packets["src_port"] == endpoint[1]))


def _to(packets: Array, endpoint: Endpoint) -> Array:
    return np.asarray(_host(packets, "dst", endpoint[0]) & (packets["dst_port"] == endpoint[1]))


def _host(packets: Array, side: str, host: str) -> Array:
    hi, lo = address_numbers(host)
    return np.asarray((packets[f"{side}_hi"] == hi) & (packets[f"{side}_lo"] == lo))
