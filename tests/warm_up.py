"""Compile what tests use beyond `callprint warm-up`, so that the workers of the first run do not all wait for it."""

import numpy as np
from evidence_logs import pack, steady_flow

from callprint.core.calls.facts import CALL
from callprint.core.spam.clustering import Settings, fit
from callprint.core.spam.histories import CallHistory
from callprint.training.windows import cut_windows


def main() -> None:
    """Run each once, on next to nothing."""
    vectors = np.random.default_rng(1).normal(size=(20, 4))
    marks = np.arange(20) % 3 - 1
    for settings in (Settings(), Settings(exact_farthest=True, pre_metrics=False)):
        fitted = fit(vectors, marks, settings=settings)
        fitted.assign(vectors)
        fitted.distances(vectors)
    CallHistory(capacity=16).replay(np.zeros(1, CALL))
    buffer, spans = pack([steady_flow(20)])
    nothing, one = np.zeros(1, np.int64), np.ones(1, np.bool_)
    cut_windows(buffer, spans, nothing, nothing, nothing + 10, tail=one, lead=one, augment=one, seed=1)


if __name__ == "__main__":
    main()
