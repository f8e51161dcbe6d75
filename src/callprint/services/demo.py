"""`python -m callprint.services.demo`: the whole system on this machine, and its rows beside the embedded ones.

The cluster is started, `sparse submit` deploys the topology, an agent replays a capture; meanwhile verdicts and calls
appear in Cassandra, and `callprint verdicts` shows them. At the end every row is compared with the row that the
embedded path makes of the same capture.

Topology, topics, spool and keyspace are the demonstration's own: it does not disturb what else runs on this cluster,
and one that was interrupted does not disturb the next.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from callprint.core.ground.errors import CallprintError
from callprint.inference import DEFAULT_MODEL, load_model
from callprint.messaging.settings import KafkaSettings
from callprint.messaging.topic_names import TopicNames
from callprint.messaging.topics import create_topics
from callprint.services.comparison import Difference, Expected, compare, embedded
from callprint.services.deployed_topology import DeployedTopology
from callprint.services.kafka import delete_topics
from callprint.services.layout import HOST, Layout, standard_layout
from callprint.services.service import services
from callprint.stores import CallQuery, VerdictQuery, VerdictStore, open_store
from callprint.topology.settings import topic_options

ROOT = Path(__file__).resolve().parents[3]
SAMPLE = ROOT / "samples" / "applications.pcapng"
PARTITIONS = 4
LAST_ROWS_TIMEOUT_S = 120.0
NAME = "callprint-demo"
LONGEST_SILENCE_S = 5
SHOWN = 6  # flows that `callprint verdicts` shows while more are coming


def _show_new(store: VerdictStore, shown: set[object]) -> None:
    """Print the verdicts that have not been printed yet, oldest first."""
    for row in reversed(list(store.verdicts(VerdictQuery(last_only=False)))):
        if row.verdict not in shown:
            shown.add(row.verdict)
            flow, verdict = row.verdict.flow, row.verdict
            sure = "final" if verdict.final else f"sure at {verdict.k}"
            print(
                f"  {flow.src_ip}:{flow.src_port} -> {flow.dst_ip}:{flow.dst_port}  {verdict.application:12} "
                f"{verdict.confidence:.3f}  {sure}",
                flush=True,
            )


def _show_new_calls(store: VerdictStore, shown: set[object]) -> None:
    """Print the rows of calls that have not been printed yet, oldest first."""
    for call in reversed(list(store.calls(CallQuery(last_only=False)))):
        row = (call.call_id, call.from_tag, call.phase)
        if row not in shown:
            shown.add(row)
            who = f"{call.caller or 'unknown'} -> {call.callee or 'unknown'}"
            applications = f"{call.caller_application or '-'} / {call.callee_application or '-'}"
            score = "not judged" if call.spam_score is None else f"spam {call.spam_score:.2f}"
            print(
                f"  call {who}  {call.phase.value:5} {call.state.value:9} {applications}  {score}, {call.action.value}",
                flush=True,
            )


def _up(layout: Layout) -> None:
    known = services(layout).values()
    for service in known:
        service.launch()
    for service in known:
        service.wait()
        print(f"{service.name:13} is ready at {service.address}", flush=True)


def _show_command(url: str, *options: str) -> None:
    """Run `callprint verdicts`, as an operator would meanwhile."""
    print(f"\n$ callprint verdicts --store {url} {' '.join(options)}", flush=True)
    subprocess.run([sys.executable, "-m", "callprint", "verdicts", "--store", url, *options], check=False)


@contextmanager
def _own_topics(kafka: KafkaSettings) -> Iterator[TopicNames]:
    """Create topics for this demonstration and yield their names; those of earlier ones are deleted."""
    now = int(time.time())
    names = TopicNames(*(f"{NAME}-{name}-{now}" for name in TopicNames._fields))
    delete_topics(kafka, NAME)
    create_topics(kafka, PARTITIONS, 1, names)
    try:
        yield names
    finally:
        delete_topics(kafka, NAME)


def run(captures: list[Path], speed: float, layout: Layout) -> int:
    """Run the demonstration and return 0 when the rows are identical."""
    _up(layout)
    kafka = KafkaSettings((f"{HOST}:{layout.kafka}",))
    url = f"cassandra://{HOST}:{layout.cassandra}/callprint_demo_{int(time.time())}"
    topology = DeployedTopology(layout, ROOT, NAME)
    with _own_topics(kafka) as topics, TemporaryDirectory(prefix="callprint-demo-") as spool:
        print("sparse submit ...", flush=True)
        topology.submit(
            {
                "callprint.store": url,
                "callprint.model": str(DEFAULT_MODEL),
                **topic_options(topics),
            }
        )
        print(f"the topology {NAME} is up; `callprint verdicts --store {url}` shows its verdicts", flush=True)
        command = [sys.executable, "-m", "capture_agent", *map(str, captures), "--speed", str(speed)]
        command += ["--brokers", f"{HOST}:{layout.kafka}", "--spool", spool]
        # The sample's calls were recorded minutes apart.
        command += ["--longest-silence", str(LONGEST_SILENCE_S)]
        command += ["--media-topic", topics.media, "--signaling-topic", topics.signalling]
        expected = embedded(captures, load_model(DEFAULT_MODEL))
        try:
            with open_store(url) as store, subprocess.Popen(command, cwd=ROOT) as agent:
                shown, shown_calls, difference = _watch(url, store, expected, agent)
        finally:
            topology.kill()
    _show_command(url)
    print(
        f"\nembedded path: {len(expected.verdicts)} verdicts on {len(expected.summaries)} flows, "
        f"{len(expected.calls)} rows of calls\n"
        f"distributed:   {shown} verdicts, {shown_calls} rows of calls in {url}\n"
        f"comparison:    {difference.text()}"
    )
    return 0 if difference.none else 1


def _watch(
    url: str, store: VerdictStore, expected: Expected, agent: "subprocess.Popen[bytes]"
) -> tuple[int, int, Difference]:
    """Show rows as they appear, until all are there or time is up; return how many came, and what differs."""
    shown: set[object] = set()
    shown_calls: set[object] = set()
    deadline_s = None
    asked = False
    while True:
        _show_new(store, shown)
        _show_new_calls(store, shown_calls)
        if not asked and len(shown) >= SHOWN:
            asked = True
            _show_command(url, "--limit", str(SHOWN))
        difference = compare(store, expected)
        if agent.poll() is not None:
            deadline_s = deadline_s or time.monotonic() + LAST_ROWS_TIMEOUT_S
            if difference.none or time.monotonic() > deadline_s:
                return len(shown), len(shown_calls), difference
        time.sleep(1)


def main() -> int:
    """Run the command line and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m callprint.services.demo", description=__doc__)
    parser.add_argument(
        "captures", nargs="*", type=Path, help="captures (default: the sample of the project)"
    )
    parser.add_argument("--speed", type=float, default=1.0, help="times the captures' own speed, 0: at once")
    chosen = parser.parse_args()
    try:
        return run(chosen.captures or [SAMPLE], chosen.speed, standard_layout())
    except CallprintError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
