"""The spout's reader on a real broker: restarts, rebalances, and what is committed."""

import random
import re
import time
from dataclasses import replace

import numpy as np
import pytest

from callprint.core.wire.frame import Origin
from callprint.core.wire.media import PART, SHIPPED_PACKET, MediaBatch, PartKind, encode_media
from callprint.messaging.settings import PASSWORD_VARIABLE, KafkaSettings
from callprint.messaging.topics import TopicNames, create_topics, main
from callprint.services.kafka import SASL_PASSWORD, SASL_USER
from callprint.services.layout import HOST
from callprint.topology.settings import GROUP, TopologySettings

pytestmark = pytest.mark.services
PARTITIONS = 4
RECORDS = 24


@pytest.fixture
def settings(start, layout):
    """A new topic with RECORDS batches in it, and the settings to read it."""
    from kafka import KafkaProducer  # noqa: PLC0415 - the extra `cluster`

    from callprint.core.relay.flow_assembly import nothing_of  # noqa: PLC0415

    start("kafka")
    kafka = KafkaSettings((f"{HOST}:{layout.kafka}",))
    name = f"reader-{time.time_ns()}"
    create_topics(kafka, PARTITIONS, 1, TopicNames(name, f"{name}-sip"))
    producer = KafkaProducer(**kafka.client_options())
    for number in range(RECORDS):
        batch = nothing_of(Origin(9, number // PARTITIONS, number))
        producer.send(name, encode_media(batch), partition=number % PARTITIONS)
    producer.flush()
    producer.close()
    return TopologySettings(kafka=kafka, media_topic=name, consumer_group=name, maximum_in_flight=100)


def reader(settings, task=0, tasks=1):
    from callprint.topology.partition_stream import MEDIA_RECORDS  # noqa: PLC0415 - the extra `cluster`
    from callprint.topology.topic_reader import TopicReader  # noqa: PLC0415

    return TopicReader(settings, MEDIA_RECORDS, task, tasks)


def read(readers, until, timeout_s=60.0):
    """Take tuples from the readers in turn until `until(taken)`; taken: a list of (reader, tuple)."""
    taken = []
    deadline_s = time.monotonic() + timeout_s
    while not until(taken):
        assert time.monotonic() < deadline_s, f"only {len(taken)} records"
        for each in readers:
            found = each.next(time.monotonic())
            if found is not None:
                taken.append((each, found))
        time.sleep(0.001)
    return taken


def offsets(taken):
    return {(found.ticket.partition, found.ticket.offset) for _, found in taken}


def test_tasks_share_the_partitions_and_each_record_comes_once(settings):
    readers = [reader(settings, task, 3) for task in range(3)]
    taken = read(readers, lambda taken: len(taken) == RECORDS)
    assert len(offsets(taken)) == RECORDS
    for each, found in taken:
        each.ack(found.ticket)
    for each in readers:
        each.close()
    again = reader(settings)
    for _ in range(200):
        assert again.next(time.monotonic()) is None, "everything was committed"
        time.sleep(0.005)
    again.close()


def test_what_was_not_worked_off_comes_again_after_a_restart(settings):
    first = reader(settings)
    taken = read([first], lambda taken: len(taken) == RECORDS)
    unfinished = {(number, RECORDS // PARTITIONS - 2) for number in range(PARTITIONS)}
    for _, found in taken:
        if (found.ticket.partition, found.ticket.offset) not in unfinished:
            first.ack(found.ticket)
    first.close()
    second = reader(settings)
    again = read([second], lambda taken: len(taken) == 2 * PARTITIONS)
    assert offsets(again) == {at for at in offsets(taken) if at[1] >= RECORDS // PARTITIONS - 2}
    assert all(found.sequence in (0, 1) for _, found in again), "a new epoch"
    second.close()


def test_a_failure_reads_only_its_own_partition_again(settings):
    one = reader(settings)
    taken = read([one], lambda taken: len(taken) == RECORDS)
    failed = next(found for _, found in taken if found.ticket.partition == 2)
    one.fail(failed.ticket, time.monotonic())
    again = read([one], lambda taken: len(taken) == RECORDS // PARTITIONS)
    assert {found.ticket.partition for _, found in again} == {2}
    assert {found.ticket.epoch for _, found in again} != {failed.ticket.epoch}
    one.close()


def test_a_rebalance_moves_partitions_and_loses_nothing(settings):
    settings = replace(settings, assignment=GROUP)
    first = reader(settings)
    taken = read([first], lambda taken: len(taken) == RECORDS)
    for _, found in taken[: RECORDS // 2]:
        first.ack(found.ticket)
    second = reader(settings)
    acknowledged = RECORDS // 2

    def all_is_done(more):
        nonlocal acknowledged
        for each, found in (taken + more)[acknowledged:]:
            each.ack(found.ticket)
        acknowledged = len(taken + more)
        return second.marks() and sum(first.marks() + second.marks()) == RECORDS

    read([first, second], all_is_done, timeout_s=90)
    quiet_s = time.monotonic() + 2
    read([first, second], lambda _more: time.monotonic() > quiet_s)
    first.close()
    second.close()
    third = reader(replace(settings, assignment="static"))
    for _ in range(200):
        found = third.next(time.monotonic())
        assert found is None, f"{found.ticket} was worked off and not committed"
        time.sleep(0.005)
    third.close()


@pytest.mark.parametrize("seed", range(3))
def test_failures_at_any_time_only_delay(settings, seed):
    """kafka-python never again fetched a partition that had been paused, sought and resumed: so we never pause."""
    chance = random.Random(seed)
    one = reader(settings)
    out, failures = [], 0

    def all_is_done(_taken):
        nonlocal failures
        if out and chance.random() < 0.3:
            ticket = out.pop(chance.randrange(len(out)))
            if failures < 8 and chance.random() < 0.5:
                one.fail(ticket, time.monotonic())
                failures += 1
            else:
                one.ack(ticket)
        return one.marks() == [RECORDS // PARTITIONS] * PARTITIONS

    class Remembering:
        """The reader; it remembers every ticket that it hands out."""

        def next(self, now_s):
            found = one.next(now_s)
            if found is not None:
                out.append(found.ticket)
            return found

    read([Remembering()], all_is_done)
    assert failures >= 3
    one.close()


def test_epochs_rise_although_the_clock_of_the_next_host_is_behind(settings, monkeypatch):
    from callprint.topology import topic_reader  # noqa: PLC0415 - the extra `cluster`

    first = reader(settings)
    before = epochs(read([first], lambda taken: len(taken) == RECORDS))
    first.close()
    monkeypatch.setattr(topic_reader, "_epoch", lambda: 1000)
    second = reader(settings)
    after = epochs(read([second], lambda taken: len(taken) == RECORDS))
    assert all(after[number] > before[number] for number in range(PARTITIONS))
    second.close()


def epochs(taken):
    return {found.ticket.partition: found.ticket.epoch for _, found in taken}


def letters_of(settings):
    """Return the dead letters of this test's topic: the headers and the value of each."""
    from kafka import KafkaConsumer, TopicPartition  # noqa: PLC0415 - the extra `cluster`

    consumer = KafkaConsumer(**settings.kafka.client_options(), consumer_timeout_ms=5000)
    consumer.assign([TopicPartition(settings.dead_letter_topic, 0)])
    consumer.seek_to_beginning()
    found = [(dict(record.headers), record.value) for record in consumer]
    consumer.close()
    return [letter for letter in found if letter[0]["topic"] == settings.media_topic.encode()]


def put(settings, partition, value):
    """Put a record into the topic and return its offset."""
    from kafka import KafkaProducer  # noqa: PLC0415 - the extra `cluster`

    options = {**settings.kafka.client_options(), "max_request_size": 2 << 20}
    with KafkaProducer(**options) as producer:
        return producer.send(settings.media_topic, value, partition=partition).get(timeout=10).offset


def test_a_broken_record_as_long_as_a_record_can_be_is_cut_and_set_aside(settings):
    longest = b"x" * ((1 << 20) - 200)
    offset = put(settings, 1, longest)
    one = reader(settings)
    taken = read([one], lambda taken: len(taken) == RECORDS)
    for _, found in taken:
        one.ack(found.ticket)
    read([one], lambda _taken: one.marks()[1] == offset + 1)
    ((headers, value),) = letters_of(settings)
    assert int(headers["truncated"]) == len(longest)
    assert longest.startswith(value)
    assert len(value) > len(longest) - (32 << 10)
    assert one.rejected == 1
    one.close()


def test_a_broken_record_waits_for_the_dead_letter_topic(settings):
    settings = replace(settings, dead_letter_topic=f"{settings.media_topic}-letters")
    offset = put(settings, 2, b"no batch")
    one = reader(settings)

    def working_off(condition):
        """Acknowledge everything that arrives until the condition holds."""
        done = 0

        def until(taken):
            nonlocal done
            for each, found in taken[done:]:
                each.ack(found.ticket)
            done = len(taken)
            return condition()

        read([one], until)

    working_off(lambda: sum(one.marks()) == RECORDS)
    one.next(time.monotonic())
    assert one.marks()[2] == offset, "not skipped"
    assert one.rejected == 0
    create_topics(settings.kafka, 1, 1, settings.topics)
    working_off(lambda: one.marks()[2] == offset + 1)
    ((headers, value),) = letters_of(settings)
    assert (int(headers["offset"]), value) == (offset, b"no batch")
    assert "truncated" not in headers
    one.close()


def test_nobody_is_taken_for_dead_while_kafka_is_away(settings, start):
    """Agents spool meanwhile, so their silence means nothing. The test sets the clock."""
    put(settings, 0, pending_flow(source=77))
    timeout_s = settings.source_timeout_s
    one = reader(settings)
    for _, found in read([one], lambda taken: len(taken) == RECORDS + 1):
        one.ack(found.ticket)
    now_s = time.monotonic()

    def look(seconds):
        """Let time pass; return the first expiry."""
        nonlocal now_s
        for _ in range(round(seconds / 10)):
            now_s += 10
            found = one.next(now_s)
            if found is not None:
                return found
        return None

    assert look(timeout_s / 2) is None
    kafka = start("kafka")["kafka"]
    kafka.process.kill()
    try:
        assert look(60) is None
        now_s += 2 * timeout_s
        assert look(60) is None
    finally:
        kafka.start()
    read([one], lambda _taken: one._ends())
    assert look(timeout_s - 40) is None, "what an agent spooled may arrive now"
    found = look(2 * timeout_s)
    assert found is not None
    assert (found.action, found.ticket.source) == ("expire", 77)
    one.ack(found.ticket)
    one.close()


def pending_flow(source):
    """A batch with the first part of a flow that continues."""
    parts = np.zeros(1, dtype=PART)
    parts["kind"] = PartKind.CHECKPOINT
    empty = np.zeros(0, dtype=np.uint8)
    return encode_media(MediaBatch(Origin(source, 0, 0), parts, np.zeros(0, dtype=SHIPPED_PACKET), empty))


def test_topics_are_created_over_tls_with_a_password_and_need_two_brokers_only_if_there_are_two(
    settings, layout, monkeypatch, capsys
):
    from kafka import KafkaAdminClient  # noqa: PLC0415 - the extra `cluster`
    from kafka.admin import ConfigResource, ConfigResourceType  # noqa: PLC0415

    login = ["--brokers", f"localhost:{layout.kafka_sasl}", "--sasl-user", SASL_USER]
    login += ["--sasl-mechanism", "PLAIN", "--tls-ca", str(layout.home / "certificates" / "ca.pem")]
    monkeypatch.setenv(PASSWORD_VARIABLE, SASL_PASSWORD)
    assert main(login) == 0
    assert re.fullmatch("created [a-z, -]+|all topics exist", capsys.readouterr().out.strip())
    assert main(["--sasl-user", SASL_USER, "--brokers", "no-port"]) == 1
    assert "kafka.brokers" in capsys.readouterr().err
    admin = KafkaAdminClient(**settings.kafka.client_options())
    resource = ConfigResource(ConfigResourceType.TOPIC, settings.media_topic)
    found = admin.describe_configs([resource], config_filter="all")["topic"][settings.media_topic]
    admin.close()
    assert found["min.insync.replicas"]["value"] == "1", "with one broker it cannot be two"
