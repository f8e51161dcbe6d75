"""What votes on a caller changed: the score of the call that was voted on, and the next judgement that knew of votes.

A row holds a digest of the votes and the allow-list that its detector had taken in: a row of the same caller with
another digest than the row that was voted on was judged with other votes.
"""

from typing import NamedTuple

from callprint.core.call import WITHDRAWN, CallRecord, Phase, Vote, voted_caller
from callprint.stores import CallQuery, VerdictStore

MOST_VOTES = 10  # shown of a caller, the latest
CALLS_LOOKED_AT = 50


class Effect(NamedTuple):
    """A vote, and what came of it as far as the store knows."""

    vote: Vote
    voted: CallRecord | None  # the call that was voted on, as it was judged first
    judged: CallRecord | None  # the first judgement of the caller with other votes taken in


def effects(store: VerdictStore, caller: str) -> list[Effect]:
    """Return what the votes on a caller changed, the latest vote first; those taken back are the last."""
    votes = sorted(store.votes(caller), key=lambda vote: (vote.kind == WITHDRAWN, -vote.given_at_ns))
    if not votes:
        return []
    query = CallQuery(number=caller, last_only=False, limit=CALLS_LOOKED_AT)
    later = [call for call in store.calls(query) if voted_caller(call) == caller and call.phase is Phase.END]
    return [_effect(store, vote, later) for vote in votes[:MOST_VOTES]]


def _effect(store: VerdictStore, vote: Vote, calls: list[CallRecord]) -> Effect:
    query = CallQuery(call_id=vote.call_id, last_only=False, limit=CALLS_LOOKED_AT)
    rows = [row for row in store.calls(query) if row.from_tag == vote.from_tag and row.phase is Phase.END]
    if not rows:
        return Effect(vote, None, None)
    first = rows[-1]  # of one call the row that was stored last comes first
    others = (
        call
        for call in (*rows[-2::-1], *reversed(calls))
        if call.detector_state not in (None, first.detector_state) and call.started_ns >= first.started_ns
    )
    return Effect(vote, first, next(others, None))
