"""Looks at the health of flows now and then, however many pages ask, and lets no page wait for it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any

from callprint.console.agents import Agent, Agents
from callprint.console.health import Alarm, Known, Stretch, drift_alarms, over_time, quality_alarm
from callprint.console.settings import ConsoleSettings
from callprint.console.site import Site
from callprint.console.topology import Topology, TopologyState
from callprint.core.ground.errors import CallprintError
from callprint.core.identify.card import ModelCard
from callprint.messaging.settings import KafkaSettings
from callprint.model_files import ModelFile, models_at
from callprint.stores import VerdictStore

CHART_EVERY_S = AGENTS_EVERY_S = 10.0
ALARMS_EVERY_S = 60.0
KNOWN_FOR_S = 600.0
"""How long stretches are kept: rows of times long ago can come late."""
REST = 20
"""Times as long as a look took, nobody looks again: a look at a large store takes many requests."""
PATIENCE_S = 0.15
"""How long a page waits for what is not known yet: the next look at it has it."""


class Watch:
    """What is known of the health of flows."""

    def __init__(self, site: Site) -> None:
        """Know nothing yet."""
        self._site = site
        settings = site.settings
        self._agents = Agents(settings.agents)
        self._topology = topology_of(settings) if settings.kafka else None
        self._known: dict[
            Any, tuple[float, Any]
        ] = {}  # from when on it is looked for again, and what was found
        self._stretches: Known = {}
        self._stretches_since = time.monotonic()
        self._running: dict[Any, asyncio.Task[None]] = {}

    async def stretches(self, begin_ns: int, end_ns: int) -> list[Stretch]:
        """Return samples over a time; none while they are looked for."""
        if time.monotonic() - self._stretches_since > KNOWN_FOR_S:
            self._stretches, self._stretches_since = {}, time.monotonic()
        known = self._stretches
        found = await self._look(
            end_ns - begin_ns,
            CHART_EVERY_S,
            lambda: self._site.pool.ask_beside(lambda store: over_time(store, begin_ns, end_ns, known)),
        )
        return found or []

    async def alarms(self, end_ns: int) -> list[Alarm]:
        """Return the alarms at a time of packets; none while they are looked for."""
        found = await self._look(
            "alarms",
            ALARMS_EVERY_S,
            lambda: self._site.pool.ask_beside(lambda store: self._alarms(store, end_ns)),
        )
        topology = await self.topology()
        return [
            *(found or []),
            *(alarm_of(each) for each in await self.agents() if each.bad),
            *(Alarm("topology", words) for words in (topology.alarms if topology else ())),
        ]

    async def agents(self) -> list[Agent]:
        """Return what the agents report; none while they are asked."""
        if not self._site.settings.agents:
            return []
        return await self._look("agents", AGENTS_EVERY_S, lambda: asyncio.to_thread(self._agents.ask)) or []

    async def topology(self) -> TopologyState | None:
        """Return what Kafka knows of the topology; None while it is asked, or where none is named."""
        if self._topology is None:
            return None
        found: TopologyState | None = await self._look(
            "topology", AGENTS_EVERY_S, lambda: asyncio.to_thread(self._topology.ask)
        )
        return found

    async def _look(self, key: Any, every_s: float, question: Callable[[], Awaitable[Any]]) -> Any:
        due, _ = self._known.get(key, (float("-inf"), None))
        running = self._running.get(key)
        if time.monotonic() > due and (running is None or running.done()):
            running = self._running[key] = asyncio.create_task(self._find(key, every_s, question))
        if running is not None and not running.done():
            await asyncio.wait({running}, timeout=PATIENCE_S)
        return self._known.get(key, (0.0, None))[1]

    async def _find(self, key: Any, every_s: float, question: Callable[[], Awaitable[Any]]) -> None:
        began = time.monotonic()
        try:
            found = await question()
        except CallprintError:  # the page that asked says what is wrong with the store
            found = self._known.get(key, (0.0, None))[1]
        ended = time.monotonic()
        self._known[key] = ended + max(every_s, REST * (ended - began)), found

    def _alarms(self, store: VerdictStore, end_ns: int) -> list[Alarm]:
        quality = quality_alarm(store, end_ns)
        return [*([quality] if quality else []), *drift_alarms(store, end_ns, self._cards())]

    def _cards(self) -> list[ModelCard]:
        found = models_at(path for path in self._site.settings.models if path.exists())
        return [each.card for each in found if isinstance(each, ModelFile)]


def topology_of(settings: ConsoleSettings) -> Topology:
    """Return what asks about the topology that settings name. Raises ConfigError for brokers that are none."""
    kafka = KafkaSettings(settings.kafka, tls_ca=settings.kafka_tls_ca, sasl_user=settings.sasl_user)
    return Topology(kafka, settings.consumer_group, settings.topics)


def alarm_of(agent: Agent) -> Alarm:
    """Return why an agent is an alarm."""
    words = [agent.problem] if agent.problem else []
    if agent.kernel_drops:
        words.append(f"the kernel dropped {agent.kernel_drops:,.0f} packets since it began")
    if agent.records_lost:
        words.append(f"{agent.records_lost:,.0f} records were lost or refused")
    if agent.connected == 0:
        words.append("no connection to Kafka")
    return Alarm("agent", f"{agent.url}: {'; '.join(words)}")


watch_of = lru_cache(4)(Watch)
"""The one of a console, so that pages and the REST interface share what is known."""
