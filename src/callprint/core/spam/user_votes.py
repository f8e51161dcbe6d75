"""Brings what users say to a judge of calls: each vote once, and the allow-list as it stands."""

from collections.abc import Iterable, Sequence

from callprint.core.call import Vote
from callprint.core.ground.keys import stable_key
from callprint.core.spam.fair_votes import fairly
from callprint.core.spam.judging import CallJudge

VoteKey = tuple[str, str]
"""(user, caller): of each pair one vote counts."""


class UserVotes:
    """The votes that a judge's detector has taken in, and the judge's allow-list.

    The judge is told the state that its detector has come to by them: a digest, the same for the same votes and the
    same allow-list in whatever order they came.
    """

    def __init__(self, judge: CallJudge) -> None:
        """Start without any vote."""
        self._judge = judge
        self.taken: dict[VoteKey, Vote] = {}
        self._sum = 0  # of the keys of all votes taken
        self.begin((), ())

    def begin(self, votes: Iterable[Vote], allowed: Iterable[str]) -> None:
        """Take as known what the detector was taught, and whom it may not touch."""
        self.taken, self._sum = {}, 0
        self._note(fairly(votes))
        self.allow(allowed)

    def new(self, votes: Iterable[Vote]) -> tuple[Vote, ...]:
        """Return those of the votes, as many as count at all, that were not taken in yet, and those that end others."""
        given = list(votes)
        new = [vote for vote in fairly(given) if self.taken.get((vote.user, vote.caller)) != vote]
        ended = [vote for vote in given if vote.kind is not None and (vote.user, vote.caller) in self.taken]
        return (*new, *ended)

    def take(self, votes: Sequence[Vote], allowed: Iterable[str]) -> None:
        """Take in new votes, and the allow-list."""
        self._note(votes)
        self.allow(allowed)
        if votes and self._judge.detector is not None:
            self._judge.detector.take_votes(votes, max(vote.given_at_ns for vote in votes))

    def allow(self, allowed: Iterable[str]) -> None:
        """Take in the allow-list."""
        self._judge.allowed = set(allowed)
        state = stable_key(str(self._sum), *sorted(self._judge.allowed))
        self._judge.detector_state = f"{state:016x}" if self.taken or self._judge.allowed else None

    def _note(self, votes: Iterable[Vote]) -> None:
        for vote in votes:
            key = vote.user, vote.caller
            before = self.taken.pop(key, None)
            self._sum -= 0 if before is None else _key(before)
            if vote.kind is None:
                self._sum += _key(vote)
                self.taken[key] = vote


def _key(vote: Vote) -> int:
    return stable_key(
        vote.user, vote.caller, vote.call_id, vote.from_tag, str(vote.given_at_ns), str(vote.spam)
    )
