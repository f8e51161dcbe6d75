"""The bolt that writes rows: a row that the store never takes goes aside, and takes none of the others along."""

import json
from dataclasses import replace

import pytest
from verdict_samples import START_NS, summary, unsure, verdict

from callprint.core.ground.errors import StoreError
from callprint.core.wire.rows import rows_to_text
from callprint.stores import VerdictQuery
from callprint.stores.sqlite import SqliteStore
from callprint.topology.tuples import evidence_to_text

pytest.importorskip("streamparse", reason="the extra `cluster` is not installed")

from bolts.store_verdicts import StoreVerdicts


class Sent:
    def __init__(self, *values):
        self.values = values


class Letters:
    """The dead-letter topic, as a list; away when it is told so."""

    def __init__(self):
        self.found, self.away = [], False

    def put(self, topic, partition, offset, reason, data):
        if not self.away:
            self.found.append((topic, partition, offset, reason, json.loads(data)))
        return not self.away


class Store(StoreVerdicts):
    def __init__(self, path):
        self.initialize({"callprint.store": f"sqlite:{path}"}, {})
        self._dead_letters = Letters()
        self.said = []

    def ack(self, _tup):
        self.said.append("ack")

    def fail(self, _tup):
        self.said.append("fail")


@pytest.fixture
def bolt(tmp_path):
    path = tmp_path / "verdicts.sqlite"
    SqliteStore(path).close()
    return Store(path)


def stored(bolt):
    return list(bolt._store.opened().verdicts(VerdictQuery()))


TOO_LARGE = 1 << 63


def test_one_row_that_never_fits_goes_aside_and_the_others_are_stored(bolt):
    verdicts = rows_to_text([replace(unsure(), decided_at_ns=TOO_LARGE), verdict()])
    summaries = rows_to_text([summary(packets=TOO_LARGE), summary()])
    bolt.process(Sent(3, verdicts, summaries, evidence_to_text([(unsure(), b"\x80")])))
    assert bolt.said == ["ack"]
    (row,) = stored(bolt)
    assert (row.verdict, row.summary) == (verdict(), summary())
    letters = bolt._dead_letters.found
    assert [letter[:3] for letter in letters] == [("media", 3, -1)] * 2
    assert all("cannot keep" in reason for *_, reason, _ in letters)
    assert [str(TOO_LARGE) in json.dumps(row) for *_, row in letters] == [True, True]


def test_it_comes_back_while_the_dead_letters_are_away(bolt):
    bolt._dead_letters.away = True
    tup = Sent(3, rows_to_text([verdict(decided_at_ns=TOO_LARGE)]), rows_to_text([]), evidence_to_text([]))
    bolt.process(tup)
    bolt._dead_letters.away = False
    bolt.process(tup)
    assert bolt.said == ["fail", "ack"]
    assert len(bolt._dead_letters.found) == 1


def test_a_store_that_is_away_is_no_reason_to_set_anything_aside(bolt, monkeypatch):
    def away(_verdicts):
        raise StoreError("away")

    monkeypatch.setattr("callprint.topology.writing.FIRST_BACK_OFF_S", 0.0)
    monkeypatch.setattr(bolt._store.opened(), "put_verdicts", away)
    monkeypatch.setattr(bolt._store, "close", lambda: None)
    bolt.process(Sent(3, rows_to_text([verdict(decided_at_ns=START_NS)]), "[]", "[]"))
    assert bolt.said == ["fail"]
    assert bolt._dead_letters.found == []
