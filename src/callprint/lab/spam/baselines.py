"""The methods that our detector is compared with: (trace, votes, seed) to a judgement of each call.

All methods see the same calls and the same votes. The paper's four see its sixteen features, as the faithful
modes do; the same clustering and the supervised baselines on all features are there too, so that no
difference is owed to features alone. The two caller-mean baselines also know which calls share a caller: they
learn from the features averaged over its calls, and judge all of them alike.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier

from callprint.core.spam.features import FEATURE_COUNT, PAPER_COLUMNS, transform
from callprint.estimators.clustering import EMPCKMeans, EMPCKMultiClass, MPCKMeans, PMPCKMeans
from callprint.lab.spam.traces import Trace

Votes = NDArray[np.int64]
Spam = NDArray[np.bool_]
Floats = NDArray[np.float64]
Method = Callable[[Trace, Votes, int], Spam]

CLUSTERS_OF_KMEANS = 8
PAPER = list(PAPER_COLUMNS)
ALL = list(range(FEATURE_COUNT))


def filled(trace: Trace) -> Floats:
    """Return all features (n, FEATURE_COUNT) with the mean where a value is missing, as the baselines need it."""
    vectors = transform(trace.vectors)
    with np.errstate(invalid="ignore"):
        known = ~np.isnan(vectors)
        means = np.where(known, vectors, 0.0).sum(0) / np.maximum(known.sum(0), 1)
    return np.where(known, vectors, means)


def caller_means(trace: Trace) -> Floats:
    """Return for each call the features averaged over all calls of its caller, (n, FEATURE_COUNT)."""
    _, of_call, counts = np.unique(trace.calls["caller"], return_inverse=True, return_counts=True)
    sums = np.stack([np.bincount(of_call, column) for column in filled(trace).T], axis=1)
    return np.asarray((sums / counts[:, None])[of_call])


def _clustering(kind: type[MPCKMeans], columns: list[int], **settings: Any) -> Method:
    def judge(trace: Trace, votes: Votes, seed: int) -> Spam:
        vectors = transform(trace.vectors)[:, columns]
        fitted = kind(random_state=seed, **settings).fit(vectors, votes)
        return np.asarray(fitted.spam_clusters_[fitted.labels_])

    return judge


def _supervised(make: Callable[[int], Any], features: Callable[[Trace], Floats] = filled) -> Method:
    def judge(trace: Trace, votes: Votes, seed: int) -> Spam:
        vectors = features(trace)
        voted = votes >= 0
        if len(np.unique(votes[voted])) < 2:  # nobody voted one of the kinds: nothing to tell apart
            return np.full(len(votes), bool(np.all(votes[voted] == 1) and voted.any()))
        return np.asarray(make(seed).fit(vectors[voted], votes[voted]).predict(vectors) == 1)

    return judge


def _self_training(trace: Trace, votes: Votes, seed: int) -> Spam:
    if len(np.unique(votes[votes >= 0])) < 2:
        return np.zeros(len(votes), dtype=bool)
    model = SelfTrainingClassifier(_logistic(seed))
    return np.asarray(model.fit(filled(trace), votes).predict(filled(trace)) == 1)


def _kmeans_majority(trace: Trace, votes: Votes, seed: int) -> Spam:
    vectors = StandardScaler().fit_transform(filled(trace))
    labels = KMeans(CLUSTERS_OF_KMEANS, n_init=3, random_state=seed).fit_predict(vectors)
    clusters = range(CLUSTERS_OF_KMEANS)
    spam = [np.sum(votes[labels == c] == 1) > np.sum(votes[labels == c] == 0) for c in clusters]
    return np.array(spam)[labels]


def _logistic(_seed: int) -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))


def _forest(seed: int) -> Any:
    return RandomForestClassifier(50, random_state=seed)


PAPER_METHODS: dict[str, Method] = {
    "MPCK": _clustering(MPCKMeans, PAPER),
    "eMPCK": _clustering(EMPCKMeans, PAPER),
    "eMPCK multi-class": _clustering(EMPCKMultiClass, PAPER),
    "pMPCK": _clustering(PMPCKMeans, PAPER),
}
BASELINES: dict[str, Method] = {
    "eMPCK, all features": _clustering(EMPCKMeans, ALL),
    "logistic regression": _supervised(_logistic),
    "random forest": _supervised(_forest),
    "Gaussian naive Bayes": _supervised(lambda _seed: GaussianNB(var_smoothing=1e-3)),
    "self-training": _self_training,
    "k-means + majority": _kmeans_majority,
    "caller-mean logistic regression": _supervised(_logistic, caller_means),
    "caller-mean random forest": _supervised(_forest, caller_means),
}
