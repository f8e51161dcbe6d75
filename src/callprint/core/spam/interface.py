"""What every spam detector can do: judge calls, learn from votes, remember."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from callprint.core.call import CallRecord, Judgement, Phase, Vote
from callprint.core.ground.snapshot import Snapshot
from callprint.core.spam.sightings import NOTHING_SEEN, SeenOfBoth

Vector = NDArray[np.float64]
Vectors = NDArray[np.float64]
"""(n, FEATURE_COUNT)"""
NEITHER_SEEN: SeenOfBoth = (NOTHING_SEEN, NOTHING_SEEN)


class SpamDetector(Protocol):
    """Judges calls by their features, in the order of packet time, from one thread.

    Calls are judged at packet time, votes are given by the wall clock: both in nanoseconds since the epoch.
    """

    def judge(
        self, facts: Any, features: Vector, phase: Phase, now_ns: int, seen: SeenOfBoth = NEITHER_SEEN
    ) -> Judgement:
        """Judge one call.

        facts: its CALL row (calls/facts.py) with the keys of caller, callee and campaign; features: its raw vector
        `(FEATURE_COUNT,)` (features.py), NaN for what is not known in this phase; seen: plain counts of the last
        calls of its caller and its campaign, for the reason.
        """
        ...

    def judge_calls(
        self,
        facts: Any,
        features: Vectors,
        at_end: NDArray[np.bool_],
        now_ns: Sequence[int],
        seen: Sequence[SeenOfBoth],
    ) -> list[Judgement]:
        """Judge calls in their order, as `judge` would one by one.

        facts: (n,) CALL rows; features: (n, FEATURE_COUNT); at_end: (n,), whether the phase is END.
        """
        return [
            self.judge(call, vector, Phase.END if ended else Phase.SETUP, at_ns, both)
            for call, vector, ended, at_ns, both in zip(
                facts, features, at_end.tolist(), now_ns, seen, strict=True
            )
        ]

    def judge_media_only(self, facts: Any, features: Vector, now_ns: Sequence[int]) -> list[Judgement]:
        """Judge calls without signalling, which have ended and whose parties nobody knows, as `judge` would one by one.

        facts: (n,) CALL rows; features: (n, FEATURE_COUNT); now_ns: packet times of the judgements.
        """
        return self.judge_calls(
            facts, features, np.ones(len(features), np.bool_), now_ns, [NEITHER_SEEN] * len(features)
        )

    def teach(self, calls: Iterable[CallRecord], votes: Iterable[Vote], now_ns: int) -> None:
        """Take in earlier votes, once at the start; calls: END rows of the callers voted on, the earliest first."""
        ...

    def take_votes(self, votes: Iterable[Vote], now_ns: int) -> None:
        """Take in new votes. One that says neither spam nor not spam ends what its user said of the caller before."""
        ...

    @property
    def ignored_votes(self) -> int:
        """How many votes do not count, because there are too many of one user."""
        ...

    def snapshot(self) -> Snapshot:
        """Return everything that a later judgement may depend on."""
        ...

    def restore(self, state: Snapshot) -> None:
        """Go on from a snapshot. Raises ConfigError when it is damaged or of another detector."""
        ...


def in_order(votes: Iterable[Vote]) -> list[Vote]:
    """Return votes in the order in which they were given: what is learned must not depend on how they came."""
    return sorted(votes, key=lambda vote: (vote.given_at_ns, vote.user, vote.caller))
