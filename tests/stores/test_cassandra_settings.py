"""URLs of Cassandra: what would silently do nothing is refused, a password in clear text is warned about."""

import logging

import pytest

from callprint.core.ground.errors import StoreError
from callprint.stores.cassandra_settings import PASSWORD_VARIABLE, CassandraSettings


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ("tls_certificate=c.pem", "tls_certificate does nothing without tls_ca"),
        ("tls_certificate=c.pem&tls_key=k.pem", "tls_certificate does nothing without tls_ca"),
        ("tls_key=k.pem&tls_ca=a.pem", "tls_key does nothing without tls_certificate"),
    ],
)
def test_tls_options_that_would_do_nothing_are_refused(options, named):
    with pytest.raises(StoreError, match=named):
        CassandraSettings.from_url(f"cassandra://host/keyspace?{options}")


def test_tls_options_that_belong_together_are_taken():
    settings = CassandraSettings.from_url("cassandra://h/k?tls_ca=a&tls_certificate=c&tls_key=k")
    assert (settings.tls_ca, settings.tls_certificate, settings.tls_key) == ("a", "c", "k")
    assert CassandraSettings.from_url(settings.url) == settings


@pytest.mark.parametrize(("options", "warned"), [("", True), ("?tls_ca=a.pem", False)])
def test_a_password_in_clear_text_is_warned_about(options, warned, monkeypatch, caplog):
    monkeypatch.setenv(PASSWORD_VARIABLE, "secret")
    with caplog.at_level(logging.WARNING):
        assert CassandraSettings.from_url(f"cassandra://u@host/keyspace{options}").password() == "secret"
    assert ("clear text" in caplog.text) is warned
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    ("url", "hosts", "user"),
    [
        ("cassandra://ann%40example%2Forg@host/keyspace", ("host",), "ann@example/org"),
        ("cassandra://[2001:db8::1]:9043/keyspace", ("2001:db8::1",), None),
        ("cassandra://one,two:9043/keyspace", ("one", "two"), None),
    ],
)
def test_the_url_of_a_keyspace_opens_it_again(url, hosts, user):
    settings = CassandraSettings.from_url(url)
    assert (settings.hosts, settings.user) == (hosts, user)
    assert CassandraSettings.from_url(settings.url) == settings


@pytest.mark.parametrize(
    "url",
    [
        "cassandra://[::1/keyspace",
        "cassandra://[::1],host/keyspace",
        "cassandra://host,[::1]/keyspace",
        "cassandra://host:65536/keyspace",
        "cassandra://host/keyspace?call_ttl_days=²",
        f"cassandra://host/keyspace?call_ttl_days={'9' * 5000}",
    ],
)
def test_a_url_that_does_not_parse_is_one_kind_of_error(url):
    with pytest.raises(StoreError):
        CassandraSettings.from_url(url)


def test_a_password_in_a_url_is_not_repeated_in_the_message():
    with pytest.raises(StoreError) as refused:
        CassandraSettings.from_url("cassandra://ann:secret@host:65536/keyspace")
    assert "secret" not in str(refused.value)
