"""The console on a real Cassandra node: every page, counts that writers make out of date, calls by group."""

import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
from call_samples import call
from console_visitor import Visitor, fill
from verdict_samples import LINPHONE, SECOND_NS, START_NS, verdict

from callprint.cli import main
from callprint.core.call import Action, AllowEntry, Vote
from callprint.services.layout import HOST
from callprint.stores import CallQuery, VerdictQuery, cassandra_activity, open_store
from callprint.stores.columns import VERDICT
from callprint.stores.queries import Where

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "applications.pcapng"
CALL_ID = "LnsehGSl2D"
pytestmark = pytest.mark.services
KEYSPACE = "callprint_console"
MINUTE = START_NS // (60 * SECOND_NS)
SPAN = (START_NS - 7_200 * SECOND_NS, START_NS + 7_200 * SECOND_NS)


@pytest.fixture(scope="session")
def url(driver_session, layout):
    """The URL of a store on the running node."""
    return f"cassandra://{HOST}:{layout.cassandra}/{KEYSPACE}"


@pytest.fixture(scope="session")
def session(driver_session, url):
    """A plain session of the driver, to query tables directly."""
    driver_session.execute(f"DROP KEYSPACE IF EXISTS {KEYSPACE}")
    open_store(url).close()
    yield driver_session
    driver_session.execute(f"DROP KEYSPACE IF EXISTS {KEYSPACE}")


@pytest.fixture
def empty(url, session):
    """The URL of an empty store."""
    for table in list(session.cluster.metadata.keyspaces[KEYSPACE].tables):
        if table != "schema_version" and session.execute(f"SELECT * FROM {KEYSPACE}.{table} LIMIT 1").one():
            session.execute(f"TRUNCATE {KEYSPACE}.{table}")
    return url


def flows(count: int, minute: int = 0, application: str = "linphone", **changes):
    """Final verdicts of one minute."""
    at_ns = START_NS + 60 * minute * SECOND_NS
    return [
        verdict(LINPHONE._replace(src_port=i), application, decided_at_ns=at_ns + i, **changes)
        for i in range(count)
    ]


def counted(store):
    return {(each.minute - MINUTE, each.name): each.number for each in store.flow_activity(*SPAN)}


@pytest.mark.parametrize("filled", [True, False])
def test_every_page_answers(empty, tmp_path, filled):
    if filled:
        fill(empty)
    visitor = Visitor(empty, tmp_path)
    pages = [
        "/",
        "/?range=7d",
        "/flows",
        "/calls",
        "/desk",
        "/desk?group=campaign",
        "/desk/report",
        "/unknowns",
    ]
    pages += [
        "/flows?q=jitter_ms>1",
        "/calls?q=reason~calls",
        "/calls?q=campaign=0123456789abcdef",
        "/models",
    ]
    pages += ["/calls?q=spam=yes", "/flows?q=192.0.2.10", "/desk/callers.csv", "/people"]
    pages += [
        f"/api/v1/{name}" for name in ("flows", "calls", "activity?range=7d", "votes", "allowed", "models")
    ]
    rows = {}
    for page in pages:
        answer = visitor.get(page)
        assert answer.status_code == 200, (page, answer.text)
        rows[page] = answer.text.count("<tr data-key")
    if not filled:
        assert set(rows.values()) == {0}
        return
    found = (
        rows["/flows"],
        rows["/calls"],
        rows["/calls?q=campaign=0123456789abcdef"],
        rows["/calls?q=spam=yes"],
    )
    assert found == (4, 7, 6, 6)
    for page in ("/flows", "/calls"):
        key = unescape(re.search(r'<tr data-key="([^"]+)"', visitor.get(page).text)[1])
        assert visitor.get(f"{page}/{key}").status_code == 200
        assert visitor.get(f"/api/v1{page}/{key}").status_code == 200


def test_a_vote_appears(empty, tmp_path):
    fill(empty)
    visitor = Visitor(empty, tmp_path)
    with open_store(empty, create=False) as store:
        spam = next(store.calls(CallQuery(spam=True)))
    chosen = {"call": visitor.key_of(spam), "kind": "spam", "csrf": visitor.csrf("/desk")}
    assert visitor.post("/desk/vote", chosen).status_code == 303
    with open_store(empty, create=False) as store:
        assert [vote.spam for vote in store.votes(spam.caller)] == [True]


def test_what_is_written_twice_is_counted_once(empty):
    with open_store(empty) as one, open_store(empty) as other, open_store(empty) as reader:
        for store in (one, other, one):
            store.put_verdicts(flows(5) + flows(3, minute=1))
        assert counted(reader) == {(0, "linphone"): 5, (1, "linphone"): 3}
        other.put_verdicts(flows(5))
        assert counted(reader) == {(0, "linphone"): 5, (1, "linphone"): 3}


def test_counts_follow_whatever_is_written_later(empty):
    with open_store(empty) as one, open_store(empty) as other, open_store(empty) as reader:
        expected = {}
        writes = [
            (one, 0, "jami"),
            (other, 3, "jami"),
            (one, 3, "zoiper"),
            (other, -100, "jami"),
            (one, 0, "pjsua"),
        ]
        for number, (store, minute, name) in enumerate(writes, 1):
            store.put_verdicts(flows(number, minute, name))
            expected[minute, name] = number
            assert counted(reader) == expected
            with open_store(empty) as newcomer:
                assert counted(newcomer) == expected


def test_only_what_changed_is_read_again(empty, monkeypatch):
    with open_store(empty) as writer, open_store(empty) as reader:
        for minute in range(10):
            writer.put_verdicts(flows(2, minute))
        counted(reader)
        read = []
        rows = cassandra_activity.Activities._rows

        def watched(self, kind, hour, names, minutes):
            read.append([minute - MINUTE for minute in minutes])
            return rows(self, kind, hour, names, minutes)

        monkeypatch.setattr(cassandra_activity.Activities, "_rows", watched)
        counted(reader)
        with open_store(empty) as newcomer:
            counted(newcomer)  # reads what the first reader kept
        assert read == []
        writer.put_verdicts(flows(3, 4))
        assert counted(reader)[4, "linphone"] == 3
        assert read == [[4]]


def test_many_minutes_at_once(empty):
    with open_store(empty) as writer, open_store(empty) as reader:
        found = [each for minute in range(-120, 120) for each in flows(1, minute)]
        writer.put_verdicts(found[:100])
        counted(reader)
        writer.put_verdicts(found)
        assert sum(counted(reader).values()) == len({each.decided_at_ns for each in found})


def test_rows_of_before_there_were_marks_are_counted(empty, session):
    with open_store(empty) as writer:
        writer.put_verdicts(flows(4))
    session.execute(f"TRUNCATE {KEYSPACE}.written")
    for _ in range(2):
        with open_store(empty) as reader:
            assert counted(reader) == {(0, "linphone"): 4}


def test_the_mark_changes_with_every_writer(empty):
    with open_store(empty) as one, open_store(empty) as other:
        seen = {one.change_mark()}
        for store in (one, other, one, other):
            store.put_verdicts(flows(1))
            seen.add(one.change_mark())
        assert len(seen) == 5


def test_a_call_is_in_a_group_by_what_counts(empty):
    spam = replace(call(), call_id="a", campaign="c1", spam=True, spam_score=0.9, action=Action.BLOCK)
    days = [replace(spam, call_id=f"d{i}", started_ns=START_NS - i * 86_400 * SECOND_NS) for i in range(20)]
    with open_store(empty) as store:
        store.put_calls([spam, *days, replace(call(), campaign="")])
        store.put_calls([replace(spam, spam=False, spam_score=0.1, action=Action.ALLOW)])  # after other votes
        for query, found in (
            (CallQuery(spam=True), 20),
            (CallQuery(spam=True, limit=3), 3),
            (CallQuery(where=(Where("action", "=", "block"),)), 20),
            (CallQuery(where=(Where("campaign", "=", "c1"),)), 21),
            (CallQuery(where=(Where("campaign", "=", "c1"), Where("call_id", "=", "d7"))), 1),
            (CallQuery(where=(Where("action", "=", "allow"),)), 2),
            (CallQuery(spam=True, since_ns=START_NS - 86_400 * SECOND_NS), 2),
        ):
            calls = list(store.calls(query))
            assert len(calls) == found, query
            assert calls == sorted(calls, key=lambda each: (-each.started_ns, each.call_id))


def test_calls_of_before_there_were_groups_are_found(empty, session):
    with open_store(empty) as store:
        store.put_calls([replace(call(), call_id="a", spam=True, spam_score=0.9, campaign="c1")])
        session.execute(f"TRUNCATE {KEYSPACE}.call_by_group")
        assert list(store.calls(CallQuery(spam=True))) == []
        day = START_NS // (86_400 * SECOND_NS)
        session.execute(f"INSERT INTO {KEYSPACE}.day (kind, day) VALUES ('ungrouped_call', {day})")
        assert [each.call_id for each in store.calls(CallQuery(spam=True))] == ["a"]


def test_verdicts_of_before_there_was_a_table_by_host_and_hour_are_found(empty, session):
    host, day_ns = LINPHONE.src_ip, 86_400 * SECOND_NS
    day = START_NS // day_ns
    found = [verdict(LINPHONE._replace(src_port=i), decided_at_ns=START_NS - i * SECOND_NS) for i in range(9)]
    tomorrow = verdict(LINPHONE._replace(src_port=99), decided_at_ns=START_NS + day_ns)
    columns = ", ".join((*VERDICT.names, "sequence"))
    with open_store(empty) as store:
        store.put_verdicts([tomorrow, *found])
        # As an older version left a day: in the table by day, some rows of it stored again since.
        for row in list(session.execute(f"SELECT {columns} FROM {KEYSPACE}.verdict_by_flow")):
            if row.src_port != 99:
                marks = ", ".join(["%s"] * (len(row) + 3))
                insert = f"INSERT INTO {KEYSPACE}.verdict_by_host_day ({columns}, host, day, bucket) VALUES ({marks})"
                session.execute(insert, (*row, host, day, row.src_port % 8))
        session.execute(f"INSERT INTO {KEYSPACE}.day (kind, day) VALUES ('verdict_by_host_day', {day})")
        for expected in ([tomorrow, *found], found):
            for limit in (None, 3):
                asked = VerdictQuery(address=host, limit=limit)
                assert [each.verdict for each in store.verdicts(asked)] == expected[:limit]
            session.execute(f"TRUNCATE {KEYSPACE}.verdict_by_host_hour")
        assert store.scan_end(VerdictQuery(address=host), 4) == found[4].decided_at_ns


def test_a_call_without_signalling_is_found_by_its_call_id_and_in_its_group(empty, session):
    silent = replace(call(), call_id="media:0123456789abcdef01234567", from_tag="", caller="", callee="")
    spam = replace(silent, spam=True, spam_score=0.9, action=Action.BLOCK, campaign="")
    other = replace(call(), campaign="")
    with open_store(empty) as store:
        store.put_calls([spam, other])
        assert list(store.calls(CallQuery(call_id=silent.call_id))) == [spam]
        assert list(store.calls(CallQuery(spam=True))) == [spam]
        later = replace(spam, spam=False, spam_score=0.1, action=Action.ALLOW)
        store.put_calls([later])
        assert list(store.calls(CallQuery(call_id=silent.call_id))) == [later]
        assert set(store.calls(CallQuery(call_id=silent.call_id, last_only=False))) == {spam, later}
        assert list(store.calls(CallQuery(spam=True))) == []
        # An older version put such a call into call_by_id and call_by_hour alone.
        session.execute(f"TRUNCATE {KEYSPACE}.media_call_by_id")
        assert list(store.calls(CallQuery(call_id=silent.call_id))) == []
        assert len(list(store.calls(CallQuery()))) == 2


def test_a_scan_goes_piece_by_piece(empty):
    with open_store(empty) as store:
        found = [each for minute in range(-90, 1) for each in flows(4, minute)]
        store.put_verdicts(found)
        query = VerdictQuery(application="linphone")
        times = sorted((each.decided_at_ns for each in found), reverse=True)
        assert [store.scan_end(query, rows) for rows in (0, 3, 200)] == [times[0], times[3], times[200]]
        assert store.scan_end(query, len(times)) is None
        assert store.scan_end(VerdictQuery(until_ns=times[5]), 2) == times[8]


def test_votes_and_the_allow_list_are_kept(empty):
    with open_store(empty) as store:
        store.put_votes([Vote("a", "t", "+1", "ann", 5, True)])
        store.put_allowed([AllowEntry("+2", "ann", 5)])
    with open_store(empty, create=False) as store:
        assert [vote.caller for vote in store.votes()] == ["+1"]
        assert [entry.caller for entry in store.allowed()] == ["+2"]


def test_evidence_is_given_latest_first_whatever_the_limit(empty):
    kept = [
        (
            verdict(LINPHONE._replace(src_port=i), decided_at_ns=START_NS + i // 2 * 3_600 * SECOND_NS),
            bytes([i]),
        )
        for i in range(60)
    ]
    with open_store(empty) as store:
        store.put_unknown_evidence(kept)
        found = [each.evidence for each in store.unknown_evidence()]
        assert len(found) == 60
        for limit in (1, 7, 40, 100):
            assert [each.evidence for each in store.unknown_evidence(limit)] == found[:limit]
        store.put_verdicts([kept[5][0]])
        assert [each.evidence for each in store.evidence_of(kept[5][0].flow)] == [b"\x05"]


def test_packets_of_calls_are_kept_in_a_named_folder(empty, tmp_path, capsys):
    folder, pcap = tmp_path / "kept", tmp_path / "one.pcapng"
    command = ["identify", str(SAMPLE), "--store", empty, "--model", "none", "--quiet"]
    assert main([*command, "--keep-calls", "all", "--kept-calls", str(folder)]) == 0
    asked = ["call", CALL_ID, "--store", empty, "--model", "none"]
    assert main([*asked, "--kept-calls", str(folder), "--pcap", str(pcap)]) == 0
    assert "ACK" in capsys.readouterr().out
    assert pcap.stat().st_size > 10_000
    nowhere = [*asked, "--pcap", str(tmp_path / "other.pcapng")]  # beside Cassandra there is no folder
    assert main(nowhere) == 4
    with open_store(empty, create=False) as store:
        (found,) = store.calls(CallQuery(call_id=CALL_ID))
    visitor = Visitor(empty, tmp_path / "console", kept_calls=folder)
    page = f"/calls/{visitor.key_of(found)}"
    assert "Its packets are kept" in visitor.get(page).text
    assert visitor.get(f"{page}/call.pcapng").content == pcap.read_bytes()
    assert "INVITE" in visitor.get(f"{page}/messages").text
