"""The votes that our detector has taken, bounded for each user and altogether.

A user has one vote for each caller (a later one replaces it) and at most `VOTES_PER_DAY` new ones a day.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np

from callprint.core.ground.snapshot import Snapshot
from callprint.core.spam.known_callers import KnownCaller, callers_in, callers_snapshot

DAY_NS = 86_400 * 1_000_000_000
VOTES_PER_DAY = 50  # of one user: more tells more about the user than about callers
VOTE_LIFE_DAYS = 30.0
MOST_VOTES = 20_000

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

    def __init__(self) -> None:
        self.ignored = 0
        self._votes: OrderedDict[tuple[str, int], KnownVote] = OrderedDict()
        self._by_caller: dict[int, dict[str, KnownVote]] = {}
        self._given: OrderedDict[str, tuple[int, int]] = OrderedDict()  # day and new votes of each user

    def add(self, vote: KnownVote) -> bool:
        """Take in a vote. Returns False when it is ignored: there are too many of this user that day."""
        key = (vote.user, vote.caller)
        if key not in self._votes and not self._count(vote.user, vote.given_at_ns // DAY_NS):
            self.ignored += 1
            return False
        self._votes.pop(key, None)
        self._votes[key] = vote
        self._by_caller.setdefault(vote.caller, {})[vote.user] = vote
        while len(self._votes) > MOST_VOTES:
            _, oldest = self._votes.popitem(last=False)
            del self._by_caller[oldest.caller][oldest.user]
        return True

    def all(self) -> list[KnownVote]:
        """Return every vote, the oldest first."""
        return list(self._votes.values())

    def on(self, caller: int) -> list[KnownVote]:
        """Return the votes on one caller; none when nobody knows who called (0)."""
        return list(self._by_caller.get(caller, {}).values()) if caller else []

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
        self._votes = OrderedDict(((vote.user, vote.caller), vote) for vote in votes)
        self._by_caller = {}
        for vote in self._votes.values():
            self._by_caller.setdefault(vote.caller, {})[vote.user] = vote

    def _count(self, user: str, day: int) -> bool:
        last_day, given = self._given.get(user, (day, 0))
        given = given if last_day == day else 0
        if given >= VOTES_PER_DAY:
            return False
        self._given[user] = (day, given + 1)
        self._given.move_to_end(user)
        if len(self._given) > MOST_VOTES:
            self._given.popitem(last=False)
        return True
