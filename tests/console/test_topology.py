"""What Kafka knows of the topology: sums over partitions, alarms, and a Kafka that does not answer."""

import pytest
from console_visitor import HOSTILE, Visitor
from hypothesis import given
from hypothesis import strategies as st

from callprint.cli import main
from callprint.console import watch
from callprint.console.topology import (
    DeadLetterCount,
    Progress,
    TopologyState,
    dead_letters_of,
    progress_of,
)

NOBODY = "127.0.0.1:1"


@pytest.mark.parametrize(
    ("committed", "aged", "expected"),
    [
        ({0: 100, 1: 50}, {0: 90, 1: 50}, (0, 0, True)),
        ({0: 80, 1: 50}, {0: 80, 1: 50}, (20, 0, True)),
        ({0: 80, 1: 50}, {0: 85, 1: 50}, (20, 5, True)),
        ({0: 80, 1: 50}, {0: None, 1: 50}, (20, 20, True)),
        ({0: None, 1: None}, {0: 100, 1: 50}, (140, 140, False)),
    ],
)
def test_how_far_a_topic_is_read(committed, aged, expected):
    assert progress_of("media", {0: 10, 1: 0}, {0: 100, 1: 50}, aged, committed) == Progress(
        "media", *expected
    )


offsets = st.dictionaries(st.integers(0, 3), st.none() | st.integers(0, 100))


@given(offsets, offsets, offsets, offsets)
def test_no_number_is_negative_whatever_kafka_says(begins, ends, aged, committed):
    found = progress_of("media", begins, ends, aged, committed)
    assert found.waiting >= 0
    assert found.late >= 0


def test_dead_letters_are_counted():
    assert dead_letters_of("d", {0: 5, 1: 0}, {0: 9, 1: 2}, {0: 8, 1: None}) == DeadLetterCount("d", 6, 1)


def test_what_is_an_alarm():
    late, letters = Progress("media", 9, 3, True), DeadLetterCount("d", 4, 2)
    assert TopologyState((Progress("media", 9, 0, True),), DeadLetterCount("d", 4, 0)).alarms == []
    assert TopologyState((late,), letters).alarms == [
        "3 records of media waiting for more than 10 minutes",
        "2 dead letters in the last hour",
    ]


def test_the_page_shows_what_kafka_knows(store, tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "PATIENCE_S", 30.0)
    monkeypatch.setattr(watch, "topology_of", lambda _: Known())
    visitor = Visitor(store, tmp_path / "console", kafka=(NOBODY,))
    text = visitor.get("/").text
    for words in ("Topology", "1,234", "not read yet", "17 in the last hour", "7 records of media"):
        assert words in text
    assert "<img src=x" not in text
    health = visitor.get("/api/v1/health").json()
    assert health["topology"]["topics"][0] == {"topic": "media", "waiting": 1234, "late": 7, "started": True}
    assert {each["kind"] for each in health["alarms"]} == {"topology"}


class Known:
    """Plain values in place of a Kafka; tests/services asks a real one."""

    def ask(self):
        topics = Progress("media", 1234, 7, True), Progress(HOSTILE, 0, 0, False)
        return TopologyState(topics, DeadLetterCount("dead-letters", 20, 17))


def test_a_kafka_that_does_not_answer_is_an_alarm(store, tmp_path, monkeypatch):
    pytest.importorskip("kafka")
    monkeypatch.setattr(watch, "PATIENCE_S", 30.0)
    monkeypatch.setattr("callprint.console.topology.TIMEOUT_MS", 200)
    visitor = Visitor(store, tmp_path / "console", kafka=(NOBODY,))
    assert "Kafka does not answer" in visitor.get("/").text
    assert "Kafka does not answer" in visitor.get("/api/v1/health").json()["topology"]["problem"]


@pytest.mark.parametrize("names", ["", "a,b,c", "a,b,c,d,e", "a,,c,d"])
def test_names_of_topics_that_are_not_four_are_refused(names, capsys):
    with pytest.raises(SystemExit):
        main(["console", "--topics", names])
    assert "is not four names" in capsys.readouterr().err
