"""What votes teach: nothing without votes, much with true ones, little with false ones."""

import numpy as np
import pytest

from callprint.core.spam import batch, prior_weights, scorecard
from callprint.core.spam.vote_model import (
    CAUTIOUS,
    IGNORING,
    KERNELS,
    Group,
    Kernel,
    Votes,
    choose_kernel,
    learn,
    nothing_learned,
    sigmoid,
    vote_logits,
)
from callprint.lab.spam.cell import draw_votes
from callprint.lab.spam.traces import named_trace


def callers(seed, count=300, spam_share=0.2):
    """Callers of two kinds that differ in two of six features; the prior knows nothing."""
    random = np.random.default_rng(seed)
    spam = random.random(count) < spam_share
    features = random.normal(size=(count, 6))
    features[spam, :2] += 1.5
    return Group(features, np.zeros(count, np.uint64)), spam, random


def votes_on(spam, random, share, noise, users=20):
    voted = np.flatnonzero(random.random(len(spam)) < share)
    spam_votes = spam[voted] ^ (random.random(len(voted)) < noise)
    return Votes(voted, random.integers(0, users, len(voted)), spam_votes, np.ones(len(voted)))


def test_without_votes_the_prior_stands():
    assert not nothing_learned(6).shift(callers(0)[0]).any()


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_the_rate_of_false_votes_is_found_and_callers_are_told_apart(noise):
    group, spam, random = callers(1, count=350)
    votes = votes_on(spam, random, 1.0, noise)
    prior = np.full(350, -1.4) + 3.0 * (group.features[:, 0] > 0.75)
    lesson = learn(group, prior, votes, Kernel(linear=0.3), 20)
    assert lesson.rate == pytest.approx(noise, abs=0.12)
    score = sigmoid(prior + lesson.shift(group) + vote_logits(votes, lesson, 350))
    assert np.mean((score > 0.5) == spam) > np.mean(votes.spam == spam) - 0.01
    assert np.mean((score > 0.5) == spam) > 0.8


def test_a_user_who_is_often_wrong_is_trusted_less():
    group, spam, random = callers(2)
    user = np.arange(300) % 10
    spam_votes = np.where(user == 3, ~spam, spam)
    prior = np.where(spam, 1.5, -2.0) + random.normal(size=300)
    votes = Votes(np.arange(300), user, spam_votes, np.ones(300))
    rates = learn(group, prior, votes, CAUTIOUS, 10).rates
    assert rates[3] > 3 * np.delete(rates, 3).max()
    assert rates.max() <= 0.5  # never inverted: lies gain no influence


def test_votes_reach_other_callers_of_the_campaign():
    group = Group(np.zeros((40, 4)), np.repeat(np.array([11, 22], np.uint64), 20))
    votes = Votes(np.arange(5), np.arange(5), np.ones(5, bool), np.ones(5))
    mean = learn(group, np.full(40, -2.0), votes, CAUTIOUS, 5).shift(group)
    assert mean[10] > mean[30] + 0.5


def test_more_callers_than_fit_are_sampled_without_moving_the_base_rate():
    group, spam, random = callers(3, count=3_000, spam_share=0.03)
    votes = votes_on(spam, random, 1.0, 0.2)
    prior = np.where(spam, 0.5, -4.0)
    lesson = learn(group, prior, votes, CAUTIOUS, 20)
    assert lesson.rate == pytest.approx(0.2, abs=0.04)
    score = sigmoid(prior + lesson.shift(group))
    assert score[~spam].mean() < 0.06


def test_true_votes_move_a_wrong_prior_and_false_ones_leave_a_right_one():
    group, spam, random = callers(4)
    wrong_prior = np.full(300, -3.0)
    true_votes = votes_on(spam, random, 1.0, 0.0)
    assert choose_kernel(group, wrong_prior, true_votes, 20) not in {IGNORING, CAUTIOUS}
    right_prior = np.where(spam, 3.0, -3.0)
    false_votes = votes_on(spam, random, 1.0, 0.4)
    chosen = choose_kernel(group, right_prior, false_votes, 20)
    score = sigmoid(right_prior + learn(group, right_prior, false_votes, chosen, 20).shift(group))
    assert np.mean((score > 0.5) == spam) > 0.97, "two fifths of false votes do not undo what is known"


def test_votes_that_predict_nothing_speak_for_their_own_callers_alone():
    group, spam, random = callers(6)
    lesson = learn(group, np.full(300, -2.0), votes_on(spam, random, 0.5, 0.0), IGNORING, 20)
    assert not lesson.shift(group).any()


def test_a_few_users_of_one_mind_are_heard_on_a_caller_whom_nothing_else_accuses():
    group = Group(np.zeros((1, 6)), np.zeros(1, np.uint64))
    votes = Votes(np.zeros(4, np.int64), np.arange(4), np.ones(4, bool), np.ones(4))
    lesson = learn(group, np.array([-8.0]), votes, CAUTIOUS, 4)
    assert lesson.shift(group)[0] + vote_logits(votes, lesson, 1)[0] > 2.0


def test_a_shared_trunk_with_honest_callers_does_not_acquit():
    features = np.zeros((40, 4))
    features[:20] += 3.0  # the trunk's honest callers do not resemble the caller behind it
    features[20:] -= 3.0
    group = Group(features, np.full(40, 11, np.uint64))
    votes = Votes(np.arange(20), np.arange(20), np.zeros(20, bool), np.ones(20))
    mean = learn(group, np.full(40, -1.0), votes, Kernel(bias=0.0, linear=0.0), 20).shift(group)
    assert mean[5] < -0.05
    assert mean[30] > -0.01


@pytest.mark.parametrize("kernel", KERNELS[1:])
def test_many_true_votes_on_callers_far_from_the_prior_do_not_overshoot(kernel):
    """Whole Newton steps threw the spammers of this trace to logits of -80, the more votes the farther."""
    trace = named_trace("v5", 107)
    votes = draw_votes(trace.spam, 0.5, 0.0, 107)
    card = scorecard.load(prior_weights.WEIGHTS)
    summary = batch.summarise(card, trace.vectors, trace.calls["caller"], trace.calls["campaign"])
    prior = batch.prior_logits(card, summary)
    voted = np.flatnonzero(votes >= 0)
    given = Votes(summary.of_call[voted], voted % 50, votes[voted] == 1, np.ones(len(voted)))
    shift = learn(summary.group, prior, given, kernel, 50).shift(summary.group)
    spammers = np.unique(summary.of_call[trace.spam])
    assert shift[spammers].min() > 2.0
    assert np.abs(shift).max() < 20.0
