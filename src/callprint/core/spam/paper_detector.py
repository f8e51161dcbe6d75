"""The paper's four algorithms, live: calls clustered in a sliding window, judged at set-up and at the end.

Every `refit_every` ended calls the window is clustered anew. A call that is being set up is judged by pMPCK
(set-up features only), a call that is over by the chosen algorithm [paper]. A caller's calls in the window count as
voted on, by the majority of its votes. A cluster with more calls voted spam than not is a SPIT cluster [paper];
without one nothing is spam: these algorithms know nothing before users vote.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from callprint.core.call import Action, CallRecord, Judgement, Phase, Vote
from callprint.core.ground.errors import ConfigError, DecodeError
from callprint.core.ground.keys import stable_key
from callprint.core.ground.snapshot import Snapshot
from callprint.core.spam.clustering import Clustering, Settings, fit
from callprint.core.spam.fair_votes import BoundedVotes
from callprint.core.spam.feature_columns import STORED, read_columns, stored_names
from callprint.core.spam.features import FEATURE_COUNT, NAMES, PAPER_COLUMNS, PAPER_SETUP_COLUMNS, transform
from callprint.core.spam.interface import NEITHER_SEEN, SpamDetector, Vector, in_order
from callprint.core.spam.sightings import SeenOfBoth

Floats = NDArray[np.float64]

ALGORITHMS: dict[str, tuple[Settings, tuple[int, ...]]] = {
    "mpck": (Settings(exact_farthest=True, pre_metrics=False), PAPER_COLUMNS),
    "empck": (Settings(), PAPER_COLUMNS),
    "empck-multi-class": (Settings(clusters=4, must_link_votes=False), PAPER_COLUMNS),
    "pmpck": (Settings(), PAPER_SETUP_COLUMNS),
}
"""Name in the configuration -> how it clusters, and which columns it looks at when a call has ended."""

FEWEST_CALLS = 50  # before so many calls have ended there is nothing to cluster


@dataclass(frozen=True, slots=True)
class _Model:
    clustering: Clustering
    columns: tuple[int, ...]
    sizes: NDArray[np.int64]  # (clusters,) calls
    spam_votes: NDArray[np.int64]  # (clusters,) calls voted spam
    other_votes: NDArray[np.int64]  # (clusters,) calls voted not spam

    @property
    def spit(self) -> NDArray[np.bool_]:
        """Which clusters are SPIT clusters, (clusters,)."""
        return np.asarray(self.spam_votes > self.other_votes)


class PaperDetector(SpamDetector):
    """One of the paper's algorithms as a SpamDetector (interface.py).

    `algorithm`: a key of `ALGORITHMS`; `window`: ended calls that are clustered; `refit_every`: ended calls
    after which they are clustered anew. Raises ConfigError when there is no such algorithm or a size is too small.
    """

    def __init__(self, algorithm: str = "empck", window: int = 2_000, refit_every: int = 200) -> None:
        if algorithm not in ALGORITHMS:
            raise ConfigError(f"no algorithm {algorithm!r}; there are: {', '.join(ALGORITHMS)}")
        if window < FEWEST_CALLS or refit_every < 1:
            raise ConfigError(
                f"the window must hold at least {FEWEST_CALLS} calls, and be clustered now and then"
            )
        self.algorithm, self.refit_every = algorithm, refit_every
        self._calls: deque[tuple[int, Floats]] = deque(maxlen=window)  # caller, transformed vector
        self._votes: BoundedVotes[bool] = BoundedVotes()  # spam or not
        self._since_fit = 0
        self._models: dict[Phase, _Model] = {}

    def judge(
        self,
        facts: Any,
        features: Vector,
        phase: Phase,
        now_ns: int,  # noqa: ARG002 - the interface's: votes do not fade here
        seen: SeenOfBoth = NEITHER_SEEN,  # noqa: ARG002 - the interface's: the reasons are about clusters
    ) -> Judgement:
        """Judge one call; when it has ended it enters the window."""
        vector = transform(features)
        judgement = self._judged(vector, phase)
        if phase is Phase.END:
            self._calls.append((int(facts["caller"]), vector))
            self._since_fit += 1
            if self._since_fit >= self.refit_every or not self._models:
                self.refit()
        return judgement

    def teach(self, calls: Iterable[CallRecord], votes: Iterable[Vote], now_ns: int) -> None:  # noqa: ARG002
        """Take in earlier votes; calls of other times are not part of the window."""
        self.take_votes(votes, now_ns)

    def take_votes(self, votes: Iterable[Vote], now_ns: int) -> None:  # noqa: ARG002 - votes do not fade here
        """Take in new votes, and cluster the window with them."""
        for vote in in_order(votes):
            if vote.kind is not None:
                self._votes.remove(vote.user, stable_key(vote.caller))
                continue
            self.add_vote(stable_key(vote.caller), vote.user, vote.spam)
        self.refit()

    @property
    def ignored_votes(self) -> int:
        """How many votes do not count: too many of one user."""
        return self._votes.dropped

    def add_vote(self, caller: int, user: str, spam: bool) -> None:
        """Take in a vote on a caller by its key, for the next `refit`; a user's later vote replaces an earlier one."""
        self._votes.put(user, caller, spam)

    def refit(self) -> None:
        """Cluster the window anew; nothing happens before it holds `FEWEST_CALLS` calls."""
        if len(self._calls) < FEWEST_CALLS:
            return
        self._since_fit = 0
        vectors = np.stack([vector for _, vector in self._calls])
        votes = np.array([self._vote_on(caller) for caller, _ in self._calls])
        settings, columns = ALGORITHMS[self.algorithm]
        self._models = {
            Phase.SETUP: _clustered(vectors, votes, *ALGORITHMS["pmpck"]),
            Phase.END: _clustered(vectors, votes, settings, columns),
        }

    def snapshot(self) -> Snapshot:
        """Return everything that a later judgement depends on. The keys are those of 0.1.0."""
        votes = [[caller, dict(by_user)] for caller, by_user in self._votes.by_caller()]
        plain = {
            "algorithm": self.algorithm,
            "since_fit": self._since_fit,
            "votes": votes,
            STORED: NAMES,
        }
        window = np.array([vector for _, vector in self._calls]).reshape(len(self._calls), FEATURE_COUNT)
        arrays = {"callers": np.array([caller for caller, _ in self._calls], np.uint64), "window": window}
        models = {phase.value: _model_snapshot(model) for phase, model in self._models.items()}
        return Snapshot.joined({"own": Snapshot(plain, arrays), **models})

    def restore(self, state: Snapshot) -> None:
        """Go on from a snapshot. Raises ConfigError when it is damaged or of another algorithm."""
        try:
            own = state.part("own")
            if own.plain["algorithm"] != self.algorithm:
                raise ConfigError(
                    f"the snapshot is of {own.plain['algorithm']}, not of {self.algorithm}; start anew"
                )
            window = read_columns(own.arrays["window"], stored_names(own.plain), np.nan)
            calls = list(zip(own.arrays["callers"].tolist(), window, strict=True))
            votes: BoundedVotes[bool] = BoundedVotes()
            for caller, by_user in own.plain["votes"]:
                for user, spam in by_user.items():
                    votes.put(str(user), int(caller), bool(spam))
            models = {
                phase: _model_in(state.part(phase.value)) for phase in Phase if phase.value in state.plain
            }
            since_fit = int(own.plain["since_fit"])
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, DecodeError) as error:
            raise ConfigError(f"the snapshot of the detector is damaged ({error}); start anew") from None
        self._calls.clear()
        self._calls.extend(calls)
        self._votes, self._since_fit = votes, since_fit
        self._models = {phase: model for phase, model in models.items() if model.columns}

    def _vote_on(self, caller: int) -> int:
        """Return what most users say of a caller: 1 spam, 0 not spam, -1 when there is no majority."""
        votes = self._votes.on(caller).values() if caller else ()
        balance = sum(1 if spam else -1 for spam in votes)
        return -1 if balance == 0 else int(balance > 0)

    def _judged(self, vector: Floats, phase: Phase) -> Judgement:
        name = f"{self.algorithm if phase is Phase.END else 'pmpck'}-1"
        if phase not in self._models:
            reason = f"{len(self._calls)} calls seen, {FEWEST_CALLS} are needed to cluster them"
            return Judgement(None, None, Action.ALLOW, reason, name)
        model = self._models[phase]
        costs = model.clustering.distances(vector[None, list(model.columns)])[0]
        nearest = int(np.argmin(costs))
        # A cost is -2 log likelihood up to a constant: the clusters' shares of the likelihood are a score.
        shares = np.exp(-0.5 * (costs - costs.min()))
        score = float(shares[model.spit].sum() / shares.sum())
        spam = bool(model.spit[nearest])
        reason = (
            f"most like {model.sizes[nearest]} calls, of which users marked "
            f"{model.spam_votes[nearest]} as spam and {model.other_votes[nearest]} as not spam"
        )
        return Judgement(score, spam, Action.WATCH if spam else Action.ALLOW, reason, name)


def _clustered(
    vectors: Floats, votes: NDArray[np.int64], settings: Settings, columns: tuple[int, ...]
) -> _Model:
    clustering = fit(vectors[:, list(columns)], votes, settings)
    count = settings.clusters
    return _Model(
        clustering,
        columns,
        np.bincount(clustering.labels, minlength=count),
        np.bincount(clustering.labels[votes == 1], minlength=count),
        np.bincount(clustering.labels[votes == 0], minlength=count),
    )


_OF_CLUSTERS = {"sizes": "sizes", "spam_marks": "spam_votes", "other_marks": "other_votes"}
"""Arrays of a model in a snapshot, since 0.1.0, and what they are called here."""


def _model_snapshot(model: _Model) -> Snapshot:
    clustering = model.clustering
    return Snapshot(
        {
            "columns": model.columns,
            "iterations": clustering.iterations,
            STORED: [NAMES[column] for column in model.columns],
        },
        {
            "labels": clustering.labels,
            "centers": clustering.centers,
            "metrics": clustering.metrics,
            "offset": clustering.offset,
            "scale": clustering.scale,
            **{key: getattr(model, name) for key, name in _OF_CLUSTERS.items()},
        },
    )


def _model_in(state: Snapshot) -> _Model:
    """Return the model of a snapshot without the features that are gone; it can be left without any."""
    arrays, plain = state.arrays, state.plain
    names = stored_names(plain) if STORED in plain else [stored_names({})[int(c)] for c in plain["columns"]]
    if arrays["centers"].shape[1:] != (len(names),):
        raise ValueError("a clustering looks at other columns")
    kept = [at for at, name in enumerate(names) if name in NAMES]
    clustering = Clustering(
        labels=arrays["labels"],
        centers=np.ascontiguousarray(arrays["centers"][:, kept]),
        metrics=np.ascontiguousarray(arrays["metrics"][:, kept]),
        offset=arrays["offset"][kept],
        scale=arrays["scale"][kept],
        iterations=int(plain["iterations"]),
        steps=(),
    )
    columns = tuple(NAMES.index(names[at]) for at in kept)
    return _Model(clustering, columns, **{name: arrays[key] for key, name in _OF_CLUSTERS.items()})
