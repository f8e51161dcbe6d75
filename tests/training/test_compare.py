"""Which of two networks is better: a sure name that is wrong costs nine that are right."""

import numpy as np
import pytest

from callprint.training.compare import EXEMPLARS, Answers, Compared


def answers(right: int, unknown: int, wrong: int, threshold: float = 0.9) -> Answers:
    """Return the answers to so many flows: surely right, unknown, surely wrong."""
    is_right = np.repeat([True, False, False], (right, unknown, wrong))
    return Answers(is_right, np.repeat([True, False, True], (right, unknown, wrong)), threshold)


def test_the_threshold_says_what_a_wrong_name_costs():
    assert answers(9, 0, 1).worth == pytest.approx(0)
    assert answers(5, 5, 0).worth == pytest.approx(0.5)
    assert answers(5, 0, 5, threshold=0.5).worth == pytest.approx(0)


def test_a_network_that_names_more_but_wrongly_is_worse():
    assert Compared("held out", "horizon", answers(50, 50, 0), answers(58, 41, 1)).is_worse
    assert not Compared("held out", "horizon", answers(50, 50, 0), answers(60, 39, 1)).is_worse


def test_a_little_may_be_forgotten_of_what_was_trained_on():
    before, after = answers(99, 1, 0), answers(98, 2, 0)
    assert Compared("held out", "horizon", before, after).is_worse
    assert not Compared(EXEMPLARS, "windows", before, after).is_worse
    assert Compared(EXEMPLARS, "windows", before, answers(95, 5, 0)).is_worse
