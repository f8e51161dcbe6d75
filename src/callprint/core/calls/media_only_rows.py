"""Rows of calls without visible signalling, made together: as columns where a party sends one flow, as most do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from callprint.core.call import CallState, EndedBy, Phase
from callprint.core.calls.call_rows import of_party
from callprint.core.calls.facts import CALL, media_of
from callprint.core.calls.media_only import MediaOnlyCall
from callprint.core.calls.plain_media import (
    DESCRIBED,
    UNKNOWN_PARTIES,
    call_id_of,
    is_plain,
    plain_columns,
)
from callprint.core.calls.relays import relay_of
from callprint.core.ground.arrays import Array
from callprint.core.ground.table import Same
from callprint.core.quality.call_quality import call_quality
from callprint.core.signalling.identity import MISSING
from callprint.core.verdict import FlowReport


@dataclass(frozen=True, slots=True)
class MediaOnlyCalls:
    """Calls as columns: those of CallRecord that a judge does not fill in, and the (n,) CALL rows."""

    columns: dict[str, Sequence[Any] | Same]
    facts: Array


def media_only_calls(calls: Sequence[MediaOnlyCall]) -> MediaOnlyCalls:
    """Return the calls that flows without signalling stand for.

    Who called is not known: the first to send counts as the caller. The call was answered when the other party
    began to send. Its Call-ID is a digest of its first flow, so every replay gives the same.
    """
    plain: list[int] = []
    others: list[int] = []
    for at, call in enumerate(calls):
        (plain if is_plain(call) else others).append(at)
    columns, facts = plain_columns([calls[at] for at in plain])
    if others:
        described = [_described(calls[at]) for at in others]
        order = np.argsort([*plain, *others]).tolist()
        for name, cells in zip(DESCRIBED, zip(*(cells for cells, _ in described), strict=True), strict=True):
            together = [*columns[name], *cells]
            columns[name] = [together[at] for at in order]
        facts = np.concatenate([facts, np.array([row for _, row in described], CALL)])[order]
    return MediaOnlyCalls({**_OF_ALL, **columns}, facts)


_OF_ALL = {
    "from_tag": Same(""),
    "phase": Same(Phase.END),
    "caller": Same(""),
    "callee": Same(""),
    "ringing_ns": Same(None),
    "state": Same(CallState.COMPLETED),
    "final_status": Same(None),
    "ended_by": Same(EndedBy.MEDIA),
    "caller_user_agent": Same(None),
    "callee_user_agent": Same(None),
    "attestation": Same(MISSING),
    "campaign": Same(""),
    "signalling_ip": Same(""),
    "claimed_caller": Same(None),
    "diverted_by": Same(None),
}


def _described(call: MediaOnlyCall) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Return the fields of DESCRIBED and the CALL row of a call."""
    flows = [flow.report for flow in call.group.flows]
    if len(flows) > 1:
        flows = sorted(flows, key=lambda report: (report.verdict.flow.first_seen_ns, report.verdict.flow))
    first = flows[0].verdict.flow
    source = first[:2]
    caller: list[FlowReport] = []
    callee: list[FlowReport] = []
    for report in flows:
        (caller if report.verdict.flow[:2] == source else callee).append(report)
    started_ns, ended_ns = first.first_seen_ns, max([report.summary.last_seen_ns for report in flows])
    answered_ns = callee[0].verdict.flow.first_seen_ns if callee else None
    quality = call_quality(
        [report.summary for report in caller],
        [report.summary for report in callee],
        answered=answered_ns is not None,
    )
    columns = (
        *(call_id_of(first), started_ns, answered_ns, ended_ns, call.judged_at_ns),
        *(caller[0].summary.capture, relay_of(caller) or relay_of(callee) or call.group.relayed_by),
        *quality,
        *of_party(caller),
        *of_party(callee),
    )
    media = media_of(caller, callee, started_ns, ended_ns)
    return columns, (started_ns, answered_ns or 0, ended_ns, *UNKNOWN_PARTIES, *media, 0, 0, 0)
