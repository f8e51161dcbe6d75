"""A stream of calls for as long as faults go on, and how far the topology has worked it off."""

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
CAPTURES = 8  # of one agent run: about ten seconds
AGENT_TIMEOUT_S = 300.0
NOT_STARTED, SPOOLED = 1, 5  # exit statuses of an agent: Kafka was away at its start, or at its end


class Stream:
    """Agents that follow one another with captures of calls, each with the spool that the one before left."""

    def __init__(self, running: Running, captures: Sequence[Path]) -> None:
        self._running = running
        self._runs = [captures[at : at + CAPTURES] for at in range(0, len(captures), CAPTURES)]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._feed, name="stream")
        self._failures: list[str] = []
        self._done = 0  # agent runs that have ended

    def __enter__(self) -> "Stream":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Let the agent at work finish, and one more send what is in the spool."""
        self._stop.set()
        self._thread.join()
        assert not self._failures, self._failures[0]

    def expected(self) -> Expected:
        """What the embedded path says of everything that was sent, agent run by agent run."""
        said = [self._running.expected(captures) for captures in self._runs[: self._done]]
        return Expected(
            frozenset().union(*(one.verdicts for one in said)),
            {flow: summary for one in said for flow, summary in one.summaries.items()},
            frozenset().union(*(one.calls for one in said)),
        )

    def _feed(self) -> None:
        for captures in cycle(self._runs):
            status, said = self._agent(captures)
            self._done += 1
            if status not in (0, SPOOLED):
                self._failures.append(said)
            if self._stop.is_set() or self._failures:
                break
        if status == SPOOLED:
            status, said = self._agent(self._runs[0][:1])
            if status != 0:
                self._failures.append(f"the spool was not sent: {said}")

    def _agent(self, captures: Sequence[Path]) -> tuple[int, str]:
        deadline_s = time.monotonic() + AGENT_TIMEOUT_S
        while True:
            if port_open(HOST, self._running.layout.kafka):
                agent = self._running.agent(
                    captures,
                    *("--speed", str(SPEED), "--statistics-every", "5"),
                )
                _, said = agent.communicate(timeout=AGENT_TIMEOUT_S)
                if agent.returncode != NOT_STARTED or time.monotonic() > deadline_s:
                    return agent.returncode, said
            time.sleep(0.2)


class Progress:
    """What is in the media topic, and what of it the topology has committed as worked off."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._group = f"{TopologySettings().consumer_group}-{running.media_topic}"

    def sent(self) -> dict[int, int]:
        """Return the end of each partition."""
        return self._ask(committed=False)

    def committed(self) -> dict[int, int]:
        """Return the low-water mark of each partition: everything below it is in the store."""
        return self._ask(committed=True)

    def wait_for_more(self, timeout_s: float) -> dict[int, int]:
        """Return the end of each partition at a moment at which something has just been sent."""
        deadline_s = time.monotonic() + timeout_s
        before: dict[int, int] = {}
        while time.monotonic() < deadline_s:
            now = self.sent()
            if before and sum(now.values()) > sum(before.values()):
                return now
            before = now
        raise AssertionError(f"nothing is sent any more: {before}")

    def wait_for(self, sent: dict[int, int], timeout_s: float) -> None:
        """Return once everything that was sent up to there is worked off."""
        deadline_s = time.monotonic() + timeout_s
        committed: dict[int, int] = {}
        while time.monotonic() < deadline_s:
            committed = self.committed() or committed
            if committed and all(committed[number] >= end for number, end in sent.items()):
                return
            time.sleep(0.5)
        raise AssertionError(f"sent {sent}, worked off after {timeout_s:.0f} s: {committed}")

    def _ask(self, *, committed: bool) -> dict[int, int]:
        """Return an offset of each partition; nothing while Kafka is away."""
        from kafka import KafkaConsumer, TopicPartition  # noqa: PLC0415 - the extra `cluster`
        from kafka.errors import KafkaError  # noqa: PLC0415

        if not port_open(HOST, self._running.layout.kafka):
            return {}
        try:
            consumer = KafkaConsumer(bootstrap_servers=self._running.brokers, group_id=self._group)
        except KafkaError:
            return {}
        try:
            topic = self._running.media_topic
            numbers = sorted(consumer.partitions_for_topic(topic) or ())
            partitions = [TopicPartition(topic, number) for number in numbers]
            if committed:
                return {each.partition: consumer.committed(each) or 0 for each in partitions}
            return {each.partition: end for each, end in consumer.end_offsets(partitions).items()}
        except KafkaError:
            return {}
        finally:
            consumer.close(autocommit=False, timeout_ms=1000)
