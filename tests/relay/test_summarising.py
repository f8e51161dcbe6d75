"""Evidence with summaries in place of media says to a network of features what whole packets say, bit for bit."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from call_stream import frames_of
from evidence_logs import MILLISECOND, header_record, pack, record, rtp, sender_report, steady_flow
from hypothesis import given, settings
from hypothesis import strategies as st

from callprint.core.dissect import dissect
from callprint.core.evidence import (
    EVIDENCE_BYTE_COUNTS,
    EVIDENCE_RTP,
    EVIDENCE_RTP_SUMMARY,
    EVIDENCE_STUN,
    split,
)
from callprint.core.fingerprint.fingerprint import fingerprints
from callprint.core.flow.engine import EngineSettings, FlowEngine, FlowEvents
from callprint.core.flow.layout import EVENT, FLOW
from callprint.core.flow.window_layout import REPORTED
from callprint.core.identify.features import features, packet_counts
from callprint.core.identify.k_matrix import k_matrices
from callprint.core.relay import shipping, summarising
from callprint.core.relay.flow_assembly import PartitionAssembly
from callprint.core.relay.flow_judging import PartJudge
from callprint.core.relay.shipping import Shipper
from callprint.core.relay.summarising import Summariser
from callprint.core.verdicts.pipeline import IdentificationPipeline
from callprint.core.wire.media import decode_media, encode_media
from callprint.inference.onnx_identifier import load_model

ROOT = Path(__file__).resolve().parents[2]
START_NS = 1_700_000_000_000_000_000

headers = st.sampled_from([0x80, 0x81, 0x90, 0x92, 0xA0, 0x8F])
extensions = st.sampled_from([b"", b"\xbe\xde\x00\x01\x10\x7f\x00\x00", b"\xbe\xde\x00\x40", b"\xbe"])
media = st.one_of(
    st.binary(max_size=200),
    st.integers(0, 200).map(lambda size: b"\xff" * size),
    st.sampled_from([b"", b"\0" * 6, b"\0" * 7, bytes(range(200))]),
)


@st.composite
def flows(draw) -> list[bytes]:
    """The records of a flow, each as bytes."""
    found = [record(START_NS, b"\x00\x01\x00\x08" + b"\x21\x12\xa4\x42" + bytes(20), EVIDENCE_STUN)]
    cut = draw(st.integers(0, 12))  # packets that left their headers alone
    for i in range(draw(st.integers(0, 100))):
        time_ns = START_NS + i * 20 * MILLISECOND
        if draw(st.integers(0, 9)) == 0:
            found.append(sender_report(time_ns, 160 * i, i))
        packet = rtp(i, 160 * i, draw(media), first=draw(headers), ext=draw(extensions))
        found.append(
            record(time_ns, packet[:255]) if i % 3 or i // 3 >= cut else header_record(time_ns, packet)
        )
    return found


def summarised(logs: list[list[bytes]], together: bool) -> list[list[bytes]]:
    """What becomes of the new records of each event; logs: of each flow, what each event adds."""
    summariser = Summariser(len(logs))
    order = [
        (row, at) for at in range(max(map(len, logs))) for row in range(len(logs)) if at < len(logs[row])
    ]
    out: list[list[bytes]] = [[] for _ in logs]
    for batch in [order] if together else [[each] for each in order]:
        buffer, spans = pack([logs[row][at] for row, at in batch])
        events = np.zeros(len(batch), EVENT)
        events["row"], events["end"] = [row for row, _ in batch], spans[:, 1]
        shorter, starts, ends = summariser.take(
            buffer, spans[:, 0].copy(), events, np.full(len(batch), 3, np.uint32)
        )
        assert (starts.tolist(), ends[-1]) == ([0, *ends[:-1].tolist()], len(shorter))
        for (row, _), start, end in zip(batch, starts.tolist(), ends.tolist(), strict=True):
            out[row].append(shorter[start:end].tobytes())
    return out


@settings(max_examples=150)
@given(
    st.lists(st.tuples(flows(), st.lists(st.integers(0, 70), max_size=4)), min_size=1, max_size=3),
    st.booleans(),
)
def test_features_and_fingerprints_of_each_look_are_the_same_bits(drawn, together):
    parts = []
    for records, cuts in drawn:
        borders = sorted({0, len(records), *(min(cut, len(records)) for cut in cuts)})
        parts.append([b"".join(records[begin:end]) for begin, end in pairwise(borders)])
    for whole, short in zip(parts, summarised(parts, together), strict=True):
        looks = range(1, len(whole) + 1)
        before = pack([b"".join(whole[:look]) for look in looks])
        after = pack([b"".join(short[:look]) for look in looks])
        assert all(len(new) <= len(old) for new, old in zip(short, whole, strict=True))
        assert features(*after).tobytes() == features(*before).tobytes()
        assert (fingerprints(*after) == fingerprints(*before)).all()


def test_a_call_takes_a_third_of_its_bytes():
    rng = np.random.default_rng(1)
    records = [record(START_NS + i * 20 * MILLISECOND, rtp(i, 160 * i, rng.bytes(160))) for i in range(100)]
    whole = [b"".join(records[:10]), b"".join(records[10:40]), b"".join(records[40:])]
    (short,) = summarised([whole], together=False)
    assert len(b"".join(short)) < len(b"".join(whole)) / 3
    kinds = [kind for _, kind, _ in split(np.frombuffer(b"".join(short), np.uint8))]
    assert (kinds[0], kinds.count(EVIDENCE_RTP), kinds.count(EVIDENCE_BYTE_COUNTS)) == (EVIDENCE_RTP, 1, 12)


def test_a_flow_that_has_the_row_of_another_begins_whole():
    summariser = Summariser(1)
    buffer, spans = pack([steady_flow(20)])
    event = np.zeros(1, EVENT)
    event["end"] = spans[:, 1]
    for generation in (1, 2):
        shorter, _, _ = summariser.take(buffer, spans[:, 0].copy(), event, np.full(1, generation, np.uint32))
        kinds = [kind for _, kind, _ in split(shorter)]
        assert kinds[:2] == [EVIDENCE_RTP, EVIDENCE_RTP_SUMMARY]


def short_log(packets: int) -> bytes:
    ((short,),) = summarised([[steady_flow(packets)]], together=False)
    return short


def test_a_network_that_looks_at_fewer_packets_has_none_to_look_at():
    buffer, spans = pack([short_log(20)])
    assert packet_counts(features(buffer, spans, 20)).tolist() == [20]
    assert packet_counts(features(buffer, spans, 19)).tolist() == [0], "counts are of all 20"


def test_a_network_of_images_sees_no_packet_behind_a_summary():
    images, packets = k_matrices(*pack([short_log(20), steady_flow(20)]), 10)
    assert packets.tolist() == [1, 10]
    assert not images[0, 1:].any()


def summary(i: int, size: int, rest: bytes = b"\xff\xff\xff\x9f") -> bytes:
    packet = rtp(i, 160 * i, b"")
    payload = (len(packet) + size).to_bytes(2, "little") + packet + rest
    return record(START_NS + i * 20 * MILLISECOND, payload, EVIDENCE_RTP_SUMMARY)


def counts_of(first: int, counts: list[int]) -> bytes:
    body = bytes([first]) + np.array(counts + [0] * (64 - len(counts)), "<u2").tobytes()
    return record(START_NS, body, EVIDENCE_BYTE_COUNTS)


@given(
    st.lists(st.tuples(st.integers(4, 6), st.binary(max_size=140)), max_size=8),
    st.lists(
        st.builds(summary, st.integers(0, 90), st.integers(0, 70_000 - 12), st.binary(max_size=9)), max_size=8
    )
    if False
    else st.lists(
        st.builds(summary, st.integers(0, 90), st.integers(0, 65_000), st.binary(max_size=9)), max_size=8
    ),
    st.lists(
        st.builds(counts_of, st.integers(0, 255), st.lists(st.integers(0, 65_535), max_size=64)), max_size=8
    ),
    st.integers(0, 128),
)
def test_features_of_any_bytes_are_finite(records, summaries, counts, packets):
    """Whatever arrives from Kafka: features are finite, and reading ends."""
    log = b"".join(record(START_NS + i, payload, kind) for i, (kind, payload) in enumerate(records))
    log += b"".join(summaries) + b"".join(counts) + steady_flow(3)
    for cut in (len(log), len(log) - 5):
        assert np.isfinite(features(*pack([log[:cut]]), packets)).all()


@pytest.mark.parametrize("counts", [[], [800], [1601], [1600, 1600]])
def test_counts_that_are_not_those_of_the_summaries_are_not_believed(counts):
    log = b"".join(summary(i, 160) for i in range(10)) + (counts_of(255, counts) if counts else b"")
    assert packet_counts(features(*pack([log]))).tolist() == [0]
    right = b"".join(summary(i, 160) for i in range(10)) + counts_of(255, [1600])
    assert packet_counts(features(*pack([right]))).tolist() == [10]


def test_what_is_compiled_ahead_serves_any_drain():
    """An agent may have given up the right to read the compiler by the first packet."""
    shipping.warm_up()
    compiled = summarising._summarise.dispatcher()
    before = len(compiled.signatures)
    drain = FlowEvents(np.zeros(2, EVENT), np.zeros(2, FLOW), np.zeros(0, np.uint8))
    Shipper(0, 1, 4, Summariser(4)).take(replace(drain, reported=np.zeros(2, REPORTED)))
    assert len(compiled.signatures) == before


SETTINGS = EngineSettings(maximum_flows=4096, evidence_memory_bytes=64 << 20)


@pytest.fixture(scope="module")
def sample():
    data, records = frames_of(ROOT / "samples" / "applications.pcapng")
    return data, dissect(data, records)


@pytest.fixture(scope="module")
def network():
    return load_model(ROOT / "models" / "compact.onnx")


def behind_kafka(sample, network, summariser: Summariser | None):
    """Verdicts of the topology's bolts, the bytes of the agent's records, and the judge."""
    data, packets = sample
    engine, shipper = FlowEngine(SETTINGS), Shipper(1, 1, SETTINGS.maximum_flows, summariser)
    sent = []
    for at in range(0, len(packets), 500):
        for drain in engine.process(data, packets[at : at + 500]):
            sent += shipper.take(drain, engine.captures)
    for drain in engine.finish():
        sent += shipper.take(drain, engine.captures)
    records = [encode_media(batch) for _, batch in sent + shipper.flush()]
    assembly, judge = PartitionAssembly(), PartJudge(network, keep_unknown=True)
    outputs = [judge.judge(assembly.absorb(decode_media(record))) for record in records]
    return outputs, sum(map(len, records))


def test_verdicts_of_the_sample_are_those_of_whole_packets(sample, network):
    pipeline = IdentificationPipeline(network, SETTINGS)
    wanted = [*pipeline.process(*sample).verdicts, *pipeline.finish().verdicts]
    whole, whole_bytes = behind_kafka(sample, network, None)
    short, short_bytes = behind_kafka(sample, network, Summariser(SETTINGS.maximum_flows))
    for outputs in (whole, short):
        verdicts = [verdict for output in outputs for verdict in output.verdicts]
        assert sorted(verdicts, key=repr) == sorted(wanted, key=repr)
    assert short_bytes < whole_bytes / 2
