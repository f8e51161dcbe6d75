"""An endless stream of calls for the fault tests, and how far the topology has got with it."""

import subprocess
import threading
import time
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

from cluster_fixtures import Running

from callprint.services.comparison import Expected
from callprint.services.layout import HOST
from callprint.services.process import port_open
from callprint.topology.settings import TopologySettings

SPEED = 12.0  # times the captures' own
CAPTURES = 8  # in one agent run, which takes about ten seconds
AGENT_TIMEOUT_S = 300.0
NOT_STARTED, SPOOLED = 1, 5  # exit statuses of an agent: Kafka was down when it started, or when it ended


class AgentRuns:
    """Agents that run one after the other on captures of calls, each with the spool that the previous one left."""

    def __init__(self, running: Running, captures: Sequence[Path]) -> None:
        self._running = running
        self._runs = [captures[at : at + CAPTURES] for at in range(0, len(captures), CAPTURES)]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._feed, name="agents")
        self._failures: list[str] = []
        self._done = 0  # agent runs that have ended

    def __enter__(self) -> "AgentRuns":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Let the current agent finish, then one more to send what is in the spool."""
        self._stop.set()
        self._thread.join()
        assert not self._failures, self._failures[0]

    def expected(self) -> Expected:
        """The rows that the embedded path makes of everything that was sent, agent run by agent run."""
        runs = [self._running.expected(captures) for captures in self._runs[: self._done]]
        return Expected(
            frozenset().union(*(run.verdicts for run in runs)),
            {flow: summary for run in runs for flow, summary in run.summaries.items()},
            frozenset().union(*(run.calls for run in runs)),
        )

    def _feed(self) -> None:
        for captures in cycle(self._runs):
            status, output = self._agent(captures)
            self._done += 1
            if status not in (0, SPOOLED):
                self._failures.append(output)
            if self._stop.is_set() or self._failures:
                break
        if status == SPOOLED:
            status, output = self._agent(self._runs[0][:1])
            if status != 0:
                self._failures.append(f"the spool was not sent: {output}")

    def _agent(self, captures: Sequence[Path]) -> tuple[int, str]:
        deadline_s = time.monotonic() + AGENT_TIMEOUT_S
        while True:
            if port_open(HOST, self._running.layout.kafka):
                agent = self._running.agent(
                    captures,
                    *("--speed", str(SPEED), "--statistics-every", "5"),
                )
                try:
                    _, output = agent.communicate(timeout=AGENT_TIMEOUT_S)
                except subprocess.TimeoutExpired:
                    agent.kill()
                    return agent.wait(), f"an agent hung: {agent.communicate()[1]}"
                if agent.returncode != NOT_STARTED or time.monotonic() > deadline_s:
                    return agent.returncode, output
                print(f" (an agent did not start: {output.strip().splitlines()[-1:]})", end="", flush=True)
            time.sleep(0.2)


class MediaOffsets:
    """Where the partitions of the media topic end, and how far the topology has committed them."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._group = f"{TopologySettings().consumer_group}-{running.topics.media}"

    def sent(self) -> dict[int, int]:
        """Return the end of each partition."""
        return self._ask(committed=False)

    def committed(self) -> dict[int, int]:
        """Return the low-water mark of each partition: the results of everything below it are in the store."""
        return self._ask(committed=True)

    def wait_for_more(self, timeout_s: float) -> dict[int, int]:
        """Wait until something is sent, and return the end of each partition then."""
        deadline_s = time.monotonic() + timeout_s
        before: dict[int, int] = {}
        while time.monotonic() < deadline_s:
            now = self.sent()
            if before and sum(now.values()) > sum(before.values()):
                return now
            before = now
        raise AssertionError(f"nothing more is sent: {before}")

    def wait_for(self, sent: dict[int, int], timeout_s: float) -> None:
        """Wait until everything up to the ends `sent` is worked off."""
        deadline_s = time.monotonic() + timeout_s
        committed: dict[int, int] = {}
        while time.monotonic() < deadline_s:
            committed = self.committed() or committed
            if committed and all(committed[number] >= end for number, end in sent.items()):
                return
            time.sleep(0.5)
        raise AssertionError(f"sent {sent}, worked off after {timeout_s:.0f} s: {committed}")

    def _ask(self, *, committed: bool) -> dict[int, int]:
        """Return an offset of each partition; nothing while Kafka is down."""
        from kafka import KafkaConsumer, TopicPartition  # noqa: PLC0415 - the extra `cluster`
        from kafka.errors import KafkaError  # noqa: PLC0415

        if not port_open(HOST, self._running.layout.kafka):
            return {}
        try:
            consumer = KafkaConsumer(bootstrap_servers=self._running.brokers, group_id=self._group)
        except KafkaError:
            return {}
        try:
            topic = self._running.topics.media
            numbers = sorted(consumer.partitions_for_topic(topic) or ())
            partitions = [TopicPartition(topic, number) for number in numbers]
            if committed:
                return {each.partition: consumer.committed(each) or 0 for each in partitions}
            return {each.partition: end for each, end in consumer.end_offsets(partitions).items()}
        except KafkaError:
            return {}
        finally:
            consumer.close(autocommit=False, timeout_ms=1000)
