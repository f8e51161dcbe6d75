"""Joins calls with the media flows that their SDP announced, however addresses were rewritten on the way.

A flow belongs to a call in progress, with its sender known, when

1. it comes from or goes to an endpoint that a party announced: what goes to the caller's endpoint comes from the
   callee; what comes from the caller's endpoint comes from the caller (symmetric RTP, RFC 4961), or
2. its SSRC was announced (a=ssrc, RFC 5576): that finds flows both of whose addresses a NAT has rewritten, or
3. its addresses are those of a flow joined before, reversed: the other direction of the same media.

Where both parties announced names in place of addresses, their ports alone are known: a flow from one of them to the
other belongs to the call if no other call fits.

Joined flows teach the call their addresses, so that rule 3 is rule 1. Of several calls that fit, those that
fit by both ends win over those that fit by one, and of calls at the same time the one wins whose talk begins and
ends closest to the flow: gateways and test tools send many calls from one port. A flow settles at a packet
time that depends on its last packet alone, so the order and batches in which reports arrive do not matter.
"""

from bisect import bisect, insort
from collections import defaultdict
from collections.abc import Hashable, Iterator
from typing import NamedTuple

from callprint.core.calls.attempt import Attempt
from callprint.core.calls.party import MAXIMUM_KEPT, Party, Side
from callprint.core.calls.relays import MOST_HOPS
from callprint.core.ground.addresses import Endpoint
from callprint.core.verdict import FlowKey, FlowReport, RunningFlow

NAMED = ""
"""The address of an endpoint that was announced by a name."""
NEAREST = 256
"""Most calls that are looked at for one endpoint: test tools send thousands from one port."""


class _SentBy(NamedTuple):
    """The key of the calls that a source has sent media in: another than the SSRC, which SDP announces."""

    ssrc: int


class _CallsOfKey:
    """The calls that announced one endpoint or SSRC, in the order in which they began."""

    __slots__ = ("_calls", "_order")

    def __init__(self) -> None:
        self._calls: dict[int, Attempt] = {}
        self._order: list[tuple[int, int]] = []  # when a call began, id(call); gone calls are skipped

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, call: Attempt) -> None:
        if id(call) not in self._calls:
            self._calls[id(call)] = call
            insort(self._order, (call.started_ns, id(call)))  # at the end, as a rule

    def remove(self, call: Attempt) -> None:
        self._calls.pop(id(call), None)
        if len(self._order) > 2 * len(self._calls) + NEAREST:
            self._order = [entry for entry in self._order if entry[1] in self._calls]

    def near(self, first_seen_ns: int, most: int = NEAREST) -> dict[int, Attempt]:
        """Return all calls; of many, those that began closest to a flow, most of them before it."""
        if len(self._calls) <= most:
            return self._calls
        at = bisect(self._order, (first_seen_ns, 0))
        nearest = self._order[max(0, at - most * 3 // 4) : at + most // 4]
        return {number: self._calls[number] for _, number in nearest if number in self._calls}


class LiveMedia:
    """Finds the calls of a flow: which calls in progress expect media at which endpoint."""

    def __init__(self) -> None:
        self._calls: defaultdict[Hashable, _CallsOfKey] = defaultdict(_CallsOfKey)  # by Endpoint, and by SSRC
        self._noted: dict[int, frozenset[Hashable]] = {}  # the keys of a call, by id(call)

    def note(self, call: Attempt) -> None:
        """Learn the endpoints and SSRCs that the call has now, and drop those that made room."""
        keys = frozenset(_keys(call))
        noted = self._noted.get(id(call), frozenset())
        for key in keys - noted:
            self._calls[key].add(call)
        self._drop(call, noted - keys)
        self._noted[id(call)] = keys

    def forget(self, call: Attempt) -> None:
        """Drop a call that is over and done with."""
        self._drop(call, self._noted.pop(id(call), frozenset()))

    def _drop(self, call: Attempt, keys: frozenset[Hashable]) -> None:
        for key in keys:
            calls = self._calls.get(key)
            if calls is not None:
                calls.remove(call)
                if not len(calls):
                    del self._calls[key]

    def join(self, report: FlowReport) -> list[Attempt]:
        """Give a flow to the calls that it belongs to, and return these; none when it belongs to no call.

        There can be several: when the next call uses the same ports and SSRC at once, both share one long flow.
        """
        flow, last_ns = report.verdict.flow, report.summary.last_seen_ns
        fitting = self._fitting(flow, last_ns)
        chosen = _of_their_time(fitting, flow.first_seen_ns, last_ns) if fitting else []
        for call, side in chosen:
            self._give(call, side, report)
        return [call for call, _ in chosen]

    def wants_none_like(self, flow: FlowKey) -> bool:
        """Tell, at little cost, that no call in progress knows anything of a flow; most flows belong to none."""
        calls = self._calls
        return not calls or not (
            flow.ssrc in calls
            or (flow.src_ip, flow.src_port) in calls
            or (flow.dst_ip, flow.dst_port) in calls
            or (NAMED, flow.dst_port) in calls
            or _SentBy(flow.ssrc) in calls
        )

    def note_running(self, running: RunningFlow) -> None:
        """Note that a flow goes on, for the calls that it would be given to if it ended now."""
        flow, last_ns = running
        for call, _ in _of_their_time(self._fitting(flow, last_ns), flow.first_seen_ns, last_ns):
            call.alive_ns = max(call.alive_ns, last_ns)

    def sent_by(self, flow: FlowKey) -> Iterator[tuple[FlowReport, Attempt]]:
        """Yield the flows of a flow's source that calls in progress have, those that began closest to it."""
        calls = self._calls.get(_SentBy(flow.ssrc))
        for call in calls.near(flow.first_seen_ns, MOST_HOPS).values() if calls is not None else ():
            for report in call.caller.flows + call.callee.flows:
                if report.verdict.flow.ssrc == flow.ssrc:
                    yield report, call

    def parties(self, report: FlowReport) -> list[tuple[Party, Party]]:
        """Return the sender and the receiver of a flow in each call in progress that it fits.

        The call at whose time the flow was comes first, as in `join`. Flows joined so far play no part, since when they
        settle depends on the host.
        """
        flow, last_ns = report.verdict.flow, report.summary.last_seen_ns
        fitting = self._fitting(flow, last_ns)
        if not fitting:
            return []

        def apart_ns(candidate: tuple[Attempt, Side]) -> tuple[int, int, str, str]:
            call, _ = candidate
            return _apart_ns(call, flow.first_seen_ns, last_ns), call.started_ns, call.call_id, call.from_tag

        found = sorted(fitting, key=apart_ns)
        return [(call.party(side), call.party(side.other)) for call, side in found]

    def _fitting(self, flow: FlowKey, last_ns: int) -> list[tuple[Attempt, Side]]:
        """Return the calls that a flow fits best, each with its sender."""
        if not self._calls:
            return []
        return self._fitting_by_address(flow, last_ns) or self._fitting_by_ports(flow, last_ns)

    def _fitting_by_address(self, flow: FlowKey, last_ns: int) -> list[tuple[Attempt, Side]]:
        source, destination = (flow.src_ip, flow.src_port), (flow.dst_ip, flow.dst_port)
        known: dict[int, Attempt] = {}
        for key in (source, destination, flow.ssrc):
            if key in self._calls:
                known.update(self._calls[key].near(flow.first_seen_ns))
        if not known:
            return []
        candidates = []
        for call in known.values():
            strength, side = _sender(call, source, destination, flow.ssrc)
            if side is not None and _overlap_ns(call, flow.first_seen_ns, last_ns) >= 0:
                candidates.append((strength, call, side))
        strongest = max((strength for strength, _, _ in candidates), default=0)
        return [(call, side) for strength, call, side in candidates if strength == strongest]

    def _fitting_by_ports(self, flow: FlowKey, last_ns: int) -> list[tuple[Attempt, Side]]:
        """Return the only call whose parties announced just the ports of a flow, with its sender."""
        calls = self._calls.get((NAMED, flow.dst_port))
        candidates = [
            (call, side)
            for call in (calls.near(flow.first_seen_ns).values() if calls is not None else ())
            if (side := _sender_by_ports(call, flow)) is not None
            and _overlap_ns(call, flow.first_seen_ns, last_ns) >= 0
        ]
        return candidates if len(candidates) == 1 else []

    def _give(self, call: Attempt, side: Side, report: FlowReport) -> None:
        flow = report.verdict.flow
        sender, receiver = call.party(side), call.party(side.other)
        if len(sender.flows) < MAXIMUM_KEPT:
            sender.flows.append(report)
        call.alive_ns = max(call.alive_ns, report.summary.last_seen_ns)
        for party, endpoint in (
            (sender, (flow.src_ip, flow.src_port)),
            (receiver, (flow.dst_ip, flow.dst_port)),
        ):
            party.keep_endpoint(endpoint)
        self.note(call)


def _sender(call: Attempt, source: Endpoint, destination: Endpoint, ssrc: int) -> tuple[int, Side | None]:
    """Return how well a flow fits and who sends it; None when both parties might."""
    strength = [0, 0]
    for side in Side:
        party = call.party(side)
        strength[side] += 2 * (ssrc in party.ssrcs) + (source in party.endpoints)
        strength[side.other] += destination in party.endpoints
    if strength[0] == strength[1]:
        return 0, None
    return max(strength), Side.CALLER if strength[0] > strength[1] else Side.CALLEE


def _sender_by_ports(call: Attempt, flow: FlowKey) -> Side | None:
    """Return who sends a flow between two ports whose addresses are not known; None when both might, or nobody."""
    senders = [
        side
        for side in Side
        if (NAMED, flow.src_port) in call.party(side).endpoints
        and (NAMED, flow.dst_port) in call.party(side.other).endpoints
    ]
    if len(senders) == 2:  # the same port twice: where the call came from tells
        senders = [Side.CALLER] * (flow.src_ip == call.signalling_ip) + [Side.CALLEE] * (
            flow.dst_ip == call.signalling_ip
        )
    return senders[0] if len(senders) == 1 else None


def _of_their_time(
    fitting: list[tuple[Attempt, Side]], first_ns: int, last_ns: int
) -> list[tuple[Attempt, Side]]:
    """Return the best of the calls at the same time, and of successive calls all that a flow covers."""
    chosen: list[tuple[Attempt, Side]] = []
    talks: list[tuple[int, int]] = []  # of the chosen, in order; none overlaps another

    def distance(candidate: tuple[Attempt, Side]) -> tuple[bool, int, int, str, str]:
        call, side = candidate
        # Of calls that begin in the same instant, each should get its own flow.
        served = any(
            first_ns <= other.summary.last_seen_ns and other.verdict.flow.first_seen_ns <= last_ns
            for other in call.party(side).flows
        )
        return served, _apart_ns(call, first_ns, last_ns), call.started_ns, call.call_id, call.from_tag

    for call, side in sorted(fitting, key=distance):
        talk = begin_ns, end_ns = _talk(call, last_ns)
        place = bisect(talks, talk)
        at_the_same_time = any(
            begin_ns < other_end_ns and other_begin_ns < end_ns
            for other_begin_ns, other_end_ns in talks[max(0, place - 1) : place + 1]
        )
        inside_ns = min(end_ns, last_ns) - max(begin_ns, first_ns)
        covered = 2 * inside_ns >= min(end_ns - begin_ns, last_ns - first_ns)
        if not chosen or (covered and not at_the_same_time):
            chosen.append((call, side))
            talks.insert(place, talk)
    return chosen


def _talk(call: Attempt, last_ns: int) -> tuple[int, int]:
    """Return from when to when a call should have media; a call that goes on lasts as long as the flow."""
    begin_ns = call.answered_ns if call.answered_ns is not None else call.started_ns
    return begin_ns, max(begin_ns, call.ended_ns if call.ended_ns is not None else last_ns)


def _apart_ns(call: Attempt, first_ns: int, last_ns: int) -> int:
    """Return how far the begin and end of a flow are from those of the call's talk, together."""
    begin_ns, end_ns = _talk(call, last_ns)
    return abs(first_ns - begin_ns) + abs(last_ns - end_ns)


def _overlap_ns(call: Attempt, first_ns: int, last_ns: int) -> int:
    """Return how long the call and a flow overlap in time; below 0: not at all."""
    ended_ns = call.ended_ns if call.ended_ns is not None else last_ns
    return min(last_ns, ended_ns) - max(first_ns, call.started_ns)


def _keys(call: Attempt) -> list[Hashable]:
    parties = (call.caller, call.callee)
    announced_keys = [key for party in parties for key in (*party.endpoints, *party.ssrcs)]
    return [*announced_keys, *(_SentBy(each.verdict.flow.ssrc) for party in parties for each in party.flows)]
