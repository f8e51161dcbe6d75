"""Why callprint and tshark may differ: one rule for each reason."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from differential.ours import Found
from differential.rfc_reader import RtpPacket
from differential.tshark_streams import Shown, StreamKey

from callprint.core.dissect import SIGNALLING_PORTS
from callprint.core.packets import Outcome

FIRST_DYNAMIC = 96
NEW_TIME_BASE_S = 10  # to callprint, a step of this many seconds in the time stamps is no jitter
ZOOM = ("zoom2.pcap", "zoom_p2p.pcapng")


@dataclass(frozen=True)
class Context:
    """What a rule may look at besides the two values."""

    key: StreamKey | None = None
    packets: tuple[RtpPacket, ...] = ()  # of the stream, by tshark
    clock_rate_hz: int = 0


@dataclass
class Difference:
    """One value that tshark has otherwise; `reason` is None when no rule explains it."""

    capture: str
    what: str
    ours: object
    theirs: object
    context: Context
    reason: str | None = None


def group_of(what: str) -> str:
    """Return what a comparison is about, without methods and status codes."""
    return what.rsplit(" ", maxsplit=1)[-1] if what.endswith(("requests", "responses")) else what


Rule = Callable[[Difference, Found, Shown], bool]


def _more(one: Difference) -> int:
    """Return by how much tshark has more."""
    return int(one.theirs) - int(one.ours) if isinstance(one.ours, int) and isinstance(one.theirs, int) else 0


def _shown_as(name: str) -> Rule:
    return lambda one, _found, shown: (
        one.context.key is not None and any(name in chain for chain in shown.protocols[one.context.key[:4]])
    )


def _in_probation(one: Difference, found: Found, _shown: Shown) -> bool:
    return 0 < _more(one) <= found.outcomes[Outcome.UNCONFIRMED]


def _not_in_sequence(one: Difference, _found: Found, _shown: Shown) -> bool:
    return not any((b.sequence - a.sequence) % 65536 == 1 for a, b in pairwise(one.context.packets))


def _new_time_base(one: Difference, _found: Found, _shown: Shown) -> bool:
    rate = one.context.clock_rate_hz
    return any(
        abs((b.time_ns - a.time_ns) / 1e9 - (b.timestamp - a.timestamp) / rate) >= NEW_TIME_BASE_S
        for a, b in pairwise(one.context.packets)
    )


def _dynamic(one: Difference, _found: Found, _shown: Shown) -> bool:
    return any(packet.payload_type >= FIRST_DYNAMIC for packet in one.context.packets)


def _rtcp_apart(one: Difference, found: Found, _shown: Shown) -> bool:
    return 0 < _more(one) <= found.outcomes[Outcome.ORPHAN_RTCP] + found.outcomes[Outcome.RTCP_LONG]


def _damaged(one: Difference, found: Found, _shown: Shown) -> bool:
    return 0 < _more(one) <= sum(found.damaged.values())


def _other_tcp_port(one: Difference, _found: Found, shown: Shown) -> bool:
    return _more(one) > 0 and bool(shown.tcp_ports.difference(SIGNALLING_PORTS))


def _zoom(one: Difference, _found: Found, _shown: Shown) -> bool:
    return one.capture.endswith(ZOOM)


STREAM, PACKETS, DUPLICATES, JITTER = "stream", "packets", "duplicates", "jitter"
SHOWN_STREAM, RTCP, MESSAGES = (
    "stream that tshark shows",
    "RTCP of a sender",
    ("requests", "responses", "call"),
)

RULES: tuple[tuple[tuple[str, ...], str, Rule], ...] = (
    ((RTCP,), "RTCP of 256 bytes and more, or of a sender without RTP, is counted apart", _rtcp_apart),
    (
        (STREAM, RTCP),
        "media in TURN indications, which tshark shows as data of STUN",
        _shown_as(":stun:data"),
    ),
    ((STREAM, RTCP), "tshark takes what follows QUIC on the same ports for QUIC", _shown_as(":quic")),
    ((STREAM, RTCP), "media behind Zoom's headers, which this tshark does not open", _zoom),
    ((PACKETS, JITTER), "tshark takes RTP for T.38 once SDP has announced fax", _shown_as(":t38")),
    ((SHOWN_STREAM,), "no two packets in sequence: no source to callprint (RFC 3550 A.1)", _not_in_sequence),
    ((PACKETS, DUPLICATES), "a packet before the source was believed, counted as unconfirmed", _in_probation),
    (
        (JITTER,),
        f"time stamps step by {NEW_TIME_BASE_S} s or more: a new time base, no jitter",
        _new_time_base,
    ),
    (
        (JITTER,),
        "the clock rate of a dynamic payload type is estimated; jitter begins when it is known",
        _dynamic,
    ),
    (MESSAGES, "a message that does not parse, counted by its defect", _damaged),
    (MESSAGES, "SIP over TCP on a port that was not named with --sip-port", _other_tcp_port),
)


def explain(one: Difference, found: Found, shown: Shown) -> str | None:
    """Return the reason of a difference, None when there is none."""
    group = group_of(one.what)
    for groups, reason, holds in RULES:
        if group in groups and holds(one, found, shown):
            return reason
    return None
