"""The rows of calls as call assembly knows them: not judged, without features."""

from collections.abc import Sequence
from typing import Any

from callprint.core.call import NOT_JUDGED, CallRecord, Phase
from callprint.core.calls.attempt import Attempt
from callprint.core.calls.party import NO_CODECS, Party, announced
from callprint.core.calls.relays import relay_of
from callprint.core.declared.name import Declared, declared_in_verdict
from callprint.core.quality.call_quality import call_quality
from callprint.core.verdict import FlowKey, FlowReport


def record_of(call: Attempt, phase: Phase, now_ns: int) -> CallRecord:
    """Return the row of a call in one phase."""
    quality = call_quality(
        *([report.summary for report in party.flows] for party in (call.caller, call.callee)),
        answered=phase is Phase.END and call.answered_ns is not None,
    )
    caller_declared, callee_declared = _declared(call.caller), _declared(call.callee)
    return CallRecord(
        call_id=call.call_id,
        from_tag=call.from_tag,
        phase=phase,
        caller=call.caller.identity.text,
        callee=call.callee.identity.text,
        started_ns=call.started_ns,
        ringing_ns=call.ringing_ns,
        answered_ns=call.answered_ns,
        ended_ns=call.ended_ns,
        state=call.state,
        final_status=call.final_status,
        ended_by=call.ended_by,
        caller_application=_application(call.caller.flows),
        callee_application=_application(call.callee.flows),
        caller_flows=_keys(call.caller.flows),
        callee_flows=_keys(call.callee.flows),
        caller_codec=_codec(call.caller, call.callee),
        callee_codec=_codec(call.callee, call.caller),
        caller_user_agent=call.caller.user_agent,
        callee_user_agent=call.callee.user_agent,
        attestation=call.attestation,
        campaign=call.campaign,
        signalling_ip=call.signalling_ip,
        judged_at_ns=now_ns,
        spam_score=NOT_JUDGED.score,
        spam=NOT_JUDGED.spam,
        action=NOT_JUDGED.action,
        reason=NOT_JUDGED.reason,
        detector=NOT_JUDGED.detector,
        features=(),
        capture=call.capture,
        claimed_caller=call.claimed_caller,
        diverted_by=call.diverted_by,
        relayed_by=relay_of(call.caller.flows) or relay_of(call.callee.flows) or call.relayed_by,
        caller_mos=quality.caller_mos,
        callee_mos=quality.callee_mos,
        media_notes=quality.notes,
        caller_declared_application=caller_declared and caller_declared.application,
        caller_declared_version=caller_declared and caller_declared.version,
        caller_declared_by=caller_declared and caller_declared.by,
        callee_declared_application=callee_declared and callee_declared.application,
        callee_declared_version=callee_declared and callee_declared.version,
        callee_declared_by=callee_declared and callee_declared.by,
    )


OF_PARTY = ("flows", "application", "codec", *(f"declared_{name}" for name in Declared._fields))
"""The fields of a call about what one party sends, without its name in front."""


def of_party(flows: Sequence[FlowReport]) -> tuple[Any, ...]:
    """Return the values of OF_PARTY for a party of whom only these flows are known."""
    if not flows:
        return (), None, None, None, None, None
    longest = _longest_first(flows)[0]
    declared = declared_in_verdict(longest.verdict) or (None, None, None)
    return _keys(flows), longest.verdict.application, longest.summary.codec, *declared


def _longest_first(flows: Sequence[FlowReport]) -> Sequence[FlowReport]:
    if len(flows) < 2:
        return flows
    return sorted(flows, key=lambda report: (-report.summary.packets, report.verdict.flow))


def _keys(flows: Sequence[FlowReport]) -> tuple[FlowKey, ...]:
    return tuple(report.verdict.flow for report in _longest_first(flows))


def _application(flows: Sequence[FlowReport]) -> str | None:
    return _longest_first(flows)[0].verdict.application if flows else None


def _declared(party: Party) -> Declared | None:
    """Return what a party declares to be: in signalling, which is about itself, else in the media of its side."""
    if party.claim is not None:
        return party.claim.declared
    return declared_in_verdict(_longest_first(party.flows)[0].verdict) if party.flows else None


def _codec(sender: Party, receiver: Party) -> str | None:
    """Return what the sender sends, by SDP or else by the static payload types."""
    if not sender.flows:
        return sender.offered
    summary = _longest_first(sender.flows)[0].summary
    found = announced(sender, receiver, summary.flow, summary.payload_type)
    codec = found.codec if found is not None else summary.codec
    return sender.offered or codec if codec in NO_CODECS else codec  # of someone who listened all the time
