"""Judges calls: histories turn what happens into features, a detector turns features into a judgement.

A call is judged twice: when it begins (Phase.SETUP) and when its media is known (Phase.END). In between, when it
closes, its outcome goes into the histories.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from callprint.core.call import NOT_JUDGED, Action, CallRecord, Judgement, Phase
from callprint.core.calls.events import CELLS, CallEvent, CallKey, CallStep
from callprint.core.calls.media_only import MediaOnlyCall
from callprint.core.calls.media_only_rows import media_only_calls
from callprint.core.ground.table import Rows, Same, ValueTable
from callprint.core.spam.compiled_histories import fill_end, fill_ends
from callprint.core.spam.features import FEATURE_COUNT
from callprint.core.spam.histories import CallHistory
from callprint.core.spam.interface import SpamDetector, Vector
from callprint.core.spam.sightings import Sightings

_CALLER, _DETECTOR_STATE = CELLS.index("caller"), CELLS.index("detector_state")
_JUDGEMENT = slice(CELLS.index("spam_score"), CELLS.index("features") + 1)
"""Where a row has what the judge says."""


class CallJudge:
    """Keeps the features of calls in progress, at most `maximum_calls`, and has the calls judged.

    Without a detector calls are assembled and stored all the same. `allowed` is the allow-list: callers, spelled as
    in call rows, whom no detector may touch.
    """

    def __init__(
        self,
        history: CallHistory | None = None,
        detector: SpamDetector | None = None,
        maximum_calls: int = 100_000,
    ) -> None:
        self.history = history or CallHistory()
        self.sightings = Sightings()
        self.detector = detector
        self._maximum_calls = maximum_calls
        self.vectors: OrderedDict[CallKey, Vector] = OrderedDict()
        self.allowed: set[str] = set()
        self.detector_state: str | None = None  # as rows give it (user_votes.py)

    def judge_all(self, events: Iterable[CallEvent | MediaOnlyCall]) -> Rows[CallRecord]:
        """Take events, in the order of packet time; return the judged rows."""
        rows: Rows[CallRecord] = Rows()
        for kind, group in groupby(events, key=type):
            if kind is MediaOnlyCall:
                rows.extend(self._media_only([event for event in group if isinstance(event, MediaOnlyCall)]))
            else:
                judged = (self.judge(event) for event in group if isinstance(event, CallEvent))
                rows.extend(row for row in judged if row is not None)
        return rows

    def _media_only(self, events: Sequence[MediaOnlyCall]) -> ValueTable[CallRecord]:
        """Judge calls without signalling: nobody knows their parties, so that no history has them."""
        calls = media_only_calls(events)
        vectors = np.full((len(events), FEATURE_COUNT), np.nan)
        fill_ends(calls.facts, vectors)
        judgements = [NOT_JUDGED] * len(events)
        if self.detector is not None:
            judged_at_ns = [event.judged_at_ns for event in events]
            judgements = self.detector.judge_media_only(calls.facts, vectors, judged_at_ns)
        if "" in self.allowed:
            judgements = list(map(_allowed, judgements))
        judged: dict[str, Sequence[Any] | Same] = {
            "spam_score": [judgement.score for judgement in judgements],
            "spam": [judgement.spam for judgement in judgements],
            "action": [judgement.action for judgement in judgements],
            "reason": [judgement.reason for judgement in judgements],
            "detector": [judgement.detector for judgement in judgements],
            "features": list(map(tuple, vectors.tolist())),
            "detector_state": Same(self.detector_state),
        }
        return ValueTable(CallRecord, calls.columns | judged, len(events))

    def judge(self, event: CallEvent) -> CallRecord | None:
        """Take an event, in the order of packet time; return the judged row, None when a call only closes."""
        call = event.call
        if event.step is CallStep.BEGUN:
            vector = self.history.setup(event.facts)
            self.sightings.begin(event.facts)
            self._keep(call, vector)
            return self._judged(event, vector, Phase.SETUP)
        if event.step is CallStep.CLOSED:
            self.sightings.end(event.facts)
            self._keep(call, self.history.end(event.facts, self._pop(call)))
            return None
        return self._judged(event, _filled(event.facts, self._pop(call)), Phase.END)

    def _pop(self, call: CallKey) -> Vector:
        vector = self.vectors.pop(call, None)
        return np.full(FEATURE_COUNT, np.nan) if vector is None else vector

    def _keep(self, call: CallKey, vector: Vector) -> None:
        self.vectors[call] = vector
        if len(self.vectors) > self._maximum_calls:  # only when events were lost on the way here
            self.vectors.popitem(last=False)

    def _judged(self, event: CallEvent, vector: Vector, phase: Phase) -> CallRecord:
        facts = event.facts
        judgement = NOT_JUDGED
        if self.detector is not None:
            seen = (self.sightings.seen(int(facts["caller"])), self.sightings.seen(int(facts["campaign"])))
            judgement = self.detector.judge(facts, vector, phase, event.time_ns, seen)
        cells = list(event.cells)
        if cells[_CALLER] in self.allowed:
            judgement = _allowed(judgement)
        cells[_JUDGEMENT] = (
            judgement.score,
            judgement.spam,
            judgement.action,
            judgement.reason,
            judgement.detector,
            tuple(vector.tolist()),
        )
        cells[_DETECTOR_STATE] = self.detector_state
        return CallRecord(*cells)


def _filled(facts: Any, vector: Vector) -> Vector:
    """Return `vector` with the END features of an ended call filled in."""
    full = vector.copy()
    fill_end(facts, full)
    return full


def _allowed(judgement: Judgement) -> Judgement:
    """Return what becomes of a judgement when the caller is on the allow-list: the score stays visible."""
    score = "not judged" if judgement.score is None else f"score {judgement.score:.2f}"
    reason = f"the caller is on the allow-list ({score})"
    return Judgement(judgement.score, False, Action.ALLOW, reason, judgement.detector)
