"""The agent's loop: packets go through dissector and flow engine, and what comes out goes to Kafka."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from callprint.core.calls.settings import RUNNING_EVERY_NS
from callprint.core.capture.packet_order import OrderedBatch, OrderSettings, PacketOrder
from callprint.core.capture.time_marks import TimeMarks
from callprint.core.dissect import SIGNALLING_PORTS, dissect
from callprint.core.evidence import HORIZON_PACKETS
from callprint.core.flow.engine import EngineSettings, FlowEngine, FlowEvents
from callprint.core.flow.layout import EVENT_END
from callprint.core.ground.arrays import Array
from callprint.core.ground.errors import ConfigError
from callprint.core.identify.evidence_tables import MAXIMUM_RTP
from callprint.core.relay.packet_shipping import PacketShipper
from callprint.core.relay.shipping import Shipper
from callprint.core.relay.signalling_shipping import SignallingShipper
from callprint.core.relay.summarising import Summariser
from callprint.core.signalling.reader import RawMessage, SignallingReader
from callprint.core.wire.media import MediaBatch, encode_media
from callprint.core.wire.packets import PacketBatch, encode_packets
from callprint.core.wire.progress import encode_progress
from callprint.core.wire.signalling import SignallingBatch, encode_signalling
from callprint.core.wire.source import source_number
from callprint.messaging.topic_names import MEDIA, PACKETS, SIGNALLING
from callprint.sources.batch import PacketSource

from .spool import Outgoing, Spool

if TYPE_CHECKING:
    from .publisher import Publisher  # the Kafka client, which the settings do without


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """What an operator decides for one agent."""

    engine: EngineSettings = field(default_factory=EngineSettings)
    media_topic: str = MEDIA
    signalling_topic: str = SIGNALLING
    linger_s: float = 0.2  # how long a part may wait for its batch to fill
    statistics_every_s: float = RUNNING_EVERY_NS / 1e9  # of packet time, for running flows: calls rely on it
    packets_topic: str = PACKETS
    head: int = HORIZON_PACKETS  # RTP packets of a flow to ship; those beyond the horizon to packets_topic
    site: str | None = None  # agents that see the same calls; None: this run alone
    signalling_ports: tuple[int, ...] = SIGNALLING_PORTS  # of SIP over TCP
    order: OrderSettings = field(default_factory=OrderSettings)
    summarise: bool = False  # ship of media no more than a network of features looks at

    def __post_init__(self) -> None:
        """Raise ConfigError when the head is too short for verdicts, or statistics are too rare for calls.

        Or when evidence is longer than what can be summarised.
        """
        if self.head < self.engine.horizon_packets:
            raise ConfigError(
                f"--head must be all, or at least {self.engine.horizon_packets}, which verdicts look at"
            )
        if self.summarise and self.engine.horizon_packets > MAXIMUM_RTP:
            raise ConfigError(f"summaries are for {MAXIMUM_RTP} packets that features look at, not for more")
        if not 1 <= self.statistics_every_s <= RUNNING_EVERY_NS / 1e9:
            raise ConfigError(f"statistics_every_s must be from 1 to 60, not {self.statistics_every_s:g}")


BACK_NS = 5_000_000_000  # packets of several interfaces are out of order by far less
LOOK_UP_NS = 5_000_000_000  # far below any idle time-out
PROGRESS_EVERY_S = 10.0
"""How often progress is sent on a quiet line: an agent that is silent for long is taken for dead."""


def _slices(packets: Array, longest_ns: int) -> Iterator[Array]:
    """Cut packets into slices whose times differ from that of their first packet by at most `longest_ns`."""
    start = 0
    while start < len(packets):
        later = np.flatnonzero(np.abs(packets["time_ns"][start:] - packets["time_ns"][start]) > longest_ns)
        end = start + int(later[0]) if len(later) else len(packets)
        yield packets[start:end]
        start = end


class CaptureAgent:
    """Ships the head of every flow, statistics and signalling. Every packet ends in one counter of the engine."""

    def __init__(self, settings: AgentSettings, publisher: "Publisher", spool: Spool) -> None:
        """Raises ConfigError when Kafka or a topic is missing."""
        source = source_number(settings.site, os.urandom(8))
        self._settings = settings
        self._publisher = publisher
        self._spool = spool
        self.engine = FlowEngine(settings.engine)
        self.order = PacketOrder(settings.order)
        flows = settings.engine.maximum_flows
        self._shipper = Shipper(
            *(source, publisher.partitions(settings.media_topic), flows),
            Summariser(flows) if settings.summarise else None,
        )
        self._packets = None
        if settings.head > settings.engine.horizon_packets:
            self._packets = PacketShipper(
                *(source, publisher.partitions(settings.packets_topic), flows),
                *(settings.engine.horizon_packets, settings.head),
            )
        self._sip = SignallingReader()
        self._sip_shipper = SignallingShipper(source, publisher.partitions(settings.signalling_topic))
        self._flushed_s = self._progress_s = time.monotonic()
        self._clock_ns = -(1 << 63)  # of the last progress
        self._newest_ns: int | None = None  # largest packet time since then
        self._marks = TimeMarks(round(settings.statistics_every_s * 1e9))
        self.read = 0
        self.sip_messages = 0
        self.rtp_lost = 0
        self.kernel_drops: Callable[[], int] = lambda: 0
        self._dropped = 0

    def run(
        self,
        batches: Iterable[tuple[Array, Array]],
        source: PacketSource | None = None,
        through: Callable[[Iterator[OrderedBatch]], Iterator[OrderedBatch]] = iter,
    ) -> None:
        """Process batches of frames until there are no more; data: (bytes,) uint8, records: (n,) RECORD.

        `source`: where the batches come from, if that has more than one capture. `through`: what the packets pass once
        they are in order, as the pace of a replay; it may divide batches, and add empty ones.
        """
        for batch in through(self._in_order(batches, source)):
            self._take_ordered([batch])
            if time.monotonic() - self._flushed_s >= self._settings.linger_s:
                self._flush()

    def _in_order(
        self, batches: Iterable[tuple[Array, Array]], source: PacketSource | None
    ) -> Iterator[OrderedBatch]:
        """Yield packets in order, and after each batch an empty one: nothing may have become ready."""
        for data, records in batches:
            if len(records):
                origin = (source.capture, source.clock, source.buffer, source.rows) if source else ()
                yield from self.order.take(data, records, *origin)
            else:
                yield from self.order.flush()
            self._note_drops()
            yield OrderedBatch(data, records[:0], None)

    def _note_drops(self) -> None:
        """Let the engine know when the kernel has dropped packets: no MOS is claimed for the flows of that time."""
        dropped = self.kernel_drops()
        if dropped > self._dropped:
            self._dropped = dropped
            self.engine.note_drops()

    def finish(self, timeout_s: float) -> bool:
        """End every flow and send the rest; return whether Kafka has all of it (if not, the spool has)."""
        self._take_ordered(self.order.flush())
        self._end_flows()
        self._send_messages(self._sip.close())
        self._flush(ended=True)
        done = self._publisher.flush(timeout_s)
        self._publisher.close()
        return done

    def _take_ordered(self, batches: Iterable[OrderedBatch]) -> None:
        for batch in batches:
            if batch.begins_anew:
                self._end_flows()
                self._send_messages(self._sip.close())
                self._flush(begins_anew=True)
            if len(batch.records):
                self._take(batch.data, batch.records, batch.capture)

    def _end_flows(self) -> None:
        for events in self.engine.finish():
            self._ship(events)

    def _take(self, data: Array, records: Array, capture: str | None) -> None:
        packets = dissect(data, records, signalling_ports=self._settings.signalling_ports)
        now_ns = int(packets["time_ns"].max())
        if self._newest_ns is not None and now_ns < self._newest_ns - BACK_NS:
            self._flush()  # an earlier capture begins: the later one's time must not hide its time
        self.read += len(records)
        done = 0
        for at, mark_ns in self._marks.passed(packets["time_ns"]):
            self._take_packets(data, packets[done:at], records[done:at], capture)
            self._send_media(self._shipper.statistics(self.engine.flows, mark_ns, self.engine.captures))
            done = at
        self._take_packets(data, packets[done:], records[done:], capture)
        self._newest_ns = now_ns if self._newest_ns is None else max(self._newest_ns, now_ns)

    def _take_packets(self, data: Array, packets: Array, records: Array, capture: str | None) -> None:
        if self._packets is None:
            self._process(data, packets, capture)
        else:
            # A packet's flow is looked up after the engine has run: it must not have ended within the same slice.
            for some in _slices(packets, LOOK_UP_NS):
                self._process(data, some, capture)
                self._send_packets(self._packets.take(data, some, self.engine))
        self._send_messages(self._sip.read(data, packets, records, capture))

    def _process(self, data: Array, packets: Array, capture: str | None) -> None:
        for events in self.engine.process(data, packets, capture=capture):
            self._ship(events)

    def _ship(self, events: FlowEvents) -> None:
        ended = events.flows[events.events["kind"] == EVENT_END]
        expected = ended["expected_before"] + ended["maximum_sequence"] - ended["base_sequence"] + 1
        self.rtp_lost += int(np.maximum(expected - (ended["received"] - ended["duplicates"]), 0).sum())
        self._send_media(self._shipper.take(events, self.engine.captures))

    def _flush(self, *, ended: bool = False, begins_anew: bool = False) -> None:
        self._flushed_s = time.monotonic()
        self._send_media(self._shipper.flush())
        self._send_signalling(self._sip_shipper.flush())
        if self._packets is not None:
            self._send_packets(self._packets.flush())
        quiet = self._newest_ns is None and self._flushed_s - self._progress_s < PROGRESS_EVERY_S
        if ended or begins_anew or not quiet:
            self._progress_s = self._flushed_s
            self._clock_ns = self._clock_ns if self._newest_ns is None else self._newest_ns
            self._newest_ns = None
            partition, progress = self._sip_shipper.progress(
                self._shipper.sent, self._clock_ns, ended=ended, begins_anew=begins_anew
            )
            self._publisher.publish(
                Outgoing(self._settings.signalling_topic, partition, encode_progress(progress))
            )
        self._publisher.poll()

    def _send_media(self, batches: list[tuple[int, MediaBatch]]) -> None:
        for partition, batch in batches:
            self._publisher.publish(Outgoing(self._settings.media_topic, partition, encode_media(batch)))

    def _send_packets(self, batches: list[tuple[int, PacketBatch]]) -> None:
        for partition, batch in batches:
            self._publisher.publish(Outgoing(self._settings.packets_topic, partition, encode_packets(batch)))

    def _send_messages(self, messages: list[RawMessage]) -> None:
        self.sip_messages += len(messages)
        self._send_signalling(self._sip_shipper.take(messages))

    def _send_signalling(self, batches: list[tuple[int, SignallingBatch]]) -> None:
        for partition, batch in batches:
            self._publisher.publish(
                Outgoing(self._settings.signalling_topic, partition, encode_signalling(batch))
            )

    def values(self) -> dict[tuple[str, str], float]:
        """Return the counters that metrics.py shows."""
        sent = self._publisher.counters
        gauges, times = self.engine.gauges, self.order.counters
        return {
            ("callprint_packets_read_total", ""): self.read,
            ("callprint_kernel_drops_total", ""): self.kernel_drops(),
            ("callprint_packet_times_total", 'state="late"'): times.late,
            ("callprint_packet_times_total", 'state="misdated"'): times.misdated,
            ("callprint_clock_steps_total", 'state="set back"'): times.set_back,
            ("callprint_clock_steps_total", 'state="begun anew"'): times.begun_anew,
            **{
                ("callprint_packets_total", f'outcome="{outcome.name.lower()}"'): count
                for outcome, count in self.engine.outcomes.items()
            },
            ("callprint_packets_held", ""): self.engine.held,
            ("callprint_flows", ""): gauges["flows"],
            ("callprint_flows_evicted_total", ""): gauges["flows_evicted"],
            ("callprint_rtp_lost_total", ""): self.rtp_lost,
            ("callprint_sip_messages_total", ""): self.sip_messages,
            ("callprint_records_total", 'state="sent"'): sent.sent,
            ("callprint_records_total", 'state="confirmed"'): sent.confirmed,
            ("callprint_records_total", 'state="failed"'): sent.failed,
            ("callprint_records_total", 'state="lost"'): sent.lost,
            ("callprint_records_unconfirmed", ""): self._publisher.unconfirmed,
            ("callprint_spool_records", ""): len(self._spool),
            ("callprint_spool_bytes", ""): self._spool.bytes,
            ("callprint_bytes_confirmed_total", ""): sent.bytes,
            ("callprint_packets_shipped_total", ""): self._packets.packets if self._packets else 0,
            ("callprint_disconnections_total", ""): sent.disconnections,
            ("callprint_connected", ""): self._publisher.connected,
        }
