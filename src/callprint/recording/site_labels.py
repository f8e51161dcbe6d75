"""Which flows of an operator's own site may be learned from, and by which name: the gates. Pure.

A flow gets the name that its packets, or the messages of who sends it, declare (docs/use/names.md). What is doubtful is
refused, because a wrong label teaches more than a right one that is missing.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from callprint.core.verdict import FlowKey
from callprint.training.dataset import DEFAULT_SPLIT

TEST_SPLIT = "site-test"
"""What `callprint evaluate` examines; any name other than those of the training sets."""

NO_NAME = "nothing declares what sends it"
ELSEWHERE = "who signs the messages does not send the media"
CONTRADICTED = "RTCP, DTLS or STUN and the call name different applications"
BY_HOST = "H.323 between its hosts names it, and nothing nearer to it"
RELAYED = "a relay is in the way of the media"
MIDFLOW = "first seen after its beginning"
SHORT = "too few packets"
DOUBLE = "the same stream as another flow"
SEVERAL = "its subscriber declares several applications"
SAME_PORTS = "another flow of its capture has its addresses and ports"
DIVIDED = "its call is on both sides of the split"
STACK = "only its media stack is declared"
RARE = "too few calls of its application"
ENOUGH = "enough flows of its application and version"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A flow that may get a label."""

    flow: FlowKey
    capture: str  # "" where it is kept evidence
    call: str  # what stands for its call
    sender: str  # the subscriber that sends it: a number, else an address
    receiver: str
    application: str | None  # that the flow declares
    version: str | None
    called: str | None  # the application that the messages of its side declare
    engine: str  # the media stack
    is_stack: bool  # whether nothing but the media stack is declared
    by_host: bool  # whether signalling between its hosts declares it, which may be another program's
    relayed: bool
    midflow: bool
    packets: int
    first_sequence: int | None
    codec: str = ""
    evidence: bytes = b""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is taken."""

    least_packets: int = 20
    least_calls: int = 5  # of an application: with fewer, a network learns a host instead
    least_to_train: int = 3  # of these, unless `least_calls` is less: `train --add` refuses fewer
    most_flows: int = 500  # of an application and version
    test_share: float = 0.2  # of subscribers


class Labelled(NamedTuple):
    """A flow that is taken."""

    candidate: Candidate
    split: str


class Refused(NamedTuple):
    """A flow that is not."""

    application: str  # that it would have been; "" for none
    reason: str


def choose(
    candidates: Sequence[Candidate], bounds: Bounds | None = None
) -> tuple[list[Labelled], list[Refused]]:
    """Return which flows are taken, in their order, and why the others are not."""
    bounds = bounds or Bounds()
    refused: list[Refused] = []

    def passed(found: Iterable[Candidate], reasons: Sequence[str | None]) -> list[Candidate]:
        kept = []
        for candidate, reason in zip(found, reasons, strict=True):
            if reason is None:
                kept.append(candidate)
            else:
                refused.append(Refused(candidate.application or candidate.called or "", reason))
        return kept

    kept = passed(candidates, [_own_reason(each, bounds) for each in candidates])
    kept = passed(kept, _doubles(kept))
    products: dict[str, set[str | None]] = {}
    for each in kept:
        products.setdefault(each.sender, set()).add(each.application)
    kept = passed(kept, [SEVERAL if len(products[each.sender]) > 1 else None for each in kept])
    kept = passed(kept, [DIVIDED if _split(each, bounds) is None else None for each in kept])
    kept = passed(kept, _same_ports(kept, bounds))
    kept = passed(kept, _rare(kept, bounds))
    kept = passed(kept, _beyond(kept, bounds))
    return [Labelled(each, _split(each, bounds) or DEFAULT_SPLIT) for each in kept], refused


def _own_reason(candidate: Candidate, bounds: Bounds) -> str | None:
    """Return why a flow cannot be taken whatever the others are."""
    if candidate.application is None:
        return NO_NAME if candidate.called is None else ELSEWHERE
    if candidate.called not in (None, candidate.application):
        return CONTRADICTED
    if candidate.is_stack:
        return STACK
    if candidate.by_host:
        return BY_HOST
    if candidate.relayed:
        return RELAYED
    if candidate.midflow:
        return MIDFLOW
    return SHORT if candidate.packets < bounds.least_packets else None


def _doubles(candidates: Sequence[Candidate]) -> list[str | None]:
    """Return which flows are one stream, seen twice or passed on: one source, one first sequence number, one time."""
    seen: set[tuple[int, int | None, int]] = set()
    reasons: list[str | None] = []
    for each in candidates:
        second = each.flow.first_seen_ns // 1_000_000_000
        near = [(each.flow.ssrc, each.first_sequence, second + shift) for shift in (-1, 0, 1)]
        reasons.append(DOUBLE if seen.intersection(near) else None)
        seen.add(near[1])
    return reasons


def _same_ports(candidates: Sequence[Candidate], bounds: Bounds) -> list[str | None]:
    """Return which flows cannot have a label of their own: one names addresses and ports, whatever the source (SSRC).

    Where all flows there would get the same label, the first one stands for them.
    """
    ends = [(each.capture, each.flow[:4]) if each.capture else each.flow for each in candidates]
    labels: dict[object, set[tuple[str | None, str | None]]] = {}
    for end, each in zip(ends, candidates, strict=True):
        labels.setdefault(end, set()).add((each.application, _split(each, bounds)))
    seen: set[object] = set()
    reasons: list[str | None] = []
    for end in ends:
        reasons.append(SAME_PORTS if end in seen or len(labels[end]) > 1 else None)
        seen.add(end)
    return reasons


def _in_test(subscriber: str, bounds: Bounds) -> bool:
    """Return whether a subscriber is on the side of the test: the same in every run."""
    drawn = hashlib.sha256(f"split {subscriber}".encode()).digest()
    return int.from_bytes(drawn[:4], "big") < bounds.test_share * 2**32


def _split(candidate: Candidate, bounds: Bounds) -> str | None:
    """Return the side of a flow: its sender's, if no other subscriber's is in the way; None: neither."""
    sender, receiver = (_in_test(each, bounds) for each in (candidate.sender, candidate.receiver))
    if sender:
        return TEST_SPLIT
    return None if receiver else DEFAULT_SPLIT


def _rare(candidates: Sequence[Candidate], bounds: Bounds) -> list[str | None]:
    """Return which flows are of an application with too few calls. What is left for the test may be any number."""
    split = [_split(each, bounds) for each in candidates]
    found = {(each.application, each.call, side) for each, side in zip(candidates, split, strict=True)}
    calls = Counter(application for application, _, _ in found)
    to_train = Counter(application for application, _, side in found if side == DEFAULT_SPLIT)
    least_to_train = min(bounds.least_to_train, bounds.least_calls)
    return [
        RARE
        if calls[each.application] < bounds.least_calls
        or (side == DEFAULT_SPLIT and to_train[each.application] < least_to_train)
        else None
        for each, side in zip(candidates, split, strict=True)
    ]


def _beyond(candidates: Sequence[Candidate], bounds: Bounds) -> list[str | None]:
    taken: Counter[tuple[str | None, str | None]] = Counter()
    reasons: list[str | None] = []
    for each in candidates:
        taken[each.application, each.version] += 1
        enough = taken[each.application, each.version] > bounds.most_flows
        reasons.append(ENOUGH if enough else None)
    return reasons
