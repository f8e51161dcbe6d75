"""The detectors that a configuration can name, behind one interface: judge, learn, remember."""

from collections.abc import Iterable
from typing import Any, Protocol

from callprint.core.call import CallRecord, Judgement, Phase, Vote
from callprint.core.ground.errors import ConfigError
from callprint.core.ground.keys import stable_key
from callprint.core.ground.snapshot import Snapshot
from callprint.core.spam.detector_names import ALGORITHM_NAMES, DETECTORS, OWN
from callprint.core.spam.judging import NEITHER_SEEN, SeenOfBoth, Vector
from callprint.core.spam.own_detector import OwnDetector
from callprint.core.spam.window import WindowDetector


class CallDetector(Protocol):
    """A detector (judging.Detector) that listens to users and whose state can be kept."""

    def judge(
        self, facts: Any, features: Vector, phase: Phase, now_ns: int, seen: SeenOfBoth = NEITHER_SEEN
    ) -> Judgement:
        """Judge one call (see judging.Detector)."""
        ...

    def teach(self, calls: Iterable[CallRecord], votes: Iterable[Vote], now_ns: int) -> None:
        """Take in what users said before, once at the start; calls: END rows of the callers voted on."""
        ...

    def hear(self, votes: Iterable[Vote], now_ns: int) -> None:
        """Take in votes that are new."""
        ...

    def snapshot(self) -> Snapshot:
        """Return everything that a later judgement may depend on."""
        ...

    def restore(self, state: Snapshot) -> None:
        """Go on from a snapshot. Raises ConfigError when it is of another detector or damaged."""
        ...


class PaperDetector:
    """One of the paper's algorithms (core/spam/window.py) as a CallDetector."""

    def __init__(self, algorithm: str) -> None:
        """Raises ConfigError when there is no such algorithm."""
        self.window = WindowDetector(algorithm)

    def judge(
        self,
        facts: Any,
        features: Vector,
        phase: Phase,
        now_ns: int,
        seen: SeenOfBoth = NEITHER_SEEN,  # noqa: ARG002 - its reasons speak of clusters
    ) -> Judgement:
        """Judge one call."""
        return self.window.judge(facts, features, phase, now_ns)

    def teach(self, calls: Iterable[CallRecord], votes: Iterable[Vote], now_ns: int) -> None:  # noqa: ARG002
        """Remember the votes; the calls of other times are no part of the window."""
        self.hear(votes, now_ns)

    def hear(self, votes: Iterable[Vote], now_ns: int) -> None:  # noqa: ARG002
        """Remember the votes and cluster the window with them."""
        for vote in sorted(votes, key=lambda vote: (vote.given_at_ns, vote.user, vote.caller)):
            self.window.mark(stable_key(vote.caller), vote.user, vote.spam)
        self.window.refit()

    def snapshot(self) -> Snapshot:
        """Return the window, the marks and the clusters."""
        return self.window.snapshot()

    def restore(self, state: Snapshot) -> None:
        """Go on from a snapshot."""
        self.window.restore(state)


def make_detector(name: str) -> CallDetector:
    """Return a fresh detector. Raises ConfigError when there is none of that name."""
    if name == OWN:
        return OwnDetector()
    if name not in ALGORITHM_NAMES:
        raise ConfigError(f"there is no detector {name!r}; there are: {', '.join(DETECTORS)}")
    return PaperDetector(name)
