"""What others can do to an agent from outside: its records are safe, and settings protect as they say."""

import logging
import os
import socket
import stat
import threading
import urllib.request

import pytest

from callprint.core.ground.errors import ConfigError
from callprint.messaging.reachability import defect_of
from callprint.messaging.settings import PASSWORD_VARIABLE, SASL_MECHANISMS, KafkaSettings
from callprint.topology.settings import TopologySettings
from capture_agent.metrics import MAXIMUM_CONNECTIONS, open_metrics
from capture_agent.spool import Outgoing, Spool


def test_idle_connections_keep_neither_descriptors_nor_a_scraper_out():
    server = open_metrics("127.0.0.1:0")
    server.serve(lambda: {("callprint_connected", ""): 1.0})
    before, idle = threading.active_count(), []
    try:
        for _ in range(4 * MAXIMUM_CONNECTIONS):
            idle.append(socket.create_connection(("127.0.0.1", server.port), timeout=0.9))  # before a retry
            idle[-1].sendall(b"GET /metrics HTTP/1.1\r\nX: ")
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=5) as answer:
            assert b"callprint_connected 1" in answer.read()
        assert threading.active_count() <= before + MAXIMUM_CONNECTIONS
    finally:
        for connection in idle:
            connection.close()
        server.close()


def test_the_spool_is_for_its_owner_alone(tmp_path):
    old = os.umask(0)
    try:
        spool = Spool(tmp_path / "spool", 1 << 20)
        assert spool.append(Outgoing("media", 0, b"x" * 100))
        spool.remember_partitions({"media": 1})
    finally:
        os.umask(old)
    spool.close()
    assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "spool").iterdir()} == {0o600}


@pytest.mark.parametrize("tls", [{"tls_certificate": "c"}, {"tls_key": "k"}, {"tls_ca": "a", "tls_key": "k"}])
def test_tls_settings_that_would_do_nothing_are_refused(tls):
    with pytest.raises(ConfigError, match="nothing without"):
        KafkaSettings(**tls)


@pytest.mark.parametrize("mechanism", SASL_MECHANISMS)
def test_a_mechanism_without_a_user_is_refused(mechanism):
    with pytest.raises(ConfigError, match=r"kafka\.sasl_mechanism does nothing without kafka\.sasl_user"):
        KafkaSettings(sasl_mechanism=mechanism)
    with pytest.raises(ConfigError, match="sasl_user"):
        TopologySettings.from_options({"callprint.kafka.sasl_mechanism": mechanism})


@pytest.mark.parametrize("name", ["tls_ca", "sasl_user"])
def test_an_empty_setting_does_not_turn_protection_off(name):
    with pytest.raises(ConfigError, match=f"{name} must not be an empty text"):
        KafkaSettings(**{name: ""})


def test_a_user_without_a_mechanism_gets_the_strongest(monkeypatch):
    monkeypatch.setenv(PASSWORD_VARIABLE, "secret")
    assert KafkaSettings(sasl_user="u").client_options()["sasl_mechanism"] == "SCRAM-SHA-512"


@pytest.mark.parametrize(("mechanism", "ca", "warned"), [("PLAIN", None, True), ("PLAIN", "a", False)])
def test_a_password_in_clear_text_is_warned_about(mechanism, ca, warned, monkeypatch, caplog):
    monkeypatch.setenv(PASSWORD_VARIABLE, "secret")
    with caplog.at_level(logging.WARNING):
        KafkaSettings(tls_ca=ca, sasl_user="u", sasl_mechanism=mechanism).client_options()
    assert ("clear text" in caplog.text) is warned
    assert "secret" not in caplog.text


def test_a_broker_with_an_ipv6_address_is_reached_when_defects_are_looked_for():
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        port = server.getsockname()[1]
        assert defect_of(KafkaSettings((f"[::1]:{port}",))) == ""
    assert "refused" in defect_of(KafkaSettings((f"[::1]:{port}",)))


@pytest.mark.parametrize(
    "broker", ["kafka1", "kafka1:", ":9092", "kafka1:sip", "kafka1:0", "kafka1:65536", ""]
)
def test_a_broker_is_a_host_and_a_port(broker):
    with pytest.raises(ConfigError, match="must be HOST:PORT"):
        KafkaSettings(("kafka2:9092", broker))
