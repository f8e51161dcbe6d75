"""Which flows of a recording belong to one call: its two directions, and media that one program begins at once.

Signalling is not recorded, so calls are told apart by addresses, programs and time: audio and video of a call begin
together. Calls that one program begins to one machine within that time are one here; media that begin later in a call,
or go to another machine, are another.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from callprint.core.ground.addresses import Endpoint, in_order

TOGETHER_NS = 1_000_000_000


class Sent(NamedTuple):
    """A flow, who sent it and when it began."""

    source: Endpoint
    destination: Endpoint
    program: str
    first_ns: int


def number_calls(flows: Sequence[Sent]) -> list[int]:
    """Return for each flow the number of its call, from 1 in the order of their first flows."""
    joined = list(range(len(flows)))

    def root(one: int) -> int:
        while joined[one] != one:
            joined[one] = joined[joined[one]]
            one = joined[one]
        return one

    for one, other in (*_two_directions(flows), *_begun_together(flows)):
        joined[root(other)] = root(one)
    numbers: dict[int, int] = {}
    return [numbers.setdefault(root(one), len(numbers) + 1) for one in range(len(flows))]


def _two_directions(flows: Sequence[Sent]) -> Iterator[tuple[int, int]]:
    first: dict[tuple[Endpoint, Endpoint], int] = {}
    for one, flow in enumerate(flows):
        yield first.setdefault(in_order(flow.source, flow.destination), one), one


def _begun_together(flows: Sequence[Sent]) -> Iterator[tuple[int, int]]:
    """Yield flows of one program between two machines that begin together, each with the first of them."""
    begun: dict[tuple[str, str, str], int] = {}
    for one in sorted(range(len(flows)), key=lambda one: flows[one].first_ns):
        flow = flows[one]
        key = (flow.program, flow.source[0], flow.destination[0])
        first = begun.setdefault(key, one)
        if flow.first_ns - flows[first].first_ns > TOGETHER_NS:
            begun[key] = one
        else:
            yield first, one
