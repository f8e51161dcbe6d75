"""The agent with a real Kafka: spooled records come first and in order, refusals are counted, longer heads."""

import re
import socket
import subprocess
import time
from collections import defaultdict

import numpy as np
import pytest
from cluster_fixtures import ROOT, agent_command

from callprint.core.packets import PacketKind
from callprint.core.wire.frame import BatchType, frame_source, frame_type
from callprint.core.wire.media import decode_media
from callprint.core.wire.packets import decode_packets
from callprint.services.layout import HOST

pytestmark = pytest.mark.services

SAMPLE = ROOT / "samples" / "applications.pcapng"


@pytest.fixture
def brokers(start, layout) -> str:
    start("kafka")
    return f"{HOST}:{layout.kafka}"


PACED = "--speed", "100"
"""Times the capture's own: read at once, it would be one batch of each partition."""


@pytest.fixture
def topic(brokers) -> str:
    """The name of a new media topic; with `-sip` and `-packets` appended it names two others."""
    name = f"agent-{time.time_ns()}"
    make(brokers, name, 4)
    make(brokers, f"{name}-sip", 4)
    make(brokers, f"{name}-packets", 2)
    return name


def make(brokers: str, name: str, partitions: int, **settings: str) -> None:
    from kafka import KafkaAdminClient  # noqa: PLC0415 - the extra `cluster`
    from kafka.admin import NewTopic  # noqa: PLC0415

    admin = KafkaAdminClient(bootstrap_servers=brokers)
    admin.create_topics([NewTopic(name, partitions, 1, topic_configs=settings)])
    admin.close()


def agent(brokers: str, topic: str, spool, *options: str) -> tuple[int, dict[str, int], str]:
    topics = topic, f"{topic}-sip", "--packets-topic", f"{topic}-packets"
    command = agent_command([SAMPLE], brokers, spool, *topics, *options)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    counters = {name: int(n) for name, n in re.findall(r"(\w+)=(\d+)", done.stderr.splitlines()[-1])}
    return done.returncode, counters, done.stderr


def records_of(brokers: str, topic: str) -> dict[int, list[bytes]]:
    """Return the records of each partition."""
    from kafka import KafkaConsumer  # noqa: PLC0415 - the extra `cluster`

    consumer = KafkaConsumer(
        topic, bootstrap_servers=brokers, auto_offset_reset="earliest", consumer_timeout_ms=3000
    )
    found = defaultdict(list)
    for record in consumer:
        found[record.partition].append(record.value)
    consumer.close()
    return found


def test_an_agent_that_started_without_kafka_loses_nothing(brokers, topic, tmp_path):
    with socket.create_server((HOST, 0)) as server:
        nobody = f"{HOST}:{server.getsockname()[1]}"
    assert agent(brokers, topic, tmp_path)[0] == 0
    code, spooled, output = agent(nobody, topic, tmp_path, "--flush-timeout", "1", *PACED)
    assert code == 5, output
    assert spooled["spool_records"] == spooled["sent"] > 10
    code, back, output = agent(brokers, topic, tmp_path)
    assert code == 0, output
    assert back["confirmed"] == back["sent"] + spooled["sent"]
    assert (back["spool_records"], back["disconnections"], back.get("failed", 0)) == (0, 0, 0)
    sources = set()
    for values in records_of(brokers, topic).values():
        by_source = defaultdict(list)
        for value in values:
            by_source[frame_source(value)].append(decode_media(value).origin.sequence)
        assert all(numbers == list(range(len(numbers))) for numbers in by_source.values())
        sources |= set(by_source)
        order = [frame_source(value) for value in values]
        assert order == sorted(order, key=list(by_source).index), "one run after the other"
    assert len(sources) == 3


def test_a_record_that_kafka_refuses_is_counted_and_the_others_go_on(brokers, topic, tmp_path):
    make(brokers, f"{topic}-small", 4, **{"max.message.bytes": "30000"})
    signalling = "--signaling-topic", f"{topic}-sip"
    code, counters, output = agent(brokers, f"{topic}-small", tmp_path, *signalling, *PACED)
    assert counters["failed"] > 0, output
    assert "Kafka refuses a record" in output
    kept = sum(map(len, records_of(brokers, f"{topic}-small").values()))
    assert kept > 0
    assert counters["sent"] == counters["confirmed"] + counters["failed"]
    assert code == 0


def test_all_packets_are_in_kafka_when_asked_for(brokers, topic, tmp_path):
    code, counters, output = agent(brokers, topic, tmp_path, "--head", "all")
    assert code == 0, output
    evidence = sum(
        int((decode_media(value).packets["kind"] == 0).sum())
        for values in records_of(brokers, topic).values()
        for value in values
    )
    batches = [value for values in records_of(brokers, f"{topic}-packets").values() for value in values]
    assert {frame_type(value) for value in batches} == {BatchType.PACKETS}
    kinds = np.concatenate([decode_packets(value).packets["kind"] for value in batches])
    assert len(kinds) == counters["packets_shipped"]
    assert evidence + (kinds == PacketKind.RTP).sum() == counters["accepted_rtp"]
    assert (kinds == PacketKind.RTP_LONG).sum() == counters.get("accepted_rtp_long", 0)
