"""The values of calls that leave the core: call rows, votes, the allow-list. Immutable.

All times of a call are packet times. A call is one attempt: the pair (Call-ID, From tag) of its first INVITE
(RFC 3261 12.1, 19.3); forked dialogs belong to it. A call is judged twice, so it has up to two rows, told apart by
`phase`; a later row never changes an earlier one.
"""

from dataclasses import dataclass
from enum import StrEnum

from callprint.core.verdict import FlowKey


class CallState(StrEnum):
    """Where a call stands, or how it ended. The transitions are in docs/use/spit.md."""

    CALLING = "calling"  # INVITE seen, nothing but 100 came back
    RINGING = "ringing"  # a provisional response 101-199
    ANSWERED = "answered"  # a 2xx to the INVITE
    COMPLETED = "completed"  # answered, then ended by BYE
    CANCELLED = "cancelled"  # the caller gave up: CANCEL, or 487 to the INVITE
    FAILED = "failed"  # a final 3xx-6xx; `final_status` says which
    EXPIRED = "expired"  # silent for longer than the time-out


ENDED_STATES = frozenset({CallState.COMPLETED, CallState.CANCELLED, CallState.FAILED, CallState.EXPIRED})
"""States that no message leaves."""


class Phase(StrEnum):
    """When a call was judged, and so what the judgement could be based on."""

    SETUP = "setup"  # at its first INVITE: signalling features only, no phone has rung yet
    END = "end"  # when it was over and its media flows were known


class EndedBy(StrEnum):
    """Who or what ended a call."""

    CALLER = "caller"  # BYE or CANCEL from the caller
    CALLEE = "callee"  # BYE, or a final response 3xx-6xx other than 487
    TIMEOUT = "timeout"  # silence for longer than the time-out
    MEDIA = "media"  # a call without signalling: its media stopped
    EVICTED = "evicted"  # the bounded call table had to let it go
    CAPTURE_END = "capture_end"  # the capture ended before the call did


class Action(StrEnum):
    """What the operator is advised to do, in rising severity."""

    ALLOW = "allow"
    WATCH = "watch"
    CHALLENGE = "challenge"
    BLOCK = "block"


MEDIA_ONLY_PREFIX = "media:"
"""Call-IDs of calls without visible signalling begin with this; a digest of the first flow follows."""


ANONYMOUS_CALLER = "anonymous"
"""The caller of every call whose number is hidden (RFC 3323)."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A detector's judgement of one call in one phase."""

    score: float | None  # probability of spam, 0 (certainly wanted) .. 1 (certainly spam); None: not judged
    spam: bool | None  # score at or above the detector's threshold; None: not judged
    action: Action
    reason: str  # in words, for people
    detector: str  # name and version, "none" when no detector looked


NOT_JUDGED = Judgement(None, None, Action.ALLOW, "no detector looked at this call", "none")


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call in one phase. The row's identity is (call_id, from_tag, phase)."""

    call_id: str  # the Call-ID, or MEDIA_ONLY_PREFIX and a digest
    from_tag: str  # the caller's tag; "" for RFC 2543 clients and media-only calls
    phase: Phase
    caller: str  # "+" and E.164 digits, user@host, or a pseudonym; "" when signalling was not seen
    callee: str
    started_ns: int  # first INVITE, or first media packet of a media-only call
    ringing_ns: int | None  # first 180-189
    answered_ns: int | None  # first 2xx to the INVITE
    ended_ns: int | None  # None while the call goes on
    state: CallState
    final_status: int | None  # the final response to the INVITE, once one came
    ended_by: EndedBy | None
    caller_application: str | None  # verdict on the flow that the caller sends; None: no flow seen
    callee_application: str | None
    caller_flows: tuple[FlowKey, ...]  # flows that the caller sends, the longest first
    callee_flows: tuple[FlowKey, ...]
    caller_codec: str | None  # of the caller's first flow, else the first codec its SDP offers
    callee_codec: str | None
    caller_user_agent: str | None
    callee_user_agent: str | None
    attestation: str  # "A", "B", "C", "invalid" or "missing": STIR PASSporT, unverified
    campaign: str  # digest of what survives a rotating caller number; "" when signalling was not seen
    signalling_ip: str  # the address that sent the first INVITE; "" when signalling was not seen
    judged_at_ns: int  # packet time at which this row was decided
    spam_score: float | None
    spam: bool | None
    action: Action
    reason: str
    detector: str
    features: tuple[float, ...]  # in the order of core/spam/features.py; NaN: not known in this phase


@dataclass(frozen=True, slots=True)
class Vote:
    """A user's vote on a call. One vote counts for each (user, caller): a later one replaces it."""

    call_id: str
    from_tag: str
    caller: str  # `voted_caller` of the call's row, so that a vote works beyond the one call
    user: str  # who voted
    given_at_ns: int  # wall clock, nanoseconds since the epoch
    spam: bool


def voted_caller(call: CallRecord) -> str:
    """Return whom a vote on this call is about: its caller, or this call alone when nobody knows the caller.

    Otherwise one vote on an anonymous call would be a vote on everybody who hides.
    """
    return call.call_id if call.caller in ("", ANONYMOUS_CALLER) else call.caller


@dataclass(frozen=True, slots=True)
class AllowEntry:
    """A caller whom no detector may touch: the allow-list stands above everything."""

    caller: str  # as in the call's row
    user: str  # who put it there
    given_at_ns: int
