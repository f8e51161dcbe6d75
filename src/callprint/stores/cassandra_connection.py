"""How a store reaches its Cassandra cluster."""

import logging

from cassandra import ConsistencyLevel
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.policies import DCAwareRoundRobinPolicy, RoundRobinPolicy, TokenAwarePolicy

from callprint.core.ground.errors import StoreError
from callprint.stores.cassandra_settings import CassandraSettings

REQUEST_TIMEOUT_S = 10.0
PROTOCOL_VERSION = 5  # Cassandra 4.0 and newer


class _OurBatches(logging.Filter):
    """Drops what nodes with their default thresholds say about every batch: these are larger on purpose."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        return not message.startswith(("Server warning: Batch ", "Server warning: Unlogged batch "))


logging.getLogger("cassandra.protocol").addFilter(_OurBatches())


def cluster_of(settings: CassandraSettings) -> Cluster:
    """Return the cluster that settings name, not connected yet. Raises StoreError for an unknown consistency level."""
    policy = (
        DCAwareRoundRobinPolicy(local_dc=settings.datacenter) if settings.datacenter else RoundRobinPolicy()
    )
    consistency = ConsistencyLevel.name_to_value.get(settings.consistency.upper())
    if consistency is None:
        raise StoreError(f"{settings.url}: there is no consistency level {settings.consistency!r}")
    profile = ExecutionProfile(
        load_balancing_policy=TokenAwarePolicy(policy),
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
    )
