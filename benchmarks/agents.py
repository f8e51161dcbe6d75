"""Capture agents as processes of their own: what the benchmarks of the agent have in common."""

import re
import sys
import time
from pathlib import Path

from callprint.messaging.settings import KafkaSettings
from callprint.messaging.topics import TopicNames, create_topics

ROOT = Path(__file__).resolve().parents[1]
"""Where an agent is started."""

PARTITIONS = 8


def new_topics(what: str, brokers: str) -> str:
    """Create topics that nobody else uses; return the name of the one for media, with which all names begin."""
    topic = f"{what}-{time.time_ns()}"
    create_topics(KafkaSettings((brokers,)), PARTITIONS, 1, TopicNames(topic, f"{topic}-sip"))
    return topic


def agent_command(brokers: str, topic: str, spool: Path, *options: str) -> list[str]:
    """Return the command of an agent that sends to `new_topics`."""
    kafka = ["--brokers", brokers, "--media-topic", topic, "--signaling-topic", f"{topic}-sip"]
    return [sys.executable, "-m", "capture_agent", *options, *kafka, "--spool", str(spool)]


def last_counters(said: str) -> dict[str, int]:
    """Return the numbers of an agent's last status line."""
    return {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", said.splitlines()[-1])}
