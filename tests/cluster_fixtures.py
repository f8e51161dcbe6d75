"""Fixtures of the tests on real services: one cluster and one topology for the whole test run."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from callprint.core.verdicts.identifier import Identifier
from callprint.inference import DEFAULT_MODEL, load_model
from callprint.services import jars, storm
from callprint.services.comparison import Difference, Expected, compare, embedded
from callprint.services.deployed_topology import DeployedTopology
from callprint.services.layout import HOST, Layout
from callprint.services.service import Service, services
from callprint.stores import VerdictStore, open_store

if TYPE_CHECKING:
    from callprint.messaging.topics import TopicNames

ROOT = Path(__file__).parents[1]
CALLS = Path(os.environ.get("CALLPRINT_DATA", ROOT.parent / "shared" / "data")) / "calls"
SAMPLE = ROOT / "samples" / "applications.pcapng"
USUAL_OFFSET = 20_000
PORT_OFFSET = int(os.environ.get("PORT_OFFSET", USUAL_OFFSET))  # its own for each of several concurrent runs
PARTITIONS = 4
KEYSPACE = "callprint_tests"
LAST_ROWS_TIMEOUT_S = 150.0
MESSAGE_TIMEOUT_S = 10  # a tuple in a worker that died fails after once to twice this time


def skip_without_tools(items: list[pytest.Item]) -> None:
    """Skip, with a reason, the tests whose services cannot run here. In CI that is a failure (`start`)."""
    missing = jars.missing_tools()
    if missing and not in_ci():
        skip = pytest.mark.skip(reason=f"not on the PATH: {', '.join(missing)}")
        for item in items:
            if item.get_closest_marker("services") or item.get_closest_marker("faults"):
                item.add_marker(skip)


def recorded_calls(applications: Sequence[str] = ("*",), each: int | None = None) -> list[Path]:
    """Captures of dataset2, at most `each` calls of each application; the shipped sample without that dataset."""
    folder = CALLS / "dataset2"
    found = [path for name in applications for path in sorted(folder.glob(f"{name}-*.pcap"))[:each]]
    return found or [SAMPLE]


def in_ci() -> bool:
    """Return whether the tests run in CI, where a skipped test must not go unnoticed."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false", "no")


def absent(reason: str) -> NoReturn:
    """Skip a test because this machine lacks something; in CI fail it."""
    if in_ci():
        pytest.fail(f"{reason}, and CI may skip none of these tests", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def layout() -> Layout:
    """The layout of the test cluster: two supervisors, as if they were two nodes."""
    missing = jars.missing_tools()
    if missing:
        absent(f"not on the PATH: {', '.join(missing)}")
    for module in ("kafka", "cassandra", "streamparse"):
        if find_spec(module) is None:
            absent("the extra `cluster` is not installed")
    cache_folder = ROOT / ".cache"
    jars_folder = Path(os.environ.get("CALLPRINT_CLUSTER_JARS", cache_folder / "cluster" / "jars"))
    # A run with its own ports has its own folder, so that two can run in one checkout.
    name = "cluster-test" if PORT_OFFSET == USUAL_OFFSET else f"cluster-test-{PORT_OFFSET}"
    return Layout(cache_folder / name, jars_folder, PORT_OFFSET, supervisors=2)


@pytest.fixture(scope="session")
def start(layout: Layout) -> Iterator[Callable[..., dict[str, Service]]]:
    """Start services by name, or all of them; all are stopped at the end of the run."""
    known = services(layout)

    def up(*names: str) -> dict[str, Service]:
        for name in names or known:
            known[name].launch()
        for name in names or known:
            known[name].wait()
        return known

    yield up
    if os.environ.get("CALLPRINT_KEEP_CLUSTER"):  # for running one test again and again
        return
    for name in reversed(known):
        known[name].stop()
    storm.stop_workers(layout)


@pytest.fixture(scope="session")
def model() -> str:
    """The network that ships with callprint, "none" if it was not built."""
    return str(DEFAULT_MODEL) if DEFAULT_MODEL.exists() else "none"


@cache
def identifier(model: str) -> Identifier | None:
    """Load a network, once."""
    return None if model == "none" else load_model(model)


def agent_command(
    captures: Sequence[Path],
    brokers: str,
    spool: Path,
    media_topic: str,
    signalling_topic: str,
    *options: str,
) -> list[str]:
    """The command line of an agent that reads captures."""
    command = [sys.executable, "-m", "capture_agent", *map(str, captures), "--brokers", brokers]
    command += ["--media-topic", media_topic, "--signaling-topic", signalling_topic]
    return [*command, "--spool", str(spool), *options]


@dataclass
class Running:
    """The topology running in the test cluster, with an empty store."""

    layout: Layout
    topology: DeployedTopology
    services: dict[str, Service]
    store_url: str
    model: str
    spool: Path
    topics: "TopicNames"

    @property
    def brokers(self) -> str:
        """The address of Kafka."""
        return f"{HOST}:{self.layout.kafka}"

    def store(self) -> VerdictStore:
        """Open the topology's store."""
        return open_store(self.store_url, create=False)

    def agent(self, captures: Sequence[Path], *options: str) -> subprocess.Popen[str]:
        """Start an agent on captures."""
        topics = self.topics.media, self.topics.signalling
        command = agent_command(captures, self.brokers, self.spool, *topics, *options)
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def expected(self, captures: Sequence[Path]) -> Expected:
        """The rows that the embedded path makes of captures."""
        return embedded(captures, identifier(self.model))

    def difference(self, expected: Expected, timeout_s: float = LAST_ROWS_TIMEOUT_S) -> Difference:
        """Wait until the store holds what it must, and a little longer for what it must not hold."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            with self.store() as store:
                difference = compare(store, expected)
            if difference.none or difference.unexpected or time.monotonic() > deadline_s:
                break
            time.sleep(1)
        if difference.none:
            time.sleep(2)
            with self.store() as store:
                difference = compare(store, expected)
        return difference


@pytest.fixture(scope="session")
def _submitted(
    start: Callable[..., dict[str, Service]],
    layout: Layout,
    model: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Running]:
    from callprint.messaging.settings import KafkaSettings  # noqa: PLC0415 - the extra `cluster`
    from callprint.messaging.topics import TopicNames, create_topics  # noqa: PLC0415
    from callprint.topology.settings import topic_options  # noqa: PLC0415

    known = start()
    # New topics for each run: flows that agents of an earlier run left unfinished would be read, and judged, again.
    suffix = int(time.time())
    topics = TopicNames(f"media-{suffix}", f"signaling-{suffix}", f"feedback-{suffix}")
    create_topics(KafkaSettings((f"{HOST}:{layout.kafka}",)), PARTITIONS, 1, topics)
    authority = layout.home / "certificates" / "ca.pem"
    url = f"cassandra://{HOST}:{layout.cassandra}/{KEYSPACE}?tls_ca={authority}"
    drop(layout, KEYSPACE)
    open_store(url).close()
    topology = DeployedTopology(layout, ROOT)
    topology.submit(
        {
            # The topology uses TLS for both; most agents of the tests do not.
            "callprint.kafka.brokers": f"localhost:{layout.kafka_tls}",
            "callprint.kafka.tls_ca": str(authority),
            "callprint.store": url,
            "callprint.model": model,
            "callprint.keep_unknown_evidence": True,
            **topic_options(topics),
            "topology.workers": 2,
            "topology.message.timeout.secs": MESSAGE_TIMEOUT_S,
            "callprint.parallelism.media_spout": 2,
            "callprint.parallelism.assemble_flows": 2,
            "callprint.parallelism.identify_application": 2,
            "callprint.parallelism.judge_calls": 2,
        }
    )
    yield Running(layout, topology, known, url, model, tmp_path_factory.mktemp("spool"), topics)
    topology.kill()


@pytest.fixture
def running(_submitted: Running, start: Callable[..., dict[str, Service]]) -> Running:
    """The topology with all services up and nothing in the store."""
    start()
    # The snapshots and journals of sites must stay: their records may be read again.
    known = ("schema_version", "day", "hour_of_day", "model", "call_state", "call_journal")
    empty(_submitted.layout, KEYSPACE, keep=known)
    return _submitted


@contextmanager
def session(layout: Layout) -> Iterator[Any]:
    """A plain session of the driver, to query tables directly."""
    from cassandra.cluster import Cluster  # noqa: PLC0415 - the extra `cluster`

    cluster: Any = Cluster([HOST], port=layout.cassandra, protocol_version=5)
    try:
        connected = cluster.connect()
        connected.default_timeout = 60
        yield connected
    finally:
        cluster.shutdown()


def drop(layout: Layout, keyspace: str) -> None:
    """Drop a keyspace of an earlier run, whose tables may be those of an earlier version."""
    with session(layout) as connected:
        connected.execute(f"DROP KEYSPACE IF EXISTS {keyspace}")


def empty(layout: Layout, keyspace: str, keep: Sequence[str] = ("schema_version",)) -> None:
    """Truncate the tables of a keyspace that are not empty.

    A writer that keeps running remembers which days and hours it has put into the index, so those tables may have to
    be kept.
    """
    query = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s"
    with session(layout) as connected:
        for (table,) in list(connected.execute(query, (keyspace,))):
            if table not in keep and connected.execute(f"SELECT * FROM {keyspace}.{table} LIMIT 1").one():
                connected.execute(f"TRUNCATE {keyspace}.{table}")


@pytest.fixture(scope="session")
def driver_session(start, layout):
    """A session of Cassandra's driver on a running node, without a keyspace."""
    start("cassandra")
    with session(layout) as connected:
        yield connected
