"""Brings what users say to a judge of calls: each vote once, and the allow-list as it stands."""

from collections.abc import Iterable, Sequence

from callprint.core.call import Vote
from callprint.core.spam.judging import CallJudge

VoteKey = tuple[str, str]
"""(user, caller): of each pair one vote counts."""


class UserVotes:
    """The votes that a judge's detector has taken in, and the judge's allow-list."""

    def __init__(self, judge: CallJudge) -> None:
        """Start without any vote."""
        self._judge = judge
        self.taken: dict[VoteKey, Vote] = {}

    def begin(self, votes: Iterable[Vote], allowed: Iterable[str]) -> None:
        """Take as known what the detector was taught, and whom it may not touch."""
        self.taken = {(vote.user, vote.caller): vote for vote in votes}
        self._judge.allowed = set(allowed)

    def new(self, votes: Iterable[Vote]) -> tuple[Vote, ...]:
        """Return those of the votes that were not taken in yet."""
        return tuple(vote for vote in votes if self.taken.get((vote.user, vote.caller)) != vote)

    def take(self, votes: Sequence[Vote], allowed: Iterable[str]) -> None:
        """Take in new votes, and the allow-list."""
        self._judge.allowed = set(allowed)
        self.taken |= {(vote.user, vote.caller): vote for vote in votes}
        if votes and self._judge.detector is not None:
            self._judge.detector.take_votes(votes, max(vote.given_at_ns for vote in votes))
