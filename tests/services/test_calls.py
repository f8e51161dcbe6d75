"""Calls through Kafka, Storm and Cassandra: a killed judge_calls, votes from the topic, hostile votes."""

import os
import signal
import time

import pytest
from cluster_fixtures import recorded_calls

from callprint.cli import main
from callprint.core.call import Phase
from callprint.stores import CallQuery

pytestmark = pytest.mark.services
APPLICATIONS = ("asterisk", "linphone", "sipp", "twinkle", "baresip", "chromium")


@pytest.fixture
def captures():
    """Up to two calls of each of several applications, most of them with signalling."""
    return recorded_calls(APPLICATIONS, 2)


def until(condition, timeout_s=90.0):
    """Wait until a condition is true, and return its value."""
    deadline_s = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline_s, "it never became true"
        time.sleep(0.5)
    return found


def test_a_judge_that_is_killed_in_mid_stream_loses_and_doubles_nothing(running, captures):
    expected = running.expected(captures)
    assert len(expected.calls) > len(captures), "calls with signalling have two rows"
    agent = running.agent(captures, "--speed", "10")
    for _ in range(2):
        time.sleep(4)
        for pid in running.topology.components("JudgeCalls"):
            os.kill(pid, signal.SIGKILL)
    _, output = agent.communicate(timeout=180)
    assert agent.returncode == 0, output
    assert running.difference(expected).none, running.difference(expected, 0).text()


def test_a_vote_goes_through_kafka_into_the_store_and_a_hostile_one_to_the_dead_letters(running, captures):
    from kafka import KafkaConsumer, KafkaProducer, TopicPartition  # noqa: PLC0415 - the extra `cluster`

    expected = running.expected(captures[:2])
    _, output = running.agent(captures[:2]).communicate(timeout=120)
    assert running.difference(expected).none, output
    producer = KafkaProducer(bootstrap_servers=running.brokers)
    hostile = producer.send(running.topics.feedback, b'{"type": "vote", "spam": "yes"}').get(timeout=10)
    producer.close()
    with running.store() as store:
        call = next(c for c in store.calls(CallQuery()) if c.phase is Phase.END and c.caller)
    common = ["--by", "ann", "--store", running.store_url, "--brokers", running.brokers]
    common += ["--feedback-topic", running.topics.feedback]
    assert main(["feedback", call.call_id, "--spam", *common]) == 0
    assert main(["feedback", "--allow", "+4930123456", *common]) == 0
    with running.store() as store:
        (vote,) = until(lambda: list(store.votes()))
        assert (vote.call_id, vote.user, vote.spam) == (call.call_id, "ann", True)
        assert [entry.caller for entry in until(lambda: list(store.allowed()))] == ["+4930123456"]
    letters = KafkaConsumer(bootstrap_servers=running.brokers, consumer_timeout_ms=5000)
    letters.assign([TopicPartition("dead-letters", 0)])
    letters.seek_to_beginning()
    headers = [dict(record.headers) for record in letters]
    letters.close()
    mine = [each for each in headers if each["topic"] == running.topics.feedback.encode()]
    assert [int(each["offset"]) for each in mine] == [hostile.offset]
    assert mine[0]["reason"]
