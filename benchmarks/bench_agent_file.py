"""From a capture file to Kafka: packets a second of one core, the agent's own process alone (Kafka runs beside it).

Needs a Kafka broker (`python -m callprint.services up kafka`). The agent is a process of its own, bound to one core;
its processor time is what counts, less that of its start, which a run on an empty capture measures.
"""

import argparse
import os
import subprocess
import tempfile
import time
from pathlib import Path

from agents import ROOT, agent_command, last_counters, new_topics
from process_costs import of_children_s
from traffic import write_calls

from callprint.services.layout import HOST, standard_layout


def run(
    capture: Path, brokers: str, topic: str, core: int, spool: Path
) -> tuple[float, float, dict[str, int]]:
    """Return seconds, seconds of processor, and the counters of one agent on one capture."""
    before_s, began = of_children_s(), time.monotonic()
    done = subprocess.run(
        agent_command(brokers, topic, spool, str(capture)),
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    return time.monotonic() - began, of_children_s() - before_s, last_counters(done.stderr)


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
    topic = new_topics("file", chosen.brokers)
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
