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
