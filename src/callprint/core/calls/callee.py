"""Whom an attempt asks for: a caller may reach another number than the one that it dialled first.

To stays as the caller wrote it while proxies route the call (RFC 3261 8.1.1.2, 16.6), so as a rule it names the callee.
A caller that dials digit by digit changes it (overlap dialling, RFC 3578), or the Request-URI alone; after a
redirection the Request-URI alone changes (RFC 3261 8.1.3.4). What proxies write there on the way, such as a gateway's
prefix or a telephone's contact, is not whom the caller asked for.
"""

from callprint.core.calls.attempt import Attempt
from callprint.core.signalling.address import Uri
from callprint.core.signalling.identity import IdentityReader
from callprint.core.signalling.sip import SipMessage

_ADDRESS_INCOMPLETE = 484


def ask_for(call: Attempt, message: SipMessage, identities: IdentityReader) -> None:
    """Let an attempt go on with an INVITE of a new branch, which says who the callee is, before it is taken in."""
    callee = _other(call, message)
    if callee is not None:
        call.callee.identity = identities.of_uri(callee)
    call.go_on()


def _other(call: Attempt, message: SipMessage) -> Uri | None:
    """Return whom an INVITE asks for where it is another than before, else None."""
    to, target = message.to.uri, message.request_uri
    if to.user != call.addressed:
        return to
    if target is None or target.user in ("", call.dialled):
        return None
    status = call.final_status or 0
    moved = 300 <= status < 400 or status == _ADDRESS_INCOMPLETE
    grown = message.cseq > call.invite_cseq and call.dialled != "" and target.user.startswith(call.dialled)
    return target if moved or grown else None
