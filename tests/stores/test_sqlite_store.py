"""The SQLite store: the common contract, and what is special about a file."""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from call_contract import CallContract
from call_samples import call
from console_contract import ConsoleContract
from hypothesis import given, settings
from hypothesis import strategies as st
from store_contract import StoreContract, ask
from verdict_samples import LINPHONE, PJSUA, provisional, summary, too_short, unsure, verdict

from callprint.core.ground.errors import StoreError
from callprint.stores import CallQuery, VerdictQuery, sqlite_schema
from callprint.stores.queries import Where
from callprint.stores.sqlite import SqliteStore
from callprint.stores.sqlite_evidence import DAY_NS, EvidenceLimits
from callprint.stores.sqlite_rows import select_verdicts


class TestSqliteStore(StoreContract, CallContract, ConsoleContract):
    """Everything that any store promises."""

    @pytest.fixture
    def store(self, tmp_path):
        with SqliteStore(tmp_path / "verdicts.sqlite") as store:
            yield store


@pytest.fixture
def path(tmp_path):
    return tmp_path / "verdicts.sqlite"


def filled(path: Path) -> Path:
    with SqliteStore(path) as store:
        store.put_verdicts([provisional(), verdict(), unsure(), too_short()])
        store.put_flows([summary(), summary(PJSUA)])
        store.put_calls([call()])
    return path


def test_verdicts_are_there_after_a_restart(path):
    with SqliteStore(filled(path), create=False) as store:
        assert len(ask(store)) == 3
    assert [entry.name for entry in path.parent.iterdir()] == ["verdicts.sqlite"], (
        "one file when nobody uses it"
    )


def test_folders_on_the_way_are_made(tmp_path):
    path = tmp_path / "a" / "b c" / "100 %?#.sqlite"
    with SqliteStore(path) as store:
        store.put_verdicts([verdict()])
    assert path.is_file()


def test_a_reader_sees_whole_batches_while_a_writer_writes(path):
    batches, size = 40, 50

    def write():
        with SqliteStore(path) as writer:
            for batch in range(batches):
                writer.put_verdicts(
                    verdict(LINPHONE._replace(src_port=batch * size + i)) for i in range(size)
                )

    SqliteStore(path).close()
    counts = []
    with ThreadPoolExecutor(1) as pool, SqliteStore(path, create=False) as reader:
        writing = pool.submit(write)
        while not writing.done():
            counts.append(len(ask(reader)))
        writing.result()
        counts.append(len(ask(reader)))
    assert all(count % size == 0 for count in counts), counts
    assert counts == sorted(counts)
    assert counts[-1] == batches * size


def test_a_killed_writer_loses_no_batch_that_it_was_told_is_stored(path):
    script = """if True:
        import sys
        from pathlib import Path
        from verdict_samples import LINPHONE, verdict
        from callprint.stores.sqlite import SqliteStore
        with SqliteStore(Path(sys.argv[1])) as store:
            for batch in range(10_000):
                store.put_verdicts(verdict(LINPHONE._replace(src_port=i, first_seen_ns=batch)) for i in range(50))
                print(batch, flush=True)
    """
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", script, path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        for _ in range(20):
            process.stdout.readline()
        process.kill()
        stored = 20 + len(process.stdout.read().splitlines())
    with SqliteStore(path, create=False) as store:
        batches = Counter(found.flow.first_seen_ns for found in ask(store))
    assert set(batches.values()) == {50}, "a batch is there whole or not at all"
    assert len(batches) - stored in (0, 1), "killed between the commit and the word about it"


def test_several_may_make_the_same_store_at_once(path):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: SqliteStore(path).close(), range(32)))
    with SqliteStore(path, create=False) as store:
        store.put_verdicts([verdict()])
        assert ask(store) == [verdict()]


def test_a_lock_of_another_process_is_explained(path):
    with SqliteStore(path, busy_timeout_s=0.05) as store, closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked by another process"):
            store.put_verdicts([verdict()])
        other.rollback()
        store.put_verdicts([verdict()])
        assert ask(store) == [verdict()]


class Clock:
    """A wall clock that a test sets."""

    now_ns = 1_800_000_000 * 10**9

    def __call__(self):
        return self.now_ns


def test_evidence_expires_and_leaves_the_file(path):
    clock, voice = Clock(), b"a voice that must not stay" * 40
    limits = EvidenceLimits(days=2)
    with SqliteStore(path, evidence_limits=limits, now_ns=clock) as store:
        store.put_unknown_evidence([(unsure(), voice)])
        clock.now_ns += 2 * DAY_NS - 1
        assert [found.evidence for found in store.unknown_evidence()] == [voice]
        clock.now_ns += 1
        assert list(store.unknown_evidence()) == []
    assert b"a voice that" in path.read_bytes()
    SqliteStore(path, create=False, now_ns=clock).close()
    assert b"a voice that" in path.read_bytes(), "a query changes nothing"
    SqliteStore(path, now_ns=clock).close()
    assert b"a voice that" not in path.read_bytes()


def test_only_the_latest_evidence_is_kept(path):
    with SqliteStore(path, evidence_limits=EvidenceLimits(flows=3)) as store:
        for port in (7, 3, 9, 5, 1):
            flow = PJSUA._replace(src_port=port, first_seen_ns=PJSUA.first_seen_ns + port)
            store.put_unknown_evidence([(unsure(flow), bytes([port]))])
        assert [found.evidence for found in store.unknown_evidence()] == [b"\x09", b"\x07", b"\x05"]


def test_a_store_from_before_evidence_was_kept_is_upgraded(path):
    with closing(sqlite3.connect(path)) as older:
        for statement in sqlite_schema.MIGRATIONS[0]:
            older.execute(statement)
        older.execute("UPDATE schema_version SET version = 1")
        older.execute(f"PRAGMA application_id = {sqlite_schema.APPLICATION_ID}")
        older.commit()
    with SqliteStore(path, create=False) as store:
        store.put_unknown_evidence([(unsure(), b"log")])
        assert [found.flow for found in store.unknown_evidence()] == [PJSUA]


class TestWhatIsNoStore:
    """Foreign, damaged and unreachable files: a StoreError that says what to do, and the file as it was."""

    def test_not_there(self, path):
        with pytest.raises(StoreError, match="callprint identify"):
            SqliteStore(path, create=False)
        assert not path.exists()

    def test_a_folder(self, tmp_path):
        with pytest.raises(StoreError, match="is a folder"):
            SqliteStore(tmp_path)

    @pytest.mark.parametrize(
        "content", [b"not a database" * 100, b"SQLite format 3\0" + bytes(200), b"\xa1\xb2\xc3\xd4"]
    )
    def test_another_kind_of_file(self, path, content):
        path.write_bytes(content)
        for create in (True, False):
            with pytest.raises(StoreError):
                SqliteStore(path, create=create)
        assert path.read_bytes() == content

    def test_the_database_of_another_program(self, path):
        with closing(sqlite3.connect(path)) as other:
            other.execute("CREATE TABLE verdict (a)")
        before = path.read_bytes()
        for create in (True, False):
            with pytest.raises(StoreError, match="not a callprint store"):
                SqliteStore(path, create=create)
        assert path.read_bytes() == before

    def test_a_newer_schema(self, path):
        with closing(sqlite3.connect(filled(path), isolation_level=None)) as other:
            other.execute("UPDATE schema_version SET version = 999")
        with pytest.raises(StoreError, match="newer callprint"):
            SqliteStore(path)

    def test_a_schema_version_that_is_missing(self, path):
        with closing(sqlite3.connect(filled(path), isolation_level=None)) as other:
            other.execute("DELETE FROM schema_version")
        with pytest.raises(StoreError):
            SqliteStore(path)

    def test_a_folder_that_takes_no_files(self):
        # /proc takes no new folders and files, not even from root.
        for place in ("/proc/callprint/verdicts.sqlite", "/proc/verdicts.sqlite"):
            with pytest.raises(StoreError, match=r"cannot be (made|opened)"):
                SqliteStore(Path(place))

    def test_a_path_through_a_file(self, path):
        filled(path)
        with pytest.raises(StoreError):
            SqliteStore(path / "verdicts.sqlite")

    def test_a_name_that_is_too_long(self, tmp_path):
        with pytest.raises(StoreError, match="cannot be reached"):
            SqliteStore(tmp_path / ("v" * 300))


@contextmanager
def without_privilege():
    """Run as a user for whom file rights count; root may write everywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def read_only_store():
    folder = Path(tempfile.mkdtemp())
    path = filled(folder / "verdicts.sqlite")
    path.chmod(0o444)
    folder.chmod(0o555)
    yield path
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_a_store_on_a_read_only_medium_is_read(read_only_store):
    with without_privilege(), SqliteStore(read_only_store, create=False) as store:
        assert len(ask(store, last_only=False)) == 4
        with pytest.raises(StoreError, match="may not be written"):
            store.put_verdicts([verdict()])


def test_a_store_on_a_read_only_medium_is_not_written(read_only_store):
    with without_privilege(), pytest.raises(StoreError, match="may not be written"):
        SqliteStore(read_only_store)


def test_a_migration_upgrades_an_old_file_once_and_keeps_its_rows(path, monkeypatch):
    filled(path)
    later = ("CREATE TABLE later (a INTEGER) STRICT", "INSERT INTO later VALUES (1)")
    monkeypatch.setattr("callprint.stores.sqlite.MIGRATIONS", (*sqlite_schema.MIGRATIONS, later))
    for _ in range(2):
        with SqliteStore(path) as store:
            assert len(ask(store)) == 3
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT * FROM later").fetchall() == [(1,)]
        assert other.execute("SELECT version FROM schema_version").fetchall() == [
            (len(sqlite_schema.MIGRATIONS) + 1,)
        ]


def test_a_migration_that_fails_leaves_the_file_as_it_was(path, monkeypatch):
    filled(path)
    broken = ("CREATE TABLE later (a INTEGER) STRICT", "INSERT INTO later VALUES ('text')")
    with monkeypatch.context() as patch:
        patch.setattr("callprint.stores.sqlite.MIGRATIONS", (*sqlite_schema.MIGRATIONS, broken))
        with pytest.raises(StoreError):
            SqliteStore(path)
    with SqliteStore(path) as store:
        assert len(ask(store)) == 3


def test_a_read_only_file_of_an_older_schema_says_so(read_only_store, monkeypatch):
    monkeypatch.setattr("callprint.stores.sqlite.MIGRATIONS", (*sqlite_schema.MIGRATIONS, ("SELECT 1",)))
    with without_privilege(), pytest.raises(StoreError, match="older callprint"):
        SqliteStore(read_only_store, create=False)


@pytest.mark.parametrize(
    ("conditions", "index"),
    [
        ({"flow": LINPHONE}, "src_ip=? AND src_port=?"),
        ({"address": "192.0.2.10"}, "verdict_by_destination"),
        ({"address": "192.0.2.10"}, "verdict_by_source"),
        ({"application": "linphone"}, "verdict_by_application"),
        ({"since_ns": 1, "until_ns": 2}, "verdict_by_time"),
    ],
)
def test_queries_use_their_index(path, conditions, index):
    filled(path)
    plan = []
    with closing(sqlite3.connect(path)) as connection:
        for statement, parameters in select_verdicts(VerdictQuery(**conditions)):
            plan += [row[3] for row in connection.execute("EXPLAIN QUERY PLAN " + statement, parameters)]
    assert not any(step.startswith("SCAN v") for step in plan), plan
    assert "flow" in conditions or "USE TEMP B-TREE FOR ORDER BY" not in plan  # no sorting of all rows
    assert any(step.startswith("SEARCH v ") and index in step for step in plan), plan


def test_what_an_index_answers_is_not_looked_through(path):
    with SqliteStore(path) as store:
        store.put_calls([call(call_id=str(i), started_ns=i) for i in range(5)])
        campaign, reason = Where("campaign", "=", "3f9a"), Where("reason", "~", "x")
        assert store.scan_end(CallQuery(where=(campaign,)), 2) is None
        for where in ((reason,), (campaign, reason), (Where("campaign", "!=", "3f9a"),), ()):
            assert store.scan_end(CallQuery(where=where), 2) == 2
        number = CallQuery(where=(reason,), number="+493012345", until_ns=3)
        assert store.scan_end(number, 2) == 0
        assert store.scan_end(number, 3) is None


@pytest.mark.parametrize(
    ("forgery", "message"),
    [
        ("UPDATE verdict SET src_ip = 'example.org'", "does not appear to be an IPv4 or IPv6 address"),
        ("UPDATE verdict SET dst_ip = '::1'", "different IP versions"),
        ("UPDATE verdict SET dst_port = 70000", "out of range"),
        ("UPDATE verdict SET ssrc = 4294967296", "out of range"),
        ("UPDATE verdict SET confidence = 1.5", "between 0 and 1"),
        ("UPDATE verdict SET confidence = 9e999", "finite"),
        ("UPDATE verdict SET k = -1", "negative"),
        ("UPDATE flow SET jitter_ms = -1", "at least 0"),
        ("DROP TABLE verdict", "no such table"),
        ("DROP TABLE verdict; CREATE VIEW verdict AS SELECT 1 AS k", "no such column"),
        ("UPDATE call SET state = 'asleep'", "asleep"),
        ("UPDATE call SET features = '[\"1\"]'", "finite"),
        ("UPDATE call SET features = 'no JSON'", "Expecting value"),
        ("UPDATE call SET caller_flows = '[[1]]'", "unpack"),
        ("UPDATE call SET caller_flows = '" + "[" * 100_000 + "'", "recursion"),
    ],
)
def test_forged_rows_raise_store_error(path, forgery, message):
    with closing(sqlite3.connect(filled(path))) as other:
        other.executescript(forgery)
    with SqliteStore(path, create=False) as store, pytest.raises(StoreError, match=message):
        _ = [*store.verdicts(VerdictQuery()), *store.calls(CallQuery())]


@pytest.fixture(scope="module")
def intact(tmp_path_factory):
    return filled(tmp_path_factory.mktemp("intact") / "verdicts.sqlite").read_bytes()


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_damaged_file_either_answers_or_raises_store_error(intact, data):
    """Garbage in a store either still reads as verdicts or raises StoreError; nothing else comes out."""
    damaged = bytearray(intact)
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at : at + 4] = data.draw(st.binary(min_size=1, max_size=4))
    if data.draw(st.booleans()):
        del damaged[data.draw(st.integers(0, len(damaged) - 1)) :]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "verdicts.sqlite"
        path.write_bytes(damaged)
        try:
            with SqliteStore(path, create=False, busy_timeout_s=0.1) as store:
                for stored in store.verdicts(VerdictQuery(last_only=False)):
                    assert isinstance(stored.verdict.application, str)
                for stored_call in store.calls(CallQuery()):
                    assert isinstance(stored_call.caller, str)
                store.put_verdicts([verdict()])
        except StoreError:
            pass
