"""Whether an INVITE answers a challenge under another From tag than the INVITE that was challenged.

RFC 3261 22.2 wants the same From, tag included, and most callers keep to it. Of those that do not, one attempt must not
become two calls, one of which has failed.
"""

from callprint.core.calls.attempt import Attempt
from callprint.core.calls.party import MAXIMUM_KEPT, Side
from callprint.core.signalling.identity import IdentityReader
from callprint.core.signalling.sip import SipMessage

_CHALLENGES = (401, 407)


def is_challenged(call: Attempt) -> bool:
    """Return whether the last thing that a call was told is that its caller has to show who it is."""
    return call.refused_ns is not None and call.final_status in _CHALLENGES


def answers_challenge(call: Attempt, message: SipMessage, identities: IdentityReader) -> bool:
    """Return whether an INVITE with the Call-ID of a call, but another From tag, goes on with it after a challenge.

    It asks for the same callee in the name of the same caller, with a CSeq that does not go back.
    """
    return (
        is_challenged(call)
        and len(call.later_tags) < MAXIMUM_KEPT
        and call.asks_anew(message, Side.CALLER)
        and message.cseq >= call.invite_cseq
        and message.to.uri.user == call.addressed
        and identities.caller(message) == call.caller.identity
    )
