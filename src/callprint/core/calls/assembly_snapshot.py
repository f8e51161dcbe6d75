"""Call assembly as a State and back: calls in progress, flows and media that wait. See assembly.py."""

from dataclasses import fields
from operator import attrgetter
from typing import Any

from callprint.core.call import CallState, EndedBy
from callprint.core.calls.attempt import Attempt, Party
from callprint.core.signalling.identity import Identity
from callprint.core.verdict import FlowKey, FlowReport, FlowSummary, Verdict

Plain = Any
"""What JSON can hold."""

_verdict_values = attrgetter(*(field.name for field in fields(Verdict)))
_summary_values = attrgetter(*(field.name for field in fields(FlowSummary)))

# Fields of an Attempt that JSON holds as they are.
_CALL_FIELDS = (
    *("call_id", "from_tag", "started_ns", "last_ns", "invite_cseq", "attestation", "campaign"),
    *("signalling_ip", "ringing_ns", "answered_ns", "ended_ns", "final_status", "refused_ns"),
    *("cancel_ns", "closed_ns"),
)


def verdict_out(verdict: Verdict) -> Plain:
    """Return a verdict as a list."""
    return _verdict_values(verdict)


def verdict_in(values: Plain) -> Verdict:
    """Return the verdict of `verdict_out`."""
    return Verdict(FlowKey(*values[0]), *values[1:])


def report_out(report: FlowReport) -> Plain:
    """Return a flow's report as lists."""
    return [_verdict_values(report.verdict), _summary_values(report.summary)]


def report_in(values: Plain) -> FlowReport:
    """Return the report of `report_out`."""
    verdict, summary = values
    return FlowReport(verdict_in(verdict), FlowSummary(FlowKey(*summary[0]), *summary[1:]))


def _party_out(party: Party) -> Plain:
    return {
        "identity": [party.identity.text, party.identity.number],
        "user_agent": party.user_agent,
        "places": list(party.endpoints),
        "ssrcs": list(party.ssrcs),
        "codecs": list(party.codecs.items()),
        "offered": party.offered,
        "flows": [report_out(report) for report in party.flows],
    }


def _party_in(values: Plain) -> Party:
    text, number = values["identity"]
    return Party(
        Identity(text, int(number)),
        values["user_agent"],
        {(ip, int(port)): None for ip, port in values["places"]},
        {int(ssrc): None for ssrc in values["ssrcs"]},
        {int(payload_type): name for payload_type, name in values["codecs"]},
        values["offered"],
        [report_in(report) for report in values["flows"]],
    )


def call_out(call: Attempt) -> Plain:
    """Return a call in progress as plain values."""
    return {
        **{name: getattr(call, name) for name in _CALL_FIELDS},
        "caller": _party_out(call.caller),
        "callee": _party_out(call.callee),
        "state": call.state.value,
        "ended_by": call.ended_by.value if call.ended_by else None,
        "branches": list(call.branches),
        "dialogs": list(call.dialogs),
    }


def call_in(values: Plain) -> Attempt:
    """Return the call of `call_out`."""
    return Attempt(
        **{name: values[name] for name in _CALL_FIELDS},
        caller=_party_in(values["caller"]),
        callee=_party_in(values["callee"]),
        state=CallState(values["state"]),
        ended_by=EndedBy(values["ended_by"]) if values["ended_by"] else None,
        branches=dict.fromkeys(values["branches"]),
        dialogs=dict.fromkeys(values["dialogs"]),
    )
