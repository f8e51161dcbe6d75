"""Our detector call by call: rules, reasons, votes, and snapshots, also those of an older feature table."""

import numpy as np
import pytest
from released_files import FEATURES

from callprint.core.call import Action, Phase
from callprint.core.calls.facts import CALL
from callprint.core.ground.errors import ConfigError, ModelError
from callprint.core.ground.snapshot import Snapshot
from callprint.core.spam import batch, prior_weights, scorecard
from callprint.core.spam.fair_votes import VOTES_PER_DAY
from callprint.core.spam.feature_columns import FIRST_NAMES, read_columns
from callprint.core.spam.features import FEATURE_COUNT, NAMES, SETUP_COLUMNS, Feature, transform
from callprint.core.spam.own_detector import NAME, OwnDetector
from callprint.core.spam.thresholds import Thresholds
from callprint.lab.spam.traces import named_trace

CARD = scorecard.load(prior_weights.WEIGHTS)
NOW_NS = 1_800_000_000 * 1_000_000_000
DAY_NS = 86_400 * 1_000_000_000


@pytest.fixture(scope="module")
def trace():
    return named_trace("v4", 0)


@pytest.fixture
def detector():
    return OwnDetector()


def judge_all(detector, trace, count=None):
    calls = zip(trace.calls[:count], trace.vectors[:count], strict=True)
    return [detector.judge(call, vector, Phase.END, int(call["ended_ns"])) for call, vector in calls]


def call_of(caller):
    """A call of which nothing but the caller is known."""
    call = np.zeros(1, CALL)[0]
    call["caller"], call["started_ns"] = caller, NOW_NS
    return call


def spam_vector(trace):
    return trace.vectors[np.flatnonzero(trace.spam)[-1]]


def test_a_cold_detector_tells_most_spam_from_the_rest_and_says_why(detector, trace):
    judged = judge_all(detector, trace)
    flagged = np.array([j.spam for j in judged])
    assert flagged[trace.spam].mean() > 0.7
    assert flagged[~trace.spam].mean() < 0.02
    assert all(one.reason for one in judged)


def test_actions_rise_with_the_score(trace):
    judged = judge_all(OwnDetector(Thresholds(0.2, 0.5, 0.9)), trace)
    limits = [(0.9, Action.BLOCK), (0.5, Action.CHALLENGE), (0.2, Action.WATCH), (0.0, Action.ALLOW)]
    for one in judged:
        assert one.action == next(action for limit, action in limits if one.score >= limit)
    assert {one.action for one in judged} == set(Action)


def test_many_votes_convict_a_spammer(detector, trace):
    judge_all(detector, trace)
    spammer = int(trace.calls["caller"][np.flatnonzero(trace.spam)[-1]])
    for user in range(30):
        detector.add_vote(spammer, f"user {user}", True, NOW_NS)
    detector.learn(NOW_NS)
    judged = detector.judge(call_of(spammer), spam_vector(trace), Phase.END, NOW_NS)
    assert (judged.action, judged.spam) == (Action.BLOCK, True)


def test_one_vote_for_each_user_and_caller(detector, trace):
    vector = spam_vector(trace)
    before = detector.judge(call_of(1), vector, Phase.SETUP, NOW_NS).score
    detector.add_vote(1, "anna", False, NOW_NS)
    once = detector.judge(call_of(1), vector, Phase.SETUP, NOW_NS)
    for _ in range(20):
        detector.add_vote(1, "anna", False, NOW_NS)
    assert detector.judge(call_of(1), vector, Phase.SETUP, NOW_NS) == once
    assert once.score < before
    assert "0 spam, 1 not spam" in once.reason
    detector.add_vote(1, "anna", True, NOW_NS)
    assert detector.judge(call_of(1), vector, Phase.SETUP, NOW_NS).score > before


def test_votes_of_one_user_are_limited_by_the_day(detector):
    taken = [detector.add_vote(caller, "eager", True, NOW_NS) for caller in range(1, VOTES_PER_DAY + 11)]
    assert sum(taken) == VOTES_PER_DAY
    assert detector.votes.ignored == 10
    assert detector.add_vote(999, "eager", True, NOW_NS + DAY_NS)
    assert detector.add_vote(999, "other", True, NOW_NS)


def test_votes_fade(detector, trace):
    vector = spam_vector(trace)
    plain = detector.judge(call_of(5), vector, Phase.SETUP, NOW_NS).score
    detector.add_vote(5, "anna", True, NOW_NS)
    scores = [
        detector.judge(call_of(5), vector, Phase.SETUP, NOW_NS + days * DAY_NS).score for days in (0, 30, 300)
    ]
    assert scores[0] > scores[1] > scores[2]
    assert scores[2] == pytest.approx(plain, abs=1e-3)


def test_live_and_batch_agree_on_the_last_call_of_each_caller(trace):
    detector = OwnDetector()
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
        detector.add_vote(int(trace.calls["caller"][i]), f"user {i % 7}", bool(trace.spam[i]), NOW_NS)
    detector.learn(NOW_NS)
    copy = OwnDetector()
    copy.restore(Snapshot.unpack(detector.snapshot().pack()))
    assert judge_all(copy, trace, 100) == judge_all(detector, trace, 100)
    with pytest.raises(ConfigError, match="start anew"):
        copy.restore(damaged({"detector": "callprint-0"}))
    with pytest.raises(ConfigError, match="damaged"):
        copy.restore(damaged({"detector": NAME}))


def damaged(own):
    return Snapshot({"live": {"own": own, "callers": {}, "votes": {}}, "own": {"learn_at_ns": None}})


def test_a_snapshot_of_an_older_feature_table_is_read_by_name(detector, trace):
    """Today's table has a feature that was not there then, and lacks one that was."""
    judge_all(detector, trace, 400)
    for i in range(0, 400, 4):
        detector.add_vote(int(trace.calls["caller"][i]), f"user {i % 7}", bool(trace.spam[i]), NOW_NS)
    detector.learn(NOW_NS)
    now = detector.snapshot()
    then = Snapshot.unpack(now.pack())
    new = Feature.INCOMING_SHARE
    names = [*NAMES[:new], *NAMES[new + 1 :], "dropped_since"]
    for part in ("callers", "votes", "lesson"):
        then.plain["live"][part]["features"] = names
        array = then.arrays[f"live.{part}.features"]
        assert array[:, new].any(), part
        then.arrays[f"live.{part}.features"] = np.hstack([np.delete(array, new, 1), np.ones((len(array), 1))])
    copy = OwnDetector()
    copy.restore(then)
    found = copy.snapshot()
    for name, array in now.arrays.items():
        if name.endswith(".features"):
            array[:, new] = 0.0  # as usual
        np.testing.assert_array_equal(found.arrays[name], array, name)
    assert found.plain == now.plain
    assert judge_all(copy, trace, 50)[-1].score is not None


def test_columns_are_found_by_name():
    named = np.arange(2 * FEATURE_COUNT, dtype=float).reshape(2, FEATURE_COUNT)
    np.testing.assert_array_equal(read_columns(named, NAMES, np.nan), named)
    np.testing.assert_array_equal(read_columns(named[:, ::-1], NAMES[::-1], np.nan), named)
    found = read_columns(named[:, 1:], NAMES[1:], np.nan)
    assert np.isnan(found[:, 0]).all()
    np.testing.assert_array_equal(found[:, 1:], named[:, 1:])
    with pytest.raises(ValueError, match="shape"):
        read_columns(named, NAMES[1:], np.nan)


def test_the_first_feature_table_is_that_of_the_released_files():
    assert list(FIRST_NAMES) == FEATURES


def test_callers_are_bounded(trace):
    detector = OwnDetector(capacity=10)
    judge_all(detector, trace, 200)
    assert len(detector.snapshot().part("live").part("callers").arrays["keys"]) == len(detector.callers) == 10
    assert detector.callers.evicted > 0


def test_at_set_up_nothing_of_the_end_is_looked_at(trace):
    changed = trace.vectors[:50].copy()
    hidden = [c for c in range(FEATURE_COUNT) if c not in SETUP_COLUMNS]
    changed[:, hidden] = 1.0
    one, other = (CARD.logits(transform(v), at_end=False) for v in (trace.vectors[:50], changed))
    np.testing.assert_array_equal(one, other)


def test_points_follow_the_written_bins():
    rows = list(prior_weights.WEIGHTS["features"].values())
    vector = np.full((1, FEATURE_COUNT), np.nan)
    column = Feature.NEW_CALLEE_RATIO
    vector[0, column] = rows[column]["edges"][2]  # a value on an edge belongs to the bin above
    points = CARD.points(vector, at_end=True)[0]
    assert points[column] == rows[column]["end"][3]
    others = [c for c in range(FEATURE_COUNT) if c != column]
    np.testing.assert_array_equal(points[others], [rows[c].get("end", [0.0])[-1] for c in others])


def test_a_scorecard_of_other_features_is_refused():
    with pytest.raises(ModelError, match="other features"):
        scorecard.load({**prior_weights.WEIGHTS, "features": ["a"]})
    few = {name: {"edges": [0.0], "end": [0.0]} for name in NAMES}
    with pytest.raises(ModelError, match="damaged"):
        scorecard.load({**prior_weights.WEIGHTS, "features": few})


def test_thresholds_must_rise():
    with pytest.raises(ConfigError, match="rise"):
        Thresholds(watch=0.9, challenge=0.5)
