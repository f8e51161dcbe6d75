"""Verdicts in one SQLite file, for the embedded path: no service, several readers beside one writer (WAL)."""

import heapq
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from callprint.core.call import AllowEntry, CallRecord, Vote
from callprint.core.ground.errors import RowError, StoreError
from callprint.core.ground.table import Rows
from callprint.core.verdict import FlowKey, FlowSummary, Verdict
from callprint.owner_only import make_folder, owner_only
from callprint.stores import (
    sqlite_activity,
    sqlite_call_rows,
    sqlite_call_state,
    sqlite_evidence,
    sqlite_judgements,
    sqlite_rows,
)
from callprint.stores.base import (
    Activity,
    EvidenceState,
    RegisteredModel,
    StoredVerdict,
    UnknownEvidence,
    VerdictStore,
)
from callprint.stores.columns import ALLOW_ENTRY, CALL, EVIDENCE, MODEL, SUMMARY, VOTE
from callprint.stores.queries import CallQuery, VerdictQuery
from callprint.stores.sqlite_evidence import DAY_NS, EvidenceLimits
from callprint.stores.sqlite_insert import insert
from callprint.stores.sqlite_judgements import Judgements
from callprint.stores.sqlite_schema import APPLICATION_ID, MIGRATIONS

OLDEST_SQLITE = (3, 37, 0)  # STRICT tables
BUSY_TIMEOUT_S = 5.0
CACHE_KIB = 32_768
"""Pages in memory: a batch of calls with all its indexes. What does not fit is written and read again meanwhile."""

T = TypeVar("T")


class SqliteStore(VerdictStore):
    """A verdict store in the file `path`.

    With `create` false the file must exist; one that may not be written is then opened for reading. While another
    process holds the file locked, every call waits for up to `busy_timeout_s` seconds.

    Raises StoreError when the file is not a callprint store, is damaged, was made by a newer callprint, or
    cannot be opened.
    """

    def __init__(
        self,
        path: Path,
        *,
        create: bool = True,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
        evidence_limits: EvidenceLimits | None = None,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            raise StoreError(f"SQLite 3.37 or newer is needed, this Python has {sqlite3.sqlite_version}")
        self._evidence_limits = evidence_limits or EvidenceLimits()
        self._now_ns = now_ns
        self._path = path.absolute()  # so that the URL means the same from any folder
        self._connection: sqlite3.Connection | None = None
        with self._explained():
            self._find(create=create)
            self._read_only = not create and not _may_write(self._path)
            self._connection = self._connect(busy_timeout_s)
            try:
                self._prepare(create=create)
                if create:
                    self._forget_expired_evidence()
            except BaseException:
                self.close()
                raise

    @property
    def url(self) -> str:
        """The URL that `open_store` opens this store again with."""
        return f"sqlite:{self._path}"

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    def put_verdicts(self, verdicts: Iterable[Verdict]) -> None:
        """Store verdicts in one transaction, each as the latest judgement of what it is about."""
        self._write_judgements(sqlite_judgements.VERDICTS, verdicts)

    def put_flows(self, summaries: Iterable[FlowSummary]) -> None:
        """Store flow summaries in one transaction; of two for one flow the one that covers more stays."""
        with self._explained(), self._transaction() as connection:
            insert(connection, "flow", SUMMARY.names, SUMMARY.cells(summaries), sqlite_rows.FLOW_ENDING)

    def verdicts(self, query: VerdictQuery) -> Iterator[StoredVerdict]:
        """Give the verdicts that match, latest decision first; others may write meanwhile."""
        statements = sqlite_rows.select_verdicts(query)
        found = (self._read(*each, sqlite_rows.stored_verdict) for each in statements)
        return islice(heapq.merge(*found, key=sqlite_rows.verdict_place), query.limit)

    def put_unknown_evidence(self, kept: Iterable[tuple[Verdict, bytes]]) -> None:
        """Keep evidence logs in one transaction, and delete what is too old or beyond the limits."""
        now_ns = self._now_ns()
        expires_at_ns = now_ns + self._evidence_limits.days * DAY_NS
        rows = [sqlite_evidence.evidence_row(verdict, evidence, expires_at_ns) for verdict, evidence in kept]
        if not rows:
            return
        with self._explained(), self._transaction() as connection:
            connection.executemany(sqlite_evidence.PUT_EVIDENCE, rows)
            connection.execute(sqlite_evidence.FORGET_EXPIRED, (now_ns,))
            connection.execute(sqlite_evidence.FORGET_OLDEST, (self._evidence_limits.flows,))

    def unknown_evidence(self, limit: int | None = None) -> Iterator[UnknownEvidence]:
        """Give the evidence that is kept, the latest first."""
        return self._read(*sqlite_evidence.select_evidence(self._now_ns(), limit), EVIDENCE.value)

    def put_model(self, model: RegisteredModel) -> None:
        """Register a model; the first registration stays."""
        self._write(sqlite_rows.PUT_MODEL, [MODEL.row(model)])

    def models(self) -> Iterator[RegisteredModel]:
        """Give the models that were registered, the first one first."""
        return self._read(sqlite_rows.SELECT_MODELS, [], MODEL.value)

    def put_calls(self, calls: Iterable[CallRecord], rebuilt: bool = False) -> None:
        """Store call rows in one transaction, each as the latest judgement, or with `rebuilt` where it is missing."""
        self._write_judgements(sqlite_judgements.CALLS, calls, keep_place=rebuilt)

    def calls(self, query: CallQuery) -> Iterator[CallRecord]:
        """Give the calls that match, the latest first."""
        found = (self._read(*each, CALL.value) for each in sqlite_call_rows.select_calls(query))
        return islice(heapq.merge(*found, key=sqlite_call_rows.call_place), query.limit)

    def put_votes(self, votes: Iterable[Vote]) -> None:
        """Store users' votes on calls; the same vote twice is one vote."""
        self._write(sqlite_call_rows.PUT_VOTE, map(VOTE.row, votes))

    def votes(self, caller: str | None = None) -> Iterator[Vote]:
        """Give the votes that count: the latest of each (user, caller)."""
        return self._read(*sqlite_call_rows.select_votes(caller), VOTE.value)

    def put_allowed(self, entries: Iterable[AllowEntry]) -> None:
        """Put callers on the allow-list."""
        self._write(sqlite_call_rows.PUT_ALLOWED, map(ALLOW_ENTRY.row, entries))

    def remove_allowed(self, caller: str) -> None:
        """Take a caller off the allow-list."""
        self._write(sqlite_call_rows.REMOVE_ALLOWED, [(caller,)])

    def allowed(self) -> Iterator[AllowEntry]:
        """Give the allow-list, by caller."""
        return self._read(sqlite_call_rows.SELECT_ALLOWED, [], ALLOW_ENTRY.value)

    def put_call_state(self, site: int, number: int, state: bytes) -> None:
        """Keep the snapshot of a site's calls, and delete what it replaces, in one transaction."""
        with self._explained(), self._transaction() as connection:
            sqlite_call_state.put_state(connection, site, number, state, self._now_ns())

    def call_state(self, site: int) -> tuple[int, bytes] | None:
        """Give the snapshot of a site's calls."""
        with self._explained():
            return sqlite_call_state.state_of(self._open(), site)

    def append_call_journal(self, site: int, number: int, entry: bytes) -> None:
        """Append an entry to the journal of a site's calls."""
        with self._explained(), self._transaction() as connection:
            sqlite_call_state.append(connection, site, number, entry)

    def call_journal(self, site: int, since: int) -> Iterator[tuple[int, bytes]]:
        """Give the entries from number `since` on."""
        with self._explained():
            yield from sqlite_call_state.journal(self._open(), site, since)

    def change_mark(self) -> int | None:
        """Give the sequence of the judgements that were stored last."""
        with self._explained():
            return _one(self._open().execute(sqlite_activity.MARK))

    def flow_activity(self, since_ns: int, until_ns: int, every: int = 1) -> Iterator[Activity]:
        """Count final verdicts by minute and application."""
        return self._read(*sqlite_activity.select("flow", since_ns, until_ns, every), sqlite_activity.counted)

    def call_activity(self, since_ns: int, until_ns: int, every: int = 1) -> Iterator[Activity]:
        """Count calls that are over by minute and action."""
        return self._read(*sqlite_activity.select("call", since_ns, until_ns, every), sqlite_activity.counted)

    def evidence_of(self, flow: FlowKey) -> Iterator[UnknownEvidence]:
        """Give the evidence that is kept of one flow."""
        return self._read(sqlite_evidence.SELECT_EVIDENCE_OF, [self._now_ns(), *flow], EVIDENCE.value)

    def evidence_state(self) -> EvidenceState:
        """Say how much evidence is kept."""
        (state,) = self._read(sqlite_evidence.COUNT_EVIDENCE, [self._now_ns()], EvidenceState._make)
        return state

    def scan_end(self, query: VerdictQuery | CallQuery, rows: int) -> int | None:
        """Give the time of the row that comes `rows` rows into a query; None too where an index answers it."""
        if isinstance(query, CallQuery) and sqlite_call_rows.is_indexed(query):
            return None
        rows_of = sqlite_rows if isinstance(query, VerdictQuery) else sqlite_call_rows
        times = (self._read(*each, sqlite_activity.number) for each in rows_of.select_times(query, rows + 1))
        return next(islice(heapq.merge(*times, reverse=True), rows, None), None)

    def close(self) -> None:
        """Close the file. Closing twice is allowed."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _forget_expired_evidence(self) -> None:
        # Checked first, so that whoever opens a store does not wait for its writer when nothing has expired.
        now_ns = self._now_ns()
        if _one(self._open().execute(sqlite_evidence.HAS_EXPIRED, (now_ns,))):
            with self._transaction() as connection:
                connection.execute(sqlite_evidence.FORGET_EXPIRED, (now_ns,))

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreError(f"the store {self._path} is closed")
        return self._connection

    def _read(self, statement: str, parameters: list[object], value: Callable[[Any], T]) -> Iterator[T]:
        with self._explained():
            for row in self._open().execute(statement, parameters):
                yield value(row)

    def _write(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        # One transaction per batch: it is stored whole or not at all, and costs one flush to the disk.
        # executemany compiles the statement once; sqlite3 keeps it compiled for the next batch.
        with self._explained(), self._transaction() as connection:
            connection.executemany(statement, rows)

    def _write_judgements(
        self, table: Judgements, values: Iterable[Any], *, keep_place: bool = False
    ) -> None:
        with self._explained():
            found = Rows(values)
            if not found:  # so that nothing is written: a transaction costs a flush to the disk
                self._open()
                return
            with self._transaction() as connection:
                table.put(connection, found, keep_place=keep_place)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._open()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # SQLite itself rolls back when the disk is full
                connection.execute("ROLLBACK")
            raise

    def _find(self, *, create: bool) -> None:
        path = self._path
        if path.is_dir():
            raise StoreError(
                f"{path} is a folder; a verdict store is a file, for example {path / 'verdicts.sqlite'}"
            )
        if path.exists():
            return
        if not create:
            raise StoreError(f"there is no verdict store at {path}; `callprint identify CAPTURE` makes one")
        try:
            make_folder(path.parent)
            # SQLite gives the files that it puts beside this one the same mode.
            os.close(owner_only(str(path), os.O_CREAT | os.O_RDWR))
        except OSError as error:
            raise StoreError(
                f"the store {path} cannot be made ({error.strerror}); "
                "name another path with --store or CALLPRINT_STORE"
            ) from error

    def _connect(self, busy_timeout_s: float) -> sqlite3.Connection:
        mode = "mode=rwc"
        if self._read_only:
            # A WAL file beside it must be read too, which needs shared memory. Where there is none, the file is
            # complete in itself, and `immutable` reads it even from a read-only medium.
            mode = "mode=ro" if _has_log(self._path) else "mode=ro&immutable=1"
        uri = f"{self._path.as_uri()}?{mode}"
        connection = sqlite3.connect(uri, uri=True, timeout=busy_timeout_s, isolation_level=None)
        connection.create_function(sqlite_rows.LOWER, 1, sqlite_rows.lowered, deterministic=True)
        return connection

    def _prepare(self, *, create: bool) -> None:
        connection = self._open()
        # A schema is data from outside too: its triggers and views may call no functions with side effects,
        # and its b-trees are checked while they are read.
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        # One transaction for all questions: another process may make the same store between two of them.
        connection.execute("BEGIN")
        version = self._version(create=create)
        connection.execute("COMMIT")
        if version > len(MIGRATIONS):
            raise StoreError(
                f"{self._path} was made by a newer callprint (its schema is {version}, this one reads up to "
                f"{len(MIGRATIONS)}); upgrade callprint, or name another store"
            )
        if self._read_only:
            if version < len(MIGRATIONS):
                raise StoreError(
                    f"{self._path} was made by an older callprint and must be writable once to be upgraded"
                )
            return
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # a stored verdict survives a power cut
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        connection.execute("PRAGMA secure_delete = ON")  # expired evidence is overwritten: it may hold voice
        if version < len(MIGRATIONS):
            self._migrate()

    def _version(self, *, create: bool) -> int:
        """The schema version of the file, 0 for an empty one that may become a store. Writes nothing."""
        connection = self._open()
        marker = _one(connection.execute("PRAGMA application_id"))
        if marker == APPLICATION_ID:
            return _one(connection.execute("SELECT version FROM schema_version"))
        if create and marker == 0 and _one(connection.execute("SELECT count(*) FROM sqlite_schema")) == 0:
            return 0
        raise StoreError(
            f"{self._path} is a database, but not a callprint store; name another file with --store"
        )

    def _migrate(self) -> None:
        with self._transaction() as connection:
            # Read again inside the transaction: another process may have been faster.
            version = self._version(create=True)
            for migration in MIGRATIONS[version:]:
                for statement in migration:
                    connection.execute(statement)
            connection.execute("UPDATE schema_version SET version = ?", (len(MIGRATIONS),))
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn SQLite's errors into StoreError that says what to do."""
        try:
            yield
        except (sqlite3.IntegrityError, sqlite3.DataError) as error:
            raise RowError(f"{self._path} was given a value that it cannot keep: {error}") from error
        except sqlite3.Error as error:
            raise StoreError(_explanation(self._path, error)) from error
        except OSError as error:
            raise StoreError(f"{self._path} cannot be reached: {error.strerror}") from error
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise RowError(f"{self._path} holds or was given a value that it cannot keep: {error}") from error


def _explanation(path: Path, error: sqlite3.Error) -> str:
    name = getattr(error, "sqlite_errorname", "") or ""
    advice: dict[str, Callable[[], str]] = {
        "SQLITE_NOTADB": lambda: f"{path} is not a verdict store; name another file with --store",
        "SQLITE_CORRUPT": lambda: (
            f"{path} is damaged; `sqlite3 {path} .recover` may save rows, then identify the captures again"
        ),
        "SQLITE_BUSY": lambda: f"{path} is locked by another process; try again when that has ended",
        "SQLITE_READONLY": lambda: (
            f"{path} may not be written; change its permissions, or name another with --store"
        ),
        "SQLITE_CANTOPEN": lambda: f"{path} cannot be opened or made; check the permissions of its folder",
        "SQLITE_FULL": lambda: f"the disk of {path} is full",
    }
    for prefix, text in advice.items():
        if name.startswith(prefix):
            return f"{text()} ({error})"
    return f"{path}: {error}"


def _may_write(path: Path) -> bool:
    effective = os.access in os.supports_effective_ids
    return all(os.access(place, os.W_OK, effective_ids=effective) for place in (path, path.parent))


def _has_log(path: Path) -> bool:
    log = path.with_name(path.name + "-wal")
    return log.exists() and log.stat().st_size > 0


def _one(cursor: sqlite3.Cursor) -> int:
    row = cursor.fetchone()
    if row is None or not isinstance(row[0], int):
        raise ValueError("the schema version is missing")
    return row[0]
