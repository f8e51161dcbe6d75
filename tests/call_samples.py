"""A call for tests, each field plausible, to be varied with `dataclasses.replace`."""

import math
from dataclasses import replace

from verdict_samples import LINPHONE, PJSUA, SECOND_NS, START_NS

from callprint.core.call import Action, CallRecord, CallState, EndedBy, Phase


def call(**changes) -> CallRecord:
    """An answered call of 30 s from a mobile number, judged at its end."""
    sample = CallRecord(
        call_id="a84b4c76e66710@192.0.2.10",
        from_tag="1928301774",
        phase=Phase.END,
        caller="+4915112345678",
        callee="+493012345",
        started_ns=START_NS,
        ringing_ns=START_NS + SECOND_NS,
        answered_ns=START_NS + 4 * SECOND_NS,
        ended_ns=START_NS + 34 * SECOND_NS,
        state=CallState.COMPLETED,
        final_status=200,
        ended_by=EndedBy.CALLER,
        caller_application="linphone",
        callee_application="pjsua",
        caller_flows=(LINPHONE,),
        callee_flows=(PJSUA,),
        caller_codec="PCMU",
        callee_codec="PCMU",
        caller_user_agent="Linphone/5.0",
        callee_user_agent=None,
        attestation="missing",
        campaign="3f9a",
        signalling_ip="192.0.2.10",
        judged_at_ns=START_NS + 34 * SECOND_NS,
        spam_score=0.03,
        spam=False,
        action=Action.ALLOW,
        reason="one call of 30 s to one number",
        detector="fusion-1",
        features=(30.0, 1.0, 0.1 + 0.2),
    )
    return replace(sample, **changes)


def at_setup(**changes) -> CallRecord:
    """The same call at its INVITE: nothing but its beginning is known."""
    unknown = {
        "phase": Phase.SETUP,
        "state": CallState.CALLING,
        "ringing_ns": None,
        "answered_ns": None,
        "ended_ns": None,
        "final_status": None,
        "ended_by": None,
        "caller_application": None,
        "callee_application": None,
        "caller_flows": (),
        "callee_flows": (),
        "judged_at_ns": START_NS,
        "spam_score": None,
        "spam": None,
        "features": (math.nan, 1.0, math.nan),
    }
    return call(**{**unknown, **changes})
