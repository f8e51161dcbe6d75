"""The rows of calls as call assembly knows them: not judged, without features."""

from collections.abc import Sequence
from typing import Any

from callprint.core.call import NOT_JUDGED, Phase
from callprint.core.calls.attempt import Attempt
from callprint.core.calls.party import NO_CODECS, Party, announced
from callprint.core.calls.relays import relay_of
from callprint.core.declared.name import Declared, declared_in_verdict
from callprint.core.quality.call_quality import call_quality
from callprint.core.verdict import FlowKey, FlowReport


def cells_of(call: Attempt, phase: Phase, now_ns: int) -> tuple[Any, ...]:
    """Return the row of a call in one phase as the cells of a CallRecord, in the order of its fields.

    The judge, who completes it, makes the object: at a few microseconds each there should be one a row.
    """
    caller, callee = call.caller, call.callee
    caller_mos = callee_mos = notes = None
    if phase is Phase.END or caller.flows or callee.flows:
        caller_mos, callee_mos, notes = call_quality(
            *([report.summary for report in party.flows] for party in (caller, callee)),
            answered=phase is Phase.END and call.answered_ns is not None,
        )
    return (
        call.call_id,
        call.from_tag,
        phase,
        caller.identity.text,
        callee.identity.text,
        call.started_ns,
        call.ringing_ns,
        call.answered_ns,
        call.ended_ns,
        call.state,
        call.final_status,
        call.ended_by,
        _application(caller.flows),
        _application(callee.flows),
        _keys(caller.flows),
        _keys(callee.flows),
        _codec(caller, callee),
        _codec(callee, caller),
        caller.user_agent,
        callee.user_agent,
        call.attestation,
        call.campaign,
        call.signalling_ip,
        now_ns,
        NOT_JUDGED.score,
        NOT_JUDGED.spam,
        NOT_JUDGED.action,
        NOT_JUDGED.reason,
        NOT_JUDGED.detector,
        (),  # features
        call.capture,
        None,  # detector_state
        call.claimed_caller,
        call.diverted_by,
        relay_of(caller.flows) or relay_of(callee.flows) or call.relayed_by,
        caller_mos,
        callee_mos,
        notes,
        *_declared(caller),
        *_declared(callee),
    )


OF_PARTY = ("flows", "application", "codec", *(f"declared_{name}" for name in Declared._fields))
"""The fields of a call about what one party sends, without its name in front."""

NOTHING_DECLARED = (None,) * len(Declared._fields)


def of_party(flows: Sequence[FlowReport]) -> tuple[Any, ...]:
    """Return the values of OF_PARTY for a party of whom only these flows are known."""
    if not flows:
        return (), None, None, None, None, None
    longest = _longest_first(flows)[0]
    declared = declared_in_verdict(longest.verdict) or NOTHING_DECLARED
    return _keys(flows), longest.verdict.application, longest.summary.codec, *declared


def _longest_first(flows: Sequence[FlowReport]) -> Sequence[FlowReport]:
    if len(flows) < 2:
        return flows
    return sorted(flows, key=lambda report: (-report.summary.packets, report.verdict.flow))


def _keys(flows: Sequence[FlowReport]) -> tuple[FlowKey, ...]:
    return tuple(report.verdict.flow for report in _longest_first(flows))


def _application(flows: Sequence[FlowReport]) -> str | None:
    return _longest_first(flows)[0].verdict.application if flows else None


def _declared(party: Party) -> tuple[str | None, ...]:
    """Return what a party declares to be: in signalling, which is about itself, else in the media of its side."""
    if party.claim is not None:
        return party.claim.declared
    longest = _longest_first(party.flows)[0].verdict if party.flows else None
    return (longest and declared_in_verdict(longest)) or NOTHING_DECLARED


def _codec(sender: Party, receiver: Party) -> str | None:
    """Return what the sender sends, by SDP or else by the static payload types."""
    if not sender.flows:
        return sender.offered
    summary = _longest_first(sender.flows)[0].summary
    found = announced(sender, receiver, summary.flow, summary.payload_type)
    codec = found.codec if found is not None else summary.codec
    return sender.offered or codec if codec in NO_CODECS else codec  # of someone who listened all the time
