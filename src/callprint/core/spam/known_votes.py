"""The votes that our detector has taken, bounded for each user and altogether (fair_votes.py).

A user has one vote for each caller (a later one replaces it) and at most `per_day` new ones a day.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np

from callprint.core.ground.snapshot import Snapshot
from callprint.core.spam.fair_votes import MOST_VOTES, VOTES_PER_DAY, BoundedVotes
from callprint.core.spam.known_callers import KnownCaller, callers_in, callers_snapshot

DAY_NS = 86_400 * 1_000_000_000
VOTE_LIFE_DAYS = 30.0

STORED_VOTES = "said"
"""Key of the votes in a snapshot, since 0.1.0."""


@dataclass(frozen=True, slots=True)
class KnownVote:
    """A user's vote on a caller."""

    caller: int
    user: str
    spam: bool
    given_at_ns: int
    voted_on: KnownCaller  # what was known of the caller then: it may be evicted before we learn

    def weight(self, now_ns: int) -> float:
        """Return what the vote still counts for: it fades by exp(-age / `VOTE_LIFE_DAYS`)."""
        return float(np.exp(-max(now_ns - self.given_at_ns, 0) / (VOTE_LIFE_DAYS * DAY_NS)))


class KnownVotes:
    """All votes that count, the one given longest ago first."""

    def __init__(self, per_day: int = VOTES_PER_DAY) -> None:
        """`per_day`: new votes of one user on one day that count."""
        self.per_day = per_day
        self.ignored = 0  # above the rate
        self._votes: BoundedVotes[KnownVote] = BoundedVotes()
        self._given: OrderedDict[str, tuple[int, int]] = OrderedDict()  # day and new votes of each user

    def add(self, vote: KnownVote) -> bool:
        """Take in a vote. Returns False when it is ignored: there are too many of this user that day."""
        known = (vote.user, vote.caller) in self._votes
        if not known and not self._count(vote.user, vote.given_at_ns // DAY_NS):
            self.ignored += 1
            return False
        self._votes.put(vote.user, vote.caller, vote)
        return True

    def remove(self, user: str, caller: int) -> None:
        """Forget a user's vote on a caller, because the user has taken it back."""
        self._votes.remove(user, caller)

    @property
    def dropped(self) -> int:
        """How many were pushed out by later ones."""
        return self._votes.dropped

    def all(self) -> list[KnownVote]:
        """Return every vote, the oldest first."""
        return self._votes.all()

    def on(self, caller: int) -> list[KnownVote]:
        """Return the votes on one caller; none when nobody knows who called (0)."""
        return list(self._votes.on(caller).values()) if caller else []

    def snapshot(self) -> Snapshot:
        """Return every vote, and what was known of whom it is about."""
        votes = self.all()
        voted_on = callers_snapshot((vote.caller for vote in votes), [vote.voted_on for vote in votes])
        own = {STORED_VOTES: [[vote.user, vote.spam, vote.given_at_ns] for vote in votes]}
        return Snapshot(voted_on.plain | own, voted_on.arrays)

    def given(self) -> list[Any]:
        """Return how many new votes each user has given on the last day of a vote, for `restore`."""
        return [[user, day, count] for user, (day, count) in self._given.items()]

    def restore(self, state: Snapshot, given: list[Any], ignored: int) -> None:
        """Go on from a `snapshot`. Raises KeyError, TypeError or ValueError when it does not fit."""
        votes = [
            KnownVote(caller, str(user), bool(spam), int(given_at_ns), voted_on)
            for (caller, voted_on), (user, spam, given_at_ns) in zip(
                callers_in(state), state.plain[STORED_VOTES], strict=True
            )
        ]
        self._given = OrderedDict((str(user), (int(day), int(count))) for user, day, count in given)
        self.ignored = ignored
        self._votes = BoundedVotes()
        for vote in votes:
            self._votes.put(vote.user, vote.caller, vote)

    def _count(self, user: str, day: int) -> bool:
        last_day, given = self._given.get(user, (day, 0))
        # Days only go on: whoever claims an earlier one does not begin anew.
        day, given = (day, 0) if day > last_day else (last_day, given)
        if given >= self.per_day:
            return False
        self._given[user] = (day, given + 1)
        self._given.move_to_end(user)
        if len(self._given) > MOST_VOTES:
            self._given.popitem(last=False)
        return True
