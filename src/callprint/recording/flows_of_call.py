"""Which flows of a recording belong to one call: its two directions, and the media that one program sends at a time.

Signalling is not recorded, so calls are told apart by addresses, programs and time. Whoever sends two calls to one
machine at once sends one call here, so that flows of one call never end up on both sides of a split.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from callprint.core.ground.addresses import Endpoint, in_order
from callprint.recording.programs import Program


class Sent(NamedTuple):
    """A flow, who sent it and when."""

    source: Endpoint
    destination: Endpoint
    program: Program
    first_ns: int
    last_ns: int


def number_calls(flows: Sequence[Sent]) -> list[int]:
    """Return for each flow the number of its call, from 1 in the order of their first flows."""
    joined = list(range(len(flows)))

    def root(one: int) -> int:
        while joined[one] != one:
            joined[one] = joined[joined[one]]
            one = joined[one]
        return one

    for one, other in (*_two_directions(flows), *_at_a_time(flows)):
        joined[root(other)] = root(one)
    numbers: dict[int, int] = {}
    return [numbers.setdefault(root(one), len(numbers) + 1) for one in range(len(flows))]


def _two_directions(flows: Sequence[Sent]) -> Iterator[tuple[int, int]]:
    first: dict[tuple[Endpoint, Endpoint], int] = {}
    for one, flow in enumerate(flows):
        yield first.setdefault(in_order(flow.source, flow.destination), one), one


def _at_a_time(flows: Sequence[Sent]) -> Iterator[tuple[int, int]]:
    """Yield flows of one program between two machines that overlap in time, and the flow that they overlap."""
    open_until: dict[tuple[object, ...], tuple[int, int]] = {}  # the flow that ends last, and when
    for one in _by_beginning(flows):
        flow = flows[one]
        key = (flow.program, flow.source[0], flow.destination[0])
        before, last_ns = open_until.get(key, (one, flow.last_ns))
        if flow.first_ns <= last_ns:
            yield before, one
        if one == before or flow.last_ns > last_ns:
            open_until[key] = one, flow.last_ns


def _by_beginning(flows: Sequence[Sent]) -> Iterable[int]:
    return sorted(range(len(flows)), key=lambda one: flows[one].first_ns)
