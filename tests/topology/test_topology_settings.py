"""Settings are checked when the topology is submitted, and an error names its key."""

import json
from pathlib import Path

import pytest
from verdict_samples import summary, unsure, verdict

from callprint.core.ground.errors import ConfigError, DecodeError
from callprint.core.verdict import RunningFlow
from callprint.core.wire.rows import rows_to_text, text_to_running, text_to_summaries, text_to_verdicts
from callprint.messaging.settings import KafkaSettings
from callprint.messaging.topic_names import TopicNames
from callprint.services.layout import Layout
from callprint.topology.settings import COMPONENTS, TopologySettings, topic_options
from callprint.topology.submit import parallelism
from callprint.topology.tuples import (
    bytes_to_text,
    text_to_bytes,
)

ROOT = Path(__file__).parents[2]


def test_the_shipped_configuration_is_valid():
    config = json.loads((ROOT / "config.json").read_text())
    tasks = parallelism(config)
    assert set(tasks) == set(COMPONENTS)
    assert all(set(each) == set(config["envs"]) for each in tasks.values())
    settings = TopologySettings.from_options(config["envs"]["local"]["options"])
    assert settings.kafka == KafkaSettings(("127.0.0.1:9092",))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("callprint.colour", "red"),
        ("callprint.store", "postgres://h/k"),
        ("callprint.store", 5),
        ("callprint.assignment", "random"),
        ("callprint.maximum_in_flight", 0),
        ("callprint.maximum_in_flight", "many"),
        ("callprint.maximum_in_flight", True),
        ("callprint.source_timeout_s", 1),
        ("callprint.source_timeout_s", float("nan")),
        ("callprint.keep_unknown_evidence", "yes"),
        ("callprint.threshold", 1.5),
        ("callprint.threshold", "high"),
        ("callprint.threshold", float("nan")),
        ("callprint.device", -2),
        ("callprint.device", "cuda:0"),
        ("callprint.device", 0.5),
        ("callprint.detector", "kmeans"),
        ("callprint.country_code", "+49"),
        ("callprint.region", "Germany"),
        ("callprint.region", 49),
        ("callprint.pseudonym_key_file", 7),
        ("callprint.parallelism.store_verdicts", 0),
        ("callprint.parallelism.store_verdicts", 1.5),
        ("callprint.parallelism.store_verdicts", "2"),
        ("callprint.parallelism.store_verdicts", True),
        ("callprint.parallelism.paint", 1),
        ("callprint.kafka.brokers", ["no-port"]),
        ("callprint.kafka.brokers", 9092),
        ("callprint.kafka.tls", "on"),
        ("callprint.kafka.sasl_mechanism", "GUESS"),
    ],
)
def test_an_error_names_the_key_of_a_wrong_value(key, value):
    with pytest.raises(ConfigError) as caught:
        TopologySettings.from_options({key: value})
    assert key.rsplit(".", 1)[0] in str(caught.value)
    assert key.rsplit(".", 1)[1] in str(caught.value)


def test_numbers_are_read_as_configured(tmp_path):
    settings = TopologySettings.from_options({"callprint.country_code": "49"})
    assert settings.identity_reader().of_text("030 123456").text == "+4930123456"
    abroad = TopologySettings.from_options({"callprint.region": "US"})
    assert abroad.identity_reader().of_text("011 49 30 123456").text == "+4930123456"
    key = tmp_path / "key"
    key.write_bytes(b"sixteen bytes and more\n")
    keyed = TopologySettings(country_code="49", pseudonym_key_file=str(key)).identity_reader()
    assert keyed.of_text("030 123456").text.startswith("p:")
    key.write_bytes(b"short")
    for path in (key, tmp_path / "nowhere"):
        with pytest.raises(ConfigError):
            TopologySettings(pseudonym_key_file=str(path)).identity_reader()


def test_the_options_of_others_do_not_matter():
    assert TopologySettings.from_options({"topology.workers": 3}) == TopologySettings()


def test_the_topics_are_read_by_the_names_that_the_options_were_released_with():
    names = TopicNames("m", "s", "f", "d")
    options = topic_options(names)
    assert options["callprint.signaling_topic"] == "s"
    assert TopologySettings.from_options(options).topics == names
    assert TopologySettings().topics == TopicNames() == ("media", "signaling", "feedback", "dead-letters")
    with pytest.raises(ConfigError, match=r"callprint\.signaling_topic"):
        TopologySettings.from_options({"callprint.signalling_topic": "s"})


def test_a_password_comes_from_the_environment(monkeypatch):
    monkeypatch.delenv("CALLPRINT_KAFKA_PASSWORD", raising=False)
    settings = KafkaSettings(sasl_user="agent", tls_ca="/ca.pem")
    with pytest.raises(ConfigError, match="CALLPRINT_KAFKA_PASSWORD"):
        settings.client_options()
    monkeypatch.setenv("CALLPRINT_KAFKA_PASSWORD", "s3cret")
    options = settings.client_options()
    assert options["security_protocol"] == "SASL_SSL"
    assert "s3cret" not in repr(settings)


def test_rows_go_through_storm_unchanged():
    verdicts = [verdict(confidence=0.1 + 0.2), unsure()]
    assert text_to_verdicts(rows_to_text(verdicts)) == verdicts
    assert text_to_summaries(rows_to_text([summary(jitter_ms=1 / 3)])) == [summary(jitter_ms=1 / 3)]
    running = [RunningFlow(summary().flow, 7)]
    assert text_to_running(rows_to_text(running)) == running
    assert text_to_bytes(bytes_to_text(b"\x00\xff")) == b"\x00\xff"


@pytest.mark.parametrize("text", ["", "{}", "[[]]", "[1]", '[["a"]]'])
def test_other_rows_are_refused(text):
    with pytest.raises(DecodeError):
        text_to_verdicts(text)


def test_the_containers_have_the_ports_of_the_cluster_on_one_machine(tmp_path):
    yaml = pytest.importorskip("ruamel.yaml", reason="the extra `cluster` is not installed")
    compose = yaml.YAML(typ="safe").load((ROOT / "docker-compose.yml").read_text())
    published = {
        int(port.removeprefix("127.0.0.1:").split(":")[0])  # published to this machine alone
        for service in compose["services"].values()
        for port in service.get("ports", ())
    }
    layout = Layout(tmp_path, tmp_path)
    assert {layout.kafka, layout.zookeeper, layout.nimbus, layout.cassandra} <= published
    waited_for = {name for service in compose["services"].values() for name in service.get("depends_on", ())}
    assert waited_for <= set(compose["services"])
