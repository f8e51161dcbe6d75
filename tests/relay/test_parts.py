"""A flow that crosses Kafka in parts has the same evidence, events and statistics on the other side."""

from collections.abc import Iterable
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rtp_traffic import CALLS, traffic

from callprint.core.evidence import EVIDENCE_HEADER
from callprint.core.flow.engine import EngineSettings, FlowEngine, FlowEvents
from callprint.core.flow.layout import DECIDED, EVENT, EVENT_END, FLOW
from callprint.core.flow.window_layout import REPORTED, WINDOW
from callprint.core.relay.evidence_logs import EvidenceLogs
from callprint.core.relay.flow_assembly import PartitionAssembly, flow_ids
from callprint.core.relay.low_water import LowWater
from callprint.core.relay.shipping import Shipper
from callprint.core.wire.frame import Origin
from callprint.core.wire.media import (
    SHIPPED_FLOW_FIELDS,
    MediaBatch,
    PartKind,
    decode_media,
    encode_media,
)
from callprint.messaging.settings import MAXIMUM_RECORD_BYTES

ENGINE = EngineSettings(
    maximum_flows=64, maximum_candidates=64, evidence_memory_bytes=1 << 20, checkpoints=(2, 10, 20, 40)
)
PARTITIONS = 3


@cache
def engine_events(batch_packets: int) -> list[FlowEvents]:
    """Run CALLS through a flow engine, `batch_packets` at a time, and return copies of its events."""
    data, packets = traffic(CALLS)
    engine = FlowEngine(ENGINE)
    drains = []
    for at in range(0, len(packets), batch_packets):
        drains += [_copy(part) for part in engine.process(data, packets[at : at + batch_packets])]
    return drains + [_copy(part) for part in engine.finish()]


def _copy(part: FlowEvents) -> FlowEvents:
    arrays = part.events, part.flows, part.evidence, part.windows, part.reported
    return FlowEvents(*(array.copy() for array in arrays))


def wanted(drains: list[FlowEvents]) -> list[tuple[object, ...]]:
    """Return the events as plain values: kind, k, time, log, and the flow's fields."""
    rows = []
    for part in drains:
        for event, flow in zip(part.events, part.flows, strict=True):
            fields = tuple(flow[name].item() for name in SHIPPED_FLOW_FIELDS)
            log = part.evidence[event["start"] : event["end"]].tobytes()
            rows.append((int(event["kind"]), int(event["k"]), int(event["time_ns"]), log, fields))
    return sorted(rows)


def received(batches: list[MediaBatch], of: Iterable[int] | None = None) -> list[tuple[object, ...]]:
    """The same of what an assembly passes on, with the logs that a judge keeps; `of`: of these batches only."""
    rows = []
    logs = EvidenceLogs()
    wanted_batches = set(range(len(batches)) if of is None else of)
    for number, batch in enumerate(batches):
        log, spans = logs.take(batch, flow_ids(batch.origin.source, batch.parts))
        for i, part in enumerate(batch.parts):
            fields = tuple(part[name].item() for name in SHIPPED_FLOW_FIELDS)
            own_log = log[spans[i, 0] : spans[i, 1]].tobytes()
            if number in wanted_batches:
                rows.append((int(part["kind"]), int(part["k"]), int(part["time_ns"]), own_log, fields))
    return sorted(rows)


def ship(drains: list[FlowEvents], flush_every: int) -> list[list[bytes]]:
    """Return the encoded batches of each partition, in order."""
    shipper = Shipper(5, PARTITIONS, ENGINE.maximum_flows)
    topics: list[list[bytes]] = [[] for _ in range(PARTITIONS)]
    for number, part in enumerate(drains):
        sent = shipper.take(part)
        if number % flush_every == 0:
            sent += shipper.flush()
        for partition, batch in sent:
            topics[partition].append(encode_media(batch))
    for partition, batch in shipper.flush():
        topics[partition].append(encode_media(batch))
    return topics


@pytest.mark.parametrize("batch_packets", [1, 7, 100, 10_000])
@pytest.mark.parametrize("flush_every", [1, 3, 1000])
def test_assembled_flows_are_the_engine_s_flows(batch_packets: int, flush_every: int) -> None:
    drains = engine_events(batch_packets)
    assembled = []
    for topic in ship(drains, flush_every):
        assembly = PartitionAssembly()
        assembled += [assembly.absorb(decode_media(data)) for data in topic]
        assert len(assembly) == 0
    assert received(assembled) == wanted(drains)


def test_every_evidence_record_is_shipped_once() -> None:
    drains = engine_events(50)
    final = {}
    for part in drains:
        for event, flow in zip(part.events, part.flows, strict=True):
            if event["end"] > event["start"]:
                final[int(flow["generation"]), int(event["row"])] = int(event["end"] - event["start"])
    batches = [decode_media(data) for topic in ship(drains, 1) for data in topic]
    shipped = sum(len(batch.payload) + 12 * len(batch.packets) for batch in batches)
    assert shipped == sum(final.values())


def test_sequence_numbers_of_a_partition_have_no_gap() -> None:
    for topic in ship(engine_events(5), 2):
        assert [decode_media(data).origin.sequence for data in topic] == list(range(len(topic)))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_replay_from_the_low_water_mark_judges_every_flow_whose_verdict_was_not_stored(data) -> None:
    """Whatever is done before a crash, a restart at the mark completes every other flow, from its first part."""
    topic = max(ship(engine_events(9), 1), key=len)
    batches = [decode_media(record) for record in topic]
    everything = set(received(_assemble(batches)))
    low_water = LowWater(0)
    crash = data.draw(st.integers(0, len(batches)), label="batches read before the crash")
    for offset in range(crash):
        low_water.emitted(offset, batches[offset])
    order = data.draw(st.permutations(range(crash)), label="order of completion")
    done = order[: data.draw(st.integers(0, crash), label="completed")]
    for offset in done:
        low_water.done(offset)
    stored = received(_assemble(batches[:crash]), of=done)
    again = _assemble(batches[low_water.mark :])
    assert set(stored) | set(received(again)) >= everything
    final = {row for row in everything if row[0] != PartKind.STATISTICS}
    assert set(received(again)) - final == set() or _only_summaries(set(received(again)) - final)


def _only_summaries(rows: set[tuple[object, ...]]) -> bool:
    return all(kind == EVENT_END and fields[-1] == DECIDED for kind, _, _, _, fields in rows)


def _assemble(batches: list[MediaBatch]) -> list[MediaBatch]:
    assembly = PartitionAssembly()
    return [assembly.absorb(batch) for batch in batches]


def test_a_hole_breaks_only_the_flows_that_it_is_in() -> None:
    topic = max(ship(engine_events(9), 1), key=len)
    batches = [decode_media(record) for record in topic]
    middle = [
        i
        for i, batch in enumerate(batches)
        if len(batch.parts) == 1 and batch.parts["first_record"][0] and not batch.parts["kind"][0]
    ]
    lost = middle[0]
    hit = {tuple(part[name].item() for name in SHIPPED_FLOW_FIELDS[:8]) for part in batches[lost].parts}
    assembly = PartitionAssembly()
    with_hole = received([assembly.absorb(batch) for i, batch in enumerate(batches) if i != lost])
    complete = received(_assemble(batches))
    assert [row for row in with_hole if row[-1][:8] not in hit] == [
        row for row in complete if row[-1][:8] not in hit
    ]
    assert assembly.counters.holes == len(hit) == 1
    (judged,) = (
        row
        for row in with_hole
        if row[-1][:8] in hit and row[0] in (PartKind.HORIZON, PartKind.END) and row[3]
    )
    assert judged[1] < 100, "k counts what came, not what the agent saw"


@pytest.mark.parametrize("kind", [PartKind.STATISTICS, PartKind.END])
def test_a_flow_whose_deciding_part_was_lost_is_judged_once_it_is_known_to_be_decided(kind) -> None:
    topic = max(ship(engine_events(9), 1), key=len)
    whole = decode_media(topic[0])
    assert (whole.parts["kind"] == PartKind.CHECKPOINT).all()
    flows = len(whole.parts)
    later = whole.parts.copy()
    later["kind"], later["evidence_state"] = kind, DECIDED
    later["first_record"], later["records"] = 100, 0
    decided = MediaBatch(Origin(5, 2, 0), later, whole.packets[:0], whole.payload[:0])  # number 1 was lost
    assembly, low_water, seen = PartitionAssembly(), LowWater(0), []
    for offset, batch in enumerate((whole, decided)):
        seen += assembly.absorb(batch).parts["kind"].tolist()
        low_water.emitted(offset, batch)
        low_water.done(offset)
    assert seen == [PartKind.CHECKPOINT] * flows + [PartKind.HORIZON] * flows + [kind] * flows
    assert (len(assembly), low_water.mark, assembly.counters.holes) == (0, 2, flows)


def test_a_repeated_batch_changes_nothing() -> None:
    topic = max(ship(engine_events(9), 1), key=len)
    batches = [decode_media(record) for record in topic]
    assembly = PartitionAssembly()
    assembled = []
    for batch in batches:
        assembled += [assembly.absorb(batch), assembly.absorb(batch)]
    assert set(received(assembled)) >= set(received(_assemble(batches)))


def test_flows_of_a_silent_source_are_judged_by_what_they_sent() -> None:
    topic = max(ship(engine_events(9), 1), key=len)
    batches = [decode_media(record) for record in topic[: len(topic) // 2]]
    assembly = PartitionAssembly()
    low_water = LowWater(0)
    for offset, batch in enumerate(batches):
        assembly.absorb(batch)
        low_water.emitted(offset, batch)
        low_water.done(offset)
    pending = len(assembly)
    assert pending == low_water.pending_of(5) > 0
    expired = assembly.expire(batches[-1].origin)
    low_water.expired(5)
    assert len(expired.parts) == pending
    assert (expired.parts["kind"] == PartKind.HORIZON).all()
    assert low_water.mark == len(batches)
    assert np.array_equal(assembly.expire(batches[-1].origin).parts["k"], [])


def test_a_batch_that_was_sent_again_is_known_even_after_a_restart() -> None:
    batches = [decode_media(record) for record in max(ship(engine_events(9), 1), key=len)]
    low_water = LowWater(0)
    for offset, batch in enumerate(batches):
        assert not low_water.is_repeat(batch)
        low_water.emitted(offset, batch)
        low_water.done(offset)
    assert low_water.mark == len(batches)
    again = LowWater(low_water.mark, low_water.sequences)
    assert all(again.is_repeat(batch) for batch in batches)


def test_the_numbers_that_are_committed_are_those_below_the_mark() -> None:
    batches = [decode_media(record) for record in max(ship(engine_events(9), 1), key=len)]
    low_water = LowWater(10)
    low_water.emitted(10, None)
    low_water.done(10)
    low_water.emitted(11, batches[0])
    assert (low_water.mark, low_water.sequences) == (11, {})
    assert low_water.is_repeat(batches[0])


def test_batches_of_long_calls_that_end_together_fit_into_records() -> None:
    flows, long_calls, windows = 128, 118, 65
    log = np.zeros(131 * (EVIDENCE_HEADER + 200), dtype=np.uint8)
    log[8 :: EVIDENCE_HEADER + 200] = 200
    events = np.zeros(flows, dtype=EVENT)
    events["row"], events["kind"] = np.arange(flows), EVENT_END
    events["windows"][:long_calls] = windows
    events["first_window"][:long_calls] = windows * np.arange(long_calls)
    short = np.arange(flows - long_calls)
    events["start"][long_calls:], events["end"][long_calls:] = short * len(log), (short + 1) * len(log)
    table = np.zeros(flows, dtype=FLOW)
    table["generation"] = 1
    evidence = np.tile(log, len(short))
    measured = np.zeros(windows * long_calls, WINDOW), np.zeros(flows, REPORTED)
    shipper = Shipper(5, 1, flows)
    batches = shipper.take(FlowEvents(events, table, evidence, *measured)) + shipper.flush()
    assert sum(len(batch.parts) for _, batch in batches) == flows
    assert max(len(encode_media(batch)) for _, batch in batches) < MAXIMUM_RECORD_BYTES
