"""Verdicts in Cassandra: tables by query, small batches, prepared statements.

The interface and its promises are `base.VerdictStore`; the tables are in cql/, explained in
docs/operate/reading-verdicts.md.
"""

import re
import time
import uuid
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any

from cassandra import (
    AuthenticationFailed,
    ConsistencyLevel,
    DriverException,
    InvalidRequest,
    Unauthorized,
    UnresolvableContactPoints,
)
from cassandra.cluster import Cluster, NoHostAvailable
from cassandra.concurrent import execute_concurrent
from cassandra.query import BatchStatement, BatchType

from callprint.core.call import AllowEntry, CallRecord, Phase, Vote
from callprint.core.ground.errors import RowError, StoreError
from callprint.core.verdict import FlowKey, FlowSummary, Verdict
from callprint.stores import cassandra_activity, cassandra_schema
from callprint.stores.base import (
    Activity,
    EvidenceState,
    RegisteredModel,
    StoredVerdict,
    UnknownEvidence,
    VerdictStore,
)
from callprint.stores.cassandra_batches import BATCH_ROWS, batches
from callprint.stores.cassandra_binding import Binder
from callprint.stores.cassandra_call_state import CallStates
from callprint.stores.cassandra_connection import cluster_of
from callprint.stores.cassandra_evidence import EvidenceQueries
from callprint.stores.cassandra_queries import Queries
from callprint.stores.cassandra_rows import (
    DAY_NS,
    HOUR_NS,
    Row,
    call_rows,
    evidence_row,
    summary_row,
    verdict_rows,
)
from callprint.stores.cassandra_settings import PASSWORD_VARIABLE, CassandraSettings
from callprint.stores.columns import ALLOW_ENTRY, MODEL, VOTE, insert_statement
from callprint.stores.queries import CallQuery, VerdictQuery

CONCURRENT_REQUESTS = 64
_TOO_LONG = re.compile("longer than maximum|Batch too large")
_TABLE = re.compile(r"\b(FROM|INTO) (\w+)")


class CassandraStore(VerdictStore):
    """A verdict store in a keyspace. With `create` the keyspace is made or migrated if necessary.

    Raises StoreError when no node answers, the certificate or the password is refused, or the keyspace is
    missing or of another version.
    """

    def __init__(self, settings: CassandraSettings, *, create: bool = True) -> None:
        self._settings = settings
        self._cluster: Cluster | None = None
        with self._explained():
            self._cluster = cluster_of(settings)
            try:
                self._session = self._cluster.connect()
                self._prepare_keyspace(create=create)
            except BaseException:
                self.close()
                raise
        self._prepared = lru_cache(maxsize=256)(self._prepare)
        self._known_partitions: set[tuple[object, ...]] = set()
        self._known_since = time.monotonic()
        self._writer, self._last_mark = uuid.uuid4().hex[:16], 0
        self._queries = Queries(self._run_many)
        self._evidence = EvidenceQueries(self._run_many)
        self._activities = cassandra_activity.Activities(self._run_many, self._keep)
        self._call_states = CallStates(self._run_at_majority)

    @classmethod
    def from_url(cls, url: str, *, create: bool = True) -> "CassandraStore":
        """Open the store that a URL names (cassandra_settings.py)."""
        return cls(CassandraSettings.from_url(url), create=create)

    @property
    def url(self) -> str:
        """The URL that `open_store` opens this store again with."""
        return self._settings.url

    def put_verdicts(self, verdicts: Iterable[Verdict]) -> None:
        """Store verdicts, each in the tables by flow, by host and by application."""
        self.put_results(verdicts, ())

    def put_results(self, verdicts: Iterable[Verdict], summaries: Iterable[FlowSummary]) -> None:
        """Store both at once: a node takes a flow's verdict and summary, which share a partition key, as one write."""
        found, sequence = list(verdicts), _sequence()
        partitions = {("verdict", v.decided_at_ns // HOUR_NS, v.application) for v in found}
        rows = [row for verdict in found for row in verdict_rows(verdict, sequence)]
        of_flows = [summary_row(summary) for summary in summaries]
        self._put([*rows, *of_flows], partitions, last_stays={row.table for row in rows})
        self._mark("verdict", bool(found), [v.decided_at_ns for v in found if v.final])

    def put_flows(self, summaries: Iterable[FlowSummary]) -> None:
        """Store flow summaries; the one that covers most comes first in its flow's partition."""
        self._put([summary_row(summary) for summary in summaries])

    def verdicts(self, query: VerdictQuery) -> Iterator[StoredVerdict]:
        """Give the verdicts that match, latest decision first. Without a condition every hour is read."""
        with self._explained():
            yield from self._queries.verdicts(query)

    def put_calls(self, calls: Iterable[CallRecord], rebuilt: bool = False) -> None:
        """Store call rows, each in the tables by Call-ID, by number and by hour."""
        found, sequence = list(calls), _sequence()
        partitions = {("call", call.started_ns // HOUR_NS, "") for call in found}
        rows = [row for call in found for row in call_rows(call, sequence)]
        self._put(rows, partitions, last_stays=() if rebuilt else {row.table for row in rows})
        self._mark("call", bool(found), [c.started_ns for c in found if c.phase is Phase.END])

    def calls(self, query: CallQuery) -> Iterator[CallRecord]:
        """Give the calls that match, the latest first."""
        with self._explained():
            yield from self._queries.calls(query)

    def put_votes(self, votes: Iterable[Vote]) -> None:
        """Store users' votes on calls."""
        self._put([Row("feedback", (vote.caller,), VOTE.names, VOTE.row(vote)) for vote in votes])

    def votes(self, caller: str | None = None) -> Iterator[Vote]:
        """Give the votes that count, by caller and user."""
        with self._explained():
            yield from self._queries.votes(caller)

    def put_allowed(self, entries: Iterable[AllowEntry]) -> None:
        """Put callers on the allow-list, by a lightweight transaction each: the first entry stays."""
        with self._explained():
            for entry in entries:
                statement = insert_statement("allowed", ALLOW_ENTRY.names) + " IF NOT EXISTS"
                self._run(statement, ALLOW_ENTRY.row(entry))

    def remove_allowed(self, caller: str) -> None:
        """Take a caller off the allow-list."""
        with self._explained():
            self._run("DELETE FROM allowed WHERE caller = ? IF EXISTS", (caller,))

    def allowed(self) -> Iterator[AllowEntry]:
        """Give the allow-list, by caller."""
        with self._explained():
            rows = self._run(f"SELECT {ALLOW_ENTRY.selected()} FROM allowed", ())
            entries = sorted(map(ALLOW_ENTRY.value, rows), key=lambda entry: entry.caller)
        yield from entries

    def put_unknown_evidence(self, kept: Iterable[tuple[Verdict, bytes]]) -> None:
        """Keep evidence logs of unknown flows for research; they expire by the table's time to live."""
        found = list(kept)
        partitions = {("evidence", verdict.decided_at_ns // HOUR_NS, "") for verdict, _ in found}
        rows = [evidence_row(verdict, evidence) for verdict, evidence in found]
        self._put(rows, partitions)

    def unknown_evidence(self, limit: int | None = None) -> Iterator[UnknownEvidence]:
        """Give the evidence that is kept, the latest first."""
        with self._explained():
            yield from self._evidence.unknown_evidence(limit)

    def evidence_of(self, flow: FlowKey) -> Iterator[UnknownEvidence]:
        """Give the evidence that is kept of one flow."""
        with self._explained():
            yield from self._evidence.evidence_of(flow)

    def scan_end(self, query: VerdictQuery | CallQuery, rows: int) -> int | None:
        """Give the time of the row that comes `rows` rows into a query."""
        with self._explained():
            return self._queries.scan_end(query, rows)

    def evidence_state(self) -> EvidenceState:
        """Say how much evidence is kept."""
        with self._explained():
            return self._evidence.evidence_state()

    def put_model(self, model: RegisteredModel) -> None:
        """Register a model that gives verdicts; the first registration stays."""
        self._put([Row("model", (model.name,), MODEL.names, MODEL.row(model))])

    def models(self) -> Iterator[RegisteredModel]:
        """Give the models that were registered, the first one first."""
        with self._explained():
            models = list(map(MODEL.value, self._run(f"SELECT {MODEL.selected()} FROM model", ())))
        yield from sorted(models, key=lambda model: (model.first_used_ns, model.name, model.digest))

    def put_call_state(self, site: int, number: int, state: bytes) -> None:
        """Keep the snapshot of a site's calls, in pieces."""
        with self._explained():
            self._call_states.put(site, number, state)

    def call_state(self, site: int) -> tuple[int, bytes] | None:
        """Give the snapshot of a site's calls."""
        with self._explained():
            return self._call_states.get(site)

    def append_call_journal(self, site: int, number: int, entry: bytes) -> None:
        """Append an entry to the journal of a site's calls, by a lightweight transaction."""
        with self._explained():
            self._call_states.append(site, number, entry)

    def call_journal(self, site: int, since: int) -> Iterator[tuple[int, bytes]]:
        """Give the entries from number `since` on."""
        with self._explained():
            yield from self._call_states.journal(site, since)

    def change_mark(self) -> int | None:
        """Give the sum of the marks that writers leave with their judgements."""
        with self._explained():
            return self._activities.change_mark()

    def flow_activity(self, since_ns: int, until_ns: int, every: int = 1) -> Iterator[Activity]:
        """Count final verdicts by minute and application."""
        with self._explained():
            yield from self._activities.counted("verdict", since_ns, until_ns, every)

    def call_activity(self, since_ns: int, until_ns: int, every: int = 1) -> Iterator[Activity]:
        """Count calls that are over by minute and action."""
        with self._explained():
            yield from self._activities.counted("call", since_ns, until_ns, every)

    def close(self) -> None:
        """Close the connections. Closing twice is allowed."""
        if self._cluster is not None:
            self._cluster.shutdown()
            self._cluster = None

    def _prepare_keyspace(self, *, create: bool) -> None:
        keyspace = self._settings.keyspace
        if create:
            cassandra_schema.migrate(self._session, keyspace, self._settings.schema)
            return
        found = cassandra_schema.version(self._session, keyspace)
        newest = cassandra_schema.migrations()[-1][0]
        if found is None:
            raise StoreError(
                f"there is no callprint keyspace {keyspace!r} at {','.join(self._settings.hosts)}"
            )
        if found != newest:
            raise StoreError(f"the keyspace {keyspace} is of version {found}, this callprint needs {newest}")

    def _prepare(self, statement: str) -> Any:
        """Prepare a statement, its table qualified by the keyspace: `USE` before prepared statements makes it warn."""
        qualified = _TABLE.sub(rf"\1 {self._settings.keyspace}.\2", statement, count=1)
        return self._session.prepare(qualified)

    def _run(self, statement: str, parameters: tuple[object, ...]) -> Any:
        if self._cluster is None:
            raise StoreError(f"the store {self.url} is closed")
        return self._session.execute(self._prepared(statement), parameters)

    def _run_at_majority(self, statement: str, parameters: tuple[object, ...]) -> Any:
        """Run a statement that must see what other processes have written."""
        if self._cluster is None:
            raise StoreError(f"the store {self.url} is closed")
        bound = self._prepared(statement).bind(parameters)
        bound.consistency_level = ConsistencyLevel.QUORUM
        return self._session.execute(bound)

    def _run_many(self, statement: str, parameters: list[tuple[object, ...]]) -> Iterator[Any]:
        """Yield the rows for each set of parameters, in order; all are requested at once."""
        if self._cluster is None:
            raise StoreError(f"the store {self.url} is closed")
        prepared = self._prepared(statement)
        asked = [(prepared, values) for values in parameters]
        for _, rows in execute_concurrent(
            self._session, asked, CONCURRENT_REQUESTS, raise_on_first_error=True
        ):
            yield rows

    def _put(
        self,
        rows: list[Row],
        partitions: Iterable[tuple[str, int, str]] = (),
        *,
        last_stays: Container[str] = (),
    ) -> None:
        """Write rows in batches, preceded by the index rows of new partitions.

        Of two writes of a row the first stays (cql/001), or the last in these tables: of a judgement the two differ in
        the sequence.
        """
        if self._cluster is None:
            raise StoreError(f"the store {self.url} is closed")
        with self._explained():
            index = list(self._new_index_rows(partitions))
            self._write(index)
            falling = f" USING TIMESTAMP {-time.time_ns() // 1000}"
            self._write(rows, lambda row: "" if row.table in last_stays else falling)
            self._known_partitions.update((row.table, *row.values) for row in index)

    def _mark(self, kind: str, stored: bool, counted_ns: list[int]) -> None:
        """Leave marks on the minutes and hours of rows that are there now, for whoever counts them."""
        if not stored:
            return
        self._last_mark = mark = max(self._last_mark + 1, time.time_ns() // 1000)
        minutes, hours = cassandra_activity.marks(kind, counted_ns, self._writer, mark)
        hours.append(cassandra_activity.mark_of_any(self._writer, mark))
        with self._explained():
            # The mark on an hour says that those on its minutes are there. One batch does both at once.
            for rows in [[*minutes, *hours]] if len(minutes) < BATCH_ROWS // 2 else [minutes, hours]:
                self._write(rows)

    def _keep(self, rows: list[Row]) -> None:
        """Keep what was counted for other readers; one that may not write counts for itself."""
        with suppress(Unauthorized):
            self._write(rows)

    def _new_index_rows(self, partitions: Iterable[tuple[str, int, str]]) -> Iterator[Row]:
        if time.monotonic() - self._known_since > cassandra_schema.DAY_S:
            self._known_partitions.clear()  # written again, so that the index outlives the rows it leads to
            self._known_since = time.monotonic()
        for kind, hour, application in partitions:
            day = hour * HOUR_NS // DAY_NS
            rows = (
                Row("day", (kind,), ("kind", "day"), (kind, day)),
                Row(
                    "hour_of_day",
                    (kind, day),
                    ("kind", "day", "hour", "application"),
                    (kind, day, hour, application),
                ),
            )
            yield from (row for row in rows if (row.table, *row.values) not in self._known_partitions)

    def _write(self, rows: list[Row], using: Callable[[Row], str] = lambda _row: "") -> None:
        asked = []
        for statements in batches(rows, Binder(self._prepared, using).bind, self._node_of):
            batch = BatchStatement(BatchType.UNLOGGED)
            for statement in statements:
                batch.add(statement)
            asked.append((batch, None))
        if asked:
            execute_concurrent(self._session, asked, CONCURRENT_REQUESTS, raise_on_first_error=True)

    def _node_of(self, statement: Any) -> object:
        """Return the node that has the partition of a bound statement; None where there is only one."""
        metadata = self._session.cluster.metadata
        if len(metadata.all_hosts()) < 2:
            return None
        replicas = metadata.get_replicas(self._settings.keyspace, statement.routing_key)
        return replicas[0] if replicas else None

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn the driver's errors into StoreError that says what to do."""
        try:
            yield
        except NoHostAvailable as error:
            reasons = "; ".join(f"{host}: {reason}" for host, reason in error.errors.items()) or str(error)
            if any(isinstance(reason, AuthenticationFailed) for reason in error.errors.values()):
                raise StoreError(
                    f"{self._settings.url} refuses the login ({reasons}): name a user, as in "
                    f"cassandra://user@host/keyspace, and set {PASSWORD_VARIABLE}"
                ) from error
            raise StoreError(f"no Cassandra node of {self._settings.url} answers ({reasons})") from error
        except UnresolvableContactPoints as error:
            raise StoreError(f"no host of {self._settings.url} has an address: check its spelling") from error
        except InvalidRequest as error:
            # It can mean many things; these two are about the row, or about rows that are too long together.
            kind = RowError if _TOO_LONG.search(str(error)) else StoreError
            raise kind(f"{self._settings.url}: {error}") from error
        except (DriverException, OSError) as error:
            raise StoreError(f"{self._settings.url}: {type(error).__name__}: {error}") from error
        except (TypeError, ValueError, OverflowError) as error:
            raise RowError(
                f"{self._settings.url} holds or was given a value that fits no column: {error}"
            ) from error


def _sequence() -> int:
    """Return the sequence of judgements stored now: microseconds, as Cassandra itself orders writes."""
    return time.time_ns() // 1000
