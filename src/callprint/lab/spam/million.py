"""Recall at a false-positive rate of 0.01 %: a million legitimate calls, judged as they would be live.

Six days of 200 thousand legitimate calls and 200 spam calls of four campaigns a day; the spammers take new
numbers every day. Users vote calls of the first day; the other five days are judged, each call with what
was known of its caller up to that call, and with the base rate that the first day shows. These are the sums of
`core/spam/own_detector.py`, over arrays; a test compares the two.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from callprint.core.ground.compiled import compiled
from callprint.core.spam import batch, prior_weights, scorecard
from callprint.core.spam.features import SETUP_COLUMNS, transform
from callprint.core.spam.histories import CallHistory
from callprint.core.spam.thresholds import Thresholds
from callprint.core.spam.vote_model import Group, Votes, choose_kernel, learn, sigmoid, vote_logits
from callprint.lab.spam.population import Legitimate, legitimate_calls, populate
from callprint.lab.spam.traces import Campaign, campaign_calls

DAY_NS = 86_400 * 1_000_000_000
FALSE_POSITIVE_RATE = 1e-4
VOTED, FALSE_VOTES = 0.01, 0.1  # share of the first day's calls that users vote, and of false votes
USERS = 500  # who give the votes, in turn
SEED = 100  # of the first of the report's repetitions
CHUNK = 20_000
CAMPAIGNS = {
    "many calls": Campaign(50, sources=1, gap_s=120),
    "rotating numbers": Campaign(50, sources=2, rotate_after=2, gap_s=240, talk_median_s=7, answered=0.4),
    "neighbour spoofing": Campaign(
        50, sources=2, rotate_after=1, gap_s=200, neighbour_digits=4, behind_trunk=True
    ),
    "human durations": Campaign(
        50,
        sources=4,
        gap_s=1_200,
        answered=0.66,
        unassigned=0.02,
        talk_median_s=65,
        talk_sigma=1.2,
        callee_hangs_up=0.5,
        caller_talks=0.5,
        signed=0.75,
        jitter_median_ms=3.0,
        behind_trunk=True,
    ),
}

Floats = NDArray[np.float64]


def recall_at_low_false_positives(
    days: int = 6, calls_a_day: int = 200_000, seed: int = SEED
) -> dict[str, Any]:
    """Return recall at `FALSE_POSITIVE_RATE` by method and campaign, and how many calls were judged."""
    calls, kind = _draw(days, calls_a_day, seed)
    vectors = CallHistory(capacity=1 << 19).replay(calls)
    first_day = calls["started_ns"] < calls["started_ns"].min() // DAY_NS * DAY_NS + DAY_NS
    spam = kind >= 0
    random = np.random.default_rng([seed, 3])
    voted = np.flatnonzero(first_day & (random.random(len(spam)) < VOTED))
    votes = spam[voted] ^ (random.random(len(voted)) < FALSE_VOTES)
    judged = ~first_day
    card = scorecard.load(prior_weights.WEIGHTS)
    result: dict[str, Any] = {
        "seed": seed,
        "legitimate": int((judged & ~spam).sum()),
        "spam": int((judged & spam).sum()),
        "votes": len(voted),
        "false_positive_rate": FALSE_POSITIVE_RATE,
        "rows": [],
        "actions": [],
    }
    transformed = transform(vectors)
    _, caller = np.unique(calls["caller"], return_inverse=True)
    for phase, at_end in (("set-up", False), ("end", True)):
        running = _running(card, transformed, caller, at_end)
        last = _last_of_each(caller, first_day)
        shift = batch.base_rate_shift(
            card.caller_logits(running[last, 0], running[last, 1]), card.spammer_rate
        )
        cold = card.prior_logits(running[:, 0], running[:, 1], shift)
        ranked = card.caller_logits(running[:, 0], running[:, 1])  # without the floor, so that none are alike
        result["rows"].append(_row("callprint, no feedback", phase, ranked[judged], kind[judged]))
        added = _taught(Group(running[:, 2:], calls["campaign"]), cold, caller, voted, votes)
        result["rows"].append(_row("callprint", phase, (cold + added)[judged], kind[judged]))
        for feedback, logits in ((False, cold), (True, cold + added)):
            result["actions"].append(_actions(phase, feedback, sigmoid(logits[judged]), spam[judged]))
        columns = list(range(transformed.shape[1])) if at_end else list(SETUP_COLUMNS)
        filled = card.standardise(transformed)[:, columns]
        for name, model in (
            ("random forest", RandomForestClassifier(100, min_samples_leaf=3, random_state=seed)),
            ("logistic regression", LogisticRegression(max_iter=500)),
        ):
            model.fit(filled[voted], votes)
            scores = np.concatenate([model.predict_proba(part)[:, 1] for part in _chunks(filled[judged])])
            result["rows"].append(_row(name, phase, scores, kind[judged]))
    return result


def _draw(days: int, calls_a_day: int, seed: int) -> tuple[Any, NDArray[np.int64]]:
    """Return calls in the order of time and the campaign of each, -1 for legitimate ones."""
    law = Legitimate(calls_a_day, persons=calls_a_day // 4, businesses=calls_a_day // 1_000)
    random = np.random.default_rng([seed, 2])
    people = populate(law, random)
    parts, kinds = [], []
    for day in range(days):
        drawn = [legitimate_calls(law, people, random)]
        drawn += [campaign_calls(n, plan, law, people, random) for n, plan in enumerate(CAMPAIGNS.values())]
        for number, calls in enumerate(drawn):
            for column in ("started_ns", "ended_ns"):
                calls[column] += day * DAY_NS
            calls["answered_ns"][calls["answered_ns"] > 0] += day * DAY_NS
            parts.append(calls)
            kinds.append(np.full(len(calls), number - 1))
    calls, kind = np.concatenate(parts), np.concatenate(kinds)
    order = np.argsort(calls["started_ns"], kind="stable")
    return calls[order], kind[order]


def _running(
    card: scorecard.Scorecard, transformed: Floats, caller: NDArray[np.int64], at_end: bool
) -> Floats:
    """Return, for each call, its caller's mean logit, calls and mean features so far, (n, 2 + d)."""
    now = card.logits(transformed, at_end)
    later = now if at_end else card.logits(transformed, at_end=True)
    running = np.empty((len(now), 2 + transformed.shape[1]))
    _accumulate(
        now,
        later,
        card.standardise(transformed),
        caller,
        np.zeros((caller.max() + 1, running.shape[1])),
        running,
    )
    return running


@compiled
def _accumulate(
    now: Floats, later: Floats, features: Floats, caller: NDArray[np.int64], state: Floats, running: Floats
) -> None:
    for call in range(now.size):
        own = state[caller[call]]
        count = own[1] + 1.0
        running[call, 0] = own[0] + (now[call] - own[0]) / count
        running[call, 1] = count
        own[0] += (later[call] - own[0]) / count
        own[1] = count
        for d in range(features.shape[1]):
            own[2 + d] += (features[call, d] - own[2 + d]) / count
            running[call, 2 + d] = own[2 + d]


def _last_of_each(caller: NDArray[np.int64], chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the place of the last chosen call of every caller that has one."""
    last = np.full(caller.max() + 1, -1)
    places = np.flatnonzero(chosen)
    last[caller[places]] = places
    return last[last >= 0]


def _taught(
    callers: Group,
    prior: Floats,
    caller: NDArray[np.int64],
    voted: NDArray[np.int64],
    votes: NDArray[np.bool_],
) -> Floats:
    """Return what feedback adds to the logit of each call, (n,)."""
    known, place = np.unique(caller[voted], return_inverse=True)
    rows = np.empty(len(known), np.int64)
    rows[place] = voted  # the last voted call of each caller says how it stands
    given = Votes(place, np.arange(len(voted)) % USERS, votes, np.ones(len(voted)))
    group = callers.take(rows)
    lesson = learn(group, prior[rows], given, choose_kernel(group, prior[rows], given, USERS), USERS)
    starts = range(0, len(prior), CHUNK)
    added = np.concatenate([lesson.shift(callers.take(slice(start, start + CHUNK))) for start in starts])
    own_votes = np.zeros(caller.max() + 1)
    own_votes[known] = vote_logits(given, lesson, len(known))
    return np.asarray(added + own_votes[caller])


def _actions(phase: str, feedback: bool, scores: Floats, spam: NDArray[np.bool_]) -> dict[str, Any]:
    """Return the shares of legitimate and of spam calls from each threshold of the live detector on."""
    limits = Thresholds()
    steps = {"watch": limits.watch, "challenge": limits.challenge, "block": limits.block}
    return {
        "phase": phase,
        "feedback": feedback,
        "legitimate": {name: float((scores[~spam] >= limit).mean()) for name, limit in steps.items()},
        "spam": {name: float((scores[spam] >= limit).mean()) for name, limit in steps.items()},
    }


def _row(method: str, phase: str, scores: Floats, kind: NDArray[np.int64]) -> dict[str, Any]:
    legitimate = np.sort(scores[kind < 0])[::-1]
    allowed = int(FALSE_POSITIVE_RATE * len(legitimate))
    found = scores > legitimate[allowed]
    by_campaign = {name: float(found[kind == n].mean()) for n, name in enumerate(CAMPAIGNS)}
    return {"method": method, "phase": phase, "recall": float(found[kind >= 0].mean()), **by_campaign}


def _chunks(values: Floats) -> list[Floats]:
    return [values[start : start + 10 * CHUNK] for start in range(0, len(values), 10 * CHUNK)]
