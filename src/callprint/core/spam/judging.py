"""Judges calls: histories turn what happens into features, a detector turns features into a judgement.

A call is judged twice: when it begins (Phase.SETUP) and when its media is known (Phase.END). In between, when it
closes, its outcome goes into the histories.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby, islice
from typing import Any

import numpy as np

from callprint.core.call import NOT_JUDGED, Action, CallRecord, Judgement
from callprint.core.calls.events import CELLS, CallEvent, CallKey, CallStep
from callprint.core.calls.facts import CALL
from callprint.core.calls.media_only import MediaOnlyCall
from callprint.core.calls.media_only_rows import media_only_calls
from callprint.core.ground.arrays import Array
from callprint.core.ground.table import Rows, Same, ValueTable
from callprint.core.spam.compiled_histories import BEGIN, FILL, FINISH
from callprint.core.spam.features import FEATURE_COUNT
from callprint.core.spam.histories import CallHistory
from callprint.core.spam.interface import SpamDetector, Vector, Vectors
from callprint.core.spam.sightings import Sightings

JUDGED_TOGETHER = 4_096
"""Events whose rows are made together: tens of thousands of calls may end with a capture."""
_STEPS = {CallStep.BEGUN: BEGIN, CallStep.CLOSED: FINISH, CallStep.SETTLED: FILL}
"""What histories make of a step."""


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
        for _, alike in groupby(events, key=type):
            while some := list(islice(alike, JUDGED_TOGETHER)):
                calls = [event for event in some if isinstance(event, MediaOnlyCall)]
                steps = [event for event in some if isinstance(event, CallEvent)]
                rows.extend(self._media_only(calls) if calls else self._steps(steps))
        return rows

    def _media_only(self, events: Sequence[MediaOnlyCall]) -> ValueTable[CallRecord]:
        """Judge calls without signalling: nobody knows their parties, so that no history has them."""
        calls = media_only_calls(events)
        vectors = np.full((len(events), FEATURE_COUNT), np.nan)
        unknown = np.full(len(events), -1)
        self.history.play(calls.facts, np.full(len(events), FILL), unknown, vectors)
        judgements = [NOT_JUDGED] * len(events)
        if self.detector is not None:
            judged_at_ns = [event.judged_at_ns for event in events]
            judgements = self.detector.judge_media_only(calls.facts, vectors, judged_at_ns)
        return self._table(calls.columns, [""] * len(events), judgements, vectors)

    def _steps(self, events: Sequence[CallEvent]) -> ValueTable[CallRecord]:
        """Take the steps of calls with signalling; all but those in which a call only closes give a row."""
        facts = np.array([event.facts for event in events], CALL)
        steps = np.array([_STEPS[event.step] for event in events])
        vectors = self._vectors(events, facts, steps)
        seen = self.sightings.play(facts, steps)
        judged = np.flatnonzero(steps != FINISH)
        events = [events[at] for at in judged.tolist()]
        judgements = [NOT_JUDGED] * len(events)
        if self.detector is not None and events:
            at_end, judged_at_ns = steps[judged] == FILL, [event.time_ns for event in events]
            seen = [seen[at] for at in judged.tolist()]
            judgements = self.detector.judge_calls(facts[judged], vectors[judged], at_end, judged_at_ns, seen)
        columns = dict(zip(CELLS, zip(*(event.cells for event in events), strict=True), strict=bool(events)))
        return self._table(columns, columns.get("caller", ()), judgements, vectors[judged])

    def _vectors(self, events: Sequence[CallEvent], facts: Array, steps: Array) -> Vectors:
        """Return the raw vectors of calls after each step, (n, FEATURE_COUNT), and keep those of calls that go on."""
        vectors = np.full((len(events), FEATURE_COUNT), np.nan)
        before = [-1] * len(events)
        here: dict[CallKey, int] = {}  # the last step of each call that left its vector
        for at, (step, call) in enumerate(zip(steps.tolist(), [event.call for event in events], strict=True)):
            kept = self.vectors.pop(call, None) if step != BEGIN else None
            if kept is not None and call in here:
                before[at] = here[call]
            elif kept is not None:
                vectors[at] = kept
            if step != FILL:
                self.vectors[call] = vectors[at]
                here[call] = at
                if len(self.vectors) > self._maximum_calls:  # only when events were lost on the way here
                    self.vectors.popitem(last=False)
        self.history.play(facts, steps, np.array(before), vectors)
        for call, at in here.items():
            if call in self.vectors:
                self.vectors[call] = vectors[at].copy()  # one row must not hold all of them in memory
        return vectors

    def _table(
        self,
        columns: Mapping[str, Sequence[Any] | Same],
        callers: Sequence[str],
        judgements: Sequence[Judgement],
        vectors: Vectors,
    ) -> ValueTable[CallRecord]:
        """Return the rows of calls with what the judge says about them."""
        if self.allowed:
            judgements = [
                _allowed(judgement) if caller in self.allowed else judgement
                for caller, judgement in zip(callers, judgements, strict=True)
            ]
        judged: dict[str, Sequence[Any] | Same] = {
            "spam_score": [judgement.score for judgement in judgements],
            "spam": [judgement.spam for judgement in judgements],
            "action": [judgement.action for judgement in judgements],
            "reason": [judgement.reason for judgement in judgements],
            "detector": [judgement.detector for judgement in judgements],
            "features": list(map(tuple, vectors.tolist())),
            "detector_state": Same(self.detector_state),
        }
        return ValueTable(CallRecord, {**columns, **judged}, len(judgements))


def _allowed(judgement: Judgement) -> Judgement:
    """Return what becomes of a judgement when the caller is on the allow-list: the score stays visible."""
    score = "not judged" if judgement.score is None else f"score {judgement.score:.2f}"
    reason = f"the caller is on the allow-list ({score})"
    return Judgement(judgement.score, False, Action.ALLOW, reason, judgement.detector)
