"""Judges calls: histories turn what happens into features, a detector turns features into a judgement.

A call is judged twice: when it begins (Phase.SETUP) and when its media is known (Phase.END). Its outcome goes
into the histories between the two, when it closes.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from callprint.core.call import NOT_JUDGED, Action, CallRecord, Judgement, Phase
from callprint.core.calls.events import CallEvent, CallStep
from callprint.core.spam.compiled_histories import fill_end
from callprint.core.spam.features import FEATURE_COUNT
from callprint.core.spam.histories import CallHistory
from callprint.core.spam.sightings import NOTHING_SEEN, Seen, Sightings

Vector = NDArray[np.float64]
SeenOfBoth = tuple[Seen, Seen]
"""What was seen of the caller and of the campaign lately."""
NEITHER_SEEN: SeenOfBoth = (NOTHING_SEEN, NOTHING_SEEN)


class Detector(Protocol):
    """Says of a call's features whether it is spam. Called in packet-time order, from one thread."""

    def judge(
        self, facts: Any, features: Vector, phase: Phase, now_ns: int, seen: SeenOfBoth = NEITHER_SEEN
    ) -> Judgement:
        """Judge one call.

        facts: its CALL row (core/spam/histories.py) with the keys of caller, callee and campaign; features: its
        raw vector `(FEATURE_COUNT,)` (core/spam/features.py), NaN for what is not known in this phase; seen: plain
        counts of the last calls of its caller and its campaign, of which the reason may speak.
        """
        ...


class NoDetector:
    """Judges nothing: calls are assembled and stored all the same."""

    def judge(
        self,
        facts: Any,  # noqa: ARG002 - the interface's
        features: Vector,  # noqa: ARG002 - the interface's
        phase: Phase,  # noqa: ARG002 - the interface's
        now_ns: int,  # noqa: ARG002 - the interface's
        seen: SeenOfBoth = NEITHER_SEEN,  # noqa: ARG002 - the interface's
    ) -> Judgement:
        """Return NOT_JUDGED."""
        return NOT_JUDGED


class CallJudge:
    """Keeps the features of calls in progress, at most `maximum_calls`, and has them judged.

    `allowed` holds callers, spelled as in call rows, whom no detector may touch.
    """

    def __init__(
        self,
        history: CallHistory | None = None,
        detector: Detector | None = None,
        allowed: Iterable[str] = (),
        maximum_calls: int = 100_000,
    ) -> None:
        self.history = history or CallHistory()
        self.sightings = Sightings()
        self._detector: Detector = detector or NoDetector()
        self._maximum_calls = maximum_calls
        self.vectors: OrderedDict[tuple[str, str, int], Vector] = OrderedDict()
        self.allowed = set(allowed)

    def judge(self, event: CallEvent) -> CallRecord | None:
        """Take what happened, in packet-time order; return the judged row, None when a call only closes."""
        record = event.record
        call = (record.call_id, record.from_tag, record.started_ns)
        if event.step is CallStep.BEGUN:
            vector = self.history.setup(event.facts)
            self.sightings.begin(event.facts)
            self._keep(call, vector)
            return self._judged(event, vector)
        if event.step is CallStep.CLOSED:
            self.sightings.end(event.facts)
            self._keep(call, self.history.end(event.facts, self.vectors.pop(call, _nothing())))
            return None
        return self._judged(event, _filled(event.facts, self.vectors.pop(call, _nothing())))

    def _keep(self, call: tuple[str, str, int], vector: Vector) -> None:
        self.vectors[call] = vector
        if len(self.vectors) > self._maximum_calls:  # only when events were lost on the way here
            self.vectors.popitem(last=False)

    def _judged(self, event: CallEvent, vector: Vector) -> CallRecord:
        facts = event.facts
        seen = (self.sightings.seen(int(facts["caller"])), self.sightings.seen(int(facts["campaign"])))
        judgement = self._detector.judge(facts, vector, event.record.phase, event.time_ns, seen)
        if event.record.caller in self.allowed:
            judgement = _allowed(judgement)
        return replace(
            event.record,
            spam_score=judgement.score,
            spam=judgement.spam,
            action=judgement.action,
            reason=judgement.reason,
            detector=judgement.detector,
            features=tuple(vector.tolist()),
        )


def _filled(facts: Any, vector: Vector) -> Vector:
    """Return `vector` with the END features of an ended call filled in."""
    full = vector.copy()
    fill_end(facts, full)
    return full


def _nothing() -> Vector:
    return np.full(FEATURE_COUNT, np.nan)


def _allowed(judgement: Judgement) -> Judgement:
    """Return what becomes of a judgement when the caller is on the allow-list: the score stays visible."""
    score = "not judged" if judgement.score is None else f"score {judgement.score:.2f}"
    reason = f"the caller is on the allow-list ({score})"
    return Judgement(judgement.score, False, Action.ALLOW, reason, judgement.detector)
