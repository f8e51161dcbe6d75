"""The bolts that only store: a row that the store will never take is set aside, and only that row; feedback."""

import json
import time
from dataclasses import replace

import pytest
from verdict_samples import START_NS, summary, unsure, verdict

from callprint.core.call import AllowEntry, Vote
from callprint.core.ground.errors import RowError, StoreError
from callprint.core.wire.rows import rows_to_text
from callprint.core.wire.votes import AHEAD_NS, Disallow, encode_feedback
from callprint.stores import VerdictQuery
from callprint.stores.sqlite import SqliteStore
from callprint.topology.tuples import evidence_to_text

pytest.importorskip("streamparse", reason="the extra `cluster` is not installed")

from bolts.keep_feedback import KeepFeedback
from bolts.store_verdicts import StoreVerdicts


class Sent:
    def __init__(self, *values):
        self.values = values


class Letters:
    """The dead-letter topic, as a list; down when the test says so."""

    def __init__(self):
        self.found, self.down = [], False

    def put(self, topic, partition, offset, reason, data):
        if not self.down:
            self.found.append((topic, partition, offset, reason, json.loads(data)))
        return not self.down


class WithoutStorm:
    """Records a bolt's answers; its dead letters are a list."""

    def __init__(self, path):
        self.initialize({"callprint.store": f"sqlite:{path}"}, {})
        self._dead_letters = Letters()
        self.answers = []

    def ack(self, _tup):
        self.answers.append("ack")

    def fail(self, _tup):
        self.answers.append("fail")


class Store(WithoutStorm, StoreVerdicts):
    """The bolt of verdicts."""


class Feedback(WithoutStorm, KeepFeedback):
    """The bolt of feedback."""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "verdicts.sqlite"
    SqliteStore(path).close()
    return path


@pytest.fixture
def bolt(path):
    return Store(path)


def stored(bolt):
    return list(bolt._store.opened().verdicts(VerdictQuery()))


TOO_LARGE = 1 << 63


def test_one_row_that_never_fits_is_set_aside_and_the_others_are_stored(bolt):
    verdicts = rows_to_text([replace(unsure(), decided_at_ns=TOO_LARGE), verdict()])
    summaries = rows_to_text([summary(packets=TOO_LARGE), summary()])
    bolt.process_batch(None, [Sent(3, verdicts, summaries, evidence_to_text([(unsure(), b"\x80")]))])
    assert bolt.answers == ["ack"]
    (row,) = stored(bolt)
    assert (row.verdict, row.summary) == (verdict(), summary())
    letters = bolt._dead_letters.found
    assert [letter[:3] for letter in letters] == [("media", 3, -1)] * 2
    assert all("cannot keep" in reason for *_, reason, _ in letters)
    assert [str(TOO_LARGE) in json.dumps(row) for *_, row in letters] == [True, True]


def test_of_several_tuples_those_before_the_one_that_cannot_be_set_aside_are_stored(bolt):
    bolt._dead_letters.down = True
    times_ns = START_NS, TOO_LARGE, START_NS + 1
    rows = [[verdict(decided_at_ns=time_ns)] for time_ns in times_ns]
    bolt.process_batch(None, [Sent(3, rows_to_text(row), "[]", "[]") for row in rows])
    assert bolt.answers == ["ack", "fail", "fail"]


def test_the_tuple_fails_while_the_dead_letters_are_down(bolt):
    bolt._dead_letters.down = True
    tup = Sent(3, rows_to_text([verdict(decided_at_ns=TOO_LARGE)]), rows_to_text([]), evidence_to_text([]))
    bolt.process_batch(None, [tup])
    bolt._dead_letters.down = False
    bolt.process_batch(None, [tup])
    assert bolt.answers == ["fail", "ack"]
    assert len(bolt._dead_letters.found) == 1


def test_nothing_is_set_aside_because_the_store_is_down(bolt, monkeypatch):
    def down(_verdicts):
        raise StoreError("down")

    monkeypatch.setattr("callprint.topology.patient_store.FIRST_BACK_OFF_S", 0.0)
    monkeypatch.setattr(bolt._store.opened(), "put_verdicts", down)
    monkeypatch.setattr(bolt._store, "close", lambda: None)
    tup = Sent(3, rows_to_text([verdict(decided_at_ns=START_NS)]), "[]", "[]")
    bolt.process_batch(None, [tup, tup])
    assert bolt.answers == ["fail"] * 2
    assert bolt._dead_letters.found == []


def feedback(*records):
    return [Sent(record.caller, encode_feedback(record)) for record in records]


def test_votes_and_changes_of_the_allow_list_are_stored(path):
    bolt = Feedback(path)
    vote = Vote("c@x", "t", "+4930111111", "ann", START_NS, True)
    entry = AllowEntry("+4930222222", "bob", START_NS)
    taken_off = AllowEntry("+4930333333", "bob", START_NS), Disallow("+4930333333", "bob", START_NS)
    bolt.process_batch(None, feedback(vote, entry, *taken_off))
    store = bolt._store.opened()
    assert (list(store.votes()), list(store.allowed())) == ([vote], [entry])
    assert bolt.answers == ["ack"] * 4


def test_a_vote_that_by_the_clock_of_this_host_lies_in_the_future_is_stored(path):
    """The spout has taken it by its own clock; refused here, it would end the worker again and again."""
    bolt = Feedback(path)
    vote = Vote("c@x", "t", "+4930111111", "ann", time.time_ns() + 2 * AHEAD_NS, True)
    bolt.process_batch(None, feedback(vote))
    assert list(bolt._store.opened().votes()) == [vote]
    assert bolt.answers == ["ack"]


def test_feedback_that_the_store_never_takes_is_set_aside(path, monkeypatch):
    def refuse(_votes):
        raise RowError("never")

    bolt = Feedback(path)
    monkeypatch.setattr(bolt._store.opened(), "put_votes", refuse)
    bolt.process_batch(None, feedback(Vote("c@x", "t", "+4930111111", "ann", START_NS, True)))
    assert bolt.answers == ["ack"]
    ((topic, partition, offset, reason, record),) = bolt._dead_letters.found
    assert (topic, partition, offset, reason) == ("feedback", -1, -1, "never")
    assert record["caller"] == "+4930111111"
