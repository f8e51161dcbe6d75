"""The bolt that judges calls, with spouts that reread whatever fails and a store that fails at any time."""

import logging
import random
from dataclasses import dataclass, field
from typing import NamedTuple

import pytest
from call_stream import busy_line, embedded_rows, frames_of, inputs_of, record
from sip_scenario import write_capture

from callprint.core.ground.errors import StoreError
from callprint.core.relay.continuity import Continuity
from callprint.core.relay.site_inputs import FlowResults
from callprint.core.signalling.identity import IdentityReader
from callprint.core.wire.progress import Progress, encode_progress
from callprint.core.wire.rows import rows_to_text
from callprint.core.wire.signalling import encode_signalling
from callprint.core.wire.source import site_of
from callprint.stores import CallQuery
from callprint.stores.sqlite import SqliteStore

pytest.importorskip("streamparse", reason="the extra `cluster` is not installed")

from bolts.judge_calls import JudgeCalls
from callprint.topology.sites import Sites
from callprint.topology.tuples import BATCH, FLOWS, number_to_text

WINDOW = 6


class Sent(NamedTuple):
    """A tuple as Storm delivers it."""

    id: tuple[object, int, int]  # partition, epoch, offset
    stream: str
    values: list[object]


class Bolt(JudgeCalls):
    """The bolt without Storm's pipes: it records its answers."""

    def __init__(self, store, fetch):
        self.acked, self.failed = set(), set()
        self.logger = logging.getLogger("bolt")
        self._store = store
        self._continuity: dict[tuple[str, str, int], Continuity] = {}
        self._unanswered = []
        self._sites = Sites(store.opened, "callprint", IdentityReader(), fetch)

    def ack(self, tup):
        self.acked.add(tup.id)

    def fail(self, tup):
        self.failed.add(tup.id)


class FailingStore:
    """In place of the bolt's PatientStore: one answer in `one_in` is an error, before or after the work is done."""

    def __init__(self, store, chance, one_in):
        self._store, self._chance, self._one_in = store, chance, one_in

    def opened(self):
        return self

    def close(self):
        """It will be opened again."""

    def __getattr__(self, name):
        def asked(*values, **named):
            luck = self._chance.randrange(2 * self._one_in)
            if luck == 0:
                raise StoreError("down")
            answer = getattr(self._store, name)(*values, **named)
            if luck == 1:
                raise StoreError("down before it could answer")
            return answer

        return asked


@dataclass
class Partition:
    """A spout's view of one partition: what is in flight, what is done, where an epoch begins."""

    name: tuple[str, int]
    inputs: list[object]
    epoch: int = 1
    next: int = 0
    start: int = 0
    done: set[int] = field(default_factory=set)

    def emit(self):
        """Return the next tuple of the epoch."""
        site_input, sequence = self.inputs[self.next], self.next - self.start
        offset, self.next = self.next, self.next + 1
        identity = (self.name, self.epoch, offset)
        partition = self.name[1]
        if isinstance(site_input, FlowResults):
            values = [number_to_text(site_input.source), site_input.sequence]
            values += map(rows_to_text, (site_input.verdicts, site_input.summaries, site_input.running))
            site = number_to_text(site_of(site_input.source))
            return Sent(identity, FLOWS, [site, partition, self.epoch, sequence, *values])
        entry = site_input.record
        data = encode_progress(entry) if isinstance(entry, Progress) else encode_signalling(entry)
        site = number_to_text(site_of(entry.origin.source))
        values = [site, partition, self.epoch, sequence, BATCH, offset, data]
        return Sent(identity, "default", values)

    def answered(self, acked, failed):
        """Process answers; a failure begins an epoch at the first offset that is not done."""
        mine = {offset for name, epoch, offset in acked if (name, epoch) == (self.name, self.epoch)}
        self.done |= mine
        if any((name, epoch) == (self.name, self.epoch) for name, epoch, _ in failed):
            self.epoch += 1
            self.start = self.next = next(n for n in range(len(self.inputs) + 1) if n not in self.done)
            self.done = {offset for offset in self.done if offset < self.start}


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    path = tmp_path_factory.mktemp("bolt") / "calls.pcap"
    write_capture(path, busy_line(9))
    return frames_of(path)


@pytest.mark.parametrize("seed", range(2))
def test_a_store_that_fails_loses_doubles_and_changes_nothing(frames, tmp_path, seed):
    chance = random.Random(seed)
    inputs = inputs_of(record(frames, batch=150))
    partitions = [Partition(name, of_topic) for name, of_topic in inputs.topics.items() if of_topic]
    failures = rounds = 0
    with SqliteStore(tmp_path / "calls.sqlite") as store:
        failing = FailingStore(store, chance, 4)
        bolt = Bolt(failing, inputs.fetch)
        while any(len(each.done) < len(each.inputs) for each in partitions):
            rounds += 1
            assert rounds < 20_000
            # Tuples of a failed epoch that are still in flight arrive in the next batch.
            batch = []
            for each in chance.sample(partitions, k=chance.randint(1, len(partitions))):
                left = len(each.inputs) - each.next
                batch += [each.emit() for _ in range(min(left, chance.randint(1, WINDOW)))]
            half = chance.randint(0, len(batch))
            for part in (batch[:half], batch[half:]):
                bolt.process_batch(None, part)
            failures += bool(bolt.failed)
            for each in partitions:
                each.answered(bolt.acked, bolt.failed)
            bolt.acked, bolt.failed = set(), set()
            if chance.random() < 0.02:
                bolt = Bolt(failing, inputs.fetch)
        for _ in range(100):
            try:
                bolt._sites.upkeep(0.0)
            except StoreError:
                continue
        assert not bolt._sites.rows
        assert failures > 2
        got = sorted(repr(call) for call in store.calls(CallQuery(last_only=False)))
    assert got == sorted(map(repr, embedded_rows(frames)))
