"""Real services killed in mid-stream: afterwards the store holds exactly the rows of the embedded path.

A round is one stream of calls during which all faults happen, one after the other in a random order, each when
everything that was sent before the previous fault is worked off. At the end every row is compared. ROUNDS=N in the
environment makes N rounds, DOWN_S=60 leaves Kafka and Cassandra dead for a minute each.
"""

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cluster_fixtures import Running, recorded_calls
from fault_stream import AgentRuns, MediaOffsets

from callprint.services import storm

pytestmark = pytest.mark.faults

ROUNDS = int(os.environ.get("ROUNDS", "1"))
STREAM_TIMEOUT_S = 120.0
REBALANCE_TIMEOUT_S = 120.0
RECOVERY_TIMEOUT_S = 300.0  # on a machine that is busy with other things
KAFKA_DOWN_S = float(os.environ.get("DOWN_S", "8"))
"""With its start longer than the ten seconds after which an agent spools."""
CASSANDRA_DOWN_S = float(os.environ.get("DOWN_S", "3"))
"""With its start longer than a storing bolt tries before it fails its tuples."""
NIMBUS_DOWN_S = 3.0


def kill(processes: list[int]) -> None:
    """Kill one of them, as a crash would."""
    assert processes, "there is something to kill"
    os.kill(processes[0], signal.SIGKILL)


def python_bolt(running: Running) -> None:
    """The bolt that holds the flows dies, and its worker with it."""
    kill(running.topology.components("AssembleFlows"))


def inference(running: Running) -> None:
    """The bolt that knows which flows are decided dies."""
    kill(running.topology.components("IdentifyApplication"))


def spout(running: Running) -> None:
    """The spout, which knows what may be committed, dies."""
    kill(running.topology.components("MediaSpout"))


def store(running: Running) -> None:
    """The bolt that writes rows dies: what it did not acknowledge comes again."""
    kill(running.topology.components("StoreVerdicts"))


def worker(running: Running) -> None:
    """A whole worker dies."""
    kill(running.topology.workers())


def kafka(running: Running) -> None:
    """The broker dies; agents spool, spouts wait."""
    restart(running, "kafka", KAFKA_DOWN_S)


def cassandra(running: Running) -> None:
    """The store dies; bolts fail their tuples, spouts read them again."""
    restart(running, "cassandra", CASSANDRA_DOWN_S)


def nimbus(running: Running) -> None:
    """Nimbus dies; workers continue without it."""
    restart(running, "nimbus", NIMBUS_DOWN_S)


def rebalance(running: Running) -> None:
    """The topology is moved to one worker and spread again: tasks end in one place and begin in another."""
    for workers in (1, 2):
        spread(running, workers)


def spread(running: Running, workers: int) -> None:
    """Let Nimbus rebalance the topology, and wait until it runs on this many workers."""
    from streamparse.thrift import storm_thrift  # noqa: PLC0415 - the extra `cluster`

    nimbus = storm.nimbus_client(running.layout, timeout_ms=60_000)
    try:
        options = storm_thrift.RebalanceOptions(wait_secs=0, num_workers=workers)
        nimbus.rebalance(running.topology.name, options)
    finally:
        nimbus.close()
    deadline_s = time.monotonic() + REBALANCE_TIMEOUT_S
    while len(running.topology.workers()) != workers:
        assert time.monotonic() < deadline_s, f"not on {workers} workers: {running.topology.workers()}"
        time.sleep(0.5)


def restart(running: Running, name: str, down_s: float) -> None:
    """Kill a service, leave it down for a while, start it again."""
    service = running.services[name]
    service.process.kill()
    assert service.process.pid is None
    time.sleep(down_s)
    service.start()


FAULTS = (python_bolt, inference, spout, store, worker, rebalance, kafka, cassandra, nimbus)


@pytest.fixture
def captures() -> list[Path]:
    """All calls of dataset2, shuffled so that those of one application do not follow one another."""
    found = recorded_calls()
    random.Random(7).shuffle(found)
    return found


@pytest.mark.parametrize("number", range(ROUNDS))
def test_nothing_is_lost_and_nothing_doubled(running: Running, captures: list[Path], number: int) -> None:
    chance = random.Random(number)
    faults: list[Callable[[Running], None]] = chance.sample(FAULTS, len(FAULTS))
    offsets = MediaOffsets(running)
    print(f"\nround {number}:", end="", flush=True)
    with AgentRuns(running, captures) as runs:
        for fault in faults:
            time.sleep(chance.uniform(0, 3))
            sent, began_s = offsets.wait_for_more(STREAM_TIMEOUT_S), time.monotonic()
            fault(running)
            offsets.wait_for(sent, RECOVERY_TIMEOUT_S)
            print(f" {fault.__name__} {time.monotonic() - began_s:.0f} s,", end="", flush=True)
        offsets.wait_for_more(STREAM_TIMEOUT_S)
        runs.end()
    expected = runs.expected()
    difference = running.difference(expected, timeout_s=RECOVERY_TIMEOUT_S)
    print(
        f" {len(expected.verdicts)} verdicts, {len(expected.summaries)} flows and {len(expected.calls)} rows of calls "
        f"compared: {difference.text()}",
        flush=True,
    )
    assert difference.none, difference.text()
