"""The paper's four clusterings with scikit-learn's interface.

`fit(X, y)`: `X (n, d)` vectors, NaN where a value is missing; `y (n,)` the users' votes, one small integer
for each class (for SPIT: 1 spam, 0 not spam) and -1 where nobody said anything. `predict` gives clusters;
`predict_spam` applies the paper's predicate: a SPIT cluster holds more calls voted spam than not spam.
"""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from callprint.core.spam import clustering
from callprint.core.spam.features import PAPER_SETUP_COLUMNS

NO_VOTE, NOT_SPAM, SPAM = -1, 0, 1


class MPCKMeans(ClusterMixin, BaseEstimator):  # type: ignore[misc]
    """MPCK-Means as published: exact farthest pair, O(n^2) for each metric update.

    `n_clusters`; `weight` of every constraint; `max_iter`; `random_state`: an int or None (0).
    Fitted: `labels_ (n,)`, `cluster_centers_` and `metrics_ (clusters, d)` on the standardised scale,
    `n_iter_`, `steps_` (the objective after each step), `spam_clusters_ (clusters,) bool`.
    """

    _exact_farthest = True
    _pre_metrics = False
    _must_link_votes = True

    def __init__(
        self, n_clusters: int = 2, weight: float = 1.0, max_iter: int = 100, random_state: int | None = 0
    ) -> None:
        self.n_clusters = n_clusters
        self.weight = weight
        self.max_iter = max_iter
        self.random_state = random_state

    def fit(
        self,
        X: ArrayLike,  # noqa: N803 - scikit-learn's name
        y: ArrayLike | None = None,
        must_link: ArrayLike | None = None,
        cannot_link: ArrayLike | None = None,
    ) -> Self:
        """Cluster; `must_link`, `cannot_link` (p, 2): explicit constraints between rows of X."""
        values = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan")
        votes = _votes(y, len(values))
        settings = clustering.Settings(
            clusters=self.n_clusters,
            exact_farthest=self._exact_farthest,
            pre_metrics=self._pre_metrics,
            must_link_votes=self._must_link_votes,
            weight=self.weight,
            iterations=self.max_iter,
        )
        links = clustering.Links(_pairs(must_link), _pairs(cannot_link))
        fitted = clustering.fit(
            values[:, self._columns(values)], votes, settings, self.random_state or 0, links
        )
        self.clustering_ = fitted
        self.labels_ = fitted.labels
        self.cluster_centers_ = fitted.centers
        self.metrics_ = fitted.metrics
        self.n_iter_ = fitted.iterations
        self.steps_ = fitted.steps
        clusters = range(self.n_clusters)
        voted_spam = np.array([np.sum(votes[fitted.labels == h] == SPAM) for h in clusters])
        voted_other = np.array([np.sum(votes[fitted.labels == h] == NOT_SPAM) for h in clusters])
        self.spam_clusters_ = voted_spam > voted_other
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:  # noqa: N803
        """Return the cluster (n,) of each vector: the nearest under its metric, constraints left out."""
        check_is_fitted(self)
        values = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
        return self.clustering_.assign(values[:, self._columns(values)])

    def predict_spam(self, X: ArrayLike) -> NDArray[np.bool_]:  # noqa: N803
        """Return whether each vector (n, d) falls into a SPIT cluster."""
        spam: NDArray[np.bool_] = self.spam_clusters_[self.predict(X)]
        return spam

    def _columns(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.arange(values.shape[1])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


class EMPCKMeans(MPCKMeans):
    """eMPCK-Means: metrics learned on the initial clusters first, box for the farthest pair: O(n)."""

    _exact_farthest = False
    _pre_metrics = True


class EMPCKMultiClass(EMPCKMeans):
    """eMPCK-Means with more clusters than classes: several kinds of spam and of legitimate calls.

    Votes of one class need not be in one cluster, so they give cannot-links only.
    """

    _must_link_votes = False

    def __init__(
        self, n_clusters: int = 4, weight: float = 1.0, max_iter: int = 100, random_state: int | None = 0
    ) -> None:
        super().__init__(n_clusters, weight, max_iter, random_state)


class PMPCKMeans(EMPCKMeans):
    """pMPCK-Means: eMPCK on the features that are known while a call is being set up.

    `columns`: those columns of X; None takes all when X is narrower than the paper's sixteen features, and
    otherwise the set-up columns of the feature table.
    """

    def __init__(
        self,
        n_clusters: int = 2,
        weight: float = 1.0,
        max_iter: int = 100,
        random_state: int | None = 0,
        columns: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__(n_clusters, weight, max_iter, random_state)
        self.columns = columns

    def _columns(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        if self.columns is not None:
            return np.array(self.columns)
        if values.shape[1] <= max(PAPER_SETUP_COLUMNS):
            return np.arange(values.shape[1])
        return np.array(PAPER_SETUP_COLUMNS)


def _votes(y: ArrayLike | None, count: int) -> NDArray[np.int64]:
    if y is None:
        return np.full(count, NO_VOTE, dtype=np.int64)
    votes = check_array(y, ensure_2d=False, dtype=None, ensure_min_samples=0)
    if votes.shape != (count,) or votes.dtype.kind not in "iufb" or np.any(votes != np.floor(votes)):
        raise ValueError(
            f"Unknown label type: y must hold {count} whole numbers, -1 for calls without a vote"
        )
    return np.maximum(votes.astype(np.int64), NO_VOTE)


def _pairs(pairs: ArrayLike | None) -> NDArray[np.int64]:
    if pairs is None:
        return np.zeros((0, 2), np.int64)
    found = np.asarray(pairs, dtype=np.int64)
    if found.ndim != 2 or found.shape[1] != 2:
        raise ValueError(f"links must be pairs (p, 2), not {found.shape}")
    return found
