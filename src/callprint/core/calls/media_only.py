"""Calls without visible signalling: the flows between two endpoints that overlap in time are one call."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice, takewhile
from typing import Any, NamedTuple

import numpy as np

from callprint.core.call import MEDIA_ONLY_PREFIX, CallState, EndedBy, Phase
from callprint.core.calls.call_rows import OF_PARTY, of_party
from callprint.core.calls.facts import CALL, media_of
from callprint.core.calls.party import MAXIMUM_KEPT
from callprint.core.calls.relays import MOST_HOPS, relay_of
from callprint.core.calls.settings import NEVER_NS
from callprint.core.ground.addresses import Endpoint, in_order
from callprint.core.ground.arrays import Array
from callprint.core.ground.table import Same
from callprint.core.quality.call_quality import call_quality
from callprint.core.signalling.identity import MISSING
from callprint.core.verdict import FlowReport

_Ends = tuple[Endpoint, Endpoint]


@dataclass(slots=True)
class MediaGroup:
    """The flows of one conversation."""

    until_ns: int  # it waits for further ones
    flows: list[FlowReport]
    relayed_by: str | None = None  # between it and another group or call with the same media


class MediaOnlyCall(NamedTuple):
    """A group that waits for no more flows: the one event of a call without signalling."""

    group: MediaGroup
    judged_at_ns: int  # packet time at which that was known


class MediaGroups:
    """Flows that belong to no call, waiting for the others of their conversation; at most `maximum` groups.

    Flows come in the order in which they settle, so groups wait in the order of their time.
    """

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._waiting: OrderedDict[_Ends, MediaGroup] = OrderedDict()
        self._by_ssrc: dict[int, dict[_Ends, None]] = {}

    def add(self, report: FlowReport, until_ns: int) -> list[MediaGroup]:
        """Take a flow that settled; return the group that it shows to be over, or that it pushes out."""
        ends = _ends(report)
        group = self._waiting.get(ends)
        if group is not None:
            if len(group.flows) < MAXIMUM_KEPT and any(_overlap(report, other) for other in group.flows):
                group.flows.append(report)
                self._by_ssrc.setdefault(report.verdict.flow.ssrc, {})[ends] = None
                return []
            self._drop(ends)
        elif len(self._waiting) >= self._maximum:
            group = self._drop(next(iter(self._waiting)))
        self._put(ends, MediaGroup(until_ns, [report]))
        return [group] if group is not None else []

    def take(self, report: FlowReport) -> list[FlowReport]:
        """Return, and no longer hold, the flows of the conversation of a flow that found its call."""
        ends = _ends(report)
        return self._drop(ends).flows if ends in self._waiting else []

    def of(self, report: FlowReport) -> MediaGroup:
        """Return the group of a flow that was added just now."""
        return self._waiting[_ends(report)]

    def sent_by(self, ssrc: int) -> Iterator[tuple[FlowReport, MediaGroup]]:
        """Yield the flows of a source in the newest groups that have any."""
        for ends in islice(reversed(self._by_ssrc.get(ssrc, {})), MOST_HOPS):
            group = self._waiting[ends]
            yield from ((report, group) for report in group.flows if report.verdict.flow.ssrc == ssrc)

    def groups(self) -> list[MediaGroup]:
        """Return every group, in order."""
        return list(self._waiting.values())

    def put_back(self, group: MediaGroup) -> None:
        """Let a group of `groups` wait again."""
        ends = _ends(group.flows[0])
        if ends in self._waiting:  # a damaged snapshot has two
            self._drop(ends)
        self._put(ends, group)

    def next_ns(self) -> int:
        """Return when the next group has waited long enough; NEVER_NS when none waits."""
        return next(iter(self._waiting.values())).until_ns if self._waiting else NEVER_NS

    def expire(self, now_ns: int) -> list[MediaGroup]:
        """Return the groups that have waited long enough."""
        done = list(takewhile(lambda ends: self._waiting[ends].until_ns <= now_ns, self._waiting))
        return list(map(self._drop, done))

    def _put(self, ends: _Ends, group: MediaGroup) -> None:
        self._waiting[ends] = group
        for report in group.flows:
            self._by_ssrc.setdefault(report.verdict.flow.ssrc, {})[ends] = None

    def _drop(self, ends: _Ends) -> MediaGroup:
        group = self._waiting.pop(ends)
        for ssrc in {report.verdict.flow.ssrc for report in group.flows}:
            groups = self._by_ssrc[ssrc]
            del groups[ends]
            if not groups:
                del self._by_ssrc[ssrc]
        return group


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
    described = [_described(call) for call in calls]
    columns = dict(zip(_DESCRIBED, zip(*(columns for columns, _ in described), strict=True), strict=True))
    return MediaOnlyCalls({**_OF_ALL, **columns}, np.array([facts for _, facts in described], CALL))


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
_DESCRIBED = (
    *("call_id", "started_ns", "answered_ns", "ended_ns", "judged_at_ns", "capture", "relayed_by"),
    *("caller_mos", "callee_mos", "media_notes"),
    *(f"caller_{name}" for name in OF_PARTY),
    *(f"callee_{name}" for name in OF_PARTY),
)


def _described(call: MediaOnlyCall) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Return the fields of _DESCRIBED and the CALL row of a call."""
    flows = call.group.flows
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
    digest = blake2b(" ".join(map(str, first)).encode(), digest_size=12).hexdigest()
    quality = call_quality(
        [report.summary for report in caller],
        [report.summary for report in callee],
        answered=answered_ns is not None,
    )
    columns = (
        *(MEDIA_ONLY_PREFIX + digest, started_ns, answered_ns, ended_ns, call.judged_at_ns),
        *(caller[0].summary.capture, relay_of(caller) or relay_of(callee) or call.group.relayed_by),
        *quality,
        *of_party(caller),
        *of_party(callee),
    )
    media = media_of(caller, callee, started_ns, ended_ns)
    return columns, (started_ns, answered_ns or 0, ended_ns, 0, 0, 0, -1, -1, *media, 0, 0, 0)


def _ends(report: FlowReport) -> _Ends:
    flow = report.verdict.flow
    return in_order((flow.src_ip, flow.src_port), (flow.dst_ip, flow.dst_port))


def _overlap(one: FlowReport, other: FlowReport) -> bool:
    return (
        one.verdict.flow.first_seen_ns <= other.summary.last_seen_ns
        and other.verdict.flow.first_seen_ns <= one.summary.last_seen_ns
    )
