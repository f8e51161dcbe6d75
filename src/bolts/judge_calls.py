"""Assembles calls and judges them. All tuples of a site come to one task, which keeps its callers' histories."""

import time
from typing import Any

from callprint.core.ground.errors import StoreError
from callprint.core.relay.continuity import Continuity, Turn
from callprint.core.relay.site_inputs import (
    FlowResults,
    RecordOffset,
    SignallingRecord,
    SiteInput,
    SourceSilent,
)
from callprint.core.wire.rows import text_to_running, text_to_summaries, text_to_verdicts
from callprint.core.wire.signalling import decode_record
from callprint.topology.batching import BatchingBolt
from callprint.topology.call_rows import StoredRow
from callprint.topology.dead_letters import DeadLetters
from callprint.topology.patient_store import PatientStore
from callprint.topology.record_fetcher import RecordFetcher
from callprint.topology.settings import TopologySettings
from callprint.topology.sites import Sites
from callprint.topology.tuples import EXPIRE, FLOWS, received_bytes, text_to_number

REST_S = 1.0  # after the store did not answer


class JudgeCalls(BatchingBolt):
    """Takes signalling and the judged flows of identify_application; stores the rows of calls itself.

    The tuples of some milliseconds are worked off together, so that one write to the journal serves them all.
    """

    secs_between_batches = 0.02
    _sites: Sites | None = None  # the thread that works off batches starts before `initialize` is called

    def initialize(self, storm_conf: dict[str, Any], _context: dict[str, Any]) -> None:
        """Begin without sites; each is loaded with its first tuple."""
        settings = TopologySettings.from_options(storm_conf)
        self._store = PatientStore(settings.store)
        self._continuity: dict[tuple[str, str, int], Continuity] = {}
        fetch = RecordFetcher(settings).fetch
        self._unanswered: list[Any] = []  # journalled; some of their rows wait for the store
        self._dead_letters = DeadLetters(settings)
        self._topic = settings.signalling_topic
        self._sites = Sites(
            self._store.opened,
            settings.detector,
            settings.identity_reader(),
            fetch,
            self._set_aside,
            settings.votes_per_day,
        )

    def _set_aside(self, row: StoredRow, reason: str) -> bool:
        return self._dead_letters.put(self._topic, -1, -1, reason, repr(row).encode())

    def process_batch(self, _key: None, tups: list[Any]) -> None:
        """Take tuples in; acknowledge them once their rows are stored, fail them if the store does not take them."""
        assert self._sites is not None  # `process_batches` checked that
        taken = []
        for tup in tups:
            site, partition, epoch, sequence, *values = tup.values
            turn = self._continuity.setdefault(_stream(tup), Continuity()).turn(epoch, sequence)
            if turn is Turn.FAIL:
                self.fail(tup)
            elif turn is Turn.STALE:
                self.ack(tup)
            else:
                read = _flow_results if tup.stream == FLOWS else _signalling
                self._sites.put(text_to_number(site), read(partition, *values))
                taken.append(tup)
        try:
            self._sites.flush(time.monotonic())
        except StoreError as error:
            self.logger.warning("%d tuples wait for the store: %s", len(taken), error)
            self._pause()
            for tup in taken:
                self.fail(tup)
                # So that later tuples of this epoch fail, too: taken, they would make this one, when it comes again,
                # look like a repeat.
                self._continuity.pop(_stream(tup), None)
        else:
            self._unanswered += taken
            self._answer()

    def process_batches(self) -> None:
        """Work off what came, then do what is due: all in one thread, because a store belongs to one."""
        if self._sites is None:
            return
        super().process_batches()
        try:
            with self.pulse:
                self._sites.upkeep(time.monotonic())
            self._answer()
        except StoreError as error:
            self.logger.warning("the calls of a site could not be saved now: %s", error)
            self._pause()

    def _answer(self) -> None:
        """Acknowledge, once no row waits: what is only journalled is judged again when its site is next asked for."""
        assert self._sites is not None
        if not self._sites.rows:
            for tup in self._unanswered:
                self.ack(tup)
            self._unanswered.clear()

    def _pause(self) -> None:
        assert self._sites is not None
        self._store.close()
        self._sites.rest(time.monotonic() + REST_S)


def _stream(tup: Any) -> tuple[str, str, int]:
    """Return the stream, site and partition: tuples are numbered within these three."""
    site, partition, *_ = tup.values
    return tup.stream, site, partition


def _flow_results(
    partition: int, source: str, number: int, verdicts: str, summaries: str, running: str
) -> SiteInput:
    rows = tuple(text_to_verdicts(verdicts)), tuple(text_to_summaries(summaries))
    return FlowResults(text_to_number(source), partition, number, *rows, tuple(text_to_running(running)))


def _signalling(partition: int, action: str, offset: int, batch: bytes | str) -> SiteInput:
    record = decode_record(received_bytes(batch))
    if action == EXPIRE:
        return SourceSilent(record.origin.source)
    return SignallingRecord(RecordOffset(partition, offset), record)
