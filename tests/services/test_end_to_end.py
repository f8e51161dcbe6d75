"""From capture files through agent, Kafka, Storm and Cassandra: exactly the rows of the embedded path."""

import hashlib
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cluster_fixtures import KEYSPACE, SAMPLE, recorded_calls, session

from callprint.core.ground.errors import ConfigError
from callprint.core.verdict import UNKNOWN
from callprint.messaging.settings import PASSWORD_VARIABLE, KafkaSettings
from callprint.messaging.topics import require_topics
from callprint.services.kafka import SASL_PASSWORD, SASL_USER
from callprint.services.layout import HOST
from callprint.stores import VerdictQuery

pytestmark = pytest.mark.services

APPLICATIONS = ("aiortc", "asterisk", "linphone", "chromium", "sipp", "ffmpeg")


@pytest.fixture
def captures():
    """Two calls of each of several applications."""
    return recorded_calls(APPLICATIONS, 2)


def worker_ports(running):
    """Return the port of each worker: the slot of the supervisor that started it."""
    found = set()
    for pid in running.topology.workers():
        (port,) = re.findall(r"-Dworker\.port=(\d+)", Path(f"/proc/{pid}/cmdline").read_text())
        found.add(int(port))
    return found


def run_to_the_end(agent):
    """Wait for an agent and return its standard error."""
    _, output = agent.communicate(timeout=120)
    assert agent.returncode == 0, output
    return output


@pytest.mark.parametrize("evidence", ["whole", "features"])
def test_the_rows_are_those_of_the_embedded_path(running, captures, evidence):
    expected = running.expected(captures)
    assert len(expected.summaries) >= 2 * len(captures)
    run_to_the_end(running.agent(captures, "--evidence", evidence))
    assert running.difference(expected).none, running.difference(expected, 0).text()
    ports = worker_ports(running)
    assert len(ports) == 2, "tuples cross from one worker to another"
    for supervisor in range(running.layout.supervisors):
        slots = set(running.layout.slot_ports(supervisor))
        assert len(slots & ports) == 1, f"and from one node to another: {ports} {slots}"
    unknown = sum(verdict.final and verdict.application == UNKNOWN for verdict in expected.verdicts)
    with session(running.layout) as connected:
        kept = connected.execute(f"SELECT evidence FROM {KEYSPACE}.unknown_evidence").all()
        models = [row.name for row in connected.execute(f"SELECT name FROM {KEYSPACE}.model")]
    assert len(kept) == (unknown if evidence == "whole" else 0), "what cannot be trained on is not kept"
    assert models == sorted({verdict.model for verdict in expected.verdicts} - {"none"})


def test_a_capture_that_is_sent_again_doubles_nothing(running, captures):
    expected = running.expected(captures[:4])
    for _ in range(2):
        run_to_the_end(running.agent(captures[:4]))
    assert running.difference(expected).none, running.difference(expected, 0).text()


def test_at_the_pace_of_the_packets_and_over_tls(running, captures):
    authority = running.layout.home / "certificates" / "ca.pem"
    expected = running.expected(captures[:3])
    agent = running.agent(
        captures[:3],
        *("--brokers", f"localhost:{running.layout.kafka_tls}", "--tls-ca", str(authority)),
        *("--speed", "20" if SAMPLE in captures else "4", "--compression", "gzip", "--statistics-every", "3"),
    )
    run_to_the_end(agent)
    assert running.difference(expected).none, running.difference(expected, 0).text()


def test_a_broker_with_an_untrusted_certificate_is_refused(running, captures, tmp_path):
    stranger = running.layout.home / "certificates" / "other-ca.pem"
    agent = running.agent(
        captures[:1],
        *("--brokers", f"localhost:{running.layout.kafka_tls}", "--tls-ca", str(stranger)),
        # Its own spool: nothing is known from an earlier run, and nothing is sent later.
        *("--spool", str(tmp_path)),
    )
    _, output = agent.communicate(timeout=150)  # it waits for a minute
    assert agent.returncode == 1, output
    assert "certificate" in output.lower(), "it says what is refused"
    settings = KafkaSettings((f"localhost:{running.layout.kafka_tls}",), tls_ca=str(stranger))
    # As `sparse submit` and the spouts ask.
    with pytest.raises(ConfigError, match=r"certificate .* is refused"):
        require_topics(settings, ["media"])


def test_a_broker_that_asks_for_a_password(running, captures, monkeypatch, tmp_path):
    login = ("--tls-ca", str(running.layout.home / "certificates" / "ca.pem"), "--sasl-user", SASL_USER)
    login += ("--sasl-mechanism", "PLAIN", "--brokers", f"localhost:{running.layout.kafka_sasl}")
    expected = running.expected(captures[:2])
    monkeypatch.setenv(PASSWORD_VARIABLE, "wrong")
    refused = running.agent(captures[:2], *login, "--spool", str(tmp_path))
    _, output = refused.communicate(timeout=150)
    assert refused.returncode == 1, output
    monkeypatch.setenv(PASSWORD_VARIABLE, SASL_PASSWORD)
    run_to_the_end(running.agent(captures[:2], *login))
    assert running.difference(expected).none, running.difference(expected, 0).text()


def test_a_broken_record_is_set_aside_and_the_stream_goes_on(running, captures):
    from kafka import KafkaConsumer, KafkaProducer, TopicPartition  # noqa: PLC0415 - the extra `cluster`

    producer = KafkaProducer(bootstrap_servers=running.brokers)
    sent = [
        producer.send(running.topics.media, data, partition=partition).get(timeout=10)
        for partition, data in enumerate((b"", b"no batch at all", b"CRPT" + bytes(60), b"CPRT" + bytes(60)))
    ]
    producer.close()
    expected = running.expected(captures[:2])
    run_to_the_end(running.agent(captures[:2]))
    assert running.difference(expected).none, running.difference(expected, 0).text()
    letters = KafkaConsumer(bootstrap_servers=running.brokers, consumer_timeout_ms=5000)
    letters.assign([TopicPartition("dead-letters", 0)])
    letters.seek_to_beginning()
    found = {
        (int(headers["partition"]), int(headers["offset"])): headers["reason"]
        for headers in (dict(record.headers) for record in letters)
        if headers["topic"] == running.topics.media.encode()
    }
    letters.close()
    for record in sent:
        assert found[record.partition, record.offset], "each has its offset and its reason"


def test_a_model_that_is_replaced_is_in_the_store_s_list(running):
    if running.model == "none":
        pytest.skip("the network that ships with callprint was not built")
    with session(running.layout) as connected:
        connected.execute(f"TRUNCATE {KEYSPACE}.model")
    command = [sys.executable, "-m", "callprint.topology.blobs", running.model]
    command += ["--topology", running.topology.name, "--nimbus", f"{HOST}:{running.layout.nimbus}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    with running.store() as store:
        (registered,) = store.models()
    assert registered.digest == hashlib.sha256(Path(running.model).read_bytes()).hexdigest()
    assert f"{registered.name} is registered" in done.stdout


def test_an_agent_that_is_asked_to_stop_sends_what_it_has(running, captures):
    agent = running.agent(captures[:1], "--speed", "1", "--status-every", "1")
    assert agent.stderr is not None
    for line in agent.stderr:
        if "accepted_rtp=" in line:
            break
    agent.send_signal(signal.SIGTERM)
    output = run_to_the_end(agent)
    (accepted,) = re.findall(r" accepted_rtp=(\d+)", output.splitlines()[-1])
    packets = None
    for _ in range(60):
        with running.store() as store:
            packets = sum(row.summary.packets for row in store.verdicts(VerdictQuery()) if row.summary)
        if packets == int(accepted):
            break
        time.sleep(1)
    assert packets == int(accepted) > 0, "every packet that was read is in the summary of a flow"
