"""Records of the signalling topic that a journal names, read again from a real broker."""

import time

import pytest

from callprint.core.ground.errors import DecodeError
from callprint.core.relay.site_inputs import RecordOffset
from callprint.core.wire.frame import Origin
from callprint.core.wire.progress import Progress, encode_progress
from callprint.messaging.settings import KafkaSettings
from callprint.messaging.topics import TopicNames, create_topics
from callprint.services.layout import HOST
from callprint.topology.settings import TopologySettings

pytestmark = pytest.mark.services
SENT = [Progress(Origin(9, number, number), 0, (), (), ended=False) for number in range(5)]


@pytest.fixture
def topic(start, layout):
    """A new signalling topic with the records SENT in its second partition, without the first two."""
    from kafka import KafkaAdminClient, KafkaProducer, TopicPartition  # noqa: PLC0415 - the extra `cluster`

    start("kafka")
    kafka = KafkaSettings((f"{HOST}:{layout.kafka}",))
    name = f"fetched-{time.time_ns()}"
    create_topics(kafka, 2, 1, TopicNames(f"{name}-media", name))
    producer = KafkaProducer(**kafka.client_options())
    for each in SENT:
        producer.send(name, encode_progress(each), partition=1)
    producer.close()
    admin = KafkaAdminClient(**kafka.client_options())
    admin.delete_records({TopicPartition(name, 1): 2})
    admin.close()
    return TopologySettings(kafka=kafka, signalling_topic=name)


def test_what_is_there_is_read_and_what_is_gone_is_said(topic):
    from callprint.topology.record_fetcher import RecordFetcher  # noqa: PLC0415

    fetch = RecordFetcher(topic).fetch
    assert [fetch(RecordOffset(1, offset)) for offset in (4, 2, 3)] == [SENT[4], SENT[2], SENT[3]]
    with pytest.raises(DecodeError, match="raise its retention"):
        fetch(RecordOffset(1, 1))
    for partition, offset in ((1, 5), (1, 1 << 40), (0, 0), (2, 0)):
        with pytest.raises(DecodeError, match="made anew"):
            fetch(RecordOffset(partition, offset))
