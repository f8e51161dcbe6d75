"""Judges assembled flows with the network."""

from collections import Counter
from typing import Any, ClassVar, NamedTuple

from streamparse import Stream, TicklessBatchingBolt

from callprint.core.ground.errors import ModelError
from callprint.core.relay.continuity import Continuity, Turn
from callprint.core.relay.flow_judging import JudgeOutput, PartJudge, judge_together
from callprint.core.relay.site_inputs import FlowResults
from callprint.core.verdicts.identifier import Identifier
from callprint.core.wire.media import MediaBatch, decode_media
from callprint.core.wire.rows import rows_to_text
from callprint.core.wire.source import site_of
from callprint.topology.models import ModelFile
from callprint.topology.pacing import PacedIdentifier, Pulse
from callprint.topology.settings import TopologySettings
from callprint.topology.tuples import (
    FLOW_FIELDS,
    FLOWS,
    VERDICT_FIELDS,
    evidence_to_text,
    number_to_text,
    text_to_bytes,
)


class _Work(NamedTuple):
    tup: Any
    judge: PartJudge
    batch: MediaBatch
    told: Counter[int]


class IdentifyApplication(TicklessBatchingBolt):
    """Emits verdicts and summaries. All tuples of a partition come to one task, in order.

    The tuples that came within some milliseconds are judged together: one run of the network over all their logs.
    """

    outputs: ClassVar[list[Any]] = [
        Stream(fields=list(VERDICT_FIELDS)),
        Stream(fields=list(FLOW_FIELDS), name=FLOWS),
    ]
    auto_ack = False
    auto_fail = False
    secs_between_batches = 0.005

    def initialize(self, storm_conf: dict[str, Any], _context: dict[str, Any]) -> None:
        """Load the network."""
        settings = TopologySettings.from_options(storm_conf)
        self._keep_unknown = settings.keep_unknown_evidence
        self._pulse = Pulse(self._breathe)
        self._model = ModelFile(settings)
        self._identifier = self._load()
        self._continuity: dict[int, Continuity] = {}
        self._judges: dict[int, PartJudge] = {}
        self._told: dict[int, Counter[int]] = {}  # by partition and site: tuples of this epoch to the calls

    def _load(self) -> Identifier | None:
        with self._pulse:
            loaded = self._model.load()
        if loaded is None:
            return None
        self.logger.info("%s runs on %s", loaded.name, loaded.provider)
        return PacedIdentifier(loaded, self._breathe)

    def _breathe(self) -> None:
        """Give a sign of life in the middle of a long piece of work."""
        self.send_message({"command": "sync"})

    def group_key(self, _tup: Any) -> None:
        """All tuples are one batch, in the order in which they came."""
        return

    def process_batch(self, _key: None, tups: list[Any]) -> None:
        """Judge what came."""
        with self._pulse:
            work = [found for found in map(self._take, tups) if found is not None]
            judged = judge_together([(each.judge, each.batch) for each in work])
            for each, said in zip(work, judged, strict=True):
                self._tell(each, said)
                self.ack(each.tup)

    def _take(self, tup: Any) -> _Work | None:
        """Return what is to be done for a tuple; None, and answer it, when that is nothing."""
        shard, epoch, sequence, text = tup.values
        turn = self._continuity.setdefault(shard, Continuity()).turn(epoch, sequence)
        if turn is Turn.FAIL:
            self.fail(tup)
            return None
        if turn is Turn.STALE:
            self.ack(tup)
            return None
        if turn is Turn.BEGIN:
            self._judges[shard] = PartJudge(self._identifier, keep_unknown=self._keep_unknown)
            self._told[shard] = Counter()
        return _Work(tup, self._judges[shard], decode_media(text_to_bytes(text)), self._told[shard])

    def _tell(self, work: _Work, judged: JudgeOutput) -> None:
        """Tell the judge of calls what became of a batch, also when it is nothing: it counts them. Then the store."""
        shard, epoch, _, _ = work.tup.values
        origin = work.batch.origin
        news = FlowResults.of(origin, shard, judged.verdicts, judged.summaries)
        site = site_of(origin.source)
        sequence = work.told[site]
        work.told[site] += 1
        place = [number_to_text(site), shard, epoch, sequence, number_to_text(origin.source), origin.sequence]
        flows = [*place, rows_to_text(news.verdicts), rows_to_text(news.summaries)]
        self.emit(flows, stream=FLOWS, anchors=[work.tup])
        if judged.verdicts or judged.summaries:
            rows = (rows_to_text(judged.verdicts), rows_to_text(judged.summaries))
            self.emit([shard, *rows, evidence_to_text(judged.unknown)], anchors=[work.tup])

    def process_tick(self, tup: Any) -> None:
        """Take a model over that an operator put in place of the old one; the next verdicts name it."""
        if self._model.changed():
            try:
                self._identifier = self._load()
            except ModelError as error:
                self.logger.error("the new model is not used: %s", error)
            else:
                for judge in self._judges.values():
                    judge.replace_identifier(self._identifier)
        self.ack(tup)
