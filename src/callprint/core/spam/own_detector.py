"""Our own detector: judges each call at its set-up and at its end, and learns from votes and as time passes.

It starts from a scorecard that was learned once (scorecard.py), remembers callers (known_callers.py) and votes
(known_votes.py), and every hour of packet time learns anew how common spam is and what the votes teach
(vote_model.py). The same calls and votes in the same order give the same judgements.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from callprint.core.call import CallRecord, Judgement, Phase, Vote, voted_caller
from callprint.core.ground.errors import ConfigError, DecodeError
from callprint.core.ground.keys import stable_key
from callprint.core.ground.snapshot import Snapshot
from callprint.core.spam.batch import base_rate_shift
from callprint.core.spam.fair_votes import VOTES_PER_DAY
from callprint.core.spam.feature_columns import STORED, read_columns, stored_names
from callprint.core.spam.features import FEATURE_COUNT, NAMES
from callprint.core.spam.interface import NEITHER_SEEN, SpamDetector, Vector, Vectors, in_order
from callprint.core.spam.known_callers import AS_USUAL, KnownCaller, KnownCallers, as_group, usual_caller
from callprint.core.spam.known_votes import KnownVote, KnownVotes
from callprint.core.spam.prior_weights import WEIGHTS
from callprint.core.spam.reasons import in_words
from callprint.core.spam.scorecard import load
from callprint.core.spam.sightings import SeenOfBoth
from callprint.core.spam.thresholds import Thresholds
from callprint.core.spam.vote_model import (
    Group,
    Kernel,
    Lesson,
    Votes,
    choose_kernel,
    learn,
    nothing_learned,
    sigmoid,
)

NAME = "callprint-2"
READS = (NAME,)
"""Detectors whose snapshots this one goes on from: those whose logits mean the same."""
LEARN_EVERY_NS = 3_600_000_000_000
CALLERS_FOR_BASE_RATE = 500  # callers from which on the base rate is estimated instead of assumed


class OwnDetector(SpamDetector):
    """A SpamDetector (interface.py). `capacity`: callers remembered; `votes_per_day`: of one user, that count."""

    def __init__(
        self,
        thresholds: Thresholds | None = None,
        capacity: int = 65_536,
        votes_per_day: int = VOTES_PER_DAY,
    ) -> None:
        """Start with the scorecard that ships with callprint. Raises ModelError when it is damaged."""
        self.card = load(WEIGHTS)
        self.thresholds = thresholds or Thresholds()
        self.callers = KnownCallers(capacity)
        self.votes = KnownVotes(votes_per_day)
        self._users: dict[str, int] = {}  # number of each user in the lesson
        self._lesson = nothing_learned(FEATURE_COUNT)
        rate, learned = self.thresholds.base_rate, self.card.spammer_rate
        self._shift = float(np.log(rate / (1.0 - rate)) - np.log(learned / (1.0 - learned)))
        self._learn_at_ns: int | None = None

    def judge(
        self, facts: Any, features: Vector, phase: Phase, now_ns: int, seen: SeenOfBoth = NEITHER_SEEN
    ) -> Judgement:
        """Judge one call; its end becomes part of what is known of the caller."""
        at_end = np.array([phase is Phase.END])
        return self.judge_calls(np.array([facts]), features[None], at_end, [now_ns], [seen])[0]

    def judge_calls(
        self,
        facts: Any,
        features: Vectors,
        at_end: NDArray[np.bool_],
        now_ns: Sequence[int],
        seen: Sequence[SeenOfBoth],
    ) -> list[Judgement]:
        """Judge calls in their order; the end of each becomes part of what is known of its caller."""
        points, logits, standard = self.card.weigh(features, at_end)
        by_votes: list[float] = []
        priors: list[float] = []
        counts: list[tuple[int, int]] = []
        columns = (logits, facts["caller"], facts["campaign"], facts["started_ns"], at_end)
        for at, (logit, caller, campaign, started_ns, ended) in enumerate(
            zip(*(column.tolist() for column in columns), strict=True)
        ):
            self._learn_when_due(now_ns[at])
            known = self.callers.get(caller)
            if known is None:
                # Only what is remembered has to outlive these arrays.
                own = standard[at].copy() if ended and caller else standard[at]
                known = KnownCaller(1.0, logit, own, campaign)
            elif not ended or started_ns > known.counted_until_ns:
                known = known.with_call(logit, standard[at], campaign)
            if ended and caller:
                self.callers.remember(caller, known)
            votes = self.votes.on(caller)
            alike, voted = self._alike(known.features, campaign), self._vote_logit(votes, now_ns[at])
            spam_votes = sum(vote.spam for vote in votes)
            by_votes.append(alike + voted)
            priors.append(self._prior(known) + alike + voted)
            counts.append((spam_votes, len(votes) - spam_votes))
        return self._judgements(priors, in_words(features, points, np.array(by_votes), counts, seen))

    def judge_media_only(self, facts: Any, features: Vector, now_ns: Sequence[int]) -> list[Judgement]:
        """Judge calls of parties whom nobody knows, as `judge` would one by one."""
        if self.votes.all() or len(self._lesson.pull) or self.callers.get(0) is not None:
            return super().judge_media_only(facts, features, now_ns)
        points, logits, _ = self.card.weigh(features, np.ones(len(features), np.bool_))
        shifts = []
        for at_ns in now_ns:
            self._learn_when_due(at_ns)
            shifts.append(self._shift)
        priors = self.card.first_prior_logits(logits, np.array(shifts))
        return self._judgements(priors, in_words(features, points, np.zeros(len(features))))

    def _judgements(self, logits: ArrayLike, reasons: Iterable[str]) -> list[Judgement]:
        """Return judgements by their logits, (n,), votes included."""
        limits = self.thresholds
        return [
            Judgement(score, score >= limits.watch, limits.action(score), reason, NAME)
            for score, reason in zip(sigmoid(np.array(logits)).tolist(), reasons, strict=True)
        ]

    def teach(self, calls: Iterable[CallRecord], votes: Iterable[Vote], now_ns: int) -> None:
        """Take in earlier votes, once at the start.

        calls: END rows of the callers voted on, the earliest first: they show the detector what kind of caller
        each is. Rows with the features of another version are passed over. When the same calls are judged again,
        from the same capture, they do not count a second time.
        """
        for call in calls:
            if call.phase is Phase.END and len(call.features) == FEATURE_COUNT:
                self._learn_caller(call)
        self.take_votes(votes, now_ns)

    def take_votes(self, votes: Iterable[Vote], now_ns: int) -> None:
        """Take in new votes, and learn from all."""
        for vote in in_order(votes):
            if vote.kind is not None:
                self.votes.remove(vote.user, stable_key(vote.caller))
                continue
            self.add_vote(stable_key(vote.caller), vote.user, vote.spam, vote.given_at_ns)
        self.learn(now_ns)

    @property
    def ignored_votes(self) -> int:
        """How many votes do not count: too many of one user on a day, or altogether."""
        return self.votes.ignored + self.votes.dropped

    def add_vote(self, caller: int, user: str, spam: bool, given_at_ns: int) -> bool:
        """Take in a vote on a caller by its key, which counts for others like it from the next `learn` on.

        Returns False when it is ignored: there are too many of this user that day.
        """
        voted_on = self.callers.get(caller) or usual_caller()
        return self.votes.add(KnownVote(caller, user, spam, given_at_ns, voted_on))

    def learn(self, now_ns: int) -> None:
        """Learn from all votes so far, and estimate the base rate. Takes about two seconds at the most."""
        if len(self.callers) >= CALLERS_FOR_BASE_RATE:
            logits = self.card.caller_logits(*self.callers.mean_logits())
            self._shift = base_rate_shift(logits, self.card.spammer_rate)
        given = self.votes.all()
        self._users = {user: number for number, user in enumerate(dict.fromkeys(vote.user for vote in given))}
        newest = {vote.caller: vote for vote in given}
        rows = {caller: row for row, caller in enumerate(newest)}
        if not newest:
            self._lesson = nothing_learned(FEATURE_COUNT)
            return
        votes = Votes(
            np.array([rows[vote.caller] for vote in given]),
            np.array([self._users[vote.user] for vote in given]),
            np.array([vote.spam for vote in given]),
            np.array([vote.weight(now_ns) for vote in given]),
        )
        known = [self.callers.get(caller) or vote.voted_on for caller, vote in newest.items()]
        callers = as_group(known)
        prior = np.array([self._prior(caller) for caller in known])
        kernel = choose_kernel(callers, prior, votes, len(self._users))
        self._lesson = learn(callers, prior, votes, kernel, len(self._users))

    def trust(self, user: str) -> float:
        """Return the probability that a vote of this user is right, as far as is known."""
        number = self._users.get(user)
        return 1.0 - (self._lesson.rate if number is None else float(self._lesson.rates[number]))

    def snapshot(self) -> Snapshot:
        """Return everything that a later judgement depends on. The keys are those of 0.1.0."""
        own = {
            "detector": NAME,
            "shift": self._shift,
            "users": self._users,
            "given": self.votes.given(),
            "evicted_callers": self.callers.evicted,
            "ignored_marks": self.votes.ignored,
        }
        live = {
            "own": Snapshot(own),
            "callers": self.callers.snapshot(),
            "votes": self.votes.snapshot(),
            "lesson": _lesson_snapshot(self._lesson),
        }
        clock = Snapshot({"learn_at_ns": self._learn_at_ns})
        return Snapshot.joined({"live": Snapshot.joined(live), "own": clock})

    def restore(self, state: Snapshot) -> None:
        """Go on from a `snapshot`. Raises ConfigError when it is damaged or of another detector."""
        callers, votes = KnownCallers(self.callers.capacity), KnownVotes(self.votes.per_day)
        try:
            live, learn_at_ns = state.part("live"), state.part("own").plain["learn_at_ns"]
            own = live.part("own").plain
            if own["detector"] not in READS:
                raise ConfigError(f"the snapshot is of {own['detector']}, not of {NAME}; start anew")
            callers.restore(live.part("callers"), int(own["evicted_callers"]))
            votes.restore(live.part("votes"), own["given"], int(own["ignored_marks"]))
            lesson = _lesson_in(live.part("lesson"))
            users = {str(user): int(number) for user, number in own["users"].items()}
            shift = float(own["shift"])
            self._learn_at_ns = None if learn_at_ns is None else int(learn_at_ns)
        except (KeyError, TypeError, ValueError, AttributeError, DecodeError) as error:
            raise ConfigError(f"the snapshot of the detector is damaged ({error}); start anew") from None
        self.callers, self.votes, self._lesson = callers, votes, lesson
        self._users, self._shift = users, shift

    def _learn_when_due(self, now_ns: int) -> None:
        if self._learn_at_ns is None:
            self._learn_at_ns = now_ns + LEARN_EVERY_NS
        elif now_ns >= self._learn_at_ns:
            self.learn(now_ns)
            self._learn_at_ns = now_ns + LEARN_EVERY_NS

    def _learn_caller(self, call: CallRecord) -> None:
        caller, campaign = stable_key(voted_caller(call)), int(call.campaign, 16) if call.campaign else 0
        _, logits, standard = self.card.weigh(np.array([call.features]), np.ones(1, np.bool_))
        logit = float(logits[0])
        known = self.callers.get(caller)
        if known is None:
            known = KnownCaller(1.0, logit, standard[0], campaign)
        else:
            known = known.with_call(logit, standard[0], campaign)
        known.counted_until_ns = max(known.counted_until_ns, call.started_ns)
        self.callers.remember(caller, known)

    def _prior(self, known: KnownCaller) -> float:
        return self.card.prior_logit(known.mean_logit, known.calls, self._shift)

    def _alike(self, features: Vector, campaign: int) -> float:
        """Return what votes on callers like this one add to its logit."""
        if not len(self._lesson.pull):
            return 0.0
        return float(self._lesson.shift(Group(features[None, :], np.array([campaign], np.uint64)))[0])

    def _vote_logit(self, votes: list[KnownVote], now_ns: int) -> float:
        """Return what the votes on a caller itself add to its logit."""
        total = 0.0
        for vote in votes:
            right = self.trust(vote.user)
            weight = np.log(right / (1.0 - right)) * vote.weight(now_ns)
            total += weight if vote.spam else -weight
        return float(total)


def _lesson_snapshot(lesson: Lesson) -> Snapshot:
    return Snapshot(
        {"kernel": asdict(lesson.kernel), "rate": lesson.rate, STORED: NAMES},
        {
            "features": lesson.callers.features,
            "campaigns": lesson.callers.campaigns,
            "pull": lesson.pull,
            "rates": lesson.rates,
        },
    )


def _lesson_in(state: Snapshot) -> Lesson:
    """Return what `_lesson_snapshot` was given. Raises KeyError, TypeError or ValueError when it does not fit."""
    arrays = state.arrays
    features = read_columns(arrays["features"], stored_names(state.plain), AS_USUAL)
    if not len(arrays["pull"]) == len(features) == len(arrays["campaigns"]):
        raise ValueError("a lesson's arrays do not fit each other")
    return Lesson(
        Kernel(**{name: float(value) for name, value in state.plain["kernel"].items()}),
        Group(features, arrays["campaigns"]),
        arrays["pull"],
        arrays["rates"],
        float(state.plain["rate"]),
    )
