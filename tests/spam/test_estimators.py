"""The scikit-learn interface: its own checks without exemption, and the SPIT predicate."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import check_estimator

from callprint.core.spam.features import PAPER_SETUP_COLUMNS
from callprint.estimators.clustering import EMPCKMeans, EMPCKMultiClass, MPCKMeans, PMPCKMeans
from callprint.estimators.detector import SpitDetector
from callprint.lab.spam.cell import draw_votes
from callprint.lab.spam.traces import named_trace

ALL = [MPCKMeans, EMPCKMeans, EMPCKMultiClass, PMPCKMeans]


@pytest.mark.parametrize("estimator", ALL)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_passes_every_check_of_scikit_learn(estimator):
    check_estimator(estimator())


def test_spit_clusters_hold_more_spam_votes_than_others():
    random = np.random.default_rng(0)
    vectors = np.concatenate([random.normal(0, 1, (80, 3)), random.normal(6, 1, (20, 3))])
    votes = np.full(100, -1)
    votes[[0, 1, 2]] = 0
    votes[[80, 81]] = 1
    fitted = EMPCKMeans().fit(vectors, votes)
    np.testing.assert_array_equal(fitted.predict_spam(vectors), np.arange(100) >= 80)
    assert not EMPCKMeans().fit(vectors).spam_clusters_.any()  # nobody voted anything: no predicate holds


def test_pmpck_never_looks_at_what_is_known_only_at_the_end():
    random = np.random.default_rng(1)
    vectors = random.normal(size=(60, 16))
    votes = np.where(random.random(60) < 0.3, random.integers(0, 2, 60), -1)
    changed = vectors.copy()
    hidden = [c for c in range(16) if c not in PAPER_SETUP_COLUMNS]
    changed[:, hidden] = random.normal(size=(60, len(hidden)))
    one, other = PMPCKMeans().fit(vectors, votes), PMPCKMeans().fit(changed, votes)
    np.testing.assert_array_equal(one.labels_, other.labels_)


def test_votes_that_are_no_classes_are_refused():
    with pytest.raises(ValueError, match="Unknown label type"):
        EMPCKMeans().fit(np.zeros((3, 2)), np.array([0.5, 1.0, -1.0]))


def test_our_detector_is_an_estimator_too():
    trace = named_trace("v4", 5)
    votes = draw_votes(trace.spam, 0.1, 0.0, 5)
    detector = clone(SpitDetector(threshold=0.6))
    assert detector.get_params() == {"threshold": 0.6}
    detector.fit(trace.vectors, votes, trace.calls["caller"], trace.calls["campaign"])
    assert np.mean(detector.predict_fitted() == trace.spam) > 0.98
    probabilities = detector.predict_proba(trace.vectors[:50])
    assert probabilities.shape == (50, 2)
    np.testing.assert_allclose(probabilities.sum(1), 1.0)
    np.testing.assert_array_equal(detector.predict(trace.vectors[:50]), probabilities[:, 1] >= 0.6)
    with pytest.raises(ValueError, match="38 features"):
        detector.fit(trace.vectors[:, :5])
