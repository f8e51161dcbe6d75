"""The detector, live: judges each call at its set-up and at its end, and learns from users' marks.

Snapshot: for each caller the calls seen, their mean logit and features; the users' marks; and the last lesson.
Everything is bounded: callers and marks leave in the order of their last use, and evictions are counted. Time
comes with every call and mark; the same calls and marks in the same order give the same judgements.

Rules, strongest first: the allow-list; then the probability of spam. A user has one vote for each caller
(a later one replaces it) and at most `MARKS_PER_DAY` fresh votes a day; votes fade by exp(-age / 30 days).
"""

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from callprint.core.call import Action, Judgement
from callprint.core.ground.errors import ConfigError, DecodeError
from callprint.core.ground.snapshot import Snapshot
from callprint.core.spam.batch import base_rate_shift
from callprint.core.spam.features import FEATURE_COUNT, transform
from callprint.core.spam.vote_model import (
    Group,
    Marks,
    choose_kernel,
    learn,
    nothing_learned,
    sigmoid,
)
from callprint.core.spam.live_snapshot import (
    KnownCaller,
    KnownVote,
    callers_of,
    callers_state,
    lesson_of,
    lesson_state,
    votes_of,
    votes_state,
)
from callprint.core.spam.reasons import in_words
from callprint.core.spam.scorecard import Scorecard
from callprint.core.spam.sightings import NOTHING_SEEN, Seen

Floats = NDArray[np.float64]

NAME = "callprint-2"
DAY_NS = 86_400 * 1_000_000_000
MARKS_PER_DAY = 50  # of one user: more says more about the user than about callers
MARK_LIFE_DAYS = 30.0
MOST_MARKS = 20_000
CALLERS_FOR_BASE_RATE = 500  # callers from which on the base rate is estimated instead of assumed
NEWEST_CALLS = 200.0  # a caller's mean forgets beyond so many calls, so that a hijacked number shows


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Probability of spam from which on an action is advised, and the assumed share of spammers at first."""

    watch: float = 0.5
    challenge: float = 0.9
    block: float = 0.99
    base_rate: float = 0.01

    def __post_init__(self) -> None:
        """Raise ConfigError when the thresholds do not rise."""
        if not 0.0 < self.watch <= self.challenge <= self.block < 1.0 or not 0.0 < self.base_rate < 1.0:
            raise ConfigError("spit thresholds must rise from watch to challenge to block, all within 0..1")


class LiveDetector:
    """Judges calls one by one. `capacity`: callers remembered, about half a kilobyte each."""

    def __init__(self, card: Scorecard, thresholds: Thresholds | None = None, capacity: int = 65_536) -> None:
        self.card = card
        self.thresholds = thresholds or Thresholds()
        self.capacity = capacity
        self.evicted_callers = 0
        self.ignored_marks = 0
        self._callers: OrderedDict[int, KnownCaller] = OrderedDict()
        self._votes: OrderedDict[tuple[str, int], KnownVote] = OrderedDict()
        self._by_caller: dict[int, dict[str, KnownVote]] = {}
        self._users: dict[str, int] = {}
        self._given: OrderedDict[str, tuple[int, int]] = OrderedDict()  # day and fresh votes of each user
        self._lesson = nothing_learned(FEATURE_COUNT)
        rate, learned = self.thresholds.base_rate, card.spammer_rate
        self._shift = float(np.log(rate / (1.0 - rate)) - np.log(learned / (1.0 - learned)))

    def judge(
        self,
        vector: Floats,
        caller: int,
        campaign: int,
        now_ns: int,
        at_end: bool,
        allowed: bool = False,
        started_ns: int | None = None,
        seen: tuple[Seen, Seen] = (NOTHING_SEEN, NOTHING_SEEN),
    ) -> Judgement:
        """Judge one call by its raw vector (FEATURE_COUNT,); at its end the caller's record takes it in.

        `caller`, `campaign`: the `history.stable_key` of each, 0 where not known. `allowed`: the caller is on
        the allow-list; the score is still computed, for the record, but the action is to allow. `started_ns`:
        when the call began, so that one that was taught before does not count twice. `seen`: of the caller and
        of the campaign, for the reason.
        """
        transformed = transform(vector[None, :])
        points = self.card.points(transformed, at_end)[0]
        intercept = self.card.end_intercept if at_end else self.card.setup_intercept
        features = self.card.standardise(transformed)[0]
        known = self._callers.get(caller)
        if known is None or not at_end or started_ns is None or started_ns > known.counted_until_ns:
            known = self._with_call(known, float(points.sum() + intercept), features, campaign)
        if at_end and caller != 0:
            self._remember(caller, known)
        shift = float(self._lesson.shift(Group(known.features[None, :], np.array([campaign], np.uint64)))[0])
        votes, marks = self._votes_on(caller, now_ns)
        score = float(sigmoid(np.array(self._prior(known) + shift + votes)))
        if allowed:
            return Judgement(score, False, Action.ALLOW, "the caller is on the allow-list", NAME)
        spam_marks = sum(vote.spam for vote in marks)
        reason = in_words(vector, points, shift + votes, spam_marks, len(marks) - spam_marks, *seen)
        return Judgement(score, score >= self.thresholds.watch, self._action(score), reason, NAME)

    def taught_until(self, caller: int, started_ns: int) -> None:
        """Note that the caller's calls which began until `started_ns` are known; they do not count again."""
        known = self._callers.get(caller)
        if known is not None:
            known.counted_until_ns = max(known.counted_until_ns, started_ns)

    def mark(self, caller: int, user: str, spam: bool, given_at_ns: int) -> bool:
        """Take in a user's mark on a caller. Returns False when it is ignored: too many of this user that day."""
        key = (user, caller)
        day = given_at_ns // DAY_NS
        last_day, given = self._given.get(user, (day, 0))
        given = given if last_day == day else 0
        if key not in self._votes:
            if given >= MARKS_PER_DAY:
                self.ignored_marks += 1
                return False
            self._given[user] = (day, given + 1)
            self._given.move_to_end(user)
            if len(self._given) > MOST_MARKS:
                self._given.popitem(last=False)
        usual = KnownCaller(1.0, 0.0, np.zeros(FEATURE_COUNT), 0)
        vote = KnownVote(caller, user, spam, given_at_ns, self._callers.get(caller, usual))
        self._votes.pop(key, None)
        self._votes[key] = vote
        self._by_caller.setdefault(caller, {})[user] = vote
        while len(self._votes) > MOST_MARKS:
            _, oldest = self._votes.popitem(last=False)
            del self._by_caller[oldest.caller][oldest.user]
        return True

    def learn(self, now_ns: int) -> None:
        """Learn from all marks so far, and estimate the base rate. Takes about two seconds at the most."""
        if len(self._callers) >= CALLERS_FOR_BASE_RATE:
            means = np.array([known.mean_logit for known in self._callers.values()])
            calls = np.array([known.calls for known in self._callers.values()])
            logits = self.card.caller_logits(means, calls)
            self._shift = base_rate_shift(logits, self.card.spammer_rate)
        votes = list(self._votes.values())
        self._users = {user: number for number, user in enumerate(dict.fromkeys(vote.user for vote in votes))}
        newest = {vote.caller: vote for vote in votes}
        rows = {caller: row for row, caller in enumerate(newest)}
        if not newest:
            self._lesson = nothing_learned(FEATURE_COUNT)
            return
        marks = Marks(
            np.array([rows[vote.caller] for vote in votes]),
            np.array([self._users[vote.user] for vote in votes]),
            np.array([vote.spam for vote in votes]),
            np.array([self._age_weight(vote, now_ns) for vote in votes]),
        )
        known = [self._callers.get(caller) or vote.as_marked for caller, vote in newest.items()]
        callers = Group(
            np.stack([caller.features for caller in known]),
            np.array([caller.campaign for caller in known], np.uint64),
        )
        prior = np.array([self._prior(caller) for caller in known])
        kernel = choose_kernel(callers, prior, marks, len(self._users))
        self._lesson = learn(callers, prior, marks, kernel, len(self._users))

    def trust(self, user: str) -> float:
        """Return the probability that a mark of this user is right, as far as is known."""
        number = self._users.get(user)
        return 1.0 - (self._lesson.rate if number is None else float(self._lesson.rates[number]))

    def snapshot(self) -> Snapshot:
        """Return everything that a later judgement depends on, for `restore`."""
        own = {
            "detector": NAME,
            "shift": self._shift,
            "users": self._users,
            "given": [[user, day, count] for user, (day, count) in self._given.items()],
            "evicted_callers": self.evicted_callers,
            "ignored_marks": self.ignored_marks,
        }
        return Snapshot.joined(
            {
                "own": Snapshot(own),
                "callers": callers_state(self._callers, list(self._callers.values())),
                "votes": votes_state(list(self._votes.values())),
                "lesson": lesson_state(self._lesson),
            }
        )

    def restore(self, state: Snapshot) -> None:
        """Go on from a `snapshot`. Raises ConfigError when it does not fit."""
        try:
            own = state.part("own").plain
            if own["detector"] != NAME:
                raise ConfigError(f"the detector state is of {own['detector']}, not of {NAME}; start anew")
            callers = OrderedDict(callers_of(state.part("callers")))
            votes = votes_of(state.part("votes"))
            lesson = lesson_of(state.part("lesson"))
            users = {str(user): int(number) for user, number in own["users"].items()}
            given = OrderedDict((str(user), (int(day), int(count))) for user, day, count in own["given"])
            shift, evicted, ignored = float(own["shift"]), own["evicted_callers"], own["ignored_marks"]
        except (KeyError, TypeError, ValueError, AttributeError, DecodeError) as error:
            raise ConfigError(f"the detector state is damaged ({error}); start anew") from None
        self._callers, self._votes, self._lesson = callers, votes, lesson
        self._users, self._given, self._shift = users, given, shift
        self.evicted_callers, self.ignored_marks = int(evicted), int(ignored)
        self._by_caller = {}
        for vote in votes.values():
            self._by_caller.setdefault(vote.caller, {})[vote.user] = vote

    def _with_call(
        self, known: KnownCaller | None, logit: float, features: Floats, campaign: int
    ) -> KnownCaller:
        if known is None:
            return KnownCaller(1.0, logit, features, campaign)
        calls = known.calls + 1.0
        weight = 1.0 / min(calls, NEWEST_CALLS)
        mean = known.mean_logit + weight * (logit - known.mean_logit)
        average = known.features + weight * (features - known.features)
        return KnownCaller(calls, mean, average, campaign, known.counted_until_ns)

    def _remember(self, caller: int, known: KnownCaller) -> None:
        self._callers[caller] = known
        self._callers.move_to_end(caller)
        if len(self._callers) > self.capacity:
            self._callers.popitem(last=False)
            self.evicted_callers += 1

    def _prior(self, known: KnownCaller) -> float:
        mean, calls = np.array([known.mean_logit]), np.array([known.calls])
        return float(self.card.prior_logits(mean, calls, self._shift)[0])

    def _votes_on(self, caller: int, now_ns: int) -> tuple[float, list[KnownVote]]:
        marks = list(self._by_caller.get(caller, {}).values()) if caller else []
        total = 0.0
        for vote in marks:
            right = self.trust(vote.user)
            weight = np.log(right / (1.0 - right)) * self._age_weight(vote, now_ns)
            total += weight if vote.spam else -weight
        return float(total), marks

    def _age_weight(self, vote: KnownVote, now_ns: int) -> float:
        return float(np.exp(-max(now_ns - vote.given_at_ns, 0) / (MARK_LIFE_DAYS * DAY_NS)))

    def _action(self, score: float) -> Action:
        limits = self.thresholds
        if score >= limits.block:
            return Action.BLOCK
        if score >= limits.challenge:
            return Action.CHALLENGE
        return Action.WATCH if score >= limits.watch else Action.ALLOW
