"""One cell of the experiments: a trace, a method, a share of voted calls and a share of false votes; its result."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from callprint.lab.spam.baselines import Method
from callprint.lab.spam.traces import Trace, named_trace


@dataclass(frozen=True, slots=True)
class Cell:
    """What one result is about."""

    trace: str
    method: str
    ratio: float  # share of calls with feedback
    noise: float  # share of it that is false
    seed: int


def draw_votes(spam: NDArray[np.bool_], ratio: float, noise: float, seed: int) -> NDArray[np.int64]:
    """Draw users' votes (n,): `ratio` of all calls are voted, `noise` of the votes are the wrong way round.

    Exact shares, as the paper's "a fraction c of the user feedback is false"; the same seed votes the same
    calls for every method.
    """
    random = np.random.default_rng([seed, 1_000_003])
    voted = random.permutation(len(spam))[: round(ratio * len(spam))]
    false = random.permutation(voted)[: round(noise * len(voted))]
    votes = np.full(len(spam), -1, dtype=np.int64)
    votes[voted] = spam[voted]
    votes[false] = ~spam[false]
    return votes


@lru_cache(maxsize=8)
def drawn_trace(name: str, seed: int) -> Trace:
    """Return a named trace, drawn once for many cells."""
    return named_trace(name, seed)


def rates(predicted: NDArray[np.bool_], spam: NDArray[np.bool_]) -> dict[str, float]:
    """Return true-positive rate, false-positive rate and F-measure."""
    hits = float((predicted & spam).sum())
    return {
        "tp": hits / max(float(spam.sum()), 1.0),
        "fp": float((predicted & ~spam).sum()) / max(float((~spam).sum()), 1.0),
        "f": 2.0 * hits / max(float(predicted.sum() + spam.sum()), 1.0),
    }


def compute(cell: Cell, methods: Mapping[str, Method]) -> dict[str, Any]:
    """Compute one cell: rates over all calls and over the calls that nobody voted."""
    trace = drawn_trace(cell.trace, cell.seed)
    votes = draw_votes(trace.spam, cell.ratio, cell.noise, cell.seed)
    start = perf_counter()
    predicted = methods[cell.method](trace, votes, cell.seed)
    seconds = perf_counter() - start
    open_calls = votes < 0
    without_vote = rates(predicted[open_calls], trace.spam[open_calls])
    return asdict(cell) | {
        "all": rates(predicted, trace.spam),
        "without_vote": without_vote,
        "seconds": seconds,
    }
