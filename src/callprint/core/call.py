"""The values of calls that leave the core: call rows, votes, the allow-list. Immutable.

All times of a call are packet times. A call is one attempt: the pair (Call-ID, From tag) of its first INVITE
(RFC 3261 12.1, 19.3); forked dialogs belong to it. A call is judged twice, so it has up to two rows, told apart by
`phase`; a later row never changes an earlier one.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from callprint.core.ground.fields import Digest, Field, Known, Limits, Name, Probability
from callprint.core.verdict import DeclaredBy, FlowKey


class CallState(StrEnum):
    """Where a call stands, or how it ended. The transitions are in docs/use/spit.md."""

    CALLING = "calling"  # INVITE seen, nothing but 100 came back
    RINGING = "ringing"  # a provisional response 101-199
    ANSWERED = "answered"  # a 2xx to an INVITE, or what proves one
    COMPLETED = "completed"  # answered, then ended by BYE
    CANCELLED = "cancelled"  # the caller gave up: CANCEL, or 487
    FAILED = "failed"  # a final 3xx-6xx, and no other try; `final_status` says which
    EXPIRED = "expired"  # silent for longer than the time-out


ENDED_STATES = (CallState.COMPLETED, CallState.CANCELLED, CallState.FAILED, CallState.EXPIRED)
"""States that no later message changes."""


class Phase(StrEnum):
    """When a call was judged, and so what the judgement could be based on."""

    SETUP = "setup"  # at its first INVITE: signalling features only, no phone has rung yet
    END = "end"  # when it was over and its media flows were known


class EndedBy(StrEnum):
    """Who or what ended a call."""

    CALLER = "caller"  # BYE or CANCEL from the caller
    CALLEE = "callee"  # BYE, or a final response 3xx-6xx
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

SETUP, END = Known.SETUP, Known.END
Status = Annotated[int, Limits(minimum=200, maximum=699)]
Attestation = Annotated[str, Limits(enum=["A", "B", "C", "invalid", "missing"])]
Campaign = Annotated[str, Limits(pattern="^([0-9a-f]{16})?$")]


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One judgement of one call in one phase. The call's identity is (call_id, from_tag, started_ns)."""

    call_id: Annotated[
        Name, Field(1, SETUP, "The Call-ID, or `media:` and a digest for a call without visible signalling.")
    ]
    from_tag: Annotated[
        str,
        Field(
            2, SETUP, "The caller's tag: with `call_id` the call's identity; empty for RFC 2543 clients.", ""
        ),
    ]
    phase: Annotated[
        Phase,
        Field(3, SETUP, "`setup`: judged at its first INVITE; `end`: when it was over and its media known."),
    ]
    caller: Annotated[
        str,
        Field(4, SETUP, "`+` and E.164 digits, user@host, `anonymous`, or a pseudonym (`p:`, 32 hex).", ""),
    ]
    callee: Annotated[str, Field(5, SETUP, "Like `caller`.", "")]
    started_ns: Annotated[int, Field(6, SETUP, "First INVITE; without signalling the first media packet.")]
    ringing_ns: Annotated[int | None, Field(7, END, "First 180-199 of the branch that was reached.")]
    answered_ns: Annotated[
        int | None, Field(8, END, "First 2xx, or what proves it (docs/use/spit.md); null when not answered.")
    ]
    ended_ns: Annotated[int | None, Field(9, END, "End of the call; null while it goes on.")]
    state: Annotated[CallState, Field(10, SETUP, "Where the call stands or how it ended (docs/use/spit.md).")]
    final_status: Annotated[Status | None, Field(11, END, "Final SIP response to the INVITE.")]
    ended_by: Annotated[EndedBy | None, Field(12, END, "Who or what ended the call; null while it goes on.")]
    caller_application: Annotated[
        Name | None,
        Field(13, END, "Verdict on the longest flow that the caller sends; null when none was seen."),
    ]
    callee_application: Annotated[
        Name | None,
        Field(14, END, "Verdict on the longest flow that the callee sends; null when none was seen."),
    ]
    caller_flows: Annotated[
        tuple[FlowKey, ...], Field(28, END, "Keys of the flows that the caller sends, the longest first.")
    ]
    callee_flows: Annotated[
        tuple[FlowKey, ...], Field(29, END, "Keys of the flows that the callee sends, the longest first.")
    ]
    caller_codec: Annotated[
        Name | None, Field(15, SETUP, "What the caller sends, else the first codec that its SDP offers.")
    ]
    callee_codec: Annotated[
        Name | None, Field(16, END, "What the callee sends, else the first codec that its SDP offers.")
    ]
    caller_user_agent: Annotated[Name | None, Field(17, SETUP, "User-Agent or Server header, as it claims.")]
    callee_user_agent: Annotated[Name | None, Field(18, END, "User-Agent or Server header, as it claims.")]
    attestation: Annotated[
        Attestation, Field(19, SETUP, "STIR/SHAKEN attestation as claimed, not verified.", "missing")
    ]
    campaign: Annotated[
        Campaign, Field(20, SETUP, "Digest of what survives a rotating caller number, 16 hex digits.", "")
    ]
    signalling_ip: Annotated[str, Field(21, SETUP, "The address that sent the first INVITE.", "")]
    judged_at_ns: Annotated[int, Field(22, SETUP, "When this row was decided.")]
    spam_score: Annotated[
        Probability | None, Field(23, SETUP, "Probability of spam; null when no detector looked.", decimals=6)
    ]
    spam: Annotated[bool | None, Field(24, SETUP, "Whether the score reaches the detector's threshold.")]
    action: Annotated[Action, Field(25, SETUP, "What the operator is advised to do, in rising severity.")]
    reason: Annotated[Name, Field(26, SETUP, "Why, in words.")]
    detector: Annotated[
        Name, Field(27, SETUP, "Name and version of the detector; `none` when none looked.", "none")
    ]
    # In the order of core/spam/features.py; NaN: not known in this phase.
    features: Annotated[
        tuple[float, ...],
        Field(
            30, SETUP, "Features in their units (docs/use/spit.md); null: not known, or of another version."
        ),
    ]
    capture: Annotated[
        Name | None,
        Field(31, SETUP, "File or interface that the call was first seen in."),
    ] = None
    detector_state: Annotated[
        Digest | None,
        Field(
            32, SETUP, "Digest of the votes and the allow-list that the detector had taken in; null for none."
        ),
    ] = None
    claimed_caller: Annotated[
        Name | None,
        Field(33, SETUP, "Who From says is calling, where P-Asserted-Identity names another; else null."),
    ] = None
    diverted_by: Annotated[
        Name | None,
        Field(34, SETUP, "Who forwarded the call last (Diversion, History-Info); null when nobody says so."),
    ] = None
    relayed_by: Annotated[
        Name | None,
        Field(35, END, "Relay whose two sides were seen, by its address: it passed the same packets on."),
    ] = None
    caller_mos: Annotated[
        float | None, Field(36, END, "MOS of the longest voice flow that the caller sends.", decimals=2)
    ] = None
    callee_mos: Annotated[
        float | None, Field(37, END, "MOS of the longest voice flow that the callee sends.", decimals=2)
    ] = None
    media_notes: Annotated[
        Name | None, Field(38, END, "What is wrong with the call's media: words with commas between.")
    ] = None
    caller_declared_application: Annotated[
        Name | None,
        Field(
            39, SETUP, "What the caller's messages say it is, else its longest flow; null when neither does."
        ),
    ] = None
    caller_declared_version: Annotated[
        Name | None, Field(40, SETUP, "Its version, as the messages or packets have it.")
    ] = None
    caller_declared_by: Annotated[
        DeclaredBy | None, Field(41, SETUP, "What names it: `rtcp`, `dtls`, `stun`, `sdp`, `sip` or `h323`.")
    ] = None
    callee_declared_application: Annotated[
        Name | None, Field(42, END, "Like `caller_declared_application`.")
    ] = None
    callee_declared_version: Annotated[Name | None, Field(43, END, "Like `caller_declared_version`.")] = None
    callee_declared_by: Annotated[DeclaredBy | None, Field(44, END, "Like `caller_declared_by`.")] = None


WATCH, WITHDRAWN = "watch", "withdrawn"
"""Kinds of votes that say neither spam nor not spam: keep an eye on the caller; what I said before counts no more."""


@dataclass(frozen=True, slots=True)
class Vote:
    """A user's vote on a call. One vote counts for each (user, caller): a later one replaces it."""

    call_id: str
    from_tag: str
    caller: str  # `voted_caller` of the call's row, so that a vote works beyond the one call
    user: str  # who voted
    given_at_ns: int  # wall clock, nanoseconds since the epoch
    spam: bool  # False in a vote that says neither
    kind: str | None = None  # WATCH or WITHDRAWN; None: it says spam or not spam

    @property
    def says(self) -> str:
        """What it says, in one word of an interface: spam, not_spam, watch or withdrawn."""
        return self.kind or ("spam" if self.spam else "not_spam")


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
