"""Our detector, with and without its parts, as a method of the report; and all methods by name.

Beside the calls and the votes it sees who called and from which campaign. Of the others only the two
caller-mean baselines are told who called, and none the campaign.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from callprint.core.spam import batch, prior_weights, scorecard
from callprint.lab.spam.baselines import BASELINES, PAPER_METHODS, Method, Spam, Votes
from callprint.lab.spam.traces import Trace

USERS = 50  # who give the votes, in turn


def detector_scores(trace: Trace, votes: Votes) -> NDArray[np.float64]:
    """Return our detector's probability of spam of each call (n,)."""
    keys = (trace.calls["caller"], trace.calls["campaign"])
    return batch.judge(_card(), trace.vectors, *keys, votes, _users(votes))[0]


def _detector(trace: Trace, votes: Votes, _seed: int) -> Spam:
    return batch.decide(detector_scores(trace, votes))


def _without_prior(trace: Trace, votes: Votes, _seed: int) -> Spam:
    """Return our detector with the scorecard's points all 0: what is owed to prior knowledge."""
    weights = dict(prior_weights.WEIGHTS)
    for key in ("setup_points", "end_points"):
        weights[key] = [[0.0] * len(row) for row in weights[key]]
    weights["setup_intercept"] = weights["end_intercept"] = 0.0
    weights["caller_weights"] = [-2.0, 0.0, 0.0, 0.0]
    keys = (trace.calls["caller"], trace.calls["campaign"])
    return batch.decide(batch.judge(scorecard.load(weights), trace.vectors, *keys, votes, _users(votes))[0])


def _without_keys(trace: Trace, votes: Votes, _seed: int) -> Spam:
    """Return our detector when it is not told who called: what is owed to caller and campaign keys."""
    none = np.zeros(len(votes), np.uint64)
    return batch.decide(batch.judge(_card(), trace.vectors, none, none, votes, _users(votes))[0])


def _users(votes: Votes) -> NDArray[np.int64]:
    return np.arange(len(votes)) % USERS


def _card() -> Any:
    return scorecard.load(prior_weights.WEIGHTS)


DETECTOR = "callprint"
OURS: dict[str, Method] = {
    DETECTOR: _detector,
    "callprint without prior": _without_prior,
    "callprint without keys": _without_keys,
}
METHODS: dict[str, Method] = {**PAPER_METHODS, **BASELINES, **OURS}

__all__ = ["BASELINES", "DETECTOR", "METHODS", "OURS", "PAPER_METHODS"]
