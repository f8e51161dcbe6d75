"""The Cassandra store on a real node: the common contract, and what is particular to a cluster."""

import pytest
from call_contract import CallContract
from call_samples import call
from console_contract import ConsoleContract
from store_contract import StoreContract, ask
from verdict_samples import summary, unsure, verdict

from callprint.core.ground.errors import StoreError
from callprint.services.layout import HOST
from callprint.stores import VerdictQuery, cassandra_schema, open_store
from callprint.stores.cassandra_schema import migrations

pytestmark = pytest.mark.services
KEYSPACE = "callprint_contract"


@pytest.fixture(scope="session")
def url(driver_session, layout):
    """The URL of a store on the running node."""
    return f"cassandra://{HOST}:{layout.cassandra}/{KEYSPACE}"


@pytest.fixture(scope="session")
def session(driver_session):
    """A plain session of the driver, to query tables directly."""
    driver_session.execute(f"DROP KEYSPACE IF EXISTS {KEYSPACE}")
    return driver_session


@pytest.fixture
def store(url, session):
    """An empty store."""
    with open_store(url) as store:
        for table in list(session.cluster.metadata.keyspaces[KEYSPACE].tables):
            if (
                table != "schema_version"
                and session.execute(f"SELECT * FROM {KEYSPACE}.{table} LIMIT 1").one()
            ):
                session.execute(f"TRUNCATE {KEYSPACE}.{table}")
        yield store


class TestCassandraStore(StoreContract, CallContract, ConsoleContract):
    """What every store promises."""


def test_a_url_names_the_same_keyspace_again(store):
    store.put_verdicts([verdict()])
    with open_store(store.url, create=False) as again:
        assert ask(again) == [verdict()]


def test_a_reader_of_the_tables_sees_which_judgement_counts(store, session):
    """What docs/operate/reading-verdicts.md says of `model` and `sequence`."""
    first, second = verdict(model_digest="0" * 16), verdict(model_digest="1" * 16, application="zoiper")
    sequences = []
    for given in (first, second, first):
        store.put_verdicts([given])
        rows = list(session.execute(f"SELECT model, model_digest, sequence FROM {KEYSPACE}.verdict_by_flow"))
        latest = max(rows, key=lambda row: row.sequence)
        assert (latest.model[:-8], latest.model_digest) == (f"{given.model} #", given.model_digest)
        sequences.append(latest.sequence)
    assert len(rows) == 2
    assert sequences == sorted(set(sequences))
    assert ask(store) == [first]


def test_a_row_that_is_rebuilt_changes_nothing(store, session):
    query = f"SELECT sequence, WRITETIME(sequence) AS written FROM {KEYSPACE}.call_by_id"
    store.put_calls([call()])
    before = session.execute(query).one()
    store.put_calls([call()], rebuilt=True)
    assert session.execute(query).one() == before
    store.put_calls([call()])
    assert session.execute(query).one().sequence > before.sequence


def test_a_keyspace_that_is_not_there_is_an_error_for_a_reader(url):
    with pytest.raises(StoreError, match="no callprint keyspace 'elsewhere'"):
        open_store(url.replace(KEYSPACE, "elsewhere"), create=False)


def test_verdicts_are_compacted_by_thirtieths_of_their_life(store, session):
    query = "SELECT table_name, default_time_to_live, compaction FROM system_schema.tables WHERE keyspace_name = %s"
    windows = {}
    for table, life_s, compaction in session.execute(query, (KEYSPACE,)):
        if compaction["class"].endswith("TimeWindowCompactionStrategy"):
            assert compaction["compaction_window_unit"] == "HOURS"
            windows[table] = life_s / 3600 / int(compaction["compaction_window_size"])
    assert windows == {
        "verdict_by_flow": 30,
        "verdict_by_host_hour": 30,
        "verdict_by_application_hour": 30,
    }


def test_a_newer_keyspace_is_refused(store, session):
    newest = migrations()[-1][0]
    session.execute(f"UPDATE {KEYSPACE}.schema_version SET version = 99 WHERE one = 1")
    try:
        with pytest.raises(StoreError, match="99"):
            open_store(store.url)
    finally:
        session.execute(f"UPDATE {KEYSPACE}.schema_version SET version = {newest} WHERE one = 1")


def test_a_migration_that_died_half_way_is_taken_up_again(url, session, monkeypatch):
    keyspace = f"{KEYSPACE}_half"
    half_way = url.replace(KEYSPACE, keyspace)
    session.execute(f"DROP KEYSPACE IF EXISTS {keyspace}")
    with open_store(half_way) as store:
        store.put_verdicts([verdict()])
        store.put_flows([summary()])
    released = migrations()
    later = (
        "ALTER TABLE flow_by_key ADD first text;\nALTER TABLE flow_by_key ADD second bigint;\n"
        "CREATE TABLE third (a int PRIMARY KEY)"
    )
    with_later = [*released, (released[-1][0] + 1, later)]
    monkeypatch.setattr(cassandra_schema, "migrations", lambda: with_later)
    session.execute(f"ALTER TABLE {keyspace}.flow_by_key ADD first text")  # then the process died
    for _ in range(2):
        with open_store(half_way) as store:
            assert [row.summary for row in store.verdicts(VerdictQuery())] == [summary()]
    row = session.execute(f"SELECT first, second FROM {keyspace}.flow_by_key").one()
    assert (row.first, row.second) == (None, None)
    assert session.execute(f"SELECT a FROM {keyspace}.third").one() is None
    session.execute(f"DROP KEYSPACE {keyspace}")


def test_no_node_says_which(layout):
    with pytest.raises(StoreError, match=f"{HOST}:{layout.cassandra + 77}"):
        open_store(f"cassandra://{HOST}:{layout.cassandra + 77}/{KEYSPACE}")


def test_tls_with_the_right_authority_and_a_wrong_one(url, layout):
    certificates = layout.home / "certificates"
    with open_store(f"{url}?tls_ca={certificates / 'ca.pem'}") as store:
        assert "tls_ca" in store.url
    with pytest.raises(StoreError, match="certificate"):
        open_store(f"{url}?tls_ca={certificates / 'other-ca.pem'}")


def test_unknown_evidence_is_kept_for_a_time(store, session):
    store.put_unknown_evidence([(unsure(), b"\x80\x00")])
    row = session.execute(f"SELECT evidence, TTL(evidence) AS ttl FROM {KEYSPACE}.unknown_evidence").one()
    assert row.evidence == b"\x80\x00"
    assert 0 < row.ttl <= 7 * 86_400


@pytest.mark.parametrize(
    ("suffix", "says"),
    [
        ("?colour=red", "no option 'colour'"),
        ("?consistency=MOST", "no consistency level 'MOST'"),
        ("?verdict_ttl_days=0", "verdict_ttl_days"),
        ("?tls_ca=/nowhere.pem", "TLS"),
    ],
)
def test_a_wrong_option_is_named(url, suffix, says):
    with pytest.raises(StoreError, match=says):
        open_store(url + suffix)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("cassandra:///k", "no host"),
        ("cassandra://u:secret@h/k", "password"),
        ("cassandra://u@h/k", "CALLPRINT_CASSANDRA_PASSWORD"),
        ("cassandra://h:99999/k", "port"),
        ("cassandra://h/Drop%20it", "keyspace"),
    ],
)
def test_a_wrong_url_is_named(wrong, says, monkeypatch):
    monkeypatch.delenv("CALLPRINT_CASSANDRA_PASSWORD", raising=False)
    with pytest.raises(StoreError, match=says) as caught:
        open_store(wrong)
    assert "secret" not in str(caught.value)
