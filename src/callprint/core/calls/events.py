"""The events of calls, as immutable values that may cross a process boundary."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from callprint.core.call import CallRecord


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
