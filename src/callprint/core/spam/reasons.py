"""Reasons in words: what weighed most in a judgement, put as what was observed.

Values of the call itself are given as they are. The features of its caller and its campaign fade and are drawn to
neutral values, so counts of their last calls (sightings.py) are given instead.
"""

import math
from collections.abc import Callable, Iterable
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from callprint.core.spam.features import FEATURES, Feature
from callprint.core.spam.sightings import NOTHING_SEEN, Seen, SeenOfBoth

Floats = NDArray[np.float64]
OfCall = Callable[[float], str]
OfSeen = Callable[[Seen], str]

LEAST_POINTS = 0.3  # a feature that weighs less is not worth a clause
MOST_CLAUSES = 4
ENOUGH_FOR_PERCENT = 10  # of fewer calls the count itself is given


_NOTHING = "nothing unusual known about this caller"


def counted(number: int, what: str) -> str:
    """Return "1 call", "2 calls"."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _percent(value: float) -> str:
    return f"{100.0 * value:.0f} %"


def _seconds(value: float) -> str:
    for one, many, size in (
        ("day", "days", 86_400.0),
        ("hour", "hours", 3_600.0),
        ("minute", "minutes", 60.0),
    ):
        number = round(value / size)
        if number >= 2 or (number == 1 and value >= size):
            return f"{number} {one if number == 1 else many}"
    return counted(round(value), "second")


def _share(part: int, whole: int, what: str, of_which: str = "") -> str:
    """Return "90 % <what>", of few calls "2 of 3 <what>", of none ""."""
    if part == 0:
        return ""
    if part == whole and whole > 1:
        return f"all {whole} {of_which}{what}"
    if whole < ENOUGH_FOR_PERCENT:
        return f"{part} of {whole} {what}"
    return f"{_percent(part / whole)} {what}"


def _yes_no(yes: str, no: str) -> OfCall:
    return lambda value: yes if value >= 0.5 else no


_OF_CALL: dict[Feature, OfCall] = {
    Feature.RING: lambda v: f"rang for {_seconds(v)}",
    Feature.TALK: lambda v: f"talked for {_seconds(v)}",
    Feature.CALLER_MEDIA_SHARE: lambda v: f"the caller sent {_percent(v)} of the audio",
    Feature.CALLEE_PACKET_RATE: lambda v: f"the callee sent {v:.0f} packets/s",
    Feature.CALLER_PACKET_RATE: lambda v: f"the caller sent {v:.0f} packets/s",
    Feature.CALLER_JITTER: lambda v: f"jitter of the caller {v:.1f} ms",
    Feature.SINCE_LAST_CALL: lambda v: f"{_seconds(v)} since its last call",
    Feature.ANSWERED: _yes_no("answered", "not answered"),
    Feature.CALLER_HUNG_UP: _yes_no("the caller hung up", "the callee hung up"),
    Feature.CANCELLED: _yes_no("cancelled while ringing", ""),
    Feature.REFUSED: _yes_no("refused", ""),
    Feature.CALLED_BEFORE: _yes_no("called this number before", "never called this number before"),
    Feature.CALLEE_CALLED_CALLER: _yes_no(
        "the callee has called this caller itself", "the callee never called this caller"
    ),
    Feature.KNOWN_FOR: lambda v: "first call seen from it" if v == 0 else f"known for {_seconds(v)}",
    Feature.CALLEE_STEP: lambda v: f"dialled {counted(round(v), 'number')} away from the last one",
    Feature.SHARED_PREFIX: lambda v: f"caller and callee share {_percent(v)} of their digits",
    Feature.ATTESTATION: lambda v: f"caller attested with level {'CBA'[round(2 * min(max(v, 0.0), 1.0))]}",
    Feature.INCOMING_SHARE: _yes_no("it receives more calls than it makes", "it receives few calls"),
}
"""Facts about the call, or the two parties, as the feature has them."""
_TIES = (Feature.CALLED_BEFORE, Feature.CALLEE_CALLED_CALLER, Feature.INCOMING_SHARE)
"""Ties between people. Having them may only speak against spam, lacking them only for it: else a reason puzzles."""


def _how_often(seen: Seen) -> str:  # noqa: ARG001 - one of the functions of a table
    """Return nothing more: `_how_many` has it already."""
    return ""


_OF_CALLER: dict[Feature, OfSeen] = {
    Feature.CALL_FREQUENCY: _how_often,
    Feature.CALLS_PER_DAY: _how_often,
    Feature.NEW_CALLEE_RATIO: _how_often,
    Feature.ANSWER_RATIO: lambda s: _share(s.answered, s.over, "answered"),
    Feature.CANCELLED_RATIO: lambda s: _share(s.cancelled, s.over, "cancelled while ringing"),
    Feature.REFUSED_RATIO: lambda s: _share(s.refused, s.over, "refused"),
    Feature.SHORT_CALL_RATIO: lambda s: _share(s.short, s.answered, "under 6 s", "answered "),
    Feature.UNASSIGNED_RATIO: lambda s: _share(s.unassigned, s.over, "to numbers that do not exist"),
    Feature.CALLEE_HANGUP_RATIO: lambda s: _share(
        s.callee_hung_up, s.answered, "ended by the callee", "answered "
    ),
    Feature.MEAN_TALK: lambda s: (
        f"{_seconds(s.talk_s / s.answered)} of talk on average" if s.answered else ""
    ),
}
_OF_CAMPAIGN: dict[Feature, Feature] = {
    Feature.CAMPAIGN_FREQUENCY: Feature.CALL_FREQUENCY,
    Feature.CAMPAIGN_NEW_CALLER_RATIO: Feature.CALL_FREQUENCY,
    Feature.CAMPAIGN_NEW_CALLEE_RATIO: Feature.NEW_CALLEE_RATIO,
    Feature.CAMPAIGN_ANSWER_RATIO: Feature.ANSWER_RATIO,
    Feature.CAMPAIGN_SHORT_CALL_RATIO: Feature.SHORT_CALL_RATIO,
    Feature.CAMPAIGN_CALLEE_HANGUP_RATIO: Feature.CALLEE_HANGUP_RATIO,
    Feature.CAMPAIGN_UNASSIGNED_RATIO: Feature.UNASSIGNED_RATIO,
}


def in_words(
    raw: Floats,
    points: Floats,
    vote_logits: Floats,
    votes: Iterable[tuple[int, int]] = repeat((0, 0)),
    seen: Iterable[SeenOfBoth] = repeat((NOTHING_SEEN, NOTHING_SEEN)),
) -> list[str]:
    """Return the reasons for judgements of n calls.

    `raw`, `points` (n, FEATURE_COUNT): raw vectors and the scorecard's points for them. `vote_logits` (n,): what votes
    add to the logit, those on this caller and those on callers like it. `votes`: how many there are on this caller
    itself, spam and not spam. `seen`: what was seen lately. All clauses speak for the side that the sum is on, the
    weightiest first.
    """
    sides = np.where(points.sum(1) + vote_logits >= 0.0, 1.0, -1.0)
    weights = sides[:, None] * points
    rows = zip(
        *(raw.tolist(), weights.tolist(), np.argsort(-weights).tolist(), (sides > 0.0).tolist()),
        *(vote_logits.tolist(), votes, seen),
        strict=False,
    )
    return [
        "; ".join(_of_users(against, vote_logit, *counts) + _clauses(values, weighs, order, against, *both))
        or _NOTHING
        for values, weighs, order, against, vote_logit, counts, both in rows
    ]


def _of_users(against: bool, vote_logit: float, spam_votes: int, other_votes: int) -> list[str]:
    """Return what users say, as a clause or none."""
    if spam_votes or other_votes:
        return [f"users marked this caller: {spam_votes} spam, {other_votes} not spam"]
    if (vote_logit if against else -vote_logit) > 1.0:
        return [f"users marked similar callers as {'spam' if against else 'not spam'}"]
    return []


def _clauses(
    value_of: list[float],
    weight_of: list[float],
    order: list[int],
    against: bool,
    caller: Seen,
    campaign: Seen,
) -> list[str]:
    """Return what speaks for a judgement, the weightiest first; against: it speaks against the caller."""
    of_caller: list[str] = []
    of_campaign: list[str] = []
    clauses: list[list[str]] = []  # by weight; what is about the same calls stands together
    count = 0
    for column in order:
        feature, value = FEATURES[column], value_of[column]
        if weight_of[column] < LEAST_POINTS or count == MOST_CLAUSES:
            break
        if math.isnan(value):
            continue
        if campaign.callers == 1 and caller.calls:
            # The origin shows one number only: what is true of the campaign is true of the caller.
            feature = _OF_CAMPAIGN.get(feature, feature)
        if feature in _OF_CALL:
            puzzling = feature in _TIES and (value >= 0.5) == against
            denied = _denied(feature, value, caller)
            text = "" if puzzling or denied else _OF_CALL[feature](value)
            clauses += [[text]] if text else []
        elif feature in _OF_CALLER and caller.calls > 1:
            text = _add(of_caller, clauses, _how_many(caller, ""), _OF_CALLER[feature](caller))
        elif feature in _OF_CAMPAIGN and campaign.calls > 1:
            words = _OF_CALLER[_OF_CAMPAIGN[feature]](campaign)
            text = _add(of_campaign, clauses, _how_many(campaign, " of the same origin"), words)
        else:
            text = ""
        count += bool(text)
    return [", ".join(clause) for clause in clauses]


def _denied(feature: Feature, value: float, caller: Seen) -> bool:
    """Return whether counts of the caller's last calls deny what a feature says.

    The histories forget other callers than the sightings do, and of calls that begin at the same moment each is the
    first for them.
    """
    if caller.calls < 2:
        return False
    if feature is Feature.CALLED_BEFORE:
        return value < 0.5 and caller.callees == 1
    differs = _seconds(value) != _seconds(max(caller.span_s, 1.0))  # in words
    if feature is Feature.KNOWN_FOR:
        return value == 0.0 or (value < caller.span_s and differs)
    return feature is Feature.SINCE_LAST_CALL and value > caller.span_s and differs


def _add(group: list[str], clauses: list[list[str]], opening: str, words: str) -> str:
    """Put words into a group that begins with `opening`; return what is new in it."""
    if not group:
        group.append(opening)
        clauses.append(group)
        new = opening
    else:
        new = ""
    if words and words not in group:
        group.append(words)
        new = words
    return new


def _how_many(seen: Seen, of_what: str) -> str:
    """Return "41 calls in 10 minutes to 41 different numbers"."""
    text = f"{counted(seen.calls, 'call')}{of_what} in {_seconds(max(seen.span_s, 1.0))}"
    if of_what and seen.callers > 1:
        text += f" from {seen.callers} different numbers"
    if seen.callees > 1:
        text += f" to {seen.callees} different numbers"
    elif seen.callees == 1:
        text += " to one number"
    return text
