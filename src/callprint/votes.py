"""Brings what users say from a store to the judge: votes, with the calls that they are about, and the allow-list."""

import math
import time
from collections.abc import Iterable, Sequence

from callprint.core.call import CallRecord, Phase, Vote, voted_caller
from callprint.core.spam.detectors import CallDetector
from callprint.core.spam.judging import CallJudge
from callprint.stores import CallQuery, VerdictStore

MOST_VOTES = 5_000
"""Votes that are used, the latest; each costs a query at the start."""
CALLS_OF_A_CALLER = 200
"""Calls by which the detector gets to know a caller that was voted on; more tell it nothing new."""


def teach(detector: CallDetector, store: VerdictStore, longest_s: float = math.inf) -> int:
    """Teach `detector` what users have said, and return how many votes it heard.

    After `longest_s` no more calls are looked at; votes on callers whose calls were not are heard all the same.

    Packet time is not known yet when a capture begins, so votes are as old as they are to the latest one: the
    same store teaches the same, whenever it is read. Raises StoreError when the store does not answer.
    """
    votes = sorted(store.votes(), key=lambda vote: vote.given_at_ns)[-MOST_VOTES:]
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
            if caller == vote.call_id  # nobody knows who called: the vote is about this call
            else CallQuery(number=caller, limit=CALLS_OF_A_CALLER)
        )
        for call in store.calls(query):
            if call.phase is Phase.END and voted_caller(call) == caller:
                yield call


class VoteListener:
    """Keeps a judge up to date with its store while a live run goes on."""

    def __init__(self, store: VerdictStore, judge: CallJudge, detector: CallDetector) -> None:
        """Teach the detector what the store holds. Raises StoreError when it does not answer."""
        self._store = store
        self._judge = judge
        self._detector = detector
        self._heard = {(vote.user, vote.caller): vote for vote in store.votes()}
        self._judge.allowed = {entry.caller for entry in store.allowed()}
        teach(detector, store)

    def listen(self) -> int:
        """Hear the votes that are new, read the allow-list again; return how many votes were new.

        A caller that was never seen in this run is an unknown one: only its name is marked until the next start.
        """
        self._judge.allowed = {entry.caller for entry in self._store.allowed()}
        votes = {(vote.user, vote.caller): vote for vote in self._store.votes()}
        fresh = [vote for key, vote in votes.items() if self._heard.get(key) != vote]
        if fresh:
            self._detector.hear(fresh, max(vote.given_at_ns for vote in fresh))
        self._heard = votes
        return len(fresh)
