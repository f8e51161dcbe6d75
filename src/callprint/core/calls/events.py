"""What becomes of messages, and the events of calls as immutable values that may cross a process boundary."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from callprint.core.call import CallRecord


class MessageOutcome(StrEnum):
    """The one counter that a SIP message ends in; one that does not parse is counted by its SipDefect."""

    CALL_BEGUN = "call_begun"  # a first INVITE
    IN_CALL = "in_call"  # any other message of a known call
    NO_CALL = "no_call"  # belongs to a call whose INVITE was not seen, or that was evicted
    OUTSIDE_CALLS = "outside_calls"  # REGISTER, OPTIONS, SUBSCRIBE, MESSAGE and the like


class CallStep(StrEnum):
    """The steps of a call, in their order. A call without signalling only settles."""

    BEGUN = "begun"  # its first INVITE: nobody's phone has rung
    CLOSED = (
        "closed"  # it ended or was refused; its media may not be known, and a refused caller may try again
    )
    SETTLED = "settled"  # its media is known


@dataclass(frozen=True, slots=True)
class CallEvent:
    """One step of one call."""

    step: CallStep
    time_ns: int  # packet time at which the step was known
    facts: Any  # CALL row (core/spam/histories.py)
    record: CallRecord  # the call as it stood, not judged, without features


def nobody_listens(*_arguments: object) -> None:
    """Stands for a listener where there is none."""
