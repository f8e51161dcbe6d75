"""Agents on a live interface: several processes share its flows, as an unprivileged user, and nothing is dropped."""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import pytest
from cluster_fixtures import ROOT
from frames import ethernet, ipv4, rtp, udp

from callprint.core.relay.flow_assembly import flow_ids
from callprint.core.wire.media import PartKind, decode_media
from callprint.services.layout import HOST

pytestmark = [pytest.mark.services, pytest.mark.live]

NEAR, FAR = "cp-near", "cp-far"
GROUP = "4711"
AGENTS = 2
FLOWS, PACKETS = 24, 120
USER = "nobody"


@pytest.fixture
def pair():
    """A pair of virtual interfaces: what is sent to one arrives at the other."""
    if os.geteuid() != 0 or not shutil.which("ip"):
        pytest.skip("needs root and ip (iproute2)")
    subprocess.run(["ip", "link", "del", NEAR], capture_output=True, check=False)
    made = subprocess.run(
        ["ip", "link", "add", NEAR, "type", "veth", "peer", "name", FAR], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip(f"no virtual interfaces here: {made.stderr.decode().strip()}")
    for name in (NEAR, FAR):
        subprocess.run(["ip", "link", "set", name, "up"], check=True)
    yield
    subprocess.run(["ip", "link", "del", NEAR], check=True)


@pytest.fixture
def topics(start, layout):
    """New topics; returns the name of the media topic."""
    from callprint.messaging.settings import KafkaSettings  # noqa: PLC0415 - the extra `cluster`
    from callprint.messaging.topics import TopicNames, create_topics  # noqa: PLC0415

    start("kafka")
    name = f"live-{time.time_ns()}"
    create_topics(KafkaSettings((f"{HOST}:{layout.kafka}",)), 4, 1, TopicNames(name, f"{name}-sip"))
    return name


def agent(layout, topic: str, spool: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "capture_agent", "--interface", FAR, "--fanout", GROUP, "--user", USER]
    command += ["--brokers", f"{HOST}:{layout.kafka}", "--media-topic", topic, "--status-every", "0.2"]
    command += ["--signaling-topic", f"{topic}-sip", "--spool", str(spool)]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)


def is_capturing(process: subprocess.Popen) -> bool:
    """Return whether the agent has opened its ring and given up its privileges."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    (uid,) = re.findall(r"^Uid:\s+(\d+)", status, re.MULTILINE)
    return int(uid) == pwd.getpwnam(USER).pw_uid


def parts_in(layout, topic: str) -> dict[tuple[int, bytes], int]:
    """Return the number of packets in the END part of each flow, by source and key."""
    from kafka import KafkaConsumer  # noqa: PLC0415 - the extra `cluster`

    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=f"{HOST}:{layout.kafka}",
        auto_offset_reset="earliest",
        consumer_timeout_ms=3000,
    )
    found = {}
    for record in consumer:
        batch = decode_media(record.value)
        for flow, part in zip(flow_ids(batch.origin.source, batch.parts), batch.parts, strict=True):
            if part["kind"] == PartKind.END:
                found[flow] = int(part["packets"])
    consumer.close()
    return found


def test_agents_of_a_group_share_the_flows_and_drop_nothing(pair, topics, layout):
    frames = [
        ethernet(ipv4(udp(rtp(sequence=number), 20_000 + 2 * flow, 30_000)))
        for number in range(PACKETS)
        for flow in range(FLOWS)
    ]
    spools = [Path(tempfile.mkdtemp(prefix="spool-")) for _ in range(AGENTS)]
    for spool in spools:
        shutil.chown(spool, USER)
    agents = [agent(layout, topics, spool) for spool in spools]
    try:
        deadline_s = time.monotonic() + 60
        while not all(is_capturing(each) for each in agents):
            assert all(each.poll() is None for each in agents), [each.stderr.read() for each in agents]
            assert time.monotonic() < deadline_s, "the agents do not give up their privileges"
            time.sleep(0.1)
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
            sender.bind((NEAR, 0))
            for number, frame in enumerate(frames):
                sender.send(frame)
                if number % FLOWS == FLOWS - 1:
                    time.sleep(0.01)
        time.sleep(0.5)
        for each in agents:
            each.send_signal(signal.SIGTERM)
        output = [each.communicate(timeout=60)[1] for each in agents]
    finally:
        for each in agents:
            each.kill()
        for spool in spools:
            shutil.rmtree(spool)
    assert [each.returncode for each in agents] == [0] * AGENTS, output
    last = [dict(re.findall(r"(\w+)=(\d+)", text.splitlines()[-1])) for text in output]
    assert all(int(counters["kernel_drops"]) == 0 for counters in last)
    assert sum(int(counters["accepted_rtp"]) for counters in last) == len(frames)
    assert all(int(counters["accepted_rtp"]) > 0 for counters in last), "both had some of the flows"
    packets_of = parts_in(layout, topics)
    by_agent = defaultdict(set)
    for source, key in packets_of:
        by_agent[source].add(key)
    first, second = by_agent.values()
    assert len(first) + len(second) == len(first | second) == FLOWS, "one of them saw each flow, completely"
    assert set(packets_of.values()) == {PACKETS}
