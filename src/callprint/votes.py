"""Brings votes, with the calls that they are about, and the allow-list from a store to a judge of calls."""

import math
import time
from collections.abc import Iterable, Sequence

from callprint.core.call import CallRecord, Phase, Vote, voted_caller
from callprint.core.spam.fair_votes import fairly
from callprint.core.spam.interface import SpamDetector
from callprint.core.spam.judging import CallJudge
from callprint.core.spam.user_votes import UserVotes
from callprint.stores import CallQuery, VerdictStore

MOST_VOTES = 5_000
"""The latest votes of each user are used, at most so many altogether; each costs a query at the start."""
CALLS_OF_A_CALLER = 200
"""Calls from which the detector gets to know a caller that was voted on; more tell it nothing new."""


def teach(detector: SpamDetector, store: VerdictStore, longest_s: float = math.inf) -> int:
    """Teach `detector` the votes in the store, and return how many there are.

    After `longest_s` no more calls are looked up; votes on callers whose calls were not looked up still count.

    Packet time is not known yet when a capture begins, so a vote's age is measured from the latest one: the same
    store teaches the same, whenever it is read. Raises StoreError when the store does not answer.
    """
    votes = fairly(store.votes(), MOST_VOTES)
    if votes:
        calls = sorted(
            _calls_of(store, votes, time.monotonic() + longest_s),
            key=lambda call: (call.judged_at_ns, call.call_id, call.from_tag),
        )
        detector.teach(calls, votes, votes[-1].given_at_ns)
    return len(votes)


def _calls_of(store: VerdictStore, votes: Sequence[Vote], deadline_s: float) -> Iterable[CallRecord]:
    for caller, vote in {vote.caller: vote for vote in reversed(votes)}.items():  # the latest first
        if time.monotonic() > deadline_s:
            return
        query = (
            CallQuery(call_id=caller)
            if caller == vote.call_id  # nobody knows who called: the vote is about this call alone
            else CallQuery(number=caller, limit=CALLS_OF_A_CALLER)
        )
        for call in store.calls(query):
            if call.phase is Phase.END and voted_caller(call) == caller:
                yield call


class VoteListener:
    """Keeps a judge with a detector up to date with its store while a live run goes on."""

    def __init__(self, store: VerdictStore, judge: CallJudge, detector: SpamDetector) -> None:
        """Teach the judge's detector what the store holds. Raises StoreError when it does not answer."""
        self._store = store
        self._user_votes = UserVotes(judge)
        self._user_votes.begin(store.votes(), self._allowed())
        teach(detector, store)

    def listen(self) -> int:
        """Take in the votes that are new, read the allow-list again; return how many votes were new.

        Of a caller that has not called in this run the detector knows nothing but the vote until the next start.
        """
        new = self._user_votes.new(self._store.votes())
        self._user_votes.take(new, self._allowed())
        return len(new)

    def _allowed(self) -> set[str]:
        return {entry.caller for entry in self._store.allowed()}
