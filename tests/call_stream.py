"""Calls from an agent to their site without Kafka and Storm: the real objects, and lists for topics."""

import random
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import numpy as np
from sip_scenario import GATEWAY, PHONE, Talk, sdp, talking, write_capture

from callprint.core.call import CallRecord
from callprint.core.flow import EngineSettings
from callprint.core.relay.flow_assembly import PartitionAssembly
from callprint.core.relay.flow_judging import PartJudge
from callprint.core.relay.site import SiteCalls
from callprint.core.relay.site_inputs import FlowResults, RecordOffset, SignallingRecord, SiteInput
from callprint.core.spam.call_pipeline import CallPipeline
from callprint.core.spam.detectors import make_detector
from callprint.core.verdicts.pipeline import IdentificationPipeline
from callprint.core.wire.media import decode_media
from callprint.core.wire.signalling import decode_record
from callprint.core.wire.source import site_of
from callprint.identification import CaptureRun
from callprint.messaging.topic_names import MEDIA, SIGNALLING
from callprint.sources import open_captures
from capture_agent.agent import AgentSettings, CaptureAgent
from capture_agent.publisher import PublisherCounters
from capture_agent.spool import Outgoing, Spool

PARTITIONS = 4
SMALL = EngineSettings(maximum_flows=256, maximum_candidates=64, evidence_memory_bytes=1 << 20)
Frames = tuple[np.ndarray, np.ndarray]
"""data (bytes,) uint8 and records (n,) RECORD."""


def busy_line(count: int, name: str = "c", endless: int | None = 4):
    """Calls every 40 s, each 6 s long, from the same ports; every third without signalling, `endless` never ends."""
    packets = []
    for number in range(count):
        talk = Talk(f"{name}{number}@x", from_tag=f"t{number}")
        begin = 40.0 * number
        ours, theirs = ("10.0.0.1", 4000), ("10.0.0.2", 5000 + 2 * (number % 2))
        packets += talking(ours, theirs, begin + 2, begin + 8, 2 * number)
        packets += talking(theirs, ours, begin + 2, begin + 8, 2 * number + 1)
        if number % 3 == 2:
            continue
        packets.append((begin, PHONE, GATEWAY, talk.request("INVITE", sdp=sdp(*ours))))
        packets.append((begin + 2, GATEWAY, PHONE, talk.response(200, sdp=sdp(*theirs))))
        if number != endless:
            packets.append((begin + 8, PHONE, GATEWAY, talk.request("BYE", cseq=2, to_tag="tag-b")))
    return packets


def busy_frames(folder: Path) -> Frames:
    """Return the frames of nine calls of the busy line, through a capture in a folder."""
    path = folder / "calls.pcap"
    write_capture(path, busy_line(9))
    return frames_of(path)


def frames_of(*paths: Path) -> Frames:
    """Return all frames of captures as one batch."""
    data, records, at = [], [], 0
    for part, rows in open_captures(list(paths)):
        moved = rows.copy()
        moved["offset"] += at
        at += len(part)
        data.append(part.copy())
        records.append(moved)
    return np.concatenate(data), np.concatenate(records)


def embedded_rows(
    *captures: Frames, detector: str = "callprint", one_clock: bool = False
) -> list[CallRecord]:
    """Return the rows of the embedded path for captures, or parts of one, one after the other."""
    rows: list[CallRecord] = []
    run = CaptureRun(
        IdentificationPipeline(None, SMALL),
        None,
        calls=CallPipeline(detector=make_detector(detector)),
        on_call=rows.append,
    )
    for number, (data, records) in enumerate(captures):
        run.take(data, records, clock=0 if one_clock else number)
    run.finish()
    return rows


@dataclass
class Recorder:
    """Takes the place of an agent's publisher: Kafka as lists."""

    count: int
    topics: dict[tuple[str, int], list[bytes]] = field(default_factory=lambda: defaultdict(list))
    counters: PublisherCounters = field(default_factory=PublisherCounters)
    began: dict[tuple[str, int], int] = field(
        default_factory=dict
    )  # records until every agent has sent something
    unconfirmed: int = 0
    connected: bool = True

    def partitions(self, _topic: str) -> int:
        return self.count

    def publish(self, record: Outgoing) -> None:
        self.topics[record.topic, record.partition].append(record.data)

    def poll(self) -> None:
        """Nothing is in flight."""

    def flush(self, _timeout_s: float) -> bool:
        return True

    def close(self) -> None:
        """Nothing to close."""


def record(
    *captures: Frames, batch: int, site: str | None = None, end: bool = True, linger_s: float = 0.0
) -> Recorder:
    """Run a real agent over captures, `batch` frames at a time, with progress each `linger_s`; return what it sent."""
    recorder = Recorder(PARTITIONS)
    with agent_for(recorder, site, linger_s) as agent:
        for number, (data, records) in enumerate(captures):
            batches = ((data, records[at : at + batch]) for at in range(0, len(records), batch))
            agent.run(batches, SimpleNamespace(capture=None, clock=number, buffer=None, rows=None))  # type: ignore[arg-type]
        if end:
            assert agent.finish(1.0)
    return recorder


def record_together(parts: Sequence[Frames], site: str, step_s: float) -> Recorder:
    """Run an agent over each part at the same time: in turn, `step_s` of packet time each."""
    recorder = Recorder(PARTITIONS)
    times = np.concatenate([records["time_ns"] for _, records in parts])
    with ExitStack() as stack:
        agents = [stack.enter_context(agent_for(recorder, site)) for _ in parts]
        for start_ns in range(int(times.min()), int(times.max()) + 1, round(step_s * 1e9)):
            for agent, (data, records) in zip(agents, parts, strict=True):
                late = records["time_ns"] - start_ns
                now = records[(late >= 0) & (late < step_s * 1e9)]
                agent.run([(data, now), (data, records[:0])])  # and then nothing for a moment
            if not recorder.began:
                recorder.began = {name: len(topic) for name, topic in recorder.topics.items()}
        for agent in agents:
            assert agent.finish(1.0)
    return recorder


@contextmanager
def agent_for(recorder: Recorder, site: str | None, linger_s: float = 0.0) -> Iterator[CaptureAgent]:
    """A real agent that sends to a list; its spool holds nothing."""
    settings = AgentSettings(engine=SMALL, linger_s=linger_s, site=site)
    with TemporaryDirectory() as folder:
        yield CaptureAgent(settings, recorder, Spool(Path(folder), 0))  # type: ignore[arg-type]


class Inputs:
    """What a site gets from each partition, in order."""

    def __init__(self, topics: dict[object, list[SiteInput]], records: dict[RecordOffset, bytes]) -> None:
        self.topics = topics
        self._records = records

    @property
    def sources(self) -> set[int]:
        return {
            each.source if isinstance(each, FlowResults) else each.record.origin.source
            for topic in self.topics.values()
            for each in topic
        }

    def fetch(self, place: RecordOffset):
        """Read a record of signalling again."""
        return decode_record(self._records[place])

    def in_turn(self) -> Iterator[SiteInput]:
        """One partition after the other."""
        for topic in self.topics.values():
            yield from topic

    def shuffled(self, chance: random.Random, repeats: float = 0.0) -> Iterator[SiteInput]:
        """Any interleaving; now and then a partition goes back, as after a failure."""
        waiting = {name: deque(enumerate(topic)) for name, topic in self.topics.items() if topic}
        while waiting:
            name = chance.choice(list(waiting))
            at, site_input = waiting[name].popleft()
            yield site_input
            if chance.random() < repeats:
                yield from self.topics[name][max(0, at - 3) : at + 1]
            if not waiting[name]:
                del waiting[name]


def site_for(inputs: Inputs, detector: str = "callprint") -> SiteCalls:
    """Return the calls of the one site that all inputs are of, with nothing known yet."""
    (site,) = {site_of(source) for source in inputs.sources}
    return SiteCalls(site, make_detector(detector))


def inputs_of(recorder: Recorder) -> Inputs:
    """Run what an agent sent through flow assembly and judging, without a network."""
    topics: dict[object, list[SiteInput]] = {}
    records = {}
    for (topic, partition), sent in sorted(recorder.topics.items()):
        site_inputs: list[SiteInput] = []
        if topic == MEDIA:
            assembly, judge = PartitionAssembly(), PartJudge(None)
            for data in sent:
                batch = decode_media(data)
                judged = judge.judge(assembly.absorb(batch))
                site_inputs.append(FlowResults.of(batch.origin, partition, judged.verdicts, judged.summaries))
        elif topic == SIGNALLING:
            for offset, data in enumerate(sent):
                place = RecordOffset(partition, offset)
                records[place] = data
                site_inputs.append(SignallingRecord(place, decode_record(data)))
        topics[topic, partition] = site_inputs
    return Inputs(topics, records)
