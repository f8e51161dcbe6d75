"""The policy from scores to verdicts."""

from dataclasses import replace

import numpy as np
import pytest

from callprint.core.identify.card import Policy
from callprint.core.identify.decision import (
    LOW_CONFIDENCE,
    NOVEL,
    SURE,
    TOO_SHORT,
    decide,
    softmax,
    step_values,
)

POLICY = Policy(threshold=0.9, temperatures=((2, 2.0), (10, 1.0)), novelty_thresholds=((2, 5.0),))

ENGINES = ("one's", "shared", "shared")


def judge(logits, packets=10, novelty=0.0, policy=POLICY):
    logits = np.array([logits], np.float32)
    engines = ENGINES[: logits.shape[1]]
    return decide(policy, engines, 2, logits, np.array([novelty], np.float32), np.array([packets]))


def test_a_clear_score_is_sure():
    decisions = judge([9.0, 0.0, 0.0])
    assert (decisions.application[0], decisions.reason[0]) == (0, SURE)
    assert decisions.confidence[0] == pytest.approx(0.9998, abs=1e-4)


def test_the_temperature_of_few_packets_lowers_the_confidence():
    assert judge([4.0, 0.0, 0.0], packets=10).reason[0] == SURE
    decisions = judge([4.0, 0.0, 0.0], packets=9)
    assert (decisions.application[0], decisions.reason[0]) == (0, LOW_CONFIDENCE)


def test_novel_and_too_short_and_broken_scores():
    assert judge([9.0, 0.0], novelty=5.1).reason[0] == NOVEL
    assert judge([9.0, 0.0], novelty=np.nan).reason[0] == NOVEL
    assert judge([9.0, 0.0], packets=1).reason[0] == TOO_SHORT
    decisions = judge([np.nan, np.inf])
    assert (decisions.confidence[0], decisions.reason[0]) == (0.0, LOW_CONFIDENCE)


def test_a_confidence_at_the_threshold_counts():
    logit = float(np.log(0.9 / 0.1))
    assert judge([logit, 0.0]).confidence[0] == np.float32(0.9)
    assert judge([logit, 0.0]).reason[0] == SURE


def test_a_step_applies_up_to_the_next():
    assert step_values(((2, 1.0), (10, 3.0)), np.array([1, 2, 9, 10, 500])).tolist() == [1, 1, 1, 3, 3]


def test_softmax_of_large_scores_does_not_overflow():
    probabilities = softmax(np.array([[1e4, 0.0]], np.float32), np.ones(1, np.float32))
    np.testing.assert_allclose(probabilities, [[1.0, 0.0]])


def test_no_flow_gives_no_decision():
    decisions = decide(
        POLICY, ENGINES, 2, np.zeros((0, 3), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64)
    )
    assert len(decisions.application) == 0


def test_siblings_that_cannot_be_told_apart_have_a_sure_engine():
    decisions = judge([0.0, 9.0, 9.0])
    assert decisions.reason[0] == LOW_CONFIDENCE
    assert ENGINES[decisions.engine[0]] == "shared"
    assert decisions.engine_confidence[0] == pytest.approx(0.9999, abs=1e-4)


def test_the_engine_of_a_sure_application_is_sure_and_a_broken_score_has_none():
    decisions = judge([0.0, 0.0, 9.0])
    assert (decisions.application[0], decisions.reason[0]) == (2, SURE)
    assert ENGINES[decisions.engine[0]] == "shared"
    broken = judge([np.nan, 0.0, 9.0])
    assert (broken.engine[0], broken.engine_confidence[0]) == (-1, 0.0)


def test_an_engine_may_have_a_wider_limit_than_its_applications():
    policy = replace(POLICY, engine_novelty_thresholds=((2, 7.0),))
    decisions = judge([0.0, 9.0, 0.0], novelty=6.0, policy=policy)
    assert decisions.reason[0] == NOVEL
    assert ENGINES[decisions.engine[0]] == "shared"
    assert judge([0.0, 9.0, 0.0], novelty=7.1, policy=policy).engine[0] == -1


def test_nothing_is_sure_below_the_least_packets_of_the_card():
    policy = replace(POLICY, sure_packets=10)
    decisions = judge([9.0, 0.0], packets=9, policy=policy)
    assert (decisions.reason[0], decisions.engine[0], decisions.application[0]) == (TOO_SHORT, -1, 0)
    assert judge([9.0, 0.0], packets=10, policy=policy).reason[0] == SURE
