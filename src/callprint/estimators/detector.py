"""Our detector with scikit-learn's interface, on a closed batch of calls."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from callprint.core.spam import batch, prior_weights, scorecard
from callprint.core.spam.features import FEATURE_COUNT
from callprint.core.spam.vote_model import Group, sigmoid


class SpitDetector(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """The scorecard and what votes teach, as `core/spam/batch.py` has them.

    `fit(X, y, callers, campaigns, users)`: `X (n, 38)` raw feature vectors, NaN for what is not known; `y (n,)`: 1
    spam, 0 not spam, -1 no vote; `callers`, `campaigns (n,)`: keys of who called and from which campaign, 0 or left
    out where not known; `users (n,)`: who gave each vote. New calls are judged one by one, as of callers that
    nobody knows; `predict_fitted` judges the fitted calls, each with its caller's other calls and votes. Only vectors
    of the feature table are taken, so scikit-learn's checks, which bring columns of their own, do not apply.
    """

    def __init__(self, threshold: float = 0.5) -> None:
        self.threshold = threshold

    def fit(
        self,
        X: ArrayLike,  # noqa: N803 - scikit-learn's name
        y: ArrayLike | None = None,
        callers: ArrayLike | None = None,
        campaigns: ArrayLike | None = None,
        users: ArrayLike | None = None,
    ) -> Self:
        """Learn from the votes. Raises ValueError when there are not as many columns as features."""
        vectors = self._validated(X, reset=True)
        count = len(vectors)
        votes = np.full(count, -1, np.int64) if y is None else np.asarray(y, np.int64)
        keys = [_keys(given, count) for given in (callers, campaigns)]
        givers = np.zeros(count, np.int64) if users is None else np.asarray(users, np.int64)
        self.card_ = scorecard.load(prior_weights.WEIGHTS)
        summary = batch.summarise(self.card_, vectors, *keys)
        logits = self.card_.caller_logits(summary.mean_logits, summary.calls)
        self.base_rate_shift_ = batch.base_rate_shift(logits, self.card_.spammer_rate)
        self.scores_, self.lesson_ = batch.judge(self.card_, vectors, *keys, votes, givers)
        self.classes_ = np.array([0, 1])
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:  # noqa: N803
        """Return the probabilities of not spam and spam, (n, 2), of new calls."""
        check_is_fitted(self)
        vectors = self._validated(X, reset=False)
        nobody = np.zeros(len(vectors), np.uint64)
        alone = batch.summarise(self.card_, vectors, nobody, nobody)
        prior = self.card_.prior_logits(alone.mean_logits, alone.calls, self.base_rate_shift_)
        spam = sigmoid(prior + self.lesson_.shift(Group(*alone.group)))[alone.of_call]
        return np.stack([1.0 - spam, spam], axis=1)

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:  # noqa: N803
        """Return 1 for spam and 0 for not spam, (n,), of new calls."""
        return np.asarray(self.predict_proba(X)[:, 1] >= self.threshold, dtype=np.int64)

    def predict_fitted(self) -> NDArray[np.bool_]:
        """Return which of the fitted calls to call spam, (n,), by the cut of highest expected F-measure."""
        check_is_fitted(self)
        return batch.decide(self.scores_)

    def _validated(self, X: ArrayLike, reset: bool) -> NDArray[np.float64]:  # noqa: N803
        vectors = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=reset)
        if vectors.shape[1] != FEATURE_COUNT:
            raise ValueError(f"X must have the {FEATURE_COUNT} features of core/spam/features.py")
        return np.asarray(vectors)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def _keys(given: ArrayLike | None, count: int) -> NDArray[np.uint64]:
    return np.zeros(count, np.uint64) if given is None else np.asarray(given, np.uint64)
