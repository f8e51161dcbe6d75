"""What the first INVITE of a call says about it: who, to whom, from where, on whose word."""

from callprint.core.calls.attempt import Attempt
from callprint.core.calls.campaign import campaign_key
from callprint.core.calls.party import Party, Side
from callprint.core.signalling.identity import Identity, IdentityReader, attestation
from callprint.core.signalling.reader import RawMessage
from callprint.core.signalling.sdp import SessionDescription
from callprint.core.signalling.sip import SipMessage


def begun(
    message: SipMessage, raw: RawMessage, session: SessionDescription | None, identities: IdentityReader
) -> Attempt:
    """Return the attempt that a first INVITE begins; `session`: its SDP, which is yet to be announced."""
    caller = identities.caller(message)
    call = Attempt(
        call_id=message.call_id,
        from_tag=message.from_.tag,
        caller=Party(caller),
        callee=Party(identities.callee(message)),
        started_ns=raw.time_ns,
        last_ns=raw.time_ns,
        invite_cseq=message.cseq,
        attestation=attestation(message),
        campaign=campaign_key(message, session, raw.source_ip),
        signalling_ip=raw.source_ip,
        capture=raw.capture,
        claimed_caller=_text(identities.claimed(message, caller)),
        diverted_by=_text(identities.diverter(message)),
    )
    call.on_request(message, Side.CALLER, raw.time_ns)
    return call


def _text(identity: Identity | None) -> str | None:
    return (identity.text or None) if identity is not None else None
