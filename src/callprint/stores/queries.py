"""What a store can be asked for, and which of several rows counts: the same in every store."""

import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import eq, ge, gt, le, lt, ne
from typing import Any, NamedTuple

from callprint.core.call import CallRecord
from callprint.core.ground.errors import StoreError
from callprint.core.ground.fields import fields_of
from callprint.core.verdict import FlowKey, FlowSummary, Verdict

FIRST_TIME_NS, LAST_TIME_NS = -(1 << 63), (1 << 63) - 1  # of a column of a store
CONTAINS = "~"
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": eq,
    "!=": ne,
    "<": lt,
    "<=": le,
    ">": gt,
    ">=": ge,
    CONTAINS: lambda held, asked: str(asked).lower() in str(held).lower(),
}
"""What a field can be asked for. What is not known is unlike everything, and neither more nor less than anything."""


class Where(NamedTuple):
    """A condition on one field of a row."""

    field: str
    comparison: str  # one of COMPARISONS
    value: str | int | float | bool

    def holds(self, held: object) -> bool:
        """Return whether it holds for what a row has in the field."""
        if held is None:
            return self.comparison == "!="
        return COMPARISONS[self.comparison](held, self.value)


def scalar_fields(*kinds: type) -> frozenset[str]:
    """Return the names of the fields with one value each: those that a condition can be about."""
    return frozenset(
        field.name for kind in kinds for field in fields_of(kind) if isinstance(field.type, type)
    )


@dataclass(frozen=True, slots=True)
class VerdictQuery:
    """Which verdicts to give back. Everything that is set must hold; nothing set means all flows.

    Raises StoreError when an address does not parse or a limit is not positive.
    """

    flow: FlowKey | None = None
    address: str | None = None  # IPv4 or IPv6, on either side of the flow
    application: str | None = None  # exact name, or "unknown"
    reason: str | None = None  # why the application is unknown
    declared: str | None = None  # exact name that the packets declare
    fingerprint: str | None = None  # a pattern: * stands for any text
    since_ns: int | None = None  # decided_at_ns >= since_ns
    until_ns: int | None = None  # decided_at_ns < until_ns
    last_only: bool = True  # only the last verdict of each flow, which must meet the other conditions
    limit: int | None = None  # at most so many, the latest
    where: tuple[Where, ...] = ()  # on fields of the verdict or of its flow's summary
    after: tuple[int, FlowKey] | None = None  # only flows that come after (decided_at_ns, key): the next page

    def __post_init__(self) -> None:
        """Check the values and bring the address into the one spelling that the stores hold."""
        if self.address is not None:
            object.__setattr__(self, "address", canonical_address(self.address))
        _keep_times_in_range(self)
        _check_limit(self.limit)
        _check_where(self.where, FLOW_FIELDS)

    @property
    def fingerprint_glob(self) -> str | None:
        """The fingerprint as a pattern that fnmatch and the GLOB of SQLite read alike: only * has a meaning."""
        if self.fingerprint is None:
            return None
        return self.fingerprint.replace("[", "[[]").replace("?", "[?]")


@dataclass(frozen=True, slots=True)
class CallQuery:
    """Which calls to give back. Everything that is set must hold; nothing set means all calls.

    Raises StoreError when a limit is not positive.
    """

    call_id: str | None = None
    number: str | None = None  # of the caller or the callee, spelled as in the call's row
    application: str | None = None  # of the caller's or the callee's side
    spam: bool | None = None  # False: judged and not spam
    since_ns: int | None = None  # started_ns >= since_ns
    until_ns: int | None = None  # started_ns < until_ns
    last_only: bool = True  # only the last row of each call, which must meet the other conditions
    limit: int | None = None  # at most so many, the latest
    where: tuple[Where, ...] = ()  # on fields of the row
    after: tuple[int, str, str] | None = (
        None  # only calls after (started_ns, Call-ID, From tag): the next page
    )

    def __post_init__(self) -> None:
        """Check the limit and the conditions."""
        _keep_times_in_range(self)
        _check_limit(self.limit)
        _check_where(self.where, CALL_FIELDS)


FLOW_FIELDS = scalar_fields(Verdict, FlowSummary)
CALL_FIELDS = scalar_fields(CallRecord)


def verdict_order(verdict: Verdict, sequence: int = 0, judge: str = "") -> tuple[bool, int, int, int, str]:
    """The order of the verdicts of one flow: the greatest is the flow's last verdict.

    A final verdict is later than every provisional one, and one that saw more than one that saw less. Of verdicts on
    the same evidence, as after another model has looked at it, the one that was stored last counts. `judge`, the cell
    that names the model (columns.py), decides within a batch, so that the answer never depends on chance.

    So it is with the rows of one call, by the time of the judgement: stores have that order in their own language.
    """
    return (verdict.final, verdict.decided_at_ns, verdict.k, sequence, judge)


def summary_order(summary: FlowSummary) -> tuple[int, int]:
    """The order of the summaries of one flow: the greatest covers most of it and is the one that counts."""
    return (summary.last_seen_ns, summary.packets + summary.long_packets + summary.rtcp_packets)


def canonical_address(text: str) -> str:
    """Return an IPv4 or IPv6 address in the one spelling that the stores hold. Raises StoreError for any other text."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError as error:
        raise StoreError(f"{text!r} is not an IPv4 or IPv6 address") from error
    if "%" in text:
        raise StoreError(
            f"{text!r} is not an IPv4 or IPv6 address: a scope is not part of a packet's address"
        )
    return str(address)


def _keep_times_in_range(query: VerdictQuery | CallQuery) -> None:
    """Bring times before and after all that a store can hold, such as the year 9999, to its first and its last one."""
    for name in ("since_ns", "until_ns"):
        time_ns = getattr(query, name)
        if time_ns is not None:
            object.__setattr__(query, name, min(max(time_ns, FIRST_TIME_NS), LAST_TIME_NS))


def _check_limit(limit: int | None) -> None:
    if limit is not None and limit < 1:
        raise StoreError(f"the limit is {limit}, but must be at least 1")


def _check_where(where: Iterable[Where], fields: frozenset[str]) -> None:
    for condition in where:
        if condition.field not in fields:
            raise StoreError(f"there is no field {condition.field!r}")
        if condition.comparison not in COMPARISONS:
            raise StoreError(f"{condition.comparison!r} compares nothing; there are {' '.join(COMPARISONS)}")
