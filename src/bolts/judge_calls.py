"""Puts calls together and judges them. All tuples of a site come to one task: the home of its callers' histories."""

import time
from typing import Any, ClassVar

from streamparse import TicklessBatchingBolt

from callprint.core.call import CallRecord
from callprint.core.ground.errors import StoreError
from callprint.core.relay.continuity import Continuity, Turn
from callprint.core.relay.site_inputs import (
    FlowResults,
    RecordOffset,
    SignallingRecord,
    SiteInput,
    SourceSilent,
)
from callprint.core.wire.rows import text_to_summaries, text_to_verdicts
from callprint.core.wire.signalling import decode_record
from callprint.topology.dead_letters import DeadLetters
from callprint.topology.settings import TopologySettings
from callprint.topology.signalling_records import SignallingRecords
from callprint.topology.sites import Sites
from callprint.topology.tuples import EXPIRE, FLOWS, text_to_bytes, text_to_number
from callprint.topology.writing import PatientStore

REST_S = 1.0  # after the store did not answer


class JudgeCalls(TicklessBatchingBolt):
    """Takes signalling and the flows that identification tells of; stores the rows of calls itself.

    Tuples are worked off together, some milliseconds' worth, so that one write to the journal serves them all.
    """

    auto_ack = False
    auto_fail = False
    secs_between_batches = 0.02
    outputs: ClassVar[list[str]] = []
    _homes: Sites | None = None  # the thread that works off batches runs before `initialize`

    def initialize(self, storm_conf: dict[str, Any], _context: dict[str, Any]) -> None:
        """Begin with no home at all; each is loaded when its site is heard of."""
        settings = TopologySettings.from_options(storm_conf)
        self._store = PatientStore(settings.store)
        self._continuity: dict[tuple[str, str, int], Continuity] = {}
        records = SignallingRecords(settings)
        self._dead_letters = DeadLetters(settings)
        self._topic = settings.signaling_topic
        self._homes = Sites(
            self._store.opened, settings.detector, settings.identity_reader(), records.read, self._set_aside
        )

    def _set_aside(self, call: CallRecord, reason: str) -> bool:
        return self._dead_letters.put(self._topic, -1, -1, reason, repr(call).encode())

    def group_key(self, _tup: Any) -> None:
        """All tuples are one batch, in the order in which they came."""
        return

    def process_batch(self, _key: None, tups: list[Any]) -> None:
        """Take tuples in; acknowledge them when they are safe, fail them when the store does not take them."""
        assert self._homes is not None  # process_batches asked
        taken = []
        for tup in tups:
            site, shard, epoch, sequence, *values = tup.values
            turn = self._continuity.setdefault(_stream(tup), Continuity()).turn(epoch, sequence)
            if turn is Turn.FAIL:
                self.fail(tup)
            elif turn is Turn.STALE:
                self.ack(tup)
            else:
                news = _flows(shard, *values) if tup.stream == FLOWS else _signalling(shard, *values)
                self._homes.put(text_to_number(site), news)
                taken.append(tup)
        try:
            self._homes.flush(time.monotonic())
        except StoreError as error:
            self.logger.warning("%d tuples wait for the store: %s", len(taken), error)
            self._pause()
            for tup in taken:
                self.fail(tup)
                # What follows in this epoch follows a hole, and would make the repeat of this look like one.
                self._continuity.pop(_stream(tup), None)
        else:
            for tup in taken:
                self.ack(tup)

    def process_batches(self) -> None:
        """Work off what came, then do what is due. All in one thread: a store belongs to one."""
        if self._homes is None:
            return
        super().process_batches()
        try:
            self._homes.upkeep(time.monotonic())
        except StoreError as error:
            self.logger.warning("what is known of calls could not be kept now: %s", error)
            self._pause()

    def _pause(self) -> None:
        assert self._homes is not None
        self._store.close()
        self._homes.rest(time.monotonic() + REST_S)


def _stream(tup: Any) -> tuple[str, str, int]:
    """Return what numbers the tuple: its stream, site and partition."""
    site, shard, *_ = tup.values
    return tup.stream, site, shard


def _flows(shard: int, source: str, number: int, verdicts: str, summaries: str) -> SiteInput:
    rows = tuple(text_to_verdicts(verdicts)), tuple(text_to_summaries(summaries))
    return FlowResults(text_to_number(source), shard, number, *rows)


def _signalling(shard: int, action: str, offset: int, batch: str) -> SiteInput:
    record = decode_record(text_to_bytes(batch))
    if action == EXPIRE:
        return SourceSilent(record.origin.source)
    return SignallingRecord(RecordOffset(shard, offset), record)
