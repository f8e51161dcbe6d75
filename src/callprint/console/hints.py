"""What unknown flows say of themselves: names in their packets, and User-Agent headers of their calls."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from callprint.console.shown import without_numbers
from callprint.core.verdict import FlowKey
from callprint.stores import CallQuery, VerdictQuery, VerdictStore

if TYPE_CHECKING:
    from callprint.unknowns.clusters import UnknownMap

MOST_CALLS = 20_000  # looked at for User-Agent headers, the latest of the time of the flows
BEFORE_NS = 600 * 10**9  # a call begins this long before its media, at most
AFTER_NS = 10**9


@dataclass(frozen=True, slots=True)
class Hints:
    """Claims of the senders; nobody has checked them."""

    declared: dict[FlowKey, str]  # name and version that the flow's own packets declare
    user_agents: dict[FlowKey, str]  # of the sender, in the signalling of its call


def hints_of(store: VerdictStore, found: "UnknownMap") -> Hints:
    """Ask the store for the hints on the flows of a map."""
    flows = [each.kept.flow for each in found.flows]
    declared = {}
    for flow in flows:
        for row in store.verdicts(VerdictQuery(flow=flow)):
            name = " ".join(filter(None, (row.verdict.declared_application, row.verdict.declared_version)))
            if name:
                declared[flow] = name
    return Hints(declared, _user_agents(store, flows))


def _user_agents(store: VerdictStore, flows: list[FlowKey]) -> dict[FlowKey, str]:
    if not flows:
        return {}
    times = [flow.first_seen_ns for flow in flows]
    asked = CallQuery(since_ns=min(times) - BEFORE_NS, until_ns=max(times) + AFTER_NS, limit=MOST_CALLS)
    wanted, agents = set(flows), {}
    for call in store.calls(asked):
        for of_side, agent in (
            (call.caller_flows, call.caller_user_agent),
            (call.callee_flows, call.callee_user_agent),
        ):
            agents.update({flow: without_numbers(agent) for flow in of_side if agent and flow in wanted})
    return agents


def counted(names: Iterable[str | None]) -> list[tuple[str, int]]:
    """Return each name with how often it is there, the most frequent first."""
    return Counter(filter(None, names)).most_common()
