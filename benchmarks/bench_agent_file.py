"""From a capture file to Kafka: packets a second of one core, the agent's own process alone (Kafka runs beside it).

Needs a Kafka broker (`python -m callprint.services up kafka`). The agent is a process of its own, bound to one core;
its processor time is what counts, less that of its start, which a run on a capture of nothing measures.
"""

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from traffic import write_calls

from callprint.messaging.settings import KafkaSettings
from callprint.messaging.topics import TopicNames, create_topics
from callprint.services.layout import HOST, standard_layout


def run(
    capture: Path, brokers: str, topic: str, core: int, spool: Path
) -> tuple[float, float, dict[str, int]]:
    """Return seconds, seconds of processor, and the counters of one agent on one capture."""
    command = [
        sys.executable,
        "-m",
        "capture_agent",
        str(capture),
        "--brokers",
        brokers,
        "--spool",
        str(spool),
    ]
    command += ["--media-topic", topic, "--signaling-topic", f"{topic}-sip"]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        command,
        cwd=Path(__file__).parents[1],
        stderr=subprocess.PIPE,
        text=True,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    after, wall_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - began
    used_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    counters = {name: int(n) for name, n in re.findall(r"(\w+)=(\d+)", done.stderr.splitlines()[-1])}
    return wall_s, used_s, counters


def main() -> None:
    """Run a few times and print each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flows", type=int, default=1000)
    parser.add_argument("--packets", type=int, default=2000, help="of each flow")
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--priority", type=int, default=0, help="nice value of the agent")
    parser.add_argument("--brokers", default=f"{HOST}:{standard_layout().kafka}")
    chosen = parser.parse_args()
    os.nice(chosen.priority)
    topic = f"file-{time.time_ns()}"
    create_topics(KafkaSettings((chosen.brokers,)), 8, 1, TopicNames(topic, f"{topic}-sip"))
    with tempfile.TemporaryDirectory() as folder:
        short, long = Path(folder) / "short.pcap", Path(folder) / "long.pcap"
        write_calls(short, 1, 2)
        write_calls(long, chosen.flows, chosen.packets)
        spool = Path(folder) / "spool"
        start_wall_s, start_s, _ = run(short, chosen.brokers, topic, chosen.core, spool)
        print(f"start and end alone: {start_s:.2f} s of processor")
        for _ in range(chosen.runs):
            wall_s, used_s, found = run(long, chosen.brokers, topic, chosen.core, spool)
            packets = found["packets_read"]
            print(
                f"{packets} packets of {chosen.flows} flows, {found['bytes_confirmed'] >> 20} MiB in Kafka "
                f"({found['bytes_confirmed'] / long.stat().st_size:.1%} of the capture): "
                f"{packets / (used_s - start_s) / 1e6:.2f} million packets/s of processor, "
                f"{packets / (wall_s - start_wall_s) / 1e6:.2f} million/s by the clock"
            )


if __name__ == "__main__":
    main()
