"""What a store can be asked for, and which of several rows counts: the same in every store."""

import ipaddress
from dataclasses import dataclass

from callprint.core.call import CallRecord, Phase
from callprint.core.ground.errors import StoreError
from callprint.core.verdict import FlowKey, FlowSummary, Verdict


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
    since_ns: int | None = None  # decided_at_ns >= since_ns
    until_ns: int | None = None  # decided_at_ns < until_ns
    last_only: bool = True  # only the last verdict of each flow, which must meet the other conditions
    limit: int | None = None  # at most so many, the latest

    def __post_init__(self) -> None:
        """Check the values and bring the address into the one spelling that the stores hold."""
        if self.address is not None:
            object.__setattr__(self, "address", canonical_address(self.address))
        _check_limit(self.limit)


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

    def __post_init__(self) -> None:
        """Check the limit."""
        _check_limit(self.limit)


def verdict_order(verdict: Verdict, sequence: int = 0, judge: str = "") -> tuple[bool, int, int, int, str]:
    """The order of the verdicts of one flow: the greatest is the flow's last verdict.

    A final verdict is later than every provisional one, and one that saw more than one that saw less. Of verdicts on
    the same evidence, as after another model has looked at it, the one that was stored last counts. `judge`, the cell
    that names the model (columns.py), decides within a batch, so that the answer never depends on chance.
    """
    return (verdict.final, verdict.decided_at_ns, verdict.k, sequence, judge)


def summary_order(summary: FlowSummary) -> tuple[int, int]:
    """The order of the summaries of one flow: the greatest covers most of it and is the one that counts."""
    return (summary.last_seen_ns, summary.packets + summary.long_packets + summary.rtcp_packets)


def call_order(call: CallRecord, sequence: int = 0, judge: str = "") -> tuple[bool, int, int, str]:
    """The order of the rows of one call: the greatest is what is known of the call now, as in `verdict_order`."""
    return (call.phase is Phase.END, call.judged_at_ns, sequence, judge)


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


def _check_limit(limit: int | None) -> None:
    if limit is not None and limit < 1:
        raise StoreError(f"the limit is {limit}, but must be at least 1")
