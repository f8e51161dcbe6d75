"""Whatever a well-formed batch holds, it is refused, or every row that it leads to fits the stores."""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from length_identifier import ByLength
from rtp_traffic import CALLS, traffic

from callprint.core.flow.engine import EngineSettings, FlowEngine
from callprint.core.ground.errors import DecodeError
from callprint.core.relay.flow_assembly import PartitionAssembly
from callprint.core.relay.flow_judging import JudgeOutput, PartJudge
from callprint.core.relay.low_water import LowWater
from callprint.core.relay.shipping import Shipper
from callprint.core.verdict import REASON_TOO_SHORT
from callprint.core.wire.frame import Origin
from callprint.core.wire.media import PART, MediaBatch, PartKind, decode_media, encode_media
from callprint.core.wire.rows import rows_to_text, text_to_summaries, text_to_verdicts
from callprint.stores import VerdictQuery
from callprint.stores.cassandra_rows import Row, summary_row, verdict_rows
from callprint.stores.migrations import SINCE_0_1_0
from callprint.stores.sqlite import SqliteStore

ENGINE = EngineSettings(maximum_flows=64, maximum_candidates=64, evidence_memory_bytes=1 << 20)
FIELDS = [name for name in PART.names if name != "records"]  # those that are counted are checked elsewhere
EXTREME = {"f": (0.0, -1.0, 1e300, -1e300, np.nan, np.inf)}
INTEGERS = {"int": 31, "bigint": 63}


@cache
def batches() -> list[MediaBatch]:
    """The batches that an agent sends about CALLS, with statistics of flows that go on."""
    data, packets = traffic(CALLS)
    engine = FlowEngine(ENGINE)
    shipper = Shipper(5, 1, ENGINE.maximum_flows)
    sent = []
    for at in range(0, len(packets), 100):
        for drain in engine.process(data, packets[at : at + 100]):
            sent += shipper.take(drain)
        sent += shipper.statistics(engine.flows, int(packets["time_ns"][at]))
        sent += shipper.flush()
    for drain in engine.finish():
        sent += shipper.take(drain)
    return [batch for _, batch in sent + shipper.flush()]


@cache
def column_types() -> dict[tuple[str, str], str]:
    """The CQL type of every column of the tables of verdicts and flows, from the schema."""
    text = files("callprint.stores").joinpath("cql", "001_verdicts_calls.cql").read_text()
    later = "\n".join(statement for migration in SINCE_0_1_0 for statement in migration.cassandra)
    types = {}
    for table, columns in re.findall(r"CREATE TABLE (\w+) \((.*?)PRIMARY KEY", text + later, re.DOTALL):
        for name, kind in re.findall(r"(\w+) (text|int|bigint|double|boolean)\b", columns):
            types[table, name] = kind
    for table, name, kind in re.findall(r"ALTER TABLE (\w+) ADD (\w+) (\w+)", later):
        types[table, name] = kind
    return types


def fits(row: Row) -> bool:
    """Return whether Cassandra accepts the row."""
    for name, value in zip(row.columns, row.values, strict=True):
        kind = column_types()[row.table, name]
        if kind in INTEGERS:
            accepted = type(value) is int and -(1 << INTEGERS[kind]) <= value < 1 << INTEGERS[kind]
        elif kind == "double":
            accepted = type(value) is float and bool(np.isfinite(value))
        else:
            accepted = type(value) is {"text": str, "boolean": bool}[kind]
        if not accepted:
            return False
    return True


def rows_of(output: JudgeOutput) -> Iterator[Row]:
    """All rows that the store bolt would write, after their way through Storm."""
    for verdict in text_to_verdicts(rows_to_text(output.verdicts)):
        yield from verdict_rows(verdict, 1)
    for summary in text_to_summaries(rows_to_text(output.summaries)):
        yield summary_row(summary)


def extreme(dtype: np.dtype, chance: st.DataObject) -> object:
    if dtype.kind == "S":
        return chance.draw(
            st.binary(max_size=8) | st.text(max_size=8).map(lambda name: name.encode(errors="replace"))
        )
    if dtype.kind == "V":
        return np.void(chance.draw(st.binary(min_size=dtype.itemsize, max_size=dtype.itemsize)))
    if dtype.kind == "f":
        return chance.draw(st.sampled_from(EXTREME["f"]))
    info = np.iinfo(dtype)
    return chance.draw(
        st.sampled_from((info.min, info.max, 0, 1)) | st.integers(int(info.min), int(info.max))
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with SqliteStore(tmp_path_factory.mktemp("rows") / "rows.sqlite") as opened:
        yield opened


@settings(max_examples=150, deadline=None)
@given(chance=st.data())
def test_a_mutated_batch_is_refused_or_leads_to_rows_that_fit(store, chance) -> None:
    whole = chance.draw(st.sampled_from(batches()))
    parts, packets = whole.parts.copy(), whole.packets.copy()
    for _ in range(chance.draw(st.integers(1, 4))):
        name = chance.draw(st.sampled_from(FIELDS))
        parts[name][chance.draw(st.integers(0, len(parts) - 1))] = extreme(PART[name], chance)
    if len(packets) and chance.draw(st.booleans()):
        packets["time_ns"][chance.draw(st.integers(0, len(packets) - 1))] = extreme(np.dtype("<i8"), chance)
    try:
        batch = decode_media(encode_media(replace(whole, parts=parts, packets=packets)))
    except DecodeError:
        return
    LowWater(0).emitted(0, batch)
    assembly, judge = PartitionAssembly(), PartJudge(ByLength(), keep_unknown=True)
    for assembled in (assembly.absorb(batch), assembly.expire(batch.origin)):
        output = judge.judge(decode_media(encode_media(assembled)))
        assert all(fits(row) for row in rows_of(output))
        store.put_verdicts(output.verdicts)
        store.put_flows(output.summaries)
    for _ in store.verdicts(VerdictQuery()):
        pass  # what was written can be read


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("packets", (1 << 63) - 1),
        ("duplicates", -1),
        ("first_seen_ns", -(1 << 63)),
        ("time_ns", (1 << 63) - 1),
        ("maximum_sequence", (1 << 63) - 1),
        ("base_sequence", 1 << 40),
        ("jitter", 1e300),
        ("jitter", -1.0),
        ("evidence_state", 9),
    ],
)
def test_values_that_no_engine_gives_are_refused(name, value) -> None:
    parts = batches()[0].parts.copy()
    parts[name][0] = value
    batch = batches()[0]
    with pytest.raises(DecodeError):
        decode_media(encode_media(replace(batch, parts=parts)))


def test_an_end_without_evidence_is_unknown_however_many_packets_it_claims() -> None:
    batch = beginning(1, 1, 0)
    batch.parts["kind"], batch.parts["k"], batch.parts["records"] = PartKind.END, 65535, 0
    empty = MediaBatch(batch.origin, batch.parts, batch.packets[:0], batch.payload)
    (verdict,) = PartJudge(ByLength()).judge(PartitionAssembly().absorb(empty)).verdicts
    assert (verdict.final, verdict.reason) == (True, REASON_TOO_SHORT)


def test_a_source_with_too_many_pending_flows_loses_its_oldest_and_other_sources_none() -> None:
    assembly = PartitionAssembly(maximum_flows=10)
    for flow in range(4):
        assert assembly.absorb(beginning(1, flow, flow)) is not None
    assembled = [assembly.absorb(beginning(2, flow, flow)) for flow in range(40)]
    assert len(assembly) == 10
    assert assembly.counters.evicted == 34
    judged = [int(part["src_lo"]) for batch in assembled for part in batch.parts if part["kind"] == 1]
    assert judged == list(range(34)), "each is judged by what came of it, the oldest first"
    assert len(assembly.expire(Origin(1, 9, 0)).parts) == 4, "the other source kept all of its own"
    assert len(assembly) == 6
    later = beginning(2, 0, 40)
    later.parts["first_record"] = 1
    assert len(assembly.absorb(later).parts) == 0, "a flow that was let go is decided"


def test_a_flow_between_an_ipv4_and_an_ipv6_address_is_passed_over_and_the_others_are_not() -> None:
    batch = beginning(1, 0xFFFF_C000_0201, 0)
    batch.parts["dst_lo"] = 1  # ::1
    assembly = PartitionAssembly()
    assert len(assembly.absorb(batch).parts) == 0
    batch.parts["dst_lo"] = 0xFFFF_C000_0202
    assert len(assembly.absorb(batch).parts) == 1
    assert (assembly.counters.forged, len(assembly)) == (1, 1)


def test_long_logs_count_by_their_bytes() -> None:
    assembly = PartitionAssembly(maximum_bytes=1000)
    for flow in range(30):
        assembly.absorb(beginning(1, flow, flow, payload_bytes=88))  # with its header 100
    assert len(assembly) == 10
    assert assembly.counters.evicted == 20


def beginning(source: int, flow: int, number: int, payload_bytes: int = 0) -> MediaBatch:
    """A batch with the first part of one flow."""
    parts = np.zeros(1, dtype=PART)
    parts["src_lo"], parts["records"], parts["k"] = flow, 1, 1
    packets = np.zeros(1, dtype=batches()[0].packets.dtype)
    packets["length"] = payload_bytes
    return MediaBatch(Origin(source, number, 0), parts, packets, np.zeros(payload_bytes, dtype=np.uint8))
