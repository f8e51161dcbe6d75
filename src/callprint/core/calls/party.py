"""One end of a call: who it is, and what its SDP announced (RFC 3264, RFC 8866)."""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple, TypeVar

from callprint.core.calls.claims import Claim
from callprint.core.flow.payload_types import CODEC_NAMES
from callprint.core.ground.addresses import Endpoint
from callprint.core.signalling.identity import Identity
from callprint.core.signalling.sdp import Rtpmap, SessionDescription
from callprint.core.signalling.sip import SipMessage
from callprint.core.signalling.text import printable
from callprint.core.verdict import FlowReport

MAXIMUM_KEPT = 16
"""Most SSRCs, dialogs or flows that are kept for one party of a call."""
MAXIMUM_ENDPOINTS = 128
"""Most endpoints that are kept for one party of a call; the oldest make room."""

_T = TypeVar("_T")


class Side(IntEnum):
    """Which of the two parties."""

    CALLER = 0
    CALLEE = 1

    @property
    def other(self) -> "Side":
        """The one at the other end."""
        return Side(1 - self)


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

    def keep_endpoint(self, endpoint: Endpoint) -> bool:
        """Keep an endpoint as the newest; True when the oldest had to make room for it."""
        self.endpoints.pop(endpoint, None)
        self.endpoints[endpoint] = None
        if len(self.endpoints) <= MAXIMUM_ENDPOINTS:
            return False
        del self.endpoints[next(iter(self.endpoints))]
        return True

    def note_agent(self, message: SipMessage) -> None:
        """Note the program that a message of this party claims to be from, unless one is known."""
        if self.user_agent is None:
            agent = message.header("user-agent") or message.header("server")
            self.user_agent = printable(agent) if agent else None

    def announce(self, session: SessionDescription) -> int:
        """Note where and what it wants to receive; return how many endpoints had to make room."""
        displaced = 0
        for medium in session.media:
            if medium.refused:
                continue
            for endpoint in medium.endpoints():
                displaced += self.keep_endpoint(endpoint)
            for ssrc in medium.ssrcs:
                keep(self.ssrcs, ssrc)
            for payload_type, name, clock_rate_hz in medium.codecs:
                if len(self.codecs) < 4 * MAXIMUM_KEPT:
                    self.codecs[payload_type] = name
                    self.clock_rates_hz[payload_type] = clock_rate_hz
            if self.offered is None and medium.kind == "audio" and medium.formats:
                self.offered = _codec_name(medium.formats[0], medium.codecs)
        return displaced


class Announced(NamedTuple):
    """What SDP says that a payload type stands for."""

    codec: str
    clock_rate_hz: int | None


def announced(sender: Party, receiver: Party, payload_type: int) -> Announced | None:
    """Return what a payload type stands for: what the RECEIVER announced (RFC 3264 5.1), else the sender."""
    for party in (receiver, sender):
        name = party.codecs.get(payload_type)
        if name is not None:
            return Announced(name, party.clock_rates_hz.get(payload_type) or None)
    return None


def keep(kept: dict[_T, None], value: _T) -> None:
    """Keep a value unless there are MAXIMUM_KEPT already."""
    if len(kept) < MAXIMUM_KEPT:
        kept.setdefault(value)


def _codec_name(payload_type: str, codecs: tuple[Rtpmap, ...]) -> str | None:
    for number, name, _ in codecs:
        if str(number) == payload_type:
            return name
    return CODEC_NAMES.get(int(payload_type)) if payload_type.isdecimal() else None
