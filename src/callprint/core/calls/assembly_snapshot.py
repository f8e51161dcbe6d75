"""Call assembly (assembly.py) as plain values and back: calls in progress, and flows and media that wait.

Everything has a name: a field that a snapshot lacks gets its default, which means "not known", and one that this
version does not know is passed over. Reports of flows are rows of one table, `reports`; whatever holds a report gives
its number in that table.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, get_type_hints

from callprint.core.call import CallState, EndedBy
from callprint.core.calls.attempt import Attempt
from callprint.core.calls.branches import Branch, Branches, branches_in
from callprint.core.calls.claims import Claim
from callprint.core.calls.ended_flow import EndedFlow
from callprint.core.calls.media_only import MediaGroup
from callprint.core.calls.party import Party
from callprint.core.declared.name import Declared
from callprint.core.ground.addresses import Endpoint
from callprint.core.ground.errors import DecodeError
from callprint.core.ground.named_rows import plain_types
from callprint.core.signalling.identity import Identity
from callprint.core.signalling.sdp import Rtpmap
from callprint.core.verdict import DECLARED_BY, FlowReport, FlowSummary, Verdict
from callprint.core.verdicts.rows import SUMMARIES, VERDICTS

Plain = Any
"""What JSON can hold."""

VERSION = 2

_NOT_PLAIN = ("caller", "callee", "state", "ended_by", "branches", "dialogs", "past_tags", "later_tags")
_PLAIN_FIELDS = {
    name: plain_types(annotation)
    for name, annotation in get_type_hints(Attempt).items()
    if name not in _NOT_PLAIN
}
"""The fields of a Attempt that JSON holds as they are, with the types of their values."""


@dataclass(slots=True)
class ReportTable:
    """Reports of flows that are referred to by number."""

    verdicts: list[Verdict] = field(default_factory=list)
    summaries: list[FlowSummary] = field(default_factory=list)

    def add(self, report: FlowReport) -> int:
        """Return the number of a report, which is added."""
        self.verdicts.append(report.verdict)
        self.summaries.append(report.summary)
        return len(self.verdicts) - 1

    def plain(self) -> Plain:
        """Return the table, for `reports_in`."""
        return {"verdicts": VERDICTS.plain(self.verdicts), "summaries": SUMMARIES.plain(self.summaries)}


def reports_in(values: Plain) -> list[FlowReport]:
    """Return the reports of a table by their numbers. Raises DecodeError, KeyError, TypeError or ValueError."""
    rows = zip(VERDICTS.read(values["verdicts"]), SUMMARIES.read(values["summaries"]), strict=True)
    return [FlowReport(*row) for row in rows]


def call_out(call: Attempt, reports: ReportTable) -> Plain:
    """Return a call in progress as plain values; reports of its flows go into the table."""
    return {
        **{name: getattr(call, name) for name in _PLAIN_FIELDS},
        "caller": _party_out(call.caller, reports),
        "callee": _party_out(call.callee, reports),
        "state": call.state.value,
        "ended_by": call.ended_by.value if call.ended_by else None,
        "transactions": call.branches.plain(),
        "dialogs": list(call.dialogs),
        "past_tags": list(call.past_tags),
        "later_tags": list(call.later_tags),
    }


def call_in(values: Plain, reports: Sequence[FlowReport]) -> Attempt:
    """Return the call of `call_out`. Raises what `reports_in` does, IndexError and AttributeError."""
    kept = {name: values[name] for name in _PLAIN_FIELDS if name in values}
    for name, value in kept.items():
        if type(value) not in _PLAIN_FIELDS[name]:
            raise DecodeError(f"{name} of a call cannot be a {type(value).__name__}")
    if "transactions" in values:
        branches = branches_in(values["transactions"])
    else:
        branches = _branches_0_1_0(values)
        kept["status_ns"] = kept["refused_ns"]
    return Attempt(
        **kept,
        caller=_party_in(values["caller"], reports),
        callee=_party_in(values["callee"], reports),
        state=CallState(values["state"]),
        ended_by=EndedBy(values["ended_by"]) if values["ended_by"] else None,
        branches=branches,
        dialogs=dict.fromkeys(map(str, values["dialogs"])),
        past_tags=dict.fromkeys(map(str, values.get("past_tags", ()))),
        later_tags=dict.fromkeys(map(str, values.get("later_tags", ()))),
    )


def group_out(group: MediaGroup, reports: ReportTable) -> Plain:
    """Return flows without a call as plain values; the reports go into the table."""
    return {
        "until_ns": group.until_ns,
        "reports": [reports.add(flow.report) for flow in group.flows],
        "relayed_by": group.relayed_by,
    }


def group_in(values: Plain, reports: Sequence[FlowReport]) -> MediaGroup:
    """Return the group of `group_out`. Raises what `call_in` does."""
    relayed_by = values.get("relayed_by")
    if not isinstance(relayed_by, str | None):
        raise DecodeError(f"a relay cannot be a {type(relayed_by).__name__}")
    flows = [EndedFlow.of(reports[number]) for number in values["reports"]]
    return MediaGroup(int(values["until_ns"]), flows, relayed_by)


def _branches_0_1_0(values: Plain) -> Branches:
    """Return the branches of a call of callprint 0.1.0: all of one CSeq, and cancelled together."""
    cancel_ns = values["cancel_ns"]
    return Branches(
        {
            (int(values["invite_cseq"]), str(name)): Branch((), values["ringing_ns"], cancel_ns)
            for name in values["branches"]
        }
    )


def _party_out(party: Party, reports: ReportTable) -> Plain:
    return {
        "identity": {"text": party.identity.text, "number": party.identity.number},
        "user_agent": party.user_agent,
        "endpoints": [{"ip": ip, "port": port} for ip, port in party.endpoints],
        "ssrcs": list(party.ssrcs),
        "codecs": {str(payload_type): name for payload_type, name in party.codecs.items()},
        "offered": party.offered,
        "flows": [reports.add(report) for report in party.flows],
        "clock_rates_hz": {str(payload_type): rate for payload_type, rate in party.clock_rates_hz.items()},
        "claim": _claim_out(party.claim),
        "agent_tag": party.agent_tag,
        "answered_tag": party.answered_tag,
        "of_ports": [{"port": port, **rtpmap._asdict()} for (port, _), rtpmap in party.of_ports.items()],
    }


def _party_in(values: Plain, reports: Sequence[FlowReport]) -> Party:
    identity = values["identity"]
    return Party(
        Identity(identity["text"], int(identity["number"])),
        values["user_agent"],
        {_endpoint(endpoint): None for endpoint in values["endpoints"]},
        {int(ssrc): None for ssrc in values["ssrcs"]},
        {int(payload_type): name for payload_type, name in values["codecs"].items()},
        values["offered"],
        [reports[number] for number in values["flows"]],
        {int(payload_type): int(rate) for payload_type, rate in values.get("clock_rates_hz", {}).items()},
        _claim_in(values.get("claim")),
        str(values.get("agent_tag", "")),
        values.get("answered_tag"),
        dict(map(_of_port, values.get("of_ports", []))),
    )


def _of_port(values: dict[str, Any]) -> tuple[tuple[int, int], Rtpmap]:
    rtpmap = Rtpmap(int(values["payload_type"]), str(values["name"]), int(values["clock_rate_hz"]))
    return (int(values["port"]), rtpmap.payload_type), rtpmap


def _claim_out(claim: Claim | None) -> Plain:
    if claim is None:
        return None
    return {
        **claim.declared._asdict(),
        "own_addresses": list(claim.own_addresses),
        "tag": claim.tag,
        "answered": claim.answered,
    }


def _claim_in(values: Plain) -> Claim | None:
    if values is None:
        return None
    application, version, by = str(values["application"]), values["version"], str(values["by"])
    if by not in DECLARED_BY or not isinstance(version, str | None):
        raise DecodeError(f"a declared name {application!r:.40} cannot be by {by!r:.20}")
    return Claim(
        Declared(application, version, by),
        tuple(map(str, values["own_addresses"])),
        str(values.get("tag", "")),
        bool(values.get("answered", False)),
    )


def _endpoint(values: Plain) -> Endpoint:
    return str(values["ip"]), int(values["port"])


def upgraded(plain: dict[str, Plain]) -> dict[str, Plain]:
    """Return the snapshot of call assembly in the form of today. Raises DecodeError for one of a later version."""
    version = plain.get("version", 1)
    if version == 1:
        return _upgraded_0_1_0(plain)
    if version != VERSION:
        raise DecodeError(f"call assembly of version {version!r:.20}; this callprint reads up to {VERSION}")
    return plain


def _upgraded_0_1_0(plain: dict[str, Plain]) -> dict[str, Plain]:
    """Version 1, of callprint 0.1.0: reports are pairs of rows without names, in place of their numbers."""
    verdicts: list[Plain] = []
    summaries: list[Plain] = []

    def number_of(report: Plain) -> int:
        verdict, summary = report
        verdicts.append(verdict)
        summaries.append(summary)
        return len(verdicts) - 1

    def party(values: Plain) -> Plain:
        text, number = values["identity"]
        return values | {
            "identity": {"text": text, "number": number},
            "endpoints": [{"ip": ip, "port": port} for ip, port in values["places"]],
            "codecs": dict(values["codecs"]),
            "flows": [number_of(report) for report in values["flows"]],
        }

    calls = [
        call | {"caller": party(call["caller"]), "callee": party(call["callee"])} for call in plain["calls"]
    ]
    flows = [
        {"settles_ns": settles_ns, "number": number, "report": number_of(report)}
        for settles_ns, number, report in plain["flows"]
    ]
    alone = [
        {"until_ns": until_ns, "reports": [number_of(report) for report in reports]}
        for until_ns, reports in plain["alone"]
    ]
    reports = {"verdicts": verdicts, "summaries": summaries}
    return plain | {"calls": calls, "flows": flows, "alone": alone, "reports": reports}
