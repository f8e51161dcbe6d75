"""Logging in: a separate node that asks for a password (PasswordAuthenticator)."""

import pytest
from cluster_fixtures import PORT_OFFSET
from store_contract import ask
from verdict_samples import verdict

from callprint.core.ground.errors import StoreError
from callprint.services import cassandra
from callprint.services.layout import HOST, Layout
from callprint.services.service import START_TIMEOUT_S, daemon_environment, services
from callprint.stores import open_store

pytestmark = pytest.mark.services
SECRET = "cassandra"  # the password of the first user of a new node
LOGIN = """
authenticator: PasswordAuthenticator
authorizer: CassandraAuthorizer
"""


@pytest.fixture
def address(layout, tmp_path):
    """The address of a node that lets nobody in without a password."""
    guarded = Layout(tmp_path, layout.jars, PORT_OFFSET + 300)
    process = services(guarded)["cassandra"].process
    command, folder = cassandra.prepare(guarded)
    with (folder / "cassandra.yaml").open("a") as settings:
        settings.write(LOGIN)
    process.start(command, daemon_environment(), folder)
    try:
        # A new node creates its first user some ten seconds after it starts to listen.
        process.wait_until(
            lambda: "Created default superuser role" in process.log.read_text(errors="replace"),
            START_TIMEOUT_S,
        )
        yield f"{HOST}:{guarded.cassandra}"
    finally:
        process.kill()


def test_the_right_password_opens_the_store_and_nothing_else_does(address, monkeypatch):
    monkeypatch.setenv("CALLPRINT_CASSANDRA_PASSWORD", SECRET)
    with open_store(f"cassandra://cassandra@{address}/callprint") as store:
        store.put_verdicts([verdict()])
        assert ask(store) == [verdict()]
    with pytest.raises(StoreError, match=r"refuses the login.*CALLPRINT_CASSANDRA_PASSWORD"):
        open_store(f"cassandra://{address}/callprint")
    monkeypatch.setenv("CALLPRINT_CASSANDRA_PASSWORD", "wrong")
    with pytest.raises(StoreError, match=r"refuses the login.*CALLPRINT_CASSANDRA_PASSWORD"):
        open_store(f"cassandra://cassandra@{address}/callprint")
