"""One end of a call: who it is, and what its SDP announced (RFC 3264, RFC 8866)."""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple, TypeVar

from callprint.core.calls.claims import Claim, claim_after
from callprint.core.declared.table import NameTable
from callprint.core.flow.payload_types import CODEC_NAMES
from callprint.core.ground.addresses import Endpoint
from callprint.core.signalling.identity import Identity
from callprint.core.signalling.sdp import Medium, Rtpmap, SessionDescription
from callprint.core.signalling.sip import SipMessage
from callprint.core.signalling.text import printable
from callprint.core.verdict import FlowKey, FlowReport

MAXIMUM_KEPT = 16
"""Most SSRCs, dialogs or flows that are kept for one party of a call."""
MAXIMUM_ENDPOINTS = 128
"""Most endpoints that are kept for one party of a call; the oldest make room."""

NO_CODECS = (None, "telephone-event", "CN")
"""Encodings that carry no voice (RFC 4733, RFC 3389), and what nobody has named."""

_T = TypeVar("_T")


class Side(IntEnum):
    """Which of the two parties."""

    CALLER = 0
    CALLEE = 1

    @property
    def other(self) -> "Side":
        """The one at the other end."""
        return Side.CALLEE if self is Side.CALLER else Side.CALLER


@dataclass(slots=True)
class Party:
    """One end of a call."""

    identity: Identity
    user_agent: str | None = None
    endpoints: dict[Endpoint, None] = field(default_factory=dict)  # announced, then learned from joined flows
    ssrcs: dict[int, None] = field(default_factory=dict)
    codecs: dict[int, str] = field(default_factory=dict)  # payload type -> name, as this party announced it
    offered: str | None = None  # its first announced codec
    flows: list[FlowReport] = field(default_factory=list)  # that this party sends
    clock_rates_hz: dict[int, int] = field(default_factory=dict)  # of `codecs`, by payload type
    claim: Claim | None = None  # the name that its messages declare
    agent_tag: str = ""  # of who `user_agent` is; "" also where that is not known
    answered_tag: str | None = None  # of the one that answered, of several that rang
    of_ports: dict[tuple[int, int], Rtpmap] = field(
        default_factory=dict
    )  # by port and payload type: see `announce`

    def keep_endpoint(self, endpoint: Endpoint) -> bool:
        """Keep an endpoint as the newest; True when the oldest had to make room for it."""
        self.endpoints.pop(endpoint, None)
        self.endpoints[endpoint] = None
        if len(self.endpoints) <= MAXIMUM_ENDPOINTS:
            return False
        del self.endpoints[next(iter(self.endpoints))]
        return True

    def note_agent(self, message: SipMessage, *, answers: bool = False) -> None:
        """Note the program that a message of this party claims to be from, unless one is known.

        100 and whatever belongs to CANCEL are of the next hop alone, which may be a proxy (RFC 3261 9.1, 16.7).
        `answers`: it is the first to answer, so that nothing stays of another telephone that rang as well.
        """
        if message.status == 100 or message.method == "CANCEL" or self.is_another(message):
            return
        if answers:
            self.answered_tag = message.sender_tag
            if self.agent_tag and self.agent_tag != message.sender_tag:
                self.user_agent = None
            if self.claim is not None and self.claim.tag and self.claim.tag != message.sender_tag:
                self.claim = None
        agent = message.header("user-agent") or message.header("server")
        if agent and (answers or self.user_agent is None):
            self.user_agent, self.agent_tag = printable(agent), message.sender_tag

    def note_claim(
        self, message: SipMessage, session: SessionDescription | None, source_ip: str, names: NameTable
    ) -> None:
        """Note the name that a message of this party declares; after `note_agent`."""
        if not self.is_another(message):
            self.claim = claim_after(self.claim, message, session, source_ip, names)

    def is_another(self, message: SipMessage) -> bool:
        """Return whether a message of this party is of another telephone than the one that has answered."""
        return self.answered_tag is not None and message.sender_tag != self.answered_tag

    def announce(self, session: SessionDescription) -> int:
        """Note where and what it wants to receive; return how many endpoints had to make room.

        A payload type belongs to its medium (RFC 8866 5.14): where audio and video use the same one, the port tells
        them apart, and audio has the one that is looked up without a port.
        """
        displaced = 0
        ambiguous = _ambiguous(session)
        for medium in session.media:
            if medium.refused:
                continue
            for endpoint in medium.endpoints():
                displaced += self.keep_endpoint(endpoint)
            for ssrc in medium.ssrcs:
                keep(self.ssrcs, ssrc)
            for rtpmap in medium.codecs:
                payload_type, name, clock_rate_hz = rtpmap
                if payload_type in ambiguous:
                    self._keep_of_ports(rtpmap, [port for _, port in medium.endpoints()])
                    if medium.kind != "audio":
                        continue
                if len(self.codecs) < 4 * MAXIMUM_KEPT:
                    self.codecs[payload_type] = name
                    self.clock_rates_hz[payload_type] = clock_rate_hz
            if self.offered is None and medium.kind == "audio" and medium.formats:
                self.offered = _offered_codec(medium)
        return displaced

    def _keep_of_ports(self, rtpmap: Rtpmap, ports: list[int]) -> None:
        for port in ports:
            self.of_ports.pop((port, rtpmap.payload_type), None)
            self.of_ports[port, rtpmap.payload_type] = rtpmap
        while len(self.of_ports) > 4 * MAXIMUM_KEPT:
            del self.of_ports[next(iter(self.of_ports))]


class Announced(NamedTuple):
    """What SDP says that a payload type stands for."""

    codec: str
    clock_rate_hz: int | None


def announced(sender: Party, receiver: Party, flow: FlowKey, payload_type: int) -> Announced | None:
    """Return what a payload type of a flow stands for: what the RECEIVER announced (RFC 3264 5.1), else the sender."""
    for party, port in ((receiver, flow.dst_port), (sender, flow.src_port)):
        of_port = party.of_ports.get((port, payload_type)) if party.of_ports else None
        if of_port is not None:
            return Announced(of_port.name, of_port.clock_rate_hz or None)
        name = party.codecs.get(payload_type)
        if name is not None:
            return Announced(name, party.clock_rates_hz.get(payload_type) or None)
    return None


def keep(kept: dict[_T, None], value: _T) -> None:
    """Keep a value unless there are MAXIMUM_KEPT already."""
    if len(kept) < MAXIMUM_KEPT:
        kept.setdefault(value)


def _ambiguous(session: SessionDescription) -> set[int]:
    """Return the payload types that stand for something else in one medium than in another."""
    if len(session.media) < 2:
        return set()
    names: dict[int, str] = {}
    used = (rtpmap for medium in session.media if not medium.refused for rtpmap in medium.codecs)
    return {number for number, name, _ in used if names.setdefault(number, name) != name}


def _offered_codec(medium: Medium) -> str | None:
    """Return the first codec of a medium; one of digits or silence only where there is no other."""
    names = [_codec_name(payload_type, medium.codecs) for payload_type in medium.formats]
    return next((name for name in names if name not in NO_CODECS), names[0])


def _codec_name(payload_type: str, codecs: tuple[Rtpmap, ...]) -> str | None:
    for number, name, _ in codecs:
        if str(number) == payload_type:
            return name
    return CODEC_NAMES.get(int(payload_type)) if payload_type.isdecimal() else None
