"""The agent on a live interface: the highest rate at which the kernel drops nothing.

Needs root, ip, tcpreplay and a Kafka broker.

tcpreplay sends generated calls into one end of a pair of virtual interfaces at rising rates; one or more agents,
which share the flows, capture at the other end and ship to Kafka. Sender, agents and broker share the machine's
cores. Each rate is sent once without agents, too: what the whole machine takes more with them is what they cost, the
kernel's copies included, which fall to the sender here. Nothing else may run then.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from agents import ROOT, agent_command, last_counters, new_topics
from process_costs import of_children_s, of_machine_s
from traffic import write_calls

from callprint.services.layout import HOST, standard_layout

NEAR, FAR = "cp-near", "cp-far"
GROUP = "4712"
SETTLED_S = 3  # what an agent still does after it has said that it captures is no cost of packets


def start(brokers: str, topic: str, spool: Path) -> subprocess.Popen[str]:
    """Start an agent and wait until it captures."""
    options = ("--interface", FAR, "--fanout", GROUP, "--status-every", "0.2")
    command = agent_command(brokers, topic, spool, *options)
    agent = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert agent.stderr is not None
    if not agent.stderr.readline():
        sys.exit("the agent did not start")
    return agent


def send(capture: Path, rate: int) -> str:
    """Send the capture and return what tcpreplay prints."""
    command = [
        "tcpreplay",
        "--intf1",
        NEAR,
        "--preload-pcap",
        f"--pps={rate}",
        "--pps-multi=64",
        "--timer=nano",
        str(capture),
    ]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def once(capture: Path, rate: int, agents: int, brokers: str) -> None:
    """Send the capture at one rate and print how much of it arrived, and what that took."""
    before_s = of_machine_s()
    send(capture, rate)
    alone_s = of_machine_s() - before_s
    topic = new_topics("live", brokers)
    with tempfile.TemporaryDirectory() as folder:
        running = [start(brokers, topic, Path(folder) / str(number)) for number in range(agents)]
        time.sleep(SETTLED_S)
        before_s = of_machine_s()
        sent = send(capture, rate)
        time.sleep(1)
        together_s = of_machine_s() - before_s
        before_s = of_children_s()
        for agent in running:
            agent.send_signal(signal.SIGTERM)
        found = [last_counters(agent.communicate(timeout=120)[1]) for agent in running]
        processor_s = of_children_s() - before_s
    (reached,) = re.findall(r"Rated: .*?([\d.]+) pps", sent)
    (packets,) = re.findall(r"Actual: (\d+) packets", sent)
    read, dropped = (sum(one[name] for one in found) for name in ("packets_read", "kernel_drops"))
    print(
        f"{agents} agents, {rate} packets/s asked, {float(reached):.0f} sent/s, {packets} sent, {read} read, "
        f"{dropped} dropped, {processor_s:.1f} s of processor (with the agents' start); the machine took "
        f"{together_s / int(packets) * 1e6:.2f} us a packet, {alone_s / int(packets) * 1e6:.2f} without agents",
        flush=True,
    )


def main() -> None:
    """Run every rate and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rates", nargs="+", type=int, metavar="PACKETS/S")
    parser.add_argument("--agents", type=int, default=1)
    parser.add_argument("--flows", type=int, default=2000)
    parser.add_argument("--packets", type=int, default=500, help="of each flow")
    parser.add_argument("--priority", type=int, default=0, help="nice value of sender and agents")
    parser.add_argument("--brokers", default=f"{HOST}:{standard_layout().kafka}")
    chosen = parser.parse_args()
    os.nice(chosen.priority)
    subprocess.run(["ip", "link", "add", NEAR, "type", "veth", "peer", "name", FAR], check=True)
    try:
        for name in (NEAR, FAR):
            subprocess.run(["ip", "link", "set", name, "up"], check=True)
        with tempfile.TemporaryDirectory() as folder:
            capture = Path(folder) / "calls.pcap"
            write_calls(capture, chosen.flows, chosen.packets)
            for rate in chosen.rates:
                once(capture, rate, chosen.agents, chosen.brokers)
    finally:
        subprocess.run(["ip", "link", "del", NEAR], check=True)


if __name__ == "__main__":
    main()
