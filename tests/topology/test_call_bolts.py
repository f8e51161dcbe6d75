"""Spouts' streams and all bolts that calls pass through, with lost tuples and killed processes, as in Storm."""

import logging
import random
from contextlib import nullcontext
from itertools import chain
from typing import NamedTuple

import pytest
from call_stream import PARTITIONS, busy_line, embedded_rows, frames_of, record
from sip_scenario import write_capture

from callprint.core.ground.errors import ModelError
from callprint.core.signalling.identity import IdentityReader
from callprint.core.wire.rows import text_to_verdicts
from callprint.core.wire.signalling import decode_record
from callprint.messaging.topic_names import MEDIA, SIGNALLING
from callprint.stores import CallQuery
from callprint.stores.sqlite import SqliteStore
from callprint.topology.partition_stream import MEDIA_RECORDS, SIGNALLING_RECORDS, PartitionStream

pytest.importorskip("streamparse", reason="the extra `cluster` is not installed")

from bolts import identify_application
from bolts.assemble_flows import AssembleFlows
from bolts.identify_application import IdentifyApplication
from bolts.judge_calls import JudgeCalls
from callprint.topology.sites import Sites
from callprint.topology.steady_identifier import SteadyIdentifier
from callprint.topology.topic_reader import SpoutTuple
from callprint.topology.tuples import BATCH, FLOWS, text_to_evidence
from spouts.media import MediaSpout
from spouts.signalling import SignallingSpout

OPTIONS = {"callprint.model": "none", "callprint.store": "sqlite:unused"}


class Sent(NamedTuple):
    """A tuple as Storm delivers it."""

    stream: str
    values: list[object]


class Recording:
    """Records what a bolt sends to Storm."""

    def begin(self):
        self.emitted, self.failures, self.acks = [], 0, 0

    def emit(self, values, stream="default", anchors=None):
        self.emitted.append(Sent(stream, values))

    def ack(self, _tup):
        self.acks += 1

    def fail(self, _tup):
        self.failures += 1


class Assemble(Recording, AssembleFlows):
    def __init__(self):
        self.initialize(OPTIONS, {})


class Identify(Recording, IdentifyApplication):
    def __init__(self):
        self.pulse = nullcontext()
        self.initialize(OPTIONS, {})  # without the thread that processes batches


class Judge(Recording, JudgeCalls):
    def __init__(self, store, fetch):
        self.logger = logging.getLogger("judge")
        self._continuity, self._unanswered = {}, []
        self._sites = Sites(lambda: store, "callprint", IdentityReader(), fetch)


class Media(MediaSpout):
    def __init__(self):
        """Only `values` is used."""


class Signalling(SignallingSpout):
    def __init__(self):
        """Only `values` is used."""


class Storm:
    """One topology: topics in, rows in the store."""

    def __init__(self, topics, store, chance):
        self.topics, self.store, self.chance = topics, store, chance
        forms = {MEDIA: MEDIA_RECORDS, SIGNALLING: SIGNALLING_RECORDS}
        self.streams = {name: PartitionStream(name[1], 0, {}, 1, forms[name[0]]) for name in topics}
        self.at = dict.fromkeys(topics, 0)
        self.bolts = {"assemble": Assemble(), "identify": Identify(), "judge": self.judge()}
        self.now_s = 0.0

    def judge(self):
        return Judge(self.store, lambda at: decode_record(self.topics[SIGNALLING, at.partition][at.offset]))

    def run(self):
        rounds = 0
        while any(self.at[name] < len(records) for name, records in self.topics.items()):
            rounds += 1
            assert rounds < 20_000
            self.now_s += 1.0
            name = self.chance.choice(
                [name for name in self.topics if self.at[name] < len(self.topics[name])]
            )
            if not self.streams[name].paused(self.now_s):
                self.step(name)
            if self.chance.random() < 0.03:
                which = self.chance.choice(list(self.bolts))
                fresh = {"assemble": Assemble, "identify": Identify, "judge": self.judge}
                self.bolts[which] = fresh[which]()
        self.bolts["judge"]._sites.upkeep(0.0)

    def step(self, name):
        stream, offset = self.streams[name], self.at[name]
        self.at[name] += 1
        data = self.topics[name][offset]
        taken = stream.take(offset, data, self.now_s)
        if taken is None:
            return
        ticket, sequence = taken
        found = SpoutTuple(ticket, sequence, BATCH, data)
        complete = self.media(found) if name[0] == MEDIA else self.signalling(found)
        if complete:
            stream.acked(ticket)
        else:
            self.at[name] = stream.failed(ticket, self.now_s, ticket.epoch + 1)

    def media(self, found):
        sent = [Sent("default", Media().values(found))]
        for name in ("assemble", "identify"):
            sent = self.through(name, sent)
            if sent is None:
                return False
        flows = [each for each in sent if each.stream == FLOWS]
        assert len(flows) == 1, "one for each batch, even without results"
        return self.through("judge", flows) is not None

    def signalling(self, found):
        return self.through("judge", [Sent("default", Signalling().values(found))]) is not None

    def through(self, name, sent):
        """Return what a bolt emits for tuples; None when one failed or was lost on the way."""
        if self.chance.random() < 0.03:
            return None
        bolt = self.bolts[name]
        bolt.begin()
        if name in ("identify", "judge"):
            bolt.process_batch(None, sent)
        else:
            for each in sent:
                bolt.process(each)
        return None if bolt.failures else bolt.emitted


@pytest.mark.parametrize("seed", range(3))
def test_calls_come_through_the_topology_as_through_the_embedded_path(tmp_path, seed):
    write_capture(tmp_path / "calls.pcap", busy_line(7))
    frames = frames_of(tmp_path / "calls.pcap")
    topics = {name: list(records) for name, records in record(frames, batch=250).topics.items()}
    assert {name[0] for name in topics} == {MEDIA, SIGNALLING}
    assert len(topics) > PARTITIONS
    with SqliteStore(tmp_path / "calls.sqlite") as store:
        storm = Storm(topics, store, random.Random(seed))
        storm.run()
        assert sum(stream.rewinds for stream in storm.streams.values()) > 3
        assert all(stream.in_flight == 0 for stream in storm.streams.values())
        got = sorted(repr(call) for call in store.calls(CallQuery(last_only=False)))
    assert got == sorted(map(repr, embedded_rows(frames)))


class Failing:
    """A network that loads and then never runs, as on a GPU without memory."""

    name, digest, applications, engines, minimum_k = "failing 1", "f1" * 8, ("a",), ("b",), 2

    def identify(self, _evidence, _spans):
        raise ModelError("failing.onnx cannot run")


def test_a_network_that_fails_ends_no_worker_and_loses_no_flow(tmp_path):
    write_capture(tmp_path / "calls.pcap", busy_line(3))
    topics = record(frames_of(tmp_path / "calls.pcap"), batch=250).topics
    with_network, without = Identify(), Identify()
    with_network._identifier = SteadyIdentifier(Failing())
    for name, records in topics.items():
        for number, data in enumerate(records if name[0] == MEDIA else []):
            stream = PartitionStream(name[1], 0, {}, 1, MEDIA_RECORDS)
            ticket, _ = stream.take(number, data, 0.0)
            tup = Sent("default", [name[1], ticket.epoch, number, data])
            for bolt in (with_network, without):
                bolt.begin()
                bolt.process_batch(None, [tup])
                assert (bolt.acks, bolt.failures) == (1, 0)
            assert [each.stream for each in with_network.emitted] == [each.stream for each in without.emitted]
            (flows,) = (each.values for each in with_network.emitted if each.stream == FLOWS)
            for verdict in text_to_verdicts(flows[6]):
                assert (verdict.application, verdict.model) == ("unknown", "none")
                assert verdict.reason == "low_confidence"
    assert with_network._identifier.failed > 0


def test_evidence_that_no_tuple_holds_is_stored_by_several(tmp_path, monkeypatch):
    write_capture(tmp_path / "calls.pcap", busy_line(3))
    topics = record(frames_of(tmp_path / "calls.pcap"), batch=250).topics
    monkeypatch.setitem(OPTIONS, "callprint.keep_unknown_evidence", True)
    kept = []
    for most in (identify_application.MOST_EVIDENCE_BYTES, 1):
        monkeypatch.setattr(identify_application, "MOST_EVIDENCE_BYTES", most)
        found = []
        for name, records in topics.items():
            bolt = Identify()
            bolt.begin()
            for number, data in enumerate(records if name[0] == MEDIA else []):
                bolt.process_batch(None, [Sent("default", [name[1], 1, number, data])])
            found += [sent.values for sent in bolt.emitted if sent.stream != FLOWS]
        kept.append(found)
    pieces = [[text_to_evidence(values[3]) for values in found] for found in kept]
    assert list(chain(*pieces[0])) == list(chain(*pieces[1]))
    assert max(map(len, pieces[0])) > 1 == max(map(len, pieces[1]))
    for at in (1, 2):  # verdicts and summaries
        assert [v[at] for v in kept[0] if v[at] != "[]"] == [v[at] for v in kept[1] if v[at] != "[]"]
