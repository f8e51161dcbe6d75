"""The distributed path gives the verdicts of the embedded one: same rules, same values, whatever the batches."""

import numpy as np
import pytest
from length_identifier import Answers, ByLength
from rtp_traffic import CALLS, traffic

from callprint.core.evidence import EVIDENCE_RTP, split
from callprint.core.flow.engine import EngineSettings, FlowEngine
from callprint.core.relay.flow_assembly import PartitionAssembly
from callprint.core.relay.flow_judging import PartJudge, judge_together
from callprint.core.relay.shipping import Shipper
from callprint.core.verdict import BASED_ON_HEADERS, RUNNING, UNKNOWN
from callprint.core.verdicts.pipeline import IdentificationPipeline, PipelineOutput
from callprint.core.wire.media import decode_media, encode_media
from callprint.stores.queries import summary_order

SETTINGS = EngineSettings(maximum_flows=64, maximum_candidates=64, evidence_memory_bytes=1 << 20)
PARTITIONS = 4
CAPTURE = "a trace.pcap"


def embedded() -> PipelineOutput:
    pipeline = IdentificationPipeline(ByLength(), SETTINGS)
    output = pipeline.process(*traffic(CALLS), capture=CAPTURE)
    rest = pipeline.finish()
    return PipelineOutput(output.verdicts + rest.verdicts, output.reports + rest.reports)


def records(batch_packets: int, flush_every: int, statistics: bool) -> list[list[bytes]]:
    """The records that an agent sends, by partition."""
    data, packets = traffic(CALLS)
    engine = FlowEngine(SETTINGS)
    shipper = Shipper(1, PARTITIONS, SETTINGS.maximum_flows)
    sent = []
    for at in range(0, len(packets), batch_packets):
        batch = packets[at : at + batch_packets]
        for drain in engine.process(data, batch, capture=CAPTURE):
            sent += shipper.take(drain, engine.captures)
        if statistics:
            sent += shipper.statistics(engine.flows, int(batch["time_ns"][-1]), engine.captures)
        if at // batch_packets % flush_every == 0:
            sent += shipper.flush()
    for drain in engine.finish():
        sent += shipper.take(drain, engine.captures)
    sent += shipper.flush()
    topics: list[list[bytes]] = [[] for _ in range(PARTITIONS)]
    for partition, media in sent:
        topics[partition].append(encode_media(media))
    return topics


@pytest.mark.parametrize("batch_packets", [1, 13, 5000])
@pytest.mark.parametrize("flush_every", [1, 4])
@pytest.mark.parametrize("statistics", [False, True])
def test_verdicts_and_summaries_are_those_of_the_embedded_path(batch_packets, flush_every, statistics):
    wanted = embedded()
    verdicts, summaries = [], []
    for topic in records(batch_packets, flush_every, statistics):
        assembly, judge = PartitionAssembly(), PartJudge(ByLength())
        for record in topic:
            output = judge.judge(assembly.absorb(decode_media(record)))
            verdicts += output.verdicts
            summaries += output.summaries
    assert sorted(verdicts, key=repr) == sorted(wanted.verdicts, key=repr)
    last = {}
    for summary in sorted(summaries, key=summary_order):
        last[summary.flow] = summary
    assert sorted(last.values(), key=repr) == sorted((r.summary for r in wanted.reports), key=repr)
    assert any(summary.ended == RUNNING for summary in summaries) == statistics


def test_some_flow_of_the_sample_is_sure_early_and_some_only_at_its_end():
    """Otherwise the test above would prove little."""
    by_k = {(verdict.final, verdict.k) for verdict in embedded().verdicts}
    assert {final for final, _ in by_k} == {True, False}
    assert len(by_k) >= 4


def test_the_evidence_of_final_unknowns_is_kept_on_request():
    kept, unknown = [], []
    for topic in records(13, 1, False):
        assembly, judge = PartitionAssembly(), PartJudge(ByLength(), keep_unknown=True)
        for record in topic:
            output = judge.judge(assembly.absorb(decode_media(record)))
            kept += output.unknown
            unknown += [v for v in output.verdicts if v.final and v.application == UNKNOWN]
    by_headers = [verdict for verdict in unknown if verdict.based_on == BASED_ON_HEADERS]
    assert by_headers, "of these nothing is kept"
    unknown = [verdict for verdict in unknown if verdict not in by_headers]
    assert [verdict for verdict, _ in kept] == unknown
    assert unknown
    for verdict, evidence in kept:
        rtp = [
            payload for _, kind, payload in split(np.frombuffer(evidence, np.uint8)) if kind == EVIDENCE_RTP
        ]
        assert len(rtp) == verdict.k


class Counting(ByLength):
    """Counts how often it is asked."""

    runs = 0

    def identify(self, evidence: np.ndarray, spans: np.ndarray) -> Answers:
        self.runs += 1
        assert len({tuple(span) for span in spans.tolist()}) == len(spans), "no log twice in one run"
        return super().identify(evidence, spans)


@pytest.mark.parametrize("most_evidence", [1 << 25, 20_000, 1])
@pytest.mark.parametrize("together", [2, 7, 1000])
def test_batches_judged_together_give_the_same_as_one_by_one(monkeypatch, together, most_evidence):
    monkeypatch.setattr("callprint.core.relay.flow_judging._MOST_EVIDENCE", most_evidence)
    topics = [2 * topic for topic in records(13, 1, True)]  # sent again, every flow begins anew
    alone, joint = Counting(), Counting()
    wanted, work = [], []
    for topic in topics:
        judge, assembly = PartJudge(alone, keep_unknown=True), PartitionAssembly()
        wanted.append([judge.judge(assembly.absorb(decode_media(record))) for record in topic])
        judge, assembly = PartJudge(joint, keep_unknown=True), PartitionAssembly()
        work.append([(judge, assembly.absorb(decode_media(record))) for record in topic])
    mixed = [
        (topic, record, work[topic][record])
        for record in range(max(map(len, work)))
        for topic in range(len(work))
        if record < len(work[topic])
    ]
    for at in range(0, len(mixed), together):
        some = mixed[at : at + together]
        outputs = judge_together([each for *_, each in some])
        for (topic, record, _), output in zip(some, outputs, strict=True):
            assert output == wanted[topic][record]
    if together == 1000 and most_evidence == 1 << 25:
        assert alone.runs > 10
        assert joint.runs <= 2, "looks behind others of their flow may wait for these"
