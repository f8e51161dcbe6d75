"""The paper's algorithms live: silent before users vote, two phases, a window that forgets."""

import numpy as np
import pytest

from callprint.core.call import Action, Phase
from callprint.core.ground.errors import ConfigError
from callprint.core.ground.snapshot import Snapshot
from callprint.core.spam.detector_names import ALGORITHM_NAMES
from callprint.core.spam.features import NAMES, PAPER_SETUP_COLUMNS, Feature
from callprint.core.spam.paper_detector import ALGORITHMS, FEWEST_CALLS, PaperDetector
from callprint.lab.spam.traces import named_trace


@pytest.fixture(scope="module")
def trace():
    return named_trace("v4", 0)


def play(detector, trace, phase=Phase.END):
    return [
        detector.judge(c, v, phase, int(c["ended_ns"]))
        for c, v in zip(trace.calls, trace.vectors, strict=True)
    ]


def test_nothing_is_judged_before_there_are_calls_and_nothing_is_spam_before_votes(trace):
    judged = play(PaperDetector(), trace)
    assert all(j.score is None for j in judged[:FEWEST_CALLS])
    assert all(j.spam is False for j in judged[FEWEST_CALLS:])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_with_votes_spam_is_found_in_both_phases(algorithm, trace):
    detector = PaperDetector(algorithm, refit_every=600)
    for i in range(0, len(trace.spam), 10):
        detector.add_vote(int(trace.calls["caller"][i]), f"user {i}", bool(trace.spam[i]))
    play(detector, trace)
    detector.refit()
    late = slice(500, None)
    for phase in Phase:
        judged = play(detector, trace, phase)[late]
        flagged = np.array([j.spam for j in judged])
        assert flagged[trace.spam[late]].mean() > 0.6
        assert flagged[~trace.spam[late]].mean() < 0.3
        assert {j.action for j in judged} == {Action.ALLOW, Action.WATCH}
        assert "users marked" in judged[0].reason


def test_at_set_up_the_end_is_not_looked_at(trace):
    detector = PaperDetector()
    play(detector, trace)
    changed = trace.vectors[300].copy()
    hidden = [c for c in range(len(changed)) if c not in PAPER_SETUP_COLUMNS]
    changed[hidden] = 1.0
    one, other = (detector.judge(trace.calls[300], v, Phase.SETUP, 0) for v in (trace.vectors[300], changed))
    assert one == other


def test_unknown_algorithms_and_empty_windows_are_refused():
    with pytest.raises(ConfigError, match="empck"):
        PaperDetector("kmeans")
    with pytest.raises(ConfigError, match="window"):
        PaperDetector(window=3)


def test_the_names_in_the_configuration_are_those_of_the_algorithms():
    assert tuple(ALGORITHMS) == ALGORITHM_NAMES


def test_a_restored_window_judges_the_same(trace):
    detector = PaperDetector("empck-multi-class", refit_every=120)
    for i in range(0, 200, 10):
        detector.add_vote(int(trace.calls["caller"][i]), f"user {i}", bool(trace.spam[i]))
    half = len(trace.calls) // 2

    def judged(one, calls):
        return [one.judge(trace.calls[i], trace.vectors[i], phase, 0) for i in calls for phase in Phase]

    judged(detector, range(half))
    copy = PaperDetector("empck-multi-class", refit_every=120)
    copy.restore(Snapshot.unpack(detector.snapshot().pack()))
    assert judged(copy, range(half, 2 * half)) == judged(detector, range(half, 2 * half))
    with pytest.raises(ConfigError, match="not of mpck"):
        PaperDetector("mpck").restore(detector.snapshot())
    with pytest.raises(ConfigError, match="damaged"):
        copy.restore(Snapshot({"own": {"algorithm": "empck-multi-class"}}))


def test_a_snapshot_of_an_older_feature_table_is_read_by_name(trace):
    """Today's table has a feature that was not there then, and lacks one that was."""
    detector = PaperDetector(refit_every=120)
    play(detector, trace)
    now, new = detector.snapshot(), Feature.SINCE_LAST_CALL
    then = Snapshot.unpack(now.pack())

    def as_then(array):
        return np.hstack([np.delete(array, new, 1), np.ones((len(array), 1))])

    then.plain["own"]["features"] = [*NAMES[:new], *NAMES[new + 1 :], "dropped_since"]
    then.arrays["own.window"] = as_then(then.arrays["own.window"])
    end = then.plain["end"]
    end["features"] = [*end["features"][:new], *end["features"][new + 1 :], "dropped_since"]
    for name in ("centers", "metrics", "offset", "scale"):
        array = then.arrays[f"end.{name}"]
        then.arrays[f"end.{name}"] = as_then(np.atleast_2d(array)).reshape(array.shape)
    copy = PaperDetector(refit_every=120)
    copy.restore(then)
    found = copy.snapshot()
    assert np.isnan(found.arrays["own.window"][:, new]).all()
    known = [column for column in range(len(NAMES)) if column != new]
    np.testing.assert_array_equal(found.arrays["own.window"][:, known], now.arrays["own.window"][:, known])
    assert found.plain["end"]["features"] == [NAMES[column] for column in known[:15]]
    np.testing.assert_array_equal(found.arrays["end.centers"], np.delete(now.arrays["end.centers"], new, 1))
    judged = [detector.judge(trace.calls[9], trace.vectors[9], phase, 0) for phase in Phase]
    again = [copy.judge(trace.calls[9], trace.vectors[9], phase, 0) for phase in Phase]
    assert again[0] == judged[0], "the clusters of the set-up lost nothing"
    assert again[1].score is not None
