"""A bolt sends heartbeats during long work: logs are judged in slices, with a clock that the test sets."""

import threading
import time
from dataclasses import dataclass

import numpy as np
import pytest

from callprint.topology.pacing import PacedIdentifier, Pulse

SPANS = np.column_stack([np.arange(2000), np.arange(1, 2001)])  # logs of one byte
EVIDENCE = (np.arange(2000) % 251).astype(np.uint8)


@dataclass
class Answer:
    application: np.ndarray
    confidence: np.ndarray
    reason: np.ndarray
    engine: np.ndarray
    engine_confidence: np.ndarray


class Network:
    """Answers with the byte of each log; its clock advances by `seconds` for each log."""

    name, digest, applications, engines, minimum_k = "network 1", "a1" * 8, ("a",), ("b",), 2

    def __init__(self, seconds):
        self.seconds, self.now_s, self.runs = seconds, 0.0, []

    def identify(self, evidence, spans):
        self.now_s += self.seconds * len(spans)
        self.runs.append(len(spans))
        first = evidence[spans[:, 0]]
        number, share = first.astype(np.int16), first / np.float32(255)
        return Answer(number, share, (first & 1).astype(np.uint8), number, share)


@pytest.mark.parametrize("seconds", [0.0, 1e-4, 0.02, 0.7, 4.0])
def test_slices_take_about_a_second_and_give_what_one_run_gives(seconds):
    network, heartbeats = Network(seconds), []
    paced = PacedIdentifier(network, lambda: heartbeats.append(network.now_s), now_s=lambda: network.now_s)
    spans = SPANS if seconds < 1 else SPANS[:20]
    sliced, whole = paced.identify(EVIDENCE, spans), Network(0).identify(EVIDENCE, spans)
    for name in ("application", "confidence", "reason", "engine", "engine_confidence"):
        assert np.array_equal(getattr(sliced, name), getattr(whole, name))
    between = np.diff([0.0, *heartbeats, network.now_s])
    longest = max(16 * seconds, 1.0) + seconds  # the first slice runs before the speed is known
    assert between.max() <= longest
    assert all(run * seconds <= 1.0 or run == 1 for run in network.runs[1:])


def test_a_fast_network_is_soon_asked_about_everything_at_once():
    network = Network(1e-5)
    paced = PacedIdentifier(network, lambda: None, now_s=lambda: network.now_s)
    for _ in range(3):
        paced.identify(EVIDENCE, SPANS)
    assert network.runs[-1] == len(SPANS)
    assert (paced.name, paced.digest, paced.applications, paced.engines, paced.minimum_k) == (
        ("network 1", "a1" * 8, ("a",), ("b",), 2)
    )


def test_nothing_is_asked_about_nothing():
    paced = PacedIdentifier(Network(1.0), lambda: None)
    assert len(paced.identify(EVIDENCE, SPANS[:0]).application) == 0


def test_work_without_slices_has_a_pulse_but_not_for_ever():
    beats = threading.Semaphore(0)
    pulse = Pulse(beats.release, every_s=0.02, longest_s=0.3)
    assert not beats.acquire(timeout=0.1), "no work, no pulse"
    with pulse:
        assert beats.acquire(timeout=10)
        assert beats.acquire(timeout=10)
        time.sleep(0.5)
        while beats.acquire(blocking=False):
            pass
        assert not beats.acquire(timeout=0.1), "a bolt that hangs must be noticed"
    with pulse:
        assert beats.acquire(timeout=10), "the next work has a pulse again"
