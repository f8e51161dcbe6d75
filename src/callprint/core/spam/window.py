"""The paper's four algorithms, live: calls clustered in a sliding window, judged at set-up and at the end.

Every `refit_every` ended calls the window is clustered anew. A call that is being set up is judged by pMPCK
(set-up features only), a call that is over by the algorithm of choice [paper]. Users' marks on a caller mark
its calls in the window, by majority. A cluster with more calls marked spam than not is a SPIT cluster [paper];
without such a cluster nothing is spam: these algorithms say nothing before users do.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from callprint.core.call import Action, Judgement, Phase
from callprint.core.ground.errors import ConfigError, DecodeError
from callprint.core.ground.snapshot import Snapshot
from callprint.core.spam.clustering import Clustering, Settings, fit
from callprint.core.spam.features import FEATURE_COUNT, PAPER_COLUMNS, PAPER_SETUP_COLUMNS, transform

Floats = NDArray[np.float64]

ALGORITHMS: dict[str, tuple[Settings, tuple[int, ...]]] = {
    "mpck": (Settings(exact_farthest=True, pre_metrics=False), PAPER_COLUMNS),
    "empck": (Settings(), PAPER_COLUMNS),
    "empck-multi-class": (Settings(clusters=4, must_link_marks=False), PAPER_COLUMNS),
    "pmpck": (Settings(), PAPER_SETUP_COLUMNS),
}
"""Name in the configuration -> how it clusters, and which columns it looks at at a call's end."""

FEWEST_CALLS = 50  # before so many calls have ended there is nothing to cluster
MOST_CALLERS_MARKED = 20_000


@dataclass(frozen=True, slots=True)
class _Model:
    clustering: Clustering
    columns: tuple[int, ...]
    sizes: NDArray[np.int64]  # (clusters,) calls
    spam_marks: NDArray[np.int64]  # (clusters,) calls marked spam
    other_marks: NDArray[np.int64]

    @property
    def spit(self) -> NDArray[np.bool_]:
        """Which clusters are SPIT clusters, (clusters,)."""
        return np.asarray(self.spam_marks > self.other_marks)


class WindowDetector:
    """One of the paper's algorithms behind the interface of call assembly (`calls.judging.Detector`).

    `algorithm`: a key of `ALGORITHMS`; `window`: ended calls that are clustered; `refit_every`: ended calls
    after which they are clustered anew. Raises ConfigError when there is no such algorithm or a size is not positive.
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
        self._votes: OrderedDict[int, dict[str, bool]] = OrderedDict()
        self._since_fit = 0
        self._models: dict[Phase, _Model] = {}

    def judge(self, facts: Any, features: Floats, phase: Phase, now_ns: int) -> Judgement:  # noqa: ARG002
        """Judge one call (see `calls.judging.Detector`); its end enters the window."""
        vector = transform(features)
        judgement = self._judged(vector, phase)
        if phase is Phase.END:
            self._calls.append((int(facts["caller"]), vector))
            self._since_fit += 1
            if self._since_fit >= self.refit_every or not self._models:
                self.refit()
        return judgement

    def mark(self, caller: int, user: str, spam: bool) -> None:
        """Take in a user's mark on a caller (its `history.stable_key`); a later one replaces it."""
        self._votes.setdefault(caller, {})[user] = spam
        self._votes.move_to_end(caller)
        if len(self._votes) > MOST_CALLERS_MARKED:
            self._votes.popitem(last=False)

    def refit(self) -> None:
        """Cluster the window anew; nothing happens before it holds `FEWEST_CALLS` calls."""
        if len(self._calls) < FEWEST_CALLS:
            return
        self._since_fit = 0
        vectors = np.stack([vector for _, vector in self._calls])
        marks = np.array([self._mark_of(caller) for caller, _ in self._calls])
        settings, columns = ALGORITHMS[self.algorithm]
        self._models = {
            Phase.SETUP: _clustered(vectors, marks, *ALGORITHMS["pmpck"]),
            Phase.END: _clustered(vectors, marks, settings, columns),
        }

    def snapshot(self) -> Snapshot:
        """Return everything that a later judgement depends on."""
        votes = [[caller, by_user] for caller, by_user in self._votes.items()]
        plain = {"algorithm": self.algorithm, "since_fit": self._since_fit, "votes": votes}
        window = np.array([vector for _, vector in self._calls]).reshape(len(self._calls), FEATURE_COUNT)
        arrays = {"callers": np.array([caller for caller, _ in self._calls], np.uint64), "window": window}
        models = {phase.value: _model_state(model) for phase, model in self._models.items()}
        return Snapshot.joined({"own": Snapshot(plain, arrays), **models})

    def restore(self, state: Snapshot) -> None:
        """Go on from a snapshot. Raises ConfigError when it is of another algorithm or damaged."""
        try:
            own = state.part("own")
            if own.plain["algorithm"] != self.algorithm:
                raise ConfigError(
                    f"the state is of {own.plain['algorithm']}, not of {self.algorithm}; start anew"
                )
            window, callers = own.arrays["window"], own.arrays["callers"].tolist()
            if window.shape != (len(callers), FEATURE_COUNT):
                raise ValueError("the window has another form")
            votes = OrderedDict(
                (int(caller), {str(user): bool(spam) for user, spam in by_user.items()})
                for caller, by_user in own.plain["votes"]
            )
            models = {
                phase: _model_of(state.part(phase.value)) for phase in Phase if phase.value in state.plain
            }
            since_fit = int(own.plain["since_fit"])
        except (KeyError, TypeError, ValueError, AttributeError, DecodeError) as error:
            raise ConfigError(f"the detector state is damaged ({error}); start anew") from None
        self._calls.clear()
        self._calls.extend(zip(callers, window, strict=True))
        self._votes, self._models, self._since_fit = votes, models, since_fit

    def _mark_of(self, caller: int) -> int:
        votes = self._votes.get(caller, {}).values() if caller else ()
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
        # A cost is -2 log likelihood but for a constant: the clusters' shares of the likelihood are a score.
        shares = np.exp(-0.5 * (costs - costs.min()))
        score = float(shares[model.spit].sum() / shares.sum())
        spam = bool(model.spit[nearest])
        reason = (
            f"most like {model.sizes[nearest]} calls, of which users marked "
            f"{model.spam_marks[nearest]} as spam and {model.other_marks[nearest]} as not spam"
        )
        return Judgement(score, spam, Action.WATCH if spam else Action.ALLOW, reason, name)


def _model_state(model: _Model) -> Snapshot:
    clustering = model.clustering
    return Snapshot(
        {"columns": model.columns, "iterations": clustering.iterations},
        {
            **{name: getattr(clustering, name) for name in _CLUSTERING_ARRAYS},
            **{name: getattr(model, name) for name in _MODEL_ARRAYS},
        },
    )


def _model_of(state: Snapshot) -> _Model:
    arrays, columns = state.arrays, tuple(map(int, state.plain["columns"]))
    if arrays["centers"].shape[1:] != (len(columns),):
        raise ValueError("a clustering looks at other columns")
    clustering = Clustering(
        **{name: arrays[name] for name in _CLUSTERING_ARRAYS},
        iterations=int(state.plain["iterations"]),
        steps=(),
    )
    return _Model(clustering, columns, **{name: arrays[name] for name in _MODEL_ARRAYS})


_CLUSTERING_ARRAYS = ("labels", "centers", "metrics", "offset", "scale")
_MODEL_ARRAYS = ("sizes", "spam_marks", "other_marks")


def _clustered(
    vectors: Floats, marks: NDArray[np.int64], settings: Settings, columns: tuple[int, ...]
) -> _Model:
    clustering = fit(vectors[:, list(columns)], marks, settings)
    count = settings.clusters
    return _Model(
        clustering,
        columns,
        np.bincount(clustering.labels, minlength=count),
        np.bincount(clustering.labels[marks == 1], minlength=count),
        np.bincount(clustering.labels[marks == 0], minlength=count),
    )
