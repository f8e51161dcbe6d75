"""What users' votes teach: a Gaussian process on callers around the prior knowledge, robust to false votes.

Every caller g has a latent logit f_g ~ GP(b_g, K): b_g comes from the scorecard, so with no vote at all the
answer is the prior; K says who resembles whom: callers with similar features, and callers of one campaign.
The caller is a spammer with probability sigmoid(f_g). Its votes are then right or false:

    P(vote says spam | spammer) = 1 - c_u,   P(vote says spam | not a spammer) = c_u

with a false-vote rate c_u for each user, drawn to the rate of all users, which is itself estimated. Both
the callers' truth and the users' rates are found by expectation maximisation: the expected truth q_g of the
voted callers, one Newton step on f (Rasmussen and Williams 2006, algorithm 3.1, with soft targets), the
rates again. A vote thus counts for what its giver has been worth, and a caller that most votes and all its
features acquit is not convicted by a false one.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Keys = NDArray[np.uint64]

ROUNDS = 8  # of expectation maximisation; it settles in fewer
HALVINGS = 6  # of a Newton step
LARGEST = 400  # callers in the Gaussian process; more are sampled, evenly and with weights
LARGEST_TO_CHOOSE = 250  # the same while the kernels are compared, which learns many times
FOLDS = 4  # parts of the voted callers, each of which is predicted from the others
FALSE_VOTES, TRUE_VOTES = 3.0, 27.0  # Beta prior of the rate of all users: a tenth of the votes is false
USER_WEIGHT = 6.0  # imaginary votes that draw a user's rate to that of all users
HIGHEST_RATE = 0.45  # a user who is wrong more often than not is ignored, not inverted: it could be an attack


@dataclass(frozen=True, slots=True)
class Kernel:
    """Prior variances of the Gaussian process, in squared logits; chosen on traces that no report uses."""

    bias: float = 0.3  # all callers together: the prior is too lenient or too strict here
    linear: float = 0.01  # per standard deviation of each feature
    local: float = 0.3  # callers that resemble each other
    length: float = 4.0  # how far resemblance reaches, in standard deviations over all features
    campaign: float = 2.0  # callers of one campaign
    fellows: float = 6.0  # how far resemblance reaches among them: a shared trunk holds all kinds of callers

    def likeness(self, one: Floats, other: Floats) -> Floats:
        """Return the covariance (n, m) of callers with features (n, d), (m, d), campaigns left out."""
        products = one @ other.T
        local = np.exp(-_squares(one, other, products) / (2.0 * self.length**2))
        return np.asarray(self.bias + self.linear * products + self.local * local)

    def fellowship(self, one: "Group", other: "Group") -> Floats:
        """Return the covariance (n, m) that callers owe to a common campaign."""
        common = (one.campaigns[:, None] == other.campaigns[None, :]) & (one.campaigns[:, None] != 0)
        if not common.any():
            return np.zeros(common.shape)
        squares = _squares(one.features, other.features, one.features @ other.features.T)
        return np.asarray(self.campaign * common * np.exp(-squares / (2.0 * self.fellows**2)))


class Group(NamedTuple):
    """Callers as a kernel sees them."""

    features: Floats  # (n, d) standardised
    campaigns: Keys  # (n,) 0: not known

    def take(self, rows: Any) -> "Group":
        """Return some of them."""
        return Group(self.features[rows], self.campaigns[rows])


def _squares(one: Floats, other: Floats, products: Floats) -> Floats:
    squares = (one**2).sum(1)[:, None] + (other**2).sum(1)[None, :] - 2.0 * products
    return np.asarray(np.maximum(squares, 0.0))


IGNORING = Kernel(bias=0.0, linear=0.0, local=0.0, campaign=0.0)
"""Votes speak for the voted caller alone."""
CAUTIOUS = Kernel()
EAGER = Kernel(bias=0.5, linear=0.02, local=4.0, campaign=4.0)
NEAR = Kernel(bias=0.5, linear=0.02, local=8.0, campaign=4.0)
FREE = Kernel(bias=1.0, linear=0.3, local=4.0, campaign=4.0)
"""Where votes are many and true, callers may move further from the prior."""
KERNELS = (IGNORING, CAUTIOUS, EAGER, NEAR, FREE)
ENOUGH_TO_CHOOSE = 8  # voted callers from which on the kernels are compared


@dataclass(frozen=True, slots=True)
class Votes:
    """Users' votes on callers: vote i says `spam[i]` of caller `caller[i]`, with a weight that fades by age."""

    caller: Integers  # (m,) index of the caller
    user: Integers  # (m,) index of the user
    spam: NDArray[np.bool_]  # (m,)
    weight: Floats  # (m,) 1 for a fresh vote

    def take(self, chosen: NDArray[np.bool_]) -> "Votes":
        """Return the votes that a mask chooses."""
        return Votes(self.caller[chosen], self.user[chosen], self.spam[chosen], self.weight[chosen])


@dataclass(frozen=True, slots=True)
class Lesson:
    """What was learned: enough to judge any caller."""

    kernel: Kernel
    callers: Group  # (k,) that teach
    pull: Floats  # (k,) K^-1 (f - b): how hard each pulls its likes
    rates: Floats  # (users,) false-vote rate of each user
    rate: float  # of all users

    def shift(self, callers: Group) -> Floats:
        """Return what feedback adds to the prior logits of callers, (n,)."""
        if len(self.pull) == 0 or self.kernel == IGNORING:
            return np.zeros(len(callers.features))
        like = self.kernel.likeness(callers.features, self.callers.features) @ self.pull
        # A trunk that honest callers share must not acquit the spammer behind it: fellowship only accuses.
        return np.asarray(like + np.maximum(self.kernel.fellowship(callers, self.callers) @ self.pull, 0.0))


def nothing_learned(dimensions: int) -> Lesson:
    """Return the lesson of no votes: every caller keeps its prior."""
    nobody = Group(np.zeros((0, dimensions)), np.zeros(0, np.uint64))
    return Lesson(CAUTIOUS, nobody, np.zeros(0), np.zeros(0), FALSE_VOTES / (FALSE_VOTES + TRUE_VOTES))


def choose_kernel(callers: Group, prior: Floats, votes: Votes, users: int) -> Kernel:
    """Return the kernel that predicts the votes of some callers best from those of the others.

    The measure is the likelihood of the votes as they are, false ones included: noise cannot reward eagerness.
    Where none does better than the prior alone, votes speak for the voted callers only.
    """
    voted, place = np.unique(votes.caller, return_inverse=True)
    if len(voted) < ENOUGH_TO_CHOOSE:
        return CAUTIOUS
    likelihood = [0.0] * len(KERNELS)
    for number, kernel in enumerate(KERNELS):
        for fold in range(FOLDS):
            asked = place % FOLDS == fold
            lesson = learn(callers, prior, votes.take(~asked), kernel, users, LARGEST_TO_CHOOSE)
            rows = votes.caller[asked]
            spam = sigmoid(prior[rows] + lesson.shift(callers.take(rows)))
            says_spam = spam * (1.0 - lesson.rate) + (1.0 - spam) * lesson.rate
            chance = np.where(votes.spam[asked], says_spam, 1.0 - says_spam)
            likelihood[number] += float(votes.weight[asked] @ np.log(np.maximum(chance, 1e-6)))
    return KERNELS[int(np.argmax(likelihood))]


def learn(
    callers: Group, prior: Floats, votes: Votes, kernel: Kernel, users: int, largest: int = LARGEST
) -> Lesson:
    """Learn from votes. `callers`, `prior (n,)`: all callers and their logits; `largest`: how many teach."""
    if len(votes.caller) == 0:
        return nothing_learned(callers.features.shape[1])
    voted, place = np.unique(votes.caller, return_inverse=True)
    chosen, weight = _choose(voted, place, votes, largest)
    keep = np.isin(place, chosen)
    position = np.full(len(voted), -1)
    position[chosen] = np.arange(len(chosen))
    place, user = position[place[keep]], votes.user[keep]
    signs, ages = votes.spam[keep], votes.weight[keep]
    stands_for = ages * weight[place]  # a sampled vote also stands for those left out
    rows = voted[chosen]
    teachers = callers.take(rows)
    covariance = kernel.likeness(teachers.features, teachers.features) + kernel.fellowship(teachers, teachers)
    covariance[np.diag_indices_from(covariance)] += 1e-6
    base = prior[rows]
    latent: Floats = base.copy()
    rate = FALSE_VOTES / (FALSE_VOTES + TRUE_VOTES)
    rates = np.full(users, rate)
    pull = np.zeros(len(rows))
    for _ in range(ROUNDS):
        own_votes = np.zeros(len(rows))
        np.add.at(
            own_votes, place, np.where(signs, 1.0, -1.0) * ages * np.log((1.0 - rates[user]) / rates[user])
        )
        truth = sigmoid(latent + own_votes)  # expected truth q, (k,)
        pull = _newton_step(covariance, base, truth, pull, _sampling_shift(weight, rate))
        latent = base + covariance @ pull
        false = np.where(signs, 1.0 - truth[place], truth[place])
        rate = (FALSE_VOTES + stands_for @ false) / (FALSE_VOTES + TRUE_VOTES + stands_for.sum())
        rate = min(rate, HIGHEST_RATE)
        given, wrong = np.bincount(user, stands_for, users), np.bincount(user, false * stands_for, users)
        rates = np.clip((USER_WEIGHT * rate + wrong) / (USER_WEIGHT + given), 0.005, 0.5)
    return Lesson(kernel, teachers, pull, rates, float(rate))


def _newton_step(covariance: Floats, base: Floats, truth: Floats, pull: Floats, sampling: float) -> Floats:
    """Return `pull` one Newton step on, halved until the posterior rises: far from its top a whole step overshoots."""

    def height(pulled: Floats) -> float:
        moved = covariance @ pulled
        seen = base + moved + sampling
        return float(truth @ seen - np.logaddexp(0.0, seen).sum() - 0.5 * (pulled @ moved))

    moved = covariance @ pull
    likely = sigmoid(base + moved + sampling)
    curvature = np.maximum(likely * (1.0 - likely), 1e-4)
    root = np.sqrt(curvature)
    inner = np.eye(len(base)) + root[:, None] * covariance * root[None, :]
    step = curvature * moved + truth - likely
    target = step - root * np.linalg.solve(inner, root * (covariance @ step))
    before = height(pull)
    for halving in range(HALVINGS):
        tried = pull + (target - pull) * 0.5**halving
        if height(tried) >= before:
            return np.asarray(tried)
    return pull


def vote_logits(votes: Votes, lesson: Lesson, callers: int) -> Floats:
    """Return what the votes on each caller itself add to its logit, (callers,)."""
    trust = np.log((1.0 - lesson.rates[votes.user]) / lesson.rates[votes.user])
    total = np.bincount(votes.caller, np.where(votes.spam, 1.0, -1.0) * votes.weight * trust, callers)
    return np.asarray(total, dtype=np.float64)


def sigmoid(logits: Floats) -> Floats:
    """Return 1 / (1 + exp(-logit)) without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logits)))


def _sampling_shift(weight: Floats, rate: float) -> float:
    """Return how much likelier spammers are among the chosen callers than among all voted ones, in logits.

    A caller is chosen with 1 / weight, by whether it was accused; a false vote accuses with probability `rate`.
    `weight` holds at most two values, that of the accused first (see `_choose`).
    """
    accused, others = 1.0 / weight[0], 1.0 / weight[-1]
    spammers = accused * (1.0 - rate) + others * rate
    return float(np.log(spammers / (accused * rate + others * (1.0 - rate))))


def _choose(voted: Integers, place: Integers, votes: Votes, largest: int) -> tuple[Integers, Floats]:
    """Return which voted callers teach, and for how many each stands.

    Callers with a majority of spam votes and the others are sampled apart, each evenly over the callers in
    their order, so that a rare kind is not lost among a common one.
    """
    if len(voted) <= largest:
        return np.arange(len(voted)), np.ones(len(voted))
    balance = np.bincount(place, np.where(votes.spam, 1.0, -1.0) * votes.weight, len(voted))
    accused, others = np.flatnonzero(balance > 0), np.flatnonzero(balance <= 0)
    room = max(largest // 2, largest - len(others))
    parts, weights = [], []
    for group, size in ((accused, room), (others, largest - min(room, len(accused)))):
        taken = group if len(group) <= size else group[np.linspace(0, len(group) - 1, size).astype(np.int64)]
        parts.append(taken)
        weights.append(np.full(len(taken), len(group) / max(len(taken), 1)))
    return np.concatenate(parts), np.concatenate(weights)
