"""Calls without visible signalling: the flows between two endpoints that overlap in time are one call."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import NamedTuple

from callprint.core.calls.ended_flow import EndedFlow
from callprint.core.calls.party import MAXIMUM_KEPT
from callprint.core.calls.relays import MOST_HOPS
from callprint.core.calls.settings import NEVER_NS
from callprint.core.ground.addresses import Endpoint, in_order
from callprint.core.verdict import FlowReport

_Ends = tuple[Endpoint, Endpoint]


@dataclass(slots=True)
class MediaGroup:
    """The flows of one conversation."""

    until_ns: int  # it waits for further ones
    flows: list[EndedFlow]
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

    def add(self, flow: EndedFlow, until_ns: int) -> list[MediaGroup]:
        """Take a flow that settled; return the group that it shows to be over, or that it pushes out."""
        ends = _ends(flow)
        group = self._waiting.get(ends)
        if group is not None:
            if len(group.flows) < MAXIMUM_KEPT and any(_overlap(flow, other) for other in group.flows):
                group.flows.append(flow)
                self._by_ssrc.setdefault(flow.key.ssrc, {})[ends] = None
                return []
            self._drop(ends)
        elif len(self._waiting) >= self._maximum:
            group = self._drop(next(iter(self._waiting)))
        self._put(ends, MediaGroup(until_ns, [flow]))
        return [group] if group is not None else []

    def take(self, flow: EndedFlow) -> list[EndedFlow]:
        """Return, and no longer hold, the flows of the conversation of a flow that found its call."""
        ends = _ends(flow)
        return self._drop(ends).flows if ends in self._waiting else []

    def of(self, flow: EndedFlow) -> MediaGroup:
        """Return the group of a flow that was added just now."""
        return self._waiting[_ends(flow)]

    def is_single(self, ssrc: int) -> bool:
        """Tell whether a source, of which a flow is here, has flows in one group only."""
        return len(self._by_ssrc[ssrc]) == 1

    def sent_by(self, ssrc: int) -> Iterator[tuple[FlowReport, MediaGroup]]:
        """Yield the flows of a source in the newest groups that have any."""
        for ends in islice(reversed(self._by_ssrc.get(ssrc, {})), MOST_HOPS):
            group = self._waiting[ends]
            yield from ((flow.report, group) for flow in group.flows if flow.key.ssrc == ssrc)

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
        for flow in group.flows:
            self._by_ssrc.setdefault(flow.key.ssrc, {})[ends] = None

    def _drop(self, ends: _Ends) -> MediaGroup:
        group = self._waiting.pop(ends)
        for ssrc in {flow.key.ssrc for flow in group.flows}:
            groups = self._by_ssrc.get(ssrc, {})
            groups.pop(ends, None)  # not there when Ctrl-C came while the group was put
            if not groups:
                self._by_ssrc.pop(ssrc, None)
        return group


def _ends(flow: EndedFlow) -> _Ends:
    return in_order(flow.key[:2], flow.key[2:4])


def _overlap(one: EndedFlow, other: EndedFlow) -> bool:
    return one.key.first_seen_ns <= other.last_seen_ns and other.key.first_seen_ns <= one.last_seen_ns
