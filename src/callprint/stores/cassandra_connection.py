"""How a store reaches its Cassandra cluster."""

import logging
from typing import Any

from cassandra import ConsistencyLevel
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.policies import (
    DCAwareRoundRobinPolicy,
    RetryPolicy,
    RoundRobinPolicy,
    TokenAwarePolicy,
    WriteType,
)

from callprint.core.ground.errors import StoreError
from callprint.stores.cassandra_settings import CassandraSettings

REQUEST_TIMEOUT_S = 10.0
PROTOCOL_VERSION = 5  # Cassandra 4.0 and newer
TRIES = 4
"""Of a write: with the two seconds that a node gives each by default, they fit into the timeout."""


class _OurBatches(logging.Filter):
    """Drops what nodes with their default thresholds say about every batch: these are larger on purpose."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        return not message.startswith(("Server warning: Batch ", "Server warning: Unlogged batch "))


logging.getLogger("cassandra.protocol").addFilter(_OurBatches())


class WriteAgain(RetryPolicy):
    """Repeats writes that a busy node has not confirmed in time: done twice, each comes to the same as done once."""

    def on_write_timeout(
        self,
        query: Any,  # noqa: ARG002
        consistency: int,
        write_type: int,
        required_responses: int,  # noqa: ARG002
        received_responses: int,  # noqa: ARG002
        retry_num: int,
    ) -> tuple[int, int | None]:
        """Return what to do about a write that timed out; one on a condition (CAS) is not repeated."""
        if retry_num + 1 < TRIES and write_type in _SAME_WHEN_REPEATED:
            return self.RETRY, consistency
        return self.RETHROW, None


_SAME_WHEN_REPEATED = (WriteType.SIMPLE, WriteType.BATCH, WriteType.UNLOGGED_BATCH, WriteType.BATCH_LOG)


def connection_class(url: str) -> Any:
    """Return the event loop of the driver that stores use. Raises StoreError where it was built without it."""
    # Without libev the driver quietly takes an event loop that loses answers of protocol 5 (docs/results/cluster.md).
    try:
        from cassandra.io.libevreactor import LibevConnection  # noqa: PLC0415
    except ImportError as error:
        raise StoreError(
            f"{url}: this cassandra-driver was built without libev: install libev's headers (libev-dev), then the "
            "driver again with `pip install --force-reinstall --no-binary :all: --no-deps cassandra-driver`"
        ) from error
    return LibevConnection


def cluster_of(settings: CassandraSettings) -> Cluster:
    """Return the cluster that settings name, not connected yet.

    Raises StoreError for an unknown consistency level, and for a driver without libev.
    """
    policy = (
        DCAwareRoundRobinPolicy(local_dc=settings.datacenter) if settings.datacenter else RoundRobinPolicy()
    )
    consistency = ConsistencyLevel.name_to_value.get(settings.consistency.upper())
    if consistency is None:
        raise StoreError(f"{settings.url}: there is no consistency level {settings.consistency!r}")
    profile = ExecutionProfile(
        load_balancing_policy=TokenAwarePolicy(policy),
        retry_policy=WriteAgain(),
        consistency_level=consistency,
        request_timeout=REQUEST_TIMEOUT_S,
    )
    password = settings.password()
    return Cluster(
        list(settings.hosts),
        port=settings.port,
        protocol_version=PROTOCOL_VERSION,
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        auth_provider=PlainTextAuthProvider(settings.user, password) if password is not None else None,
        ssl_context=settings.tls(),
        connect_timeout=REQUEST_TIMEOUT_S,
        connection_class=connection_class(settings.url),
    )
