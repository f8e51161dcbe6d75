"""The detector on a closed batch of calls: what `live.LiveDetector` does call by call, all at once.

The experiments use this form, so that it sees the same calls and the same votes as every other method.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from callprint.core.spam.features import transform
from callprint.core.spam.scorecard import Scorecard
from callprint.core.spam.vote_model import (
    Group,
    Lesson,
    Votes,
    choose_kernel,
    learn,
    sigmoid,
    vote_logits,
)

Floats = NDArray[np.float64]
Keys = NDArray[np.uint64]

BASE_RATE_ROUNDS = 20
IMAGINED_CALLERS = 60.0  # at the learned rate: few callers do not show what the base rate is


@dataclass(frozen=True, slots=True)
class Callers:
    """Calls summed up by caller: `of_call (n,)` is the caller's row of each call."""

    of_call: NDArray[np.int64]  # (n,)
    calls: Floats  # (callers,)
    mean_logits: Floats  # (callers,)
    group: Group  # (callers,) mean standardised features, and the campaign of the last call


def summarise(card: Scorecard, vectors: Floats, callers: Keys, campaigns: Keys) -> Callers:
    """Sum raw vectors (n, FEATURE_COUNT) up by caller key; a call of an unknown caller (0) stands for itself."""
    transformed = transform(vectors)
    own = np.where(callers != 0, callers, np.arange(len(callers), dtype=np.uint64) + np.uint64(1 << 63))
    _, of_call = np.unique(own, return_inverse=True)
    calls = np.bincount(of_call).astype(np.float64)
    means = np.bincount(of_call, card.logits(transformed, at_end=True)) / calls
    standard = card.standardise(transformed)
    features = np.stack([np.bincount(of_call, column) for column in standard.T], axis=1) / calls[:, None]
    campaign = np.zeros(len(calls), np.uint64)
    campaign[of_call] = campaigns
    return Callers(of_call, calls, means, Group(features, campaign))


def prior_logits(card: Scorecard, callers: Callers) -> Floats:
    """Return each caller's logit before any vote, (callers,), at the base rate of this batch.

    The scorecard was learned where `card.spammer_rate` of the callers were spammers. How many there are here is
    estimated from the calls without a vote themselves (Saerens, Latinne, Decaestecker 2002).
    """
    logits = card.caller_logits(callers.mean_logits, callers.calls)
    return card.prior_logits(callers.mean_logits, callers.calls, base_rate_shift(logits, card.spammer_rate))


def base_rate_shift(logits: Floats, learned_rate: float) -> float:
    """Return what to add to all logits so that their mean probability is the base rate that they imply."""
    learned = np.log(learned_rate / (1.0 - learned_rate))
    shift = 0.0
    for _ in range(BASE_RATE_ROUNDS):
        expected = float(sigmoid(logits + shift).sum())
        rate = (expected + IMAGINED_CALLERS * learned_rate) / (len(logits) + IMAGINED_CALLERS)
        shift = float(np.clip(np.log(rate / (1.0 - rate)) - learned, -5.0, 2.0))
    return shift


def judge(
    card: Scorecard,
    vectors: Floats,
    callers: Keys,
    campaigns: Keys,
    votes: NDArray[np.int64],
    users: NDArray[np.int64],
) -> tuple[Floats, Lesson]:
    """Return the probability of spam of each call (n,) and what was learned.

    `votes (n,)`: 1 spam, 0 not spam, -1 no vote; `users (n,)`: who gave it (0 .. number of users - 1).
    """
    summary = summarise(card, vectors, callers, campaigns)
    prior = prior_logits(card, summary)
    voted = np.flatnonzero(votes >= 0)
    given = Votes(summary.of_call[voted], users[voted], votes[voted] == 1, np.ones(len(voted)))
    known_users = int(users.max(initial=0)) + 1
    kernel = choose_kernel(summary.group, prior, given, known_users)
    lesson = learn(summary.group, prior, given, kernel, known_users)
    logits = prior + lesson.shift(summary.group)
    if len(voted):
        logits += vote_logits(given, lesson, len(prior))
    return sigmoid(logits)[summary.of_call], lesson


def decide(scores: Floats) -> NDArray[np.bool_]:
    """Return which calls of a batch to call spam, (n,), given their probabilities.

    The cut of which these probabilities themselves expect the highest F-measure. Half a call must be expected
    to be spam, or none is called so.
    """
    if scores.sum() < 0.5:
        return np.zeros(len(scores), dtype=bool)
    order = np.argsort(-scores, kind="stable")
    expected = 2.0 * np.cumsum(scores[order]) / (np.arange(1, len(scores) + 1) + scores.sum())
    chosen = np.zeros(len(scores), dtype=bool)
    chosen[order[: int(np.argmax(expected)) + 1]] = True
    return chosen
