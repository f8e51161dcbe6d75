"""A network that fails at run time costs the flows that it fails on, and nothing else."""

import logging

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from length_identifier import ByLength

from callprint.core.flow.layout import NO_APPLICATION
from callprint.core.ground.errors import ModelError
from callprint.core.identify.decision import LOW_CONFIDENCE
from callprint.topology.steady_identifier import MOST_FAILURES, SteadyIdentifier

LOG_BYTES = 4000
BAD = 255  # a log that begins with it brings the network down


class Picky(ByLength):
    """Fails on some logs, and so on everything that is asked together with one of them."""

    def __init__(self):
        self.runs = 0

    def identify(self, evidence, spans):
        self.runs += 1
        if (evidence[spans[:, 0]] == BAD).any():
            raise ModelError("picky.onnx cannot run")
        return super().identify(evidence, spans)


def logs(count, bad):
    evidence = np.arange(count * LOG_BYTES, dtype=np.int64).astype(np.uint8) % BAD
    begins = np.arange(count, dtype=np.int64) * LOG_BYTES
    evidence[begins[sorted(bad)]] = BAD
    return evidence, np.column_stack([begins, begins + LOG_BYTES])


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 300).flatmap(
        lambda n: st.tuples(st.just(n), st.sets(st.integers(0, max(n - 1, 0)), max_size=3 if n else 0))
    )
)
def test_logs_beside_those_at_fault_are_judged_as_ever(case):
    count, bad = case
    evidence, spans = logs(count, bad)
    steady = SteadyIdentifier(Picky())
    found, right = steady.identify(evidence, spans), ByLength().identify(evidence, spans)
    good = np.setdiff1d(np.arange(count), sorted(bad))
    for name in ("application", "confidence", "reason"):
        assert np.array_equal(getattr(found, name)[good], getattr(right, name)[good])
        assert getattr(found, name).dtype == getattr(right, name).dtype
    assert (found.application[sorted(bad)] == NO_APPLICATION).all()
    assert (found.confidence[sorted(bad)] == 0).all()
    assert (found.reason[sorted(bad)] == LOW_CONFIDENCE).all()
    assert steady.failed == len(bad)


def test_a_network_that_always_fails_is_soon_given_up_and_says_so_once(caplog):
    network = Picky()
    steady = SteadyIdentifier(network)
    evidence, spans = logs(5000, range(5000))
    with caplog.at_level(logging.ERROR):
        for call in range(1, 4):
            steady.identify(evidence, spans)
            assert network.runs <= call * 2 * MOST_FAILURES
    assert steady.failed == 3 * 5000
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) <= 15, "one for each doubling"
    assert all("by-length 1 failed: picky.onnx cannot run" in line for line in lines)
