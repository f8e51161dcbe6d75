"""A short connection to the Cassandra keyspace of a store, beside the store that is measured."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from callprint.stores.cassandra_settings import CassandraSettings

DROP_TIMEOUT_S = 120


@contextmanager
def connected(url: str) -> Iterator[Any]:
    """Give a session of the driver in the keyspace that a store's URL names."""
    from callprint.stores.cassandra_connection import cluster_of  # noqa: PLC0415 - the extra `cluster`

    settings = CassandraSettings.from_url(url)
    cluster = cluster_of(settings)
    try:
        yield cluster.connect(settings.keyspace)
    finally:
        cluster.shutdown()


def drop(url: str) -> None:
    """Drop the keyspace that a store's URL names."""
    with connected(url) as session:
        session.execute(f"DROP KEYSPACE {CassandraSettings.from_url(url).keyspace}", timeout=DROP_TIMEOUT_S)
