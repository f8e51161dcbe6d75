"""Cassandra: one node that loses no acknowledged write when it is killed (commit log in batch mode)."""

from collections.abc import Sequence
from pathlib import Path

from callprint.core.ground.errors import ConfigError
from callprint.services import certificates, jars
from callprint.services.layout import HOST, Layout
from callprint.services.process import LIGHT_JVM

HEAP_MIB = 512
ADD_EXPORTS = (
    "java.base/java.lang.ref",
    "java.base/jdk.internal.misc",
    "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry",
    "java.rmi/sun.rmi.server",
    "java.rmi/sun.rmi.transport.tcp",
    "java.sql/java.sql",
    "jdk.attach/sun.tools.attach",
    "jdk.compiler/com.sun.tools.javac.file",
    "jdk.unsupported/sun.misc",
)
ADD_OPENS = (
    "java.base/java.io",
    "java.base/java.lang",
    "java.base/java.lang.module",
    "java.base/java.lang.reflect",
    "java.base/java.math",
    "java.base/java.net",
    "java.base/java.nio",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/jdk.internal.loader",
    "java.base/jdk.internal.math",
    "java.base/jdk.internal.module",
    "java.base/jdk.internal.ref",
    "java.base/jdk.internal.reflect",
    "java.base/jdk.internal.util.jar",
    "java.base/jdk.internal.vm",
    "java.base/sun.nio.ch",
    "java.rmi/sun.rmi.transport.tcp",
    "jdk.management/com.sun.management.internal",
)
LOGBACK = """<configuration>
  <appender name="out" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%-5level [%thread] %date{ISO8601} %F:%L - %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="out"/></root>
  <logger name="org.apache.cassandra" level="INFO"/>
</configuration>
"""


def _yaml(layout: Layout, folder: Path, tls: Path) -> str:
    return f"""cluster_name: callprint
num_tokens: 1
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
endpoint_snitch: SimpleSnitch
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters: [{{seeds: "{HOST}:{layout.port(7000)}"}}]
listen_address: {HOST}
rpc_address: {HOST}
storage_port: {layout.port(7000)}
ssl_storage_port: {layout.port(7001)}
native_transport_port: {layout.cassandra}
data_file_directories: ["{folder}/data"]
commitlog_directory: {folder}/commitlog
hints_directory: {folder}/hints
saved_caches_directory: {folder}/saved_caches
cdc_raw_directory: {folder}/cdc_raw
# An acknowledged write is on disk; with the default, `periodic`, kill -9 loses acknowledged writes.
# `group` waits 10 ms for each partition of a request, one after the other.
commitlog_sync: batch
# A write waits in its thread for the sync, so the default, 32, would be the number of partitions written in one.
concurrent_writes: 256
# A store sends many rows to a node at once. Beyond the default thresholds, 5 KiB and 10 partitions, Cassandra logs
# and sends a warning about each.
batch_size_warn_threshold: 50KiB
unlogged_batch_across_partitions_warn_threshold: 100
commitlog_segment_size: 8MiB
commitlog_total_space: 128MiB
memtable_heap_space: 96MiB
memtable_offheap_space: 64MiB
file_cache_size: 32MiB
key_cache_size: 16MiB
networking_cache_size: 16MiB
concurrent_compactors: 1
auto_snapshot: false
client_encryption_options:
  enabled: true
  optional: true
  keystore: {tls}/server.p12
  keystore_password: callprint
  store_type: PKCS12
"""


def prepare(layout: Layout) -> tuple[Sequence[str], Path]:
    """Write cassandra.yaml and logback.xml and return the server's command."""
    classes = jars.resolve(jars.CASSANDRA, layout.jars)
    folder = layout.service("cassandra")
    tls = certificates.make(layout.home / "certificates")
    (folder / "cassandra.yaml").write_text(_yaml(layout, folder, tls))
    (folder / "logback.xml").write_text(LOGBACK)
    agents = sorted(classes.glob("jamm-*.jar"))
    if not agents:
        raise ConfigError(f"no jamm jar in {classes}: delete the folder, so that Maven fills it again")
    opened = [f"--add-exports={module}=ALL-UNNAMED" for module in ADD_EXPORTS]
    opened += [f"--add-opens={module}=ALL-UNNAMED" for module in ADD_OPENS]
    command = [
        "java",
        f"-Xms{HEAP_MIB}m",
        f"-Xmx{HEAP_MIB}m",
        *LIGHT_JVM,
        "-XX:MaxDirectMemorySize=256m",
        "-Xss512k",
        f"-javaagent:{agents[0]}",
        *opened,
        "-Djdk.attach.allowAttachSelf=true",
        f"-Dcassandra.config=file://{folder}/cassandra.yaml",
        f"-Dlogback.configurationFile={folder}/logback.xml",
        f"-Dcassandra.storagedir={folder}",
        f"-Dcassandra.logdir={layout.logs}",
        f"-Dcassandra.jmx.local.port={layout.port(7199)}",
        "-Dcassandra-foreground=yes",
        "-Dcassandra.ring_delay_ms=0",  # a ring of one node has nobody to wait for
        "-Dcassandra.skip_wait_for_gossip_to_settle=0",
        "-Dio.netty.tryReflectionSetAccessible=true",
        "-cp",
        f"{classes}/*:{folder}",
        "org.apache.cassandra.service.CassandraDaemon",
    ]
    return command, folder


def ready(layout: Layout) -> bool:
    """Return whether the node answers a query."""
    from cassandra import DriverException  # noqa: PLC0415 - the extra `cluster`
    from cassandra.cluster import Cluster, NoHostAvailable  # noqa: PLC0415

    from callprint.services.process import port_open  # noqa: PLC0415

    if not port_open(HOST, layout.cassandra):
        return False
    cluster = Cluster([HOST], port=layout.cassandra, protocol_version=5, connect_timeout=5)
    try:
        return cluster.connect().execute("SELECT release_version FROM system.local").one() is not None
    except (NoHostAvailable, DriverException, OSError):
        return False
    finally:
        cluster.shutdown()
