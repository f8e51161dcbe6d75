"""What every verdict store can do. SQLite and Cassandra implement it, and one test suite runs against both.

The rules that an implementation keeps:

- Rows are immutable and idempotent: storing a verdict or a call row again doubles nothing, so a replayed capture or
  Kafka partition doubles nothing. One that says anything else about the same thing, because another model or a
  detector after more votes made it, is another row. Of these the one stored last counts (`verdict_order`); the
  earlier ones stay.
- A flow summary grows with its flow. Of two summaries of one flow the one that covers more stays
  (`summary_order`), whatever order they come in.
- A `put_` method returns when the rows are durable, and stores all of its rows or raises StoreError.
- Votes are never changed either; the latest vote of each (user, caller) counts.
- Evidence of unknown flows can hold voice: it is kept only when it is put, and every store forgets it in time.
- A query gives the same rows in the same order in every store: latest decision first.
- A field that a row was stored without, because an older callprint wrote it, reads as None: not known.
- Only the snapshot of a site's calls is ever replaced. One process at a time keeps it: it appends to the
  journal under rising numbers, and a number that another process has used is an error.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Self

from callprint.core.call import AllowEntry, CallRecord, Phase, Vote
from callprint.core.verdict import FlowKey, FlowSummary, Verdict
from callprint.stores.queries import CallQuery, VerdictQuery

CALL_STATE_DAYS = 30
"""How long the snapshot of a site's calls is kept after it was last renewed."""


def another_writer(site: int, number: int) -> str:
    """Return the message for two processes that keep the calls of one site."""
    return f"entry {number} of the journal of site {site:08x} was written by another process: one is too many"


class StoredVerdict(NamedTuple):
    """A verdict with the statistics of its flow, where the flow has ended (None while it goes on)."""

    verdict: Verdict
    summary: FlowSummary | None


class UnknownEvidence(NamedTuple):
    """The evidence log of a flow that stayed unknown, kept for research (core/evidence.py)."""

    flow: FlowKey
    decided_at_ns: int
    k: int  # RTP packets in it
    model: str  # that did not know it
    evidence: bytes


class EvidenceState(NamedTuple):
    """How much evidence of unknown flows is kept: another state means that there is something else to cluster."""

    logs: int
    latest_ns: int  # when the latest of it was decided; 0: there is none


class RegisteredModel(NamedTuple):
    """A model that has given verdicts, or may have."""

    name: str  # with its version, as verdicts give it
    digest: str  # SHA-256 of the network
    card: str  # JSON
    first_used_ns: int  # wall clock


class Activity(NamedTuple):
    """How many judgements of one kind fell into some minutes of packet time."""

    minute: int  # since 1970, the first of them
    name: str  # the application of final verdicts, the action on calls that are over
    number: int


MINUTE_NS = 60_000_000_000


class VerdictStore(ABC):
    """Where verdicts and calls are kept and asked for. Use it as a context manager, from one thread.

    Every method raises StoreError, which says what to do, when the store does not answer or does not hold what
    it should; and RowError, a StoreError, when it was given a row that it will never keep.
    """

    @property
    @abstractmethod
    def url(self) -> str:
        """The URL that `open_store` opens this store again with; it holds no password."""

    @abstractmethod
    def put_verdicts(self, verdicts: Iterable[Verdict]) -> None:
        """Store verdicts, each as the latest judgement of what it is about."""

    @abstractmethod
    def put_flows(self, summaries: Iterable[FlowSummary]) -> None:
        """Store flow summaries; of two for one flow the greater by `summary_order` stays."""

    def put_results(self, verdicts: Iterable[Verdict], summaries: Iterable[FlowSummary]) -> None:
        """Store verdicts and flow summaries as `put_verdicts` and `put_flows` do.

        Nobody sees a summary without its verdict.
        """
        self.put_verdicts(verdicts)
        self.put_flows(summaries)

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
    def put_calls(self, calls: Iterable[CallRecord], rebuilt: bool = False) -> None:
        """Store call rows, each as the latest judgement of what it is about.

        `rebuilt`: they come from a journal and were probably stored before; those that were keep their place.
        """

    @abstractmethod
    def calls(self, query: CallQuery) -> Iterator[CallRecord]:
        """Give the calls that match, by started_ns from the latest on, then by Call-ID and From tag."""

    @abstractmethod
    def put_votes(self, votes: Iterable[Vote]) -> None:
        """Store users' votes on calls; the same vote twice is one vote."""

    @abstractmethod
    def votes(self, caller: str | None = None) -> Iterator[Vote]:
        """Give the votes that count, the latest of each (user, caller), by caller and user.

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
        """Keep the snapshot of a site's calls after the first `number` entries of its journal.

        Earlier snapshots and entries are deleted. One that was not renewed for CALL_STATE_DAYS is forgotten.
        """

    @abstractmethod
    def call_state(self, site: int) -> tuple[int, bytes] | None:
        """Give the snapshot with the highest number, None when nothing is known of the site."""

    @abstractmethod
    def append_call_journal(self, site: int, number: int, entry: bytes) -> None:
        """Append an entry; the same again changes nothing. Raises StoreError when the number holds another one."""

    @abstractmethod
    def call_journal(self, site: int, since: int) -> Iterator[tuple[int, bytes]]:
        """Give the entries from number `since` on, in order."""

    def change_mark(self) -> int | None:
        """Give a number that changes when judgements are stored; None where nobody counts them: look again."""
        return None

    def flow_activity(self, since_ns: int, until_ns: int, every: int = 1) -> Iterator[Activity]:
        """Count final verdicts by minute and application, by minute; whole minutes that overlap the time asked for.

        `every`: so many minutes together, from a multiple of it on.
        """
        query = VerdictQuery(since_ns=since_ns, until_ns=until_ns, last_only=False)
        yield from _counted(
            (
                (stored.verdict.decided_at_ns, stored.verdict.application)
                for stored in self.verdicts(query)
                if stored.verdict.final
            ),
            every,
        )

    def call_activity(self, since_ns: int, until_ns: int, every: int = 1) -> Iterator[Activity]:
        """Count calls that are over by the minute they began in and by action, as `flow_activity`."""
        query = CallQuery(since_ns=since_ns, until_ns=until_ns, last_only=False)
        yield from _counted(
            ((call.started_ns, str(call.action)) for call in self.calls(query) if call.phase is Phase.END),
            every,
        )

    def evidence_of(self, flow: FlowKey) -> Iterator[UnknownEvidence]:
        """Give the evidence that is kept of one flow, the latest first."""
        yield from (kept for kept in self.unknown_evidence() if kept.flow == flow)

    def evidence_state(self) -> EvidenceState:
        """Say how much evidence is kept."""
        times = [kept.decided_at_ns for kept in self.unknown_evidence()]
        return EvidenceState(len(times), max(times, default=0))

    def scan_end(self, query: VerdictQuery | CallQuery, rows: int) -> int | None:  # noqa: ARG002 - see below
        """Give a time in a query without its `where`, at most `rows` rows in; None: it has fewer.

        Whoever asks for something rare looks through the store piece by piece, each answered in bounded time. A
        store that cannot tell cheaply, or need not look through rows, gives None, and is asked at once.
        """
        return None

    @abstractmethod
    def close(self) -> None:
        """Close connections and files. Closing twice is allowed."""

    def __enter__(self) -> Self:
        """Return the store itself."""
        return self

    def __exit__(self, *raised: object) -> None:
        """Close the store, also after an error."""
        self.close()


def _counted(judged: Iterable[tuple[int, str]], every: int) -> Iterator[Activity]:
    counts = Counter((time_ns // MINUTE_NS // every * every, name) for time_ns, name in judged)
    for (minute, name), number in sorted(counts.items()):
        yield Activity(minute, name, number)
