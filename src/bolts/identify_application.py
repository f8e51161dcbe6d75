"""Judges assembled flows with the network."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

from streamparse import Stream

from callprint.core.evidence import EVIDENCE_RTP_SUMMARY
from callprint.core.ground.errors import ModelError
from callprint.core.identify.card import INPUT_FEATURES
from callprint.core.relay.continuity import Continuity, Turn
from callprint.core.relay.flow_judging import JudgeOutput, PartJudge, judge_together
from callprint.core.relay.site_inputs import FlowResults
from callprint.core.verdict import Verdict
from callprint.core.verdicts.identifier import Identifier
from callprint.core.wire.media import MediaBatch, decode_media
from callprint.core.wire.rows import rows_to_text
from callprint.core.wire.source import site_of
from callprint.declared_names import shipped_names
from callprint.topology.batching import BatchingBolt
from callprint.topology.models import ModelFile
from callprint.topology.pacing import PacedIdentifier
from callprint.topology.settings import TopologySettings
from callprint.topology.steady_identifier import SteadyIdentifier
from callprint.topology.tuples import (
    FLOW_FIELDS,
    FLOWS,
    VERDICT_FIELDS,
    evidence_to_text,
    number_to_text,
    received_bytes,
)

MOST_EVIDENCE_BYTES = 8 << 20
"""Of unknown flows in one tuple, give or take a log: an agent that dies may leave more than any tuple holds."""


class _Work(NamedTuple):
    """A tuple with what is needed to judge it."""

    tup: Any
    judge: PartJudge
    batch: MediaBatch
    sequences: Counter[int]  # of the tuple's partition


class IdentifyApplication(BatchingBolt):
    """Emits verdicts and summaries. All tuples of a partition come to one task, in order.

    Tuples that come within a few milliseconds are judged together: one run of the network over all their logs.
    """

    outputs: ClassVar[list[Any]] = [
        Stream(fields=list(VERDICT_FIELDS)),
        Stream(fields=list(FLOW_FIELDS), name=FLOWS),
    ]
    secs_between_batches = 0.005

    def initialize(self, storm_conf: dict[str, Any], _context: dict[str, Any]) -> None:
        """Load the network."""
        settings = TopologySettings.from_options(storm_conf)
        self._keep_unknown = settings.keep_unknown_evidence
        self._has_warned = False  # that media are missing
        self._reads_images = False
        self._model = ModelFile(settings)
        self._identifier = self._load()
        self._continuity: dict[int, Continuity] = {}
        self._judges: dict[int, PartJudge] = {}
        self._sequences: dict[
            int, Counter[int]
        ] = {}  # by partition and site: the next number on the flows stream

    def _load(self) -> Identifier | None:
        with self.pulse:
            loaded = self._model.load()
        if loaded is None:
            return None
        self._reads_images = loaded.card.input.kind != INPUT_FEATURES
        self.logger.info("%s runs on %s", loaded.name, loaded.provider)
        return PacedIdentifier(SteadyIdentifier(loaded), self.breathe)

    def process_batch(self, _key: None, tups: list[Any]) -> None:
        """Judge what came."""
        work = [taken for taken in map(self._take, tups) if taken is not None]
        outputs = judge_together([(each.judge, each.batch) for each in work])
        for each, output in zip(work, outputs, strict=True):
            self._emit(each, output)
            self.ack(each.tup)

    def _take(self, tup: Any) -> _Work | None:
        """Return the work that a tuple means; None, once the tuple is answered, if there is none."""
        partition, epoch, sequence, data = tup.values
        turn = self._continuity.setdefault(partition, Continuity()).turn(epoch, sequence)
        if turn is Turn.FAIL:
            self.fail(tup)
            return None
        if turn is Turn.STALE:
            self.ack(tup)
            return None
        if turn is Turn.BEGIN:
            self._judges[partition] = PartJudge(
                self._identifier, keep_unknown=self._keep_unknown, names=shipped_names()
            )
            self._sequences[partition] = Counter()
        batch = decode_media(received_bytes(data))
        self._warn_of_summaries(batch)
        return _Work(tup, self._judges[partition], batch, self._sequences[partition])

    def _warn_of_summaries(self, batch: MediaBatch) -> None:
        """Say once that evidence without media does not serve what this topology is to do with it."""
        if self._has_warned or not (self._keep_unknown or self._reads_images):
            return
        if (batch.packets["kind"] == EVIDENCE_RTP_SUMMARY).any():
            self._has_warned = True
            done = "kept" if self._keep_unknown else "judged"
            self.logger.warning(
                "flows of agents with `--evidence features` are not %s: media are missing", done
            )

    def _emit(self, work: _Work, output: JudgeOutput) -> None:
        """Send what a batch came to: to the judge of calls always, since it counts batches, and to the store."""
        partition, epoch, _, _ = work.tup.values
        origin = work.batch.origin
        site = site_of(origin.source)
        sequence = work.sequences[site]
        work.sequences[site] += 1
        results = FlowResults.of(origin, partition, output.verdicts, output.summaries)
        numbers = [
            number_to_text(site),
            partition,
            epoch,
            sequence,
            number_to_text(origin.source),
            origin.sequence,
        ]
        verdicts, summaries = rows_to_text(results.verdicts), rows_to_text(results.summaries)
        flows = [*numbers, verdicts, summaries, rows_to_text(results.running)]
        self.emit(flows, stream=FLOWS, anchors=[work.tup])
        if output.verdicts or output.summaries:
            # What calls need is often everything.
            if len(results.verdicts) < len(output.verdicts):
                verdicts = rows_to_text(output.verdicts)
            if len(results.summaries) < len(output.summaries):
                summaries = rows_to_text(output.summaries)
            for unknown in _in_pieces(output.unknown):
                rows = [partition, verdicts, summaries, evidence_to_text(unknown)]
                self.emit(rows, anchors=[work.tup])
                verdicts = summaries = rows_to_text([])

    def process_tick(self, tup: Any) -> None:
        """Load a model that an operator put in place of the old one; verdicts from now on name it."""
        if self._model.changed():
            try:
                self._identifier = self._load()
            except ModelError as error:
                self.logger.error("the new model is not used: %s", error)
            else:
                for judge in list(self._judges.values()):  # batches, in another thread, may begin one
                    judge.identifier = self._identifier
        self.ack(tup)


def _in_pieces(unknown: list[tuple[Verdict, bytes]]) -> Iterator[list[tuple[Verdict, bytes]]]:
    """Yield evidence in pieces that fit into tuples; one without any if there is none."""
    piece: list[tuple[Verdict, bytes]] = []
    size = 0
    for kept in unknown:
        if size >= MOST_EVIDENCE_BYTES:
            yield piece
            piece, size = [], 0
        piece.append(kept)
        size += len(kept[1])
    yield piece
