"""What marks teach: nothing without marks, much with true ones, little with false ones."""

import numpy as np
import pytest

from callprint.core.spam import batch, prior_weights, scorecard
from callprint.core.spam.feedback_model import (
    CAUTIOUS,
    IGNORING,
    KERNELS,
    Group,
    Kernel,
    Marks,
    choose_kernel,
    learn,
    nothing_learned,
    sigmoid,
    vote_logits,
)
from callprint.lab.spam.cell import draw_marks
from callprint.lab.spam.traces import named_trace


def callers(seed, count=300, spam_share=0.2):
    """Callers of two kinds that differ in two of six features; the prior knows nothing."""
    random = np.random.default_rng(seed)
    spam = random.random(count) < spam_share
    features = random.normal(size=(count, 6))
    features[spam, :2] += 1.5
    return Group(features, np.zeros(count, np.uint64)), spam, random


def marks_on(spam, random, share, noise, users=20):
    marked = np.flatnonzero(random.random(len(spam)) < share)
    said = spam[marked] ^ (random.random(len(marked)) < noise)
    return Marks(marked, random.integers(0, users, len(marked)), said, np.ones(len(marked)))


def test_without_marks_the_prior_stands():
    assert not nothing_learned(6).shift(callers(0)[0]).any()


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_the_false_mark_rate_is_found_and_callers_are_told_apart(noise):
    group, spam, random = callers(1, count=350)
    marks = marks_on(spam, random, 1.0, noise)
    prior = np.full(350, -1.4) + 3.0 * (group.features[:, 0] > 0.75)
    lesson = learn(group, prior, marks, Kernel(linear=0.3), 20)
    assert lesson.rate == pytest.approx(noise, abs=0.12)
    score = sigmoid(prior + lesson.shift(group) + vote_logits(marks, lesson, 350))
    assert np.mean((score > 0.5) == spam) > np.mean(marks.spam == spam) - 0.01
    assert np.mean((score > 0.5) == spam) > 0.8


def test_a_user_who_is_often_wrong_is_trusted_less():
    group, spam, random = callers(2)
    user = np.arange(300) % 10
    said = np.where(user == 3, ~spam, spam)
    prior = np.where(spam, 1.5, -2.0) + random.normal(size=300)
    marks = Marks(np.arange(300), user, said, np.ones(300))
    rates = learn(group, prior, marks, CAUTIOUS, 10).rates
    assert rates[3] > 3 * np.delete(rates, 3).max()
    assert rates.max() <= 0.5  # never inverted: lies gain no influence


def test_marks_reach_other_callers_of_the_campaign():
    group = Group(np.zeros((40, 4)), np.repeat(np.array([11, 22], np.uint64), 20))
    marks = Marks(np.arange(5), np.arange(5), np.ones(5, bool), np.ones(5))
    mean = learn(group, np.full(40, -2.0), marks, CAUTIOUS, 5).shift(group)
    assert mean[10] > mean[30] + 0.5


def test_more_callers_than_fit_are_sampled_without_moving_the_base_rate():
    group, spam, random = callers(3, count=3_000, spam_share=0.03)
    marks = marks_on(spam, random, 1.0, 0.2)
    prior = np.where(spam, 0.5, -4.0)
    lesson = learn(group, prior, marks, CAUTIOUS, 20)
    assert lesson.rate == pytest.approx(0.2, abs=0.04)
    score = sigmoid(prior + lesson.shift(group))
    assert score[~spam].mean() < 0.06


def test_true_marks_move_a_wrong_prior_and_false_ones_leave_a_right_one():
    group, spam, random = callers(4)
    wrong_prior = np.full(300, -3.0)
    true_marks = marks_on(spam, random, 1.0, 0.0)
    assert choose_kernel(group, wrong_prior, true_marks, 20) not in {IGNORING, CAUTIOUS}
    right_prior = np.where(spam, 3.0, -3.0)
    false_marks = marks_on(spam, random, 1.0, 0.4)
    chosen = choose_kernel(group, right_prior, false_marks, 20)
    score = sigmoid(right_prior + learn(group, right_prior, false_marks, chosen, 20).shift(group))
    assert np.mean((score > 0.5) == spam) > 0.97, "two fifths of false marks do not undo what is known"


def test_marks_that_predict_nothing_speak_for_their_own_callers_alone():
    group, spam, random = callers(6)
    lesson = learn(group, np.full(300, -2.0), marks_on(spam, random, 0.5, 0.0), IGNORING, 20)
    assert not lesson.shift(group).any()


def test_a_few_users_of_one_mind_are_heard_on_a_caller_whom_nothing_else_accuses():
    group = Group(np.zeros((1, 6)), np.zeros(1, np.uint64))
    marks = Marks(np.zeros(4, np.int64), np.arange(4), np.ones(4, bool), np.ones(4))
    lesson = learn(group, np.array([-8.0]), marks, CAUTIOUS, 4)
    assert lesson.shift(group)[0] + vote_logits(marks, lesson, 1)[0] > 2.0


def test_a_shared_trunk_with_honest_callers_does_not_acquit():
    features = np.zeros((40, 4))
    features[:20] += 3.0  # the trunk's honest callers do not resemble the caller behind it
    features[20:] -= 3.0
    group = Group(features, np.full(40, 11, np.uint64))
    marks = Marks(np.arange(20), np.arange(20), np.zeros(20, bool), np.ones(20))
    mean = learn(group, np.full(40, -1.0), marks, Kernel(bias=0.0, linear=0.0), 20).shift(group)
    assert mean[5] < -0.05
    assert mean[30] > -0.01


@pytest.mark.parametrize("kernel", KERNELS[1:])
def test_many_true_marks_on_callers_far_from_the_prior_do_not_overshoot(kernel):
    """Whole Newton steps threw the spammers of this trace to logits of -80, the more marks the farther."""
    trace = named_trace("v5", 107)
    marks = draw_marks(trace.spam, 0.5, 0.0, 107)
    card = scorecard.load(prior_weights.WEIGHTS)
    summary = batch.summarise(card, trace.vectors, trace.calls["caller"], trace.calls["campaign"])
    prior = batch.prior_logits(card, summary)
    marked = np.flatnonzero(marks >= 0)
    given = Marks(summary.of_call[marked], marked % 50, marks[marked] == 1, np.ones(len(marked)))
    shift = learn(summary.group, prior, given, kernel, 50).shift(summary.group)
    spammers = np.unique(summary.of_call[trace.spam])
    assert shift[spammers].min() > 2.0
    assert np.abs(shift).max() < 20.0
