"""The console asks a real Kafka how far a topology has read."""

import time

import pytest

from callprint.console.topology import FRESH_S, LATE_S, DeadLetterCount, Progress, Topology
from callprint.core.relay.flow_assembly import nothing_of
from callprint.core.wire.frame import Origin
from callprint.core.wire.media import encode_media
from callprint.messaging.settings import KafkaSettings
from callprint.messaging.topic_names import TopicNames
from callprint.services.layout import HOST
from callprint.topology.settings import TopologySettings

pytestmark = pytest.mark.services
RECORDS = 12


def test_lag_and_dead_letters(start, layout):
    from kafka import KafkaProducer  # noqa: PLC0415 - the extra `cluster`

    from callprint.messaging.topics import create_topics  # noqa: PLC0415
    from callprint.topology.dead_letters import DeadLetters  # noqa: PLC0415
    from callprint.topology.partition_stream import MEDIA_RECORDS  # noqa: PLC0415
    from callprint.topology.topic_reader import TopicReader  # noqa: PLC0415

    start("kafka")
    kafka = KafkaSettings((f"{HOST}:{layout.kafka}",))
    name = f"console-{time.time_ns()}"
    names = TopicNames(name, f"{name}-sip", f"{name}-votes", f"{name}-dead")
    topology = Topology(kafka, name, names)
    assert "no topic" in topology.ask().problem
    create_topics(kafka, 2, 1, names)
    settings = TopologySettings(
        kafka=kafka, media_topic=name, dead_letter_topic=names.dead_letters, consumer_group=name
    )
    old_ms = int((time.time() - max(LATE_S, FRESH_S) - 60) * 1000)
    with_times = KafkaProducer(**kafka.client_options())
    for number in range(RECORDS):
        record = encode_media(nothing_of(Origin(9, number // 2, number)))
        with_times.send(name, record, partition=number % 2, timestamp_ms=old_ms if number < 4 else None)
    with_times.flush()
    with_times.close()

    found = topology.ask()
    assert not found.problem
    assert found.topics[0] == Progress(name, RECORDS, 4, False)
    assert found.dead_letters == DeadLetterCount(names.dead_letters, 0, 0)
    assert any("waiting" in words for words in found.alarms)

    reader = TopicReader(settings, MEDIA_RECORDS, 0, 1)
    taken = 0
    until_s = time.monotonic() + 60
    while taken < RECORDS:
        assert time.monotonic() < until_s, f"only {taken} records"
        record = reader.next(time.monotonic())
        if record is not None:
            taken += 1
            reader.ack(record.ticket)
    reader.close()
    assert DeadLetters(settings).put(name, 0, 0, "not a record", b"x")
    found = topology.ask()
    assert found.topics[0] == Progress(name, 0, 0, True)
    assert found.dead_letters == DeadLetterCount(names.dead_letters, 1, 1)
    assert found.alarms == ["1 dead letter in the last hour"]
    topology.close()
