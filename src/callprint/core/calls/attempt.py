"""One call attempt, and how each SIP message changes its state (RFC 3261 9, 13, 14, 15; RFC 3264 for media).

    CALLING --1xx--> RINGING --2xx--> ANSWERED --last BYE--> COMPLETED
       |                |
       +----------------+--487-------------------------> CANCELLED     (also: CANCEL, then silence)
       +----------------+--3xx-6xx on the last branch--> FAILED        (401, 407, 3xx ...: after a wait for
       |                                                                a new INVITE with a higher CSeq)
       any of the three --silence----------------------> EXPIRED

Forking: every INVITE that is seen on its way adds a branch (top Via); the call fails only when the last branch
has failed, and ends only when every confirmed dialog has had its BYE. The same INVITE seen on several hops between
proxies falls under the same rule.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple, TypeVar

from callprint.core.call import ENDED_STATES, CallState, EndedBy
from callprint.core.calls.settings import CallSettings
from callprint.core.flow.payload_types import CODEC_NAMES
from callprint.core.ground.addresses import Endpoint
from callprint.core.signalling.identity import Identity
from callprint.core.signalling.sdp import Rtpmap, SessionDescription
from callprint.core.signalling.sip import SipMessage
from callprint.core.signalling.text import identifier, parameters, printable
from callprint.core.verdict import FlowReport

MAXIMUM_KEPT = 16
"""Most SSRCs, dialogs, branches or flows that are kept for one party of a call."""
MAXIMUM_ENDPOINTS = 128
"""Most endpoints that are kept for one party of a call; the oldest make room."""

_T = TypeVar("_T")

_RETRIED = frozenset({*range(300, 400), 401, 407, 413, 415, 420, 421, 422, 428, 433, 436, 437, 438, 494})
"""Refusals after which the same call may be tried again (RFC 3261 8.1.3.5, 22.2, RFC 4028, RFC 8224)."""


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

    def keep_endpoint(self, endpoint: Endpoint) -> bool:
        """Keep an endpoint as the newest; True when the oldest had to make room for it."""
        self.endpoints.pop(endpoint, None)
        self.endpoints[endpoint] = None
        if len(self.endpoints) <= MAXIMUM_ENDPOINTS:
            return False
        del self.endpoints[next(iter(self.endpoints))]
        return True


@dataclass(slots=True)
class Attempt:
    """One call in progress, or ended and waiting for its media.

    Its row is a `call.CallRecord` (call_rows.py), its numbers a CALL row (facts.py).
    """

    call_id: str
    from_tag: str
    caller: Party
    callee: Party
    started_ns: int
    last_ns: int
    invite_cseq: int
    attestation: str
    campaign: str
    signalling_ip: str
    state: CallState = CallState.CALLING
    ringing_ns: int | None = None
    answered_ns: int | None = None
    ended_ns: int | None = None
    ended_by: EndedBy | None = None
    final_status: int | None = None
    refused_ns: int | None = None  # when a refusal came after which the call may be tried again
    cancel_ns: int | None = None
    closed_ns: int = 0  # packet time at which its end became known
    capture: str | None = None  # where its first INVITE was read
    alive_ns: int = 0  # its media went on until then, at least: joined flows, and those that go on
    branches: dict[str, None] = field(default_factory=dict)
    dialogs: dict[str, None] = field(default_factory=dict)  # To tags with a 2xx and no BYE yet

    @property
    def ended(self) -> bool:
        """True once no message can change the call any more."""
        return self.state in ENDED_STATES

    def party(self, side: Side) -> Party:
        """Return one of the two parties."""
        return self.caller if side is Side.CALLER else self.callee

    def deadline_ns(self, settings: CallSettings) -> int:
        """Return when the call must be looked at again unless a message comes before."""
        if self.ended:
            return self.closed_ns + settings.call_waits_ns
        if self.refused_ns is not None:
            return self.refused_ns + round(settings.retry_timeout_s * 1e9)
        if self.cancel_ns is not None and self.answered_ns is None:
            return self.cancel_ns + round(settings.retry_timeout_s * 1e9)
        wait_s = settings.setup_timeout_s if self.answered_ns is None else settings.answered_timeout_s
        return max(self.last_ns, self.alive_ns) + round(wait_s * 1e9)

    def time_out(self, now_ns: int) -> None:
        """End a call whose deadline has passed."""
        if self.refused_ns is not None:
            self._end(CallState.FAILED, EndedBy.CALLEE, self.refused_ns, now_ns)
        elif self.cancel_ns is not None and self.answered_ns is None:
            self._end(CallState.CANCELLED, EndedBy.CALLER, self.cancel_ns, now_ns)
        elif self.answered_ns is None and self.final_status is not None:
            self._end(CallState.FAILED, EndedBy.CALLEE, self.last_ns, now_ns)  # on some of its branches
        else:
            self.give_up(EndedBy.TIMEOUT, now_ns)

    def give_up(self, why: EndedBy, now_ns: int) -> None:
        """End a call about which nothing more will be known: it lasted to its last sign of life."""
        last_ns = max(
            [self.last_ns, *(flow.summary.last_seen_ns for flow in self.caller.flows + self.callee.flows)]
        )
        self._end(CallState.EXPIRED, why, last_ns, now_ns)

    def _end(self, state: CallState, by: EndedBy, ended_ns: int, now_ns: int) -> None:
        self.state = state
        self.ended_by = by
        self.ended_ns = ended_ns
        self.closed_ns = now_ns

    # -- messages

    def on_request(self, message: SipMessage, sender: Side, time_ns: int) -> None:
        """Take a request that belongs to this call."""
        self.last_ns = max(self.last_ns, time_ns)
        self._note_agent(message, sender)
        if message.method == "INVITE":
            self._on_invite(message, sender)
        elif message.method == "CANCEL" and sender is Side.CALLER:
            if self.cancel_ns is None and not self.ended:
                self.cancel_ns = time_ns
        elif message.method == "BYE" and not self.ended:
            self._on_bye(message, sender, time_ns)

    def on_response(self, message: SipMessage, sender: Side, time_ns: int) -> None:
        """Take a response that belongs to this call."""
        self.last_ns = max(self.last_ns, time_ns)
        self._note_agent(message, sender)
        of_this_invite = (
            message.method == "INVITE" and sender is Side.CALLEE and message.cseq == self.invite_cseq
        )
        if not of_this_invite or self.ended:
            return
        if message.status < 200:
            if message.status > 100 and self.state is CallState.CALLING:
                self.state = CallState.RINGING
            if message.status >= 180 and self.ringing_ns is None:
                self.ringing_ns = time_ns
        elif message.status < 300:
            self._on_answer(message, time_ns)
        elif self.answered_ns is None:
            self._on_refusal(message, time_ns)

    def on_media(self, session: SessionDescription, sender: Side) -> int:
        """Note where and what the sender wants to receive; return how many endpoints had to make room."""
        party = self.party(sender)
        displaced = 0
        for medium in session.media:
            if medium.refused:
                continue
            for endpoint in medium.endpoints():
                displaced += party.keep_endpoint(endpoint)
            for ssrc in medium.ssrcs:
                _keep(party.ssrcs, ssrc)
            for payload_type, name, clock_rate_hz in medium.codecs:
                if len(party.codecs) < 4 * MAXIMUM_KEPT:
                    party.codecs[payload_type] = name
                    party.clock_rates_hz[payload_type] = clock_rate_hz
            if party.offered is None and medium.kind == "audio" and medium.formats:
                party.offered = _codec_name(medium.formats[0], medium.codecs)
        return displaced

    def _note_agent(self, message: SipMessage, sender: Side) -> None:
        party = self.party(sender)
        if party.user_agent is None:
            agent = message.header("user-agent") or message.header("server")
            party.user_agent = printable(agent) if agent else None

    def _on_invite(self, message: SipMessage, sender: Side) -> None:
        if sender is Side.CALLEE or self.answered_ns is not None or self.ended:
            return  # a re-INVITE: it moves media or puts the call on hold, its state stays
        if message.cseq > self.invite_cseq:  # after a challenge or a redirection
            self.invite_cseq = message.cseq
            self.refused_ns = None
            self.final_status = None
            self.branches = {top_branch(message): None}
        elif message.cseq == self.invite_cseq:
            _keep(self.branches, top_branch(message))

    def _on_answer(self, message: SipMessage, time_ns: int) -> None:
        if self.answered_ns is None:
            self.answered_ns = time_ns
            self.state = CallState.ANSWERED
            self.final_status = message.status
            self.refused_ns = None
        _keep(self.dialogs, message.to.tag)

    def _on_refusal(self, message: SipMessage, time_ns: int) -> None:
        known = top_branch(message) in self.branches
        self.branches.pop(top_branch(message), None)
        self.final_status = message.status
        # A refusal of an INVITE that was not seen is believed where only one branch is known.
        if len(self.branches) > (0 if known else 1):
            return  # other branches may still answer
        if message.status == 487:
            ended_ns = self.cancel_ns if self.cancel_ns is not None else time_ns
            self._end(CallState.CANCELLED, EndedBy.CALLER, ended_ns, time_ns)
        elif message.status in _RETRIED:
            self.refused_ns = time_ns
        else:
            self._end(CallState.FAILED, EndedBy.CALLEE, time_ns, time_ns)

    def _on_bye(self, message: SipMessage, sender: Side, time_ns: int) -> None:
        callee_tag = message.to.tag if sender is Side.CALLER else message.from_.tag
        self.dialogs.pop(callee_tag, None)
        if self.dialogs:
            return  # another branch was answered as well
        by = EndedBy.CALLER if sender is Side.CALLER else EndedBy.CALLEE
        if self.answered_ns is None and sender is Side.CALLER:
            self._end(CallState.CANCELLED, by, time_ns, time_ns)  # BYE on an early dialog (RFC 3261 15)
        else:
            self._end(CallState.COMPLETED, by, time_ns, time_ns)


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


def top_branch(message: SipMessage) -> str:
    """Return the branch of the topmost Via, "" when it has none: it names the hop's transaction."""
    via = message.header("via")
    if via is None:
        return ""
    return identifier(parameters(via.partition(",")[0].partition(";")[2]).get("branch", ""))


def _keep(kept: dict[_T, None], value: _T) -> None:
    if len(kept) < MAXIMUM_KEPT:
        kept.setdefault(value)


def _codec_name(payload_type: str, codecs: tuple[Rtpmap, ...]) -> str | None:
    for number, name, _ in codecs:
        if str(number) == payload_type:
            return name
    return CODEC_NAMES.get(int(payload_type)) if payload_type.isdecimal() else None
