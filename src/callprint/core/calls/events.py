"""What becomes of messages, and the events of calls as immutable values that may cross a process boundary."""

from enum import StrEnum
from typing import Any, NamedTuple

from callprint.core.call import CallRecord
from callprint.core.calls.facts import Facts
from callprint.core.ground.table import names_of


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


CallKey = tuple[str, str, int]
"""Call-ID, From tag and start: the identity of a call."""

CELLS = names_of(CallRecord)
"""The cells of a row, by name. Until its call is judged it is NOT_JUDGED, and has no features."""


class CallEvent(NamedTuple):
    """One step of one call."""

    step: CallStep
    time_ns: int  # packet time at which the step was known
    facts: Facts  # its CALL row
    call: CallKey
    cells: tuple[Any, ...] = ()  # of the call's row as it stood (CELLS); none for CLOSED, which makes no row

    @property
    def record(self) -> CallRecord:
        """The row as it stood, for an event that has one."""
        return CallRecord(*self.cells)


def nobody_listens(*_arguments: object) -> None:
    """Stands for a listener where there is none."""
