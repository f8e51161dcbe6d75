"""Our own detector behind the interface of call assembly: it learns from votes, and again as time passes."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from callprint.core.call import CallRecord, Judgement, Phase, Vote, voted_caller
from callprint.core.ground.errors import ConfigError, DecodeError
from callprint.core.ground.keys import stable_key
from callprint.core.ground.snapshot import Snapshot
from callprint.core.spam.features import FEATURE_COUNT
from callprint.core.spam.judging import NEITHER_SEEN, SeenOfBoth, Vector
from callprint.core.spam.live import LiveDetector, Thresholds
from callprint.core.spam.prior_weights import WEIGHTS
from callprint.core.spam.scorecard import load

LEARN_EVERY_NS = 3_600_000_000_000
"""How much packet time passes until the detector looks again at how common spam is, and at the votes."""


class OwnDetector:
    """A LiveDetector that is taught from stored calls and votes, and learns anew every hour of packet time."""

    def __init__(self, thresholds: Thresholds | None = None) -> None:
        """Start with the scorecard that ships with callprint. Raises ModelError when it is damaged."""
        self.live = LiveDetector(load(WEIGHTS), thresholds)
        self._learn_at_ns: int | None = None

    def judge(
        self, facts: Any, features: Vector, phase: Phase, now_ns: int, seen: SeenOfBoth = NEITHER_SEEN
    ) -> Judgement:
        """Judge one call (see judging.Detector)."""
        if self._learn_at_ns is None:
            self._learn_at_ns = now_ns + LEARN_EVERY_NS
        elif now_ns >= self._learn_at_ns:
            self.live.learn(now_ns)
            self._learn_at_ns = now_ns + LEARN_EVERY_NS
        caller, campaign = int(facts["caller"]), int(facts["campaign"])
        return self.live.judge(
            features,
            caller,
            campaign,
            now_ns,
            phase is Phase.END,
            started_ns=int(facts["started_ns"]),
            seen=seen,
        )

    def snapshot(self) -> Snapshot:
        """Return everything that a later judgement depends on."""
        return Snapshot.joined(
            {"live": self.live.snapshot(), "own": Snapshot({"learn_at_ns": self._learn_at_ns})}
        )

    def restore(self, state: Snapshot) -> None:
        """Go on from a snapshot. Raises ConfigError when it is of another detector or damaged."""
        try:
            live, learn_at_ns = state.part("live"), state.part("own").plain["learn_at_ns"]
        except (KeyError, DecodeError) as error:
            raise ConfigError(f"the detector state is damaged ({error}); start anew") from None
        self.live.restore(live)
        self._learn_at_ns = None if learn_at_ns is None else int(learn_at_ns)

    def teach(self, calls: Iterable[CallRecord], votes: Iterable[Vote], now_ns: int) -> None:
        """Take in what users said, once at the start.

        calls: END rows of the callers that the votes are about, the earliest first: they tell the detector
        what kind of caller was marked. Rows with features of another version are passed over. When the same
        calls are judged again, from the same capture, they do not count a second time.
        """
        for call in calls:
            if call.phase is Phase.END and len(call.features) == FEATURE_COUNT:
                caller = stable_key(voted_caller(call))
                campaign = int(call.campaign, 16) if call.campaign else 0
                self.live.judge(np.array(call.features), caller, campaign, call.judged_at_ns, True)
                self.live.taught_until(caller, call.started_ns)
        self.hear(votes, now_ns)

    def hear(self, votes: Iterable[Vote], now_ns: int) -> None:
        """Take in votes on callers of this run."""
        for vote in sorted(votes, key=lambda vote: (vote.given_at_ns, vote.user, vote.caller)):
            self.live.mark(stable_key(vote.caller), vote.user, vote.spam, vote.given_at_ns)
        self.live.learn(now_ns)
