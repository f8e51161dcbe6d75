"""Our detector, with and without its parts, as a method of the report; and all methods by name.

Besides the calls and the votes it sees who called and from which campaign. Of the others only the two
caller-mean baselines know who called, and none knows the campaign.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from callprint.core.spam import batch, prior_weights, scorecard
from callprint.lab.spam.baselines import BASELINES, PAPER_METHODS, Method, Spam, Votes
from callprint.lab.spam.traces import Trace

USERS = 50  # who vote in turn


def detector_scores(trace: Trace, votes: Votes) -> NDArray[np.float64]:
    """Return our detector's probability of spam of each call (n,)."""
    keys = (trace.calls["caller"], trace.calls["campaign"])
    return batch.judge(_card(), trace.vectors, *keys, votes, _users(votes))[0]


def _detector(trace: Trace, votes: Votes, _seed: int) -> Spam:
    return batch.decide(detector_scores(trace, votes))


def _without_prior(trace: Trace, votes: Votes, _seed: int) -> Spam:
    """Judge with a scorecard without points: shows what is owed to prior knowledge."""
    weights: dict[str, Any] = prior_weights.WEIGHTS | {
        "setup_intercept": 0.0,
        "end_intercept": 0.0,
        "caller_weights": [-2.0, 0.0, 0.0, 0.0],
        "features": {
            name: {key: row[key] for key in ("edges", "offset", "scale")}
            for name, row in prior_weights.WEIGHTS["features"].items()
        },
    }
    keys = (trace.calls["caller"], trace.calls["campaign"])
    return batch.decide(batch.judge(scorecard.load(weights), trace.vectors, *keys, votes, _users(votes))[0])


def _without_keys(trace: Trace, votes: Votes, _seed: int) -> Spam:
    """Judge without knowing who called: shows what is owed to the keys of callers and campaigns."""
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
