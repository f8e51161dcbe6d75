"""End to end on real services: time from a flow's k-th packet to its row readable in Cassandra, and throughput.

Needs `make cluster-up`. An agent in this process replays captures at their own speed (or all at once), while another
thread asks Cassandra for new rows every 50 ms. The cost of each process is read from /proc. Where flows are sent all at
once, and in long runs, rows are only read when no more come: until then one small partition says whether any did, and
Cassandra itself knows when each was written.
"""

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from keyspace import connected
from process_costs import Cost, cost_of, resident_mib, table
from traffic import write_calls, write_mixture, write_overlapping

sys.path.insert(0, str(Path(__file__).parents[1]))  # of the agent, which is no part of the package

from callprint.console.topology import Topology
from callprint.core.capture.packet_order import OrderedBatch
from callprint.core.flow.engine import EngineSettings
from callprint.inference import DEFAULT_MODEL, load_model
from callprint.messaging.settings import KafkaSettings
from callprint.messaging.topics import TopicNames, create_topics
from callprint.services.comparison import Expected, compare, embedded
from callprint.services.deployed_topology import DeployedTopology
from callprint.services.layout import HOST, standard_layout
from callprint.services.process import LIGHT_JVM
from callprint.services.service import services
from callprint.sources import open_captures
from callprint.stores import open_store
from capture_agent.__main__ import FEATURES, WHOLE
from capture_agent.agent import AgentSettings, CaptureAgent
from capture_agent.publisher import Publisher
from capture_agent.replay import paced
from capture_agent.spool import Spool
from capture_agent.stopping import StopRequest

SAMPLE = (
    Path(__file__).parents[1] / "samples" / "applications.pcapng"
)  # loads everything before it is measured
POLL_S = 0.05
NOTE_S = 0.5
QUIET = 20  # times without news after which all rows are read: those of calls come late
KEY = "src_ip, src_port, dst_ip, dst_port, ssrc, final, k, decided_at_ns"
ANY_MARK = "WHERE kind = '' AND day = 0 AND unit = 'any' AND at = 0"
SETTLE_TIMEOUT_S = 90.0  # of silence
IDLE_S = 10.0
COMPONENTS = (
    "MediaSpout",
    "SignallingSpout",
    "AssembleFlows",
    "IdentifyApplication",
    "JudgeCalls",
    "StoreVerdicts",
    "FeedbackSpout",
    "KeepFeedback",
)
SERIALIZERS = {"frames": "callprint.FrameSerializer", "json": "org.apache.storm.multilang.JsonSerializer"}


def put_first(pids: Iterable[int]) -> None:
    """Schedule processes, and the threads and processes that they start, before all ordinary ones (SCHED_RR)."""
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setscheduler(int(task.name), os.SCHED_RR, os.sched_param(1))


class Clock:
    """The wall-clock time at which a packet time was replayed."""

    def __init__(self) -> None:
        self.marks: list[tuple[int, float]] = []  # packet time of a slice, wall clock when it was handed on

    def watch(self, batches: Iterable[OrderedBatch]) -> Iterator[OrderedBatch]:
        """Pass batches on and remember when each was."""
        for batch in batches:
            if len(batch.records):
                self.marks.append((int(batch.records["time_ns"][-1]), time.time()))
            yield batch

    def wall_s(self, packet_ns: int) -> float:
        """Return when the slice with that packet, or the first one after it, was handed on."""
        later = [wall for last_ns, wall in self.marks if last_ns >= packet_ns]
        return min(later) if later else self.marks[-1][1]


class Seen:
    """The verdicts that are in a keyspace, and the wall-clock time at which each was."""

    def __init__(self, url: str) -> None:
        self.rows: dict[tuple[object, ...], float] = {}
        self.last_s = 0.0  # when there was something new
        self.stop = threading.Event()
        self._url = url

    def look(self) -> Iterator[None]:
        """Read all rows again and again."""
        query = f"SELECT {KEY} FROM verdict_by_flow"
        with connected(self._url) as session:
            self.rows |= {tuple(row): 0.0 for row in session.execute(query)}
            while not self.stop.wait(POLL_S):
                known = len(self.rows)
                for row in session.execute(query):
                    self.rows.setdefault(tuple(row), time.time())
                if len(self.rows) > known:
                    self.last_s = time.time()
                yield

    def note(self) -> Iterator[None]:
        """Read the marks that writers change with every write, and all rows when none has changed for a while."""
        known: list[object] = []
        quiet = 0
        with connected(self._url) as session:
            while not self.stop.wait(NOTE_S):
                marks = session.execute(f"SELECT writer, mark FROM written {ANY_MARK}").all()
                quiet = quiet + 1 if marks == known else 0
                if quiet == 0:
                    known, self.last_s = marks, time.time()
                    yield
                elif quiet % QUIET == 0:
                    query = f"SELECT {KEY}, WRITETIME(confidence) FROM verdict_by_flow"
                    self.rows |= {tuple(row[:-1]): row[-1] / 1e6 for row in session.execute(query)}


def components(topology: DeployedTopology) -> dict[str, list[int]]:
    """Return the processes of a topology by their role."""
    found = {name: topology.components(name) for name in COMPONENTS}
    return {**found, "worker JVM": topology.workers()}


def main() -> None:
    """Run once and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("captures", nargs="*", type=Path, help="(default: generated calls)")
    parser.add_argument("--speed", type=float, default=1.0, help="times the captures' own, 0: at once")
    staggered = "play captures together, each beginning so much after the one before"
    parser.add_argument("--overlap", type=float, metavar="SECONDS", help=staggered)
    parser.add_argument(
        "--repeats", type=int, default=1, help="with --overlap: how often, each with own addresses"
    )
    parser.add_argument("--tasks", type=int, default=1, help="of assemble_flows and of identify_application")
    parser.add_argument("--workers", type=int, default=1, help="JVMs that the tasks are spread over")
    parser.add_argument("--flows", type=int, default=2000, help="to generate")
    parser.add_argument("--packets", type=int, default=500, help="of each of them (default: %(default)s)")
    at_a_time = "let generated flows begin one after the other, some N at a time (default: all at once)"
    parser.add_argument("--at-a-time", type=int, metavar="N", help=at_a_time)
    watch = "for long runs: print that often how many records wait, and resident memory in MiB"
    parser.add_argument("--watch", type=float, default=0.0, metavar="SECONDS", help=watch)
    parser.add_argument(
        "--serializer",
        nargs="+",
        default=["frames"],
        choices=SERIALIZERS,
        help="between Storm and Python; with several, the same is run with one after the other",
    )
    parser.add_argument(
        "--evidence",
        nargs="+",
        default=[WHOLE],
        choices=(WHOLE, FEATURES),
        help="what the agent ships of media; with several, the same is run with one after the other",
    )
    parser.add_argument(
        "--first",
        action="store_true",
        help="give everything that is measured priority over other jobs of the machine (root)",
    )
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        captures = chosen.captures
        if not captures:
            captures = [Path(folder) / "calls.pcap"]
            if chosen.at_a_time:
                write_mixture(captures[0], chosen.flows, chosen.packets, 0, chosen.at_a_time)
            else:
                write_calls(captures[0], chosen.flows, chosen.packets)
        elif chosen.overlap:
            files = sorted(
                file for path in captures for file in ([path] if path.is_file() else path.iterdir())
            )
            captures = [Path(folder) / "together.pcap"]
            write_overlapping(captures[0], files, chosen.overlap, chosen.repeats)
        expected = embedded(captures, load_model(DEFAULT_MODEL))
        for serializer in chosen.serializer:
            for evidence in chosen.evidence:
                print(f"{serializer}, evidence {evidence}:")
                deploy(chosen, serializer, evidence, captures, expected)


def deploy(
    chosen: argparse.Namespace, serializer: str, evidence: str, captures: list[Path], expected: Expected
) -> None:
    """Submit a topology with topics and a keyspace of its own, measure, and end it."""
    layout = standard_layout()
    topic = f"bench-{int(time.time())}"
    kafka = KafkaSettings((f"{HOST}:{layout.kafka}",))
    create_topics(kafka, 8, 1, TopicNames(topic, f"{topic}-sip"))
    url = f"cassandra://{HOST}:{layout.cassandra}/callprint_{topic.replace('-', '_')}"
    open_store(url).close()  # tables are made before anything is measured
    # A name for each, so that two runs can share a cluster.
    topology = DeployedTopology(layout, Path(__file__).parents[1], f"callprint-bench-{serializer}")
    topology.submit(
        {
            "callprint.store": url,
            "callprint.model": str(DEFAULT_MODEL),
            "callprint.media_topic": topic,
            "callprint.signaling_topic": f"{topic}-sip",
            "callprint.parallelism.assemble_flows": chosen.tasks,
            "callprint.parallelism.identify_application": chosen.tasks,
            "topology.multilang.serializer": SERIALIZERS[serializer],
            "topology.workers": chosen.workers,
            "topology.worker.childopts": " ".join(("-Xmx768m", *LIGHT_JVM)),
        }
    )
    try:
        with tempfile.TemporaryDirectory() as folder:
            send = partial(agent_done, kafka, topic, evidence == FEATURES)
            measure(chosen, captures, expected, topology, url, kafka, topic, send, Path(folder))
    finally:
        topology.kill()


def agent_done(
    kafka: KafkaSettings,
    topic: str,
    summarise: bool,
    folder: Path,
    captures: list[Path],
    pace: Callable[[Iterable[OrderedBatch]], Iterator[OrderedBatch]],
) -> CaptureAgent:
    """Send captures and return the agent."""
    spool = Spool(folder, 1 << 30)
    engine = EngineSettings(checkpoints=load_model(DEFAULT_MODEL).card.checkpoints)
    settings = AgentSettings(engine, media_topic=topic, signalling_topic=f"{topic}-sip", summarise=summarise)
    agent = CaptureAgent(settings, Publisher(kafka, spool), spool)
    source = open_captures(captures)
    agent.run(source, source, pace)
    agent.finish(60.0)
    return agent


def wait_for(done: Callable[[], bool]) -> None:
    """Wait, but not for ever."""
    began = time.time()
    while not done() and time.time() - began < SETTLE_TIMEOUT_S:
        time.sleep(1.0)


def measure(
    chosen: argparse.Namespace,
    captures: list[Path],
    expected: Expected,
    topology: DeployedTopology,
    url: str,
    kafka: KafkaSettings,
    topic: str,
    send: Callable[..., CaptureAgent],
    folder: Path,
) -> None:
    """Send the captures through a running topology and print times and costs."""
    watched = components(topology)
    watched |= {
        name: [services(topology.layout)[name].process.pid or 0]
        for name in ("kafka", "cassandra", "zookeeper", "nimbus", "supervisor-0")
    }
    if chosen.first:
        put_first([os.getpid(), *(pid for pids in watched.values() for pid in pids)])
    clock, seen = Clock(), Seen(url)
    send(folder / "warm", [SAMPLE], partial(paced, speed=0, stopping=StopRequest(), longest_silence_s=5))
    warmed = embedded([SAMPLE], load_model(DEFAULT_MODEL))
    with open_store(url) as store:
        wait_for(lambda: compare(store, warmed).none)
    together = Expected(
        expected.verdicts | warmed.verdicts,
        expected.summaries | warmed.summaries,
        expected.calls | warmed.calls,
    )
    quiet = {name: cost_of(pids) for name, pids in watched.items()}
    idle_from = time.time()
    time.sleep(IDLE_S)
    before = {name: cost_of(pids) for name, pids in watched.items()}
    idle_s = time.time() - idle_from
    idle = {name: cost.since(quiet[name]).seconds / idle_s for name, cost in before.items()}
    look = seen.look if chosen.speed and not chosen.watch else seen.note
    began, own = time.time(), cost_of([os.getpid()])
    spent_at: dict[str, Cost] = {}

    def watch() -> None:
        """Cost counts up to the last news."""
        for _ in look():
            spent_at.update({name: cost_of(pids) for name, pids in watched.items()})

    def tell() -> None:
        """Print where a long run is."""
        progress = Topology(kafka, "callprint", TopicNames(topic, f"{topic}-sip"))
        while not seen.stop.wait(chosen.watch):
            # None while Kafka does not answer.
            waiting = [topic.waiting for topic in progress.ask().topics][:1]
            memory = ", ".join(f"{name} {resident_mib(pids):.0f}" for name, pids in watched.items())
            print(f"{time.time() - began:.0f} s: {waiting} records wait; {memory}", flush=True)
        progress.close()

    looking = threading.Thread(target=watch)
    looking.start()
    if chosen.watch:
        threading.Thread(target=tell).start()
    pace = partial(paced, speed=chosen.speed, stopping=StopRequest(), longest_silence_s=5)
    agent = send(folder / "spool", captures, lambda batches: clock.watch(pace(batches)))
    sent_s, of_agent = time.time() - began, cost_of([os.getpid()]).since(own)
    while len(seen.rows) < len(together.verdicts):
        time.sleep(0.1)
        if time.time() - max(seen.last_s, began + sent_s) > SETTLE_TIMEOUT_S:
            break  # nothing new comes; the comparison below names what is missing
    seen.stop.set()
    looking.join()
    rows = {row: wall for row, wall in seen.rows.items() if wall > began}
    done_s = max(rows.values(), default=time.time()) - began
    spent = {"agent": of_agent} | {name: cost.since(before[name]) for name, cost in spent_at.items()}
    idle["agent"] = 0.0
    with open_store(url) as store:
        print(f"{agent.read} packets, {len(expected.summaries)} flows: {compare(store, together).text()}")
    print(
        f"agent done after {sent_s:.1f} s; {len(rows)} verdicts after {done_s:.1f} s: "
        f"{len(rows) / done_s:.0f} verdicts/s, {agent.read / done_s:.0f} packets/s"
    )
    for final, what in ((False, "k-th packet"), (True, "end of the evidence")):
        waits = [wall - clock.wall_s(row[-1]) for row, wall in rows.items() if row[5] is final]
        if waits and chosen.speed:
            median, most = np.percentile(waits, [50, 99])
            print(f"{what} to readable row, {len(waits)} rows: median {median:.2f} s, 99 % {most:.2f} s")
    print(table(spent, idle, len(expected.summaries)), flush=True)


if __name__ == "__main__":
    main()
