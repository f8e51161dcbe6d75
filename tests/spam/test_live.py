"""The live detector: rules, reasons, votes, and a state that can be carried over."""

import numpy as np
import pytest

from callprint.core.call import Action
from callprint.core.ground.errors import ConfigError, ModelError
from callprint.core.ground.snapshot import Snapshot
from callprint.core.spam import batch, prior_weights, scorecard
from callprint.core.spam.features import FEATURE_COUNT, SETUP_COLUMNS, Feature, transform
from callprint.core.spam.live import MARKS_PER_DAY, NAME, LiveDetector, Thresholds
from callprint.lab.spam.traces import named_trace

CARD = scorecard.load(prior_weights.WEIGHTS)
NOW_NS = 1_800_000_000 * 1_000_000_000
DAY_NS = 86_400 * 1_000_000_000


@pytest.fixture(scope="module")
def trace():
    return named_trace("v4", 0)


@pytest.fixture
def detector():
    return LiveDetector(CARD)


def judge_all(detector, trace, count=None):
    calls = zip(trace.vectors[:count], trace.calls[:count], strict=True)
    return [
        detector.judge(v, int(c["caller"]), int(c["campaign"]), int(c["ended_ns"]), True) for v, c in calls
    ]


def spam_vector(trace):
    return trace.vectors[np.flatnonzero(trace.spam)[-1]]


def test_a_cold_detector_tells_most_spam_from_the_rest_and_says_why(detector, trace):
    judged = judge_all(detector, trace)
    flagged = np.array([j.spam for j in judged])
    assert flagged[trace.spam].mean() > 0.7
    assert flagged[~trace.spam].mean() < 0.02
    assert all(one.reason for one in judged)


def test_actions_rise_with_the_score(trace):
    judged = judge_all(LiveDetector(CARD, Thresholds(0.2, 0.5, 0.9)), trace)
    limits = [(0.9, Action.BLOCK), (0.5, Action.CHALLENGE), (0.2, Action.WATCH), (0.0, Action.ALLOW)]
    for one in judged:
        assert one.action == next(action for limit, action in limits if one.score >= limit)
    assert {one.action for one in judged} == set(Action)


def test_the_allow_list_stands_above_everything(detector, trace):
    judge_all(detector, trace)
    spammer = int(trace.calls["caller"][np.flatnonzero(trace.spam)[-1]])
    for user in range(30):
        detector.mark(spammer, f"user {user}", True, NOW_NS)
    detector.learn(NOW_NS)
    vector = spam_vector(trace)
    assert detector.judge(vector, spammer, 0, NOW_NS, True).action == Action.BLOCK
    allowed = detector.judge(vector, spammer, 0, NOW_NS, True, allowed=True)
    assert (allowed.action, allowed.spam) == (Action.ALLOW, False)
    assert "allow-list" in allowed.reason


def test_one_vote_for_each_user_and_caller(detector, trace):
    vector = spam_vector(trace)
    before = detector.judge(vector, 1, 0, NOW_NS, False).score
    detector.mark(1, "anna", False, NOW_NS)
    once = detector.judge(vector, 1, 0, NOW_NS, False)
    for _ in range(20):
        detector.mark(1, "anna", False, NOW_NS)
    assert detector.judge(vector, 1, 0, NOW_NS, False) == once
    assert once.score < before
    assert "0 spam, 1 not spam" in once.reason
    detector.mark(1, "anna", True, NOW_NS)
    assert detector.judge(vector, 1, 0, NOW_NS, False).score > before


def test_votes_of_one_user_are_limited_by_the_day(detector):
    taken = [detector.mark(caller, "eager", True, NOW_NS) for caller in range(1, MARKS_PER_DAY + 11)]
    assert sum(taken) == MARKS_PER_DAY
    assert detector.ignored_marks == 10
    assert detector.mark(999, "eager", True, NOW_NS + DAY_NS)
    assert detector.mark(999, "other", True, NOW_NS)


def test_votes_fade(detector, trace):
    vector = spam_vector(trace)
    plain = detector.judge(vector, 5, 0, NOW_NS, False).score
    detector.mark(5, "anna", True, NOW_NS)
    scores = [detector.judge(vector, 5, 0, NOW_NS + days * DAY_NS, False).score for days in (0, 30, 300)]
    assert scores[0] > scores[1] > scores[2]
    assert scores[2] == pytest.approx(plain, abs=1e-3)


def test_live_and_batch_agree_on_the_last_call_of_each_caller(trace):
    detector = LiveDetector(CARD)
    judged = judge_all(detector, trace)
    order = np.argsort(trace.calls["ended_ns"], kind="stable")
    assert len(order) == len(judged)
    summary = batch.summarise(CARD, trace.vectors, trace.calls["caller"], trace.calls["campaign"])
    prior = CARD.prior_logits(summary.mean_logits, summary.calls, detector._shift)
    last = {int(caller): i for i, caller in enumerate(trace.calls["caller"])}
    few = [i for i in last.values() if summary.calls[summary.of_call[i]] <= 200]
    expected = 1 / (1 + np.exp(-prior[summary.of_call[few]]))
    np.testing.assert_allclose([judged[i].score for i in few], expected, rtol=1e-6)


def test_a_restored_detector_judges_the_same(detector, trace):
    judge_all(detector, trace, 400)
    for i in range(0, 400, 4):
        detector.mark(int(trace.calls["caller"][i]), f"user {i % 7}", bool(trace.spam[i]), NOW_NS)
    detector.learn(NOW_NS)
    copy = LiveDetector(CARD)
    copy.restore(Snapshot.unpack(detector.snapshot().pack()))
    assert judge_all(copy, trace, 100) == judge_all(detector, trace, 100)
    with pytest.raises(ConfigError, match="start anew"):
        copy.restore(Snapshot({"own": {"detector": "callprint-0"}}))
    with pytest.raises(ConfigError, match="damaged"):
        copy.restore(Snapshot({"own": {"detector": NAME}, "callers": {}, "votes": {}}))


def test_callers_are_bounded(trace):
    detector = LiveDetector(CARD, capacity=10)
    judge_all(detector, trace, 200)
    assert len(detector.snapshot().part("callers").arrays["keys"]) == 10
    assert detector.evicted_callers > 0


def test_at_set_up_nothing_of_the_end_is_looked_at(trace):
    changed = trace.vectors[:50].copy()
    hidden = [c for c in range(FEATURE_COUNT) if c not in SETUP_COLUMNS]
    changed[:, hidden] = 1.0
    one, other = (CARD.logits(transform(v), at_end=False) for v in (trace.vectors[:50], changed))
    np.testing.assert_array_equal(one, other)


def test_points_follow_the_written_bins():
    weights = prior_weights.WEIGHTS
    vector = np.full((1, FEATURE_COUNT), np.nan)
    column = Feature.NEW_CALLEE_RATIO
    vector[0, column] = weights["edges"][column][2]  # a value on an edge belongs to the bin above
    points = CARD.points(vector, at_end=True)[0]
    assert points[column] == weights["end_points"][column][3]
    others = [c for c in range(FEATURE_COUNT) if c != column]
    np.testing.assert_array_equal(points[others], [weights["end_points"][c][-1] for c in others])


def test_a_scorecard_of_other_features_is_refused():
    with pytest.raises(ModelError, match="other features"):
        scorecard.load({**prior_weights.WEIGHTS, "features": ["a"]})
    with pytest.raises(ModelError, match="damaged"):
        scorecard.load({**prior_weights.WEIGHTS, "edges": [[0.0]] * FEATURE_COUNT})


def test_thresholds_must_rise():
    with pytest.raises(ConfigError, match="rise"):
        Thresholds(watch=0.9, challenge=0.5)
