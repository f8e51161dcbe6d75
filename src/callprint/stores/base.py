"""What every verdict store can do. SQLite and Cassandra implement it, and one test suite runs against both.

The rules that an implementation keeps:

- Rows are immutable and idempotent. A verdict is identified by its flow key, k, final and model; storing it
  again changes nothing, so a replayed capture or a replayed Kafka partition doubles nothing.
- A flow summary grows with its flow. Of two summaries of one flow the one that covers more stays
  (`summary_order`), whatever order they come in.
- A `put_` method returns when the rows are durable, and stores all of its rows or raises StoreError.
- Calls follow the same rules: a call row is identified by Call-ID, From tag, start, phase, time of judgement
  and detector. Vote rows are never changed either; the latest vote of each (user, caller) counts.
- Evidence of unknown flows can hold voice: it is kept only when it is put, and every store forgets it in time.
- A query gives the same rows in the same order in every store: latest decision first.
- The state of a site's calls is the one thing that changes. One process at a time keeps it: it appends to the
  journal under rising numbers, and a number that another process has used is an error.
"""

import ipaddress
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple, Self

from callprint.core.call import AllowEntry, CallRecord, Phase, Vote
from callprint.core.ground.errors import StoreError
from callprint.core.verdict import FlowKey, FlowSummary, Verdict


class StoredVerdict(NamedTuple):
    """A verdict with the statistics of its flow, where the flow has ended (None while it goes on)."""

    verdict: Verdict
    summary: FlowSummary | None


def verdict_order(verdict: Verdict) -> tuple[bool, int, int, str]:
    """The order of the verdicts of one flow: the greatest is the flow's last verdict.

    A final verdict is later than every provisional one. The model's name decides between two models that
    looked at the same evidence, so that the answer does not depend on which of them was stored first.
    """
    return (verdict.final, verdict.decided_at_ns, verdict.k, verdict.model)


def summary_order(summary: FlowSummary) -> tuple[int, int]:
    """The order of the summaries of one flow: the greatest covers most of it and is the one that counts."""
    return (summary.last_seen_ns, summary.packets + summary.long_packets + summary.rtcp_packets)


def canonical_address(text: str) -> str:
    """Return an IPv4 or IPv6 address in the one spelling that the stores hold; StoreError when it is none."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError as error:
        raise StoreError(f"{text!r} is not an IPv4 or IPv6 address") from error
    if "%" in text:
        raise StoreError(
            f"{text!r} is not an IPv4 or IPv6 address: a scope is not part of a packet's address"
        )
    return str(address)


@dataclass(frozen=True, slots=True)
class VerdictQuery:
    """Which verdicts to give back. Everything that is set must hold; nothing set means all flows.

    Raises StoreError when an address does not parse or a limit is not positive.
    """

    flow: FlowKey | None = None
    address: str | None = None  # IPv4 or IPv6, on either side of the flow
    application: str | None = None  # exact name, or "unknown"
    since_ns: int | None = None  # decided_at_ns >= since_ns
    until_ns: int | None = None  # decided_at_ns < until_ns
    last_only: bool = True  # only the last verdict of each flow; the other conditions are asked of that one
    limit: int | None = None  # at most so many, the latest

    def __post_init__(self) -> None:
        """Check the values and bring the address to the one form that the stores hold."""
        if self.address is not None:
            object.__setattr__(self, "address", canonical_address(self.address))
        _check_limit(self.limit)


def call_order(call: CallRecord) -> tuple[bool, int, str]:
    """The order of the rows of one call: the greatest is what is known of the call now."""
    return (call.phase is Phase.END, call.judged_at_ns, call.detector)


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
    last_only: bool = True  # only the last row of each call; the other conditions are asked of that one
    limit: int | None = None  # at most so many, the latest

    def __post_init__(self) -> None:
        """Check the limit."""
        _check_limit(self.limit)


def _check_limit(limit: int | None) -> None:
    if limit is not None and limit < 1:
        raise StoreError(f"the limit is {limit}, but at least 1 is asked for")


CALL_STATE_DAYS = 30
"""So long the state of a site's calls is kept after it was renewed last."""


def another_writer(site: int, number: int) -> str:
    """Say that two processes keep the calls of one site."""
    return f"entry {number} of the journal of site {site:08x} was written by another process: one is too many"


class UnknownEvidence(NamedTuple):
    """The evidence log of a flow that stayed unknown, kept for research (core/evidence.py)."""

    flow: FlowKey
    decided_at_ns: int
    k: int  # RTP packets in it
    model: str  # that did not know it
    evidence: bytes


class RegisteredModel(NamedTuple):
    """A model that has given verdicts, or may have."""

    name: str  # with its version, as verdicts give it
    digest: str  # SHA-256 of the network
    card: str  # JSON
    first_used_ns: int  # wall clock


class VerdictStore(ABC):
    """A place where verdicts and calls are kept and asked for. Use it as a context manager, from one thread.

    Every method raises StoreError with what to do when the store does not answer or does not hold what it
    should, and RowError, which is one, when it was given a row that it will never keep.
    """

    @property
    @abstractmethod
    def url(self) -> str:
        """The URL that `open_store` opens this store again with; it holds no password."""

    @abstractmethod
    def put_verdicts(self, verdicts: Iterable[Verdict]) -> None:
        """Store verdicts; those that are there already stay as they are."""

    @abstractmethod
    def put_flows(self, summaries: Iterable[FlowSummary]) -> None:
        """Store flow summaries; of two for one flow the greater by `summary_order` stays."""

    @abstractmethod
    def verdicts(self, query: VerdictQuery) -> Iterator[StoredVerdict]:
        """Give the verdicts that match, by decided_at_ns from the latest on, then by flow key, then k."""

    @abstractmethod
    def put_unknown_evidence(self, kept: Iterable[tuple[Verdict, bytes]]) -> None:
        """Keep evidence logs of unknown flows for a time; those that are there already stay as they are."""

    @abstractmethod
    def unknown_evidence(self, limit: int | None = None) -> Iterator[UnknownEvidence]:
        """Give the evidence that is kept, by decided_at_ns from the latest on, then by flow key; at most `limit`."""

    @abstractmethod
    def put_model(self, model: RegisteredModel) -> None:
        """Register a model; of the same name and digest the first registration stays."""

    @abstractmethod
    def models(self) -> Iterator[RegisteredModel]:
        """Give the models that were registered, the first one first."""

    @abstractmethod
    def put_calls(self, calls: Iterable[CallRecord]) -> None:
        """Store call rows; those that are there already stay as they are."""

    @abstractmethod
    def calls(self, query: CallQuery) -> Iterator[CallRecord]:
        """Give the calls that match, by started_ns from the latest on, then by Call-ID and From tag."""

    @abstractmethod
    def put_feedback(self, votes: Iterable[Vote]) -> None:
        """Store users' marks on calls; the same mark twice is one mark."""

    @abstractmethod
    def feedback(self, caller: str | None = None) -> Iterator[Vote]:
        """Give the marks that count, by caller and user: of each (user, caller) the latest.

        Only those on one caller, if one is named.
        """

    @abstractmethod
    def put_allowed(self, entries: Iterable[AllowEntry]) -> None:
        """Put callers on the allow-list; for a caller that is on it already nothing changes."""

    @abstractmethod
    def remove_allowed(self, caller: str) -> None:
        """Take a caller off the allow-list; one that is not on it is no error."""

    @abstractmethod
    def allowed(self) -> Iterator[AllowEntry]:
        """Give the allow-list, by caller."""

    @abstractmethod
    def put_call_state(self, site: int, number: int, state: bytes) -> None:
        """Keep the state of a site's calls after the first `number` entries of its journal.

        Earlier states and entries go. A state that was not renewed for CALL_STATE_DAYS is forgotten.
        """

    @abstractmethod
    def call_state(self, site: int) -> tuple[int, bytes] | None:
        """Give the state with the highest number, None when nothing is known of the site."""

    @abstractmethod
    def append_call_journal(self, site: int, number: int, entry: bytes) -> None:
        """Append an entry; the same again changes nothing. StoreError when another stands under the number."""

    @abstractmethod
    def call_journal(self, site: int, since: int) -> Iterator[tuple[int, bytes]]:
        """Give the entries from number `since` on, in order."""

    @abstractmethod
    def close(self) -> None:
        """Give back connections and files. Closing twice is allowed."""

    def __enter__(self) -> Self:
        """Return the store itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the store, also after an error."""
        self.close()
