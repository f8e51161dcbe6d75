"""The clusterings against their mathematics: the objective pair by pair, its fall, and its constraints."""

from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np
import pytest

from callprint.core.ground.errors import ConfigError
from callprint.core.spam import compiled_clustering as compiled
from callprint.core.spam.clustering import Links, Settings, fit
from callprint.core.spam.farthest import box_squares, farthest_pair_squares
from callprint.core.spam.features import PAPER_SETUP_COLUMNS, transform
from callprint.core.spam.neighbourhoods import neighbourhoods
from callprint.lab.spam.cell import draw_votes
from callprint.lab.spam.traces import named_trace

MPCK = Settings(exact_farthest=True, pre_metrics=False)
EMPCK = Settings()
MULTI_CLASS = Settings(clusters=4, must_link_votes=False)


def two_kinds(seed, count=200, missing=0.15, voted=0.2, flipped=0.1):
    """Two overlapping Gaussian kinds of call, some values missing, some voted, some votes false."""
    random = np.random.default_rng(seed)
    kind = (random.random(count) < 0.3).astype(np.int64)
    vectors = random.normal(size=(count, 6)) * np.array([1, 5, 1, 0.2, 1, 1])
    vectors[kind == 1, :3] += [1.5, 8.0, 2.0]
    vectors[random.random(vectors.shape) < missing] = np.nan
    votes = np.where(random.random(count) < voted, kind, -1)
    false = (votes >= 0) & (random.random(count) < flipped)
    return vectors, kind, np.where(false, 1 - votes, votes)


def objective_by_pairs(values, known, votes, fitted, exact):
    """J as it is written in the paper: every pair of votes visited."""
    labels, centers, metrics = fitted.labels, fitted.centers, fitted.metrics
    both = lambda i, j: known[i] * known[j] * (values[i] - values[j]) ** 2  # noqa: E731
    far = []
    for metric in metrics:
        if exact:
            far.append(max(metric @ both(i, j) for i, j in combinations(range(len(values)), 2)))
        else:
            far.append(metric @ box_squares(values, known))
    total = 0.0
    for i, home in enumerate(labels):
        total += metrics[home] @ (known[i] * (values[i] - centers[home]) ** 2) - known[i] @ np.log(
            metrics[home]
        )
    voted = np.flatnonzero(votes >= 0)
    for i, j in combinations(voted, 2):
        a, b = labels[i], labels[j]
        if votes[i] == votes[j] and a != b:
            total += 0.5 * (metrics[a] + metrics[b]) @ both(i, j)
        elif votes[i] != votes[j] and a == b:
            total += far[a] - metrics[a] @ both(i, j)
    return total


@pytest.mark.parametrize("settings", [MPCK, EMPCK])
def test_objective_equals_the_sum_over_all_pairs(settings):
    vectors, _, votes = two_kinds(1, count=60)
    fitted = fit(vectors, votes, settings)
    scaled = (vectors - fitted.offset) / fitted.scale
    values, known = np.nan_to_num(scaled), (~np.isnan(scaled)).astype(float)
    expected = objective_by_pairs(values, known, votes, fitted, settings.exact_farthest)
    assert fitted.steps[-1].objective == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("settings", [MPCK, EMPCK, MULTI_CLASS])
@pytest.mark.parametrize("seed", range(6))
def test_objective_never_rises_where_nothing_is_forced(settings, seed):
    vectors, _, votes = two_kinds(seed, flipped=0.05 * seed)
    steps = fit(vectors, votes, settings, seed).steps
    assert len(steps) > 4
    for before, after in pairwise(steps):
        if not after.forced:
            assert after.objective <= before.objective + 1e-9 * abs(before.objective), after.kind
        assert after.kind == "metrics" or not after.forced


def test_votes_as_class_sums_equal_the_same_votes_as_explicit_pairs():
    vectors, _, votes = two_kinds(3, count=80)
    pairs = list(combinations(np.flatnonzero(votes >= 0), 2))
    links = Links(
        np.array([p for p in pairs if votes[p[0]] == votes[p[1]]]),
        np.array([p for p in pairs if votes[p[0]] != votes[p[1]]]),
    )
    by_sums = fit(vectors, votes, EMPCK, seed=5)
    by_pairs = fit(vectors, np.full(80, -1), EMPCK, seed=5, links=links)
    # Clusters are numbered by the neighbourhoods' order, which both ways of saying it may number differently.
    same = np.mean(by_sums.labels == by_pairs.labels)
    assert same in {0.0, 1.0}
    assert by_pairs.steps[-1].objective == pytest.approx(by_sums.steps[-1].objective, rel=1e-9)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_farthest_pair_is_the_farthest(missing):
    vectors, _, _ = two_kinds(4, count=90, missing=missing)
    values, known = np.nan_to_num(vectors), (~np.isnan(vectors)).astype(float)
    metric = np.array([1.0, 0.1, 2.0, 5.0, 0.3, 1.0])
    distances = [
        metric @ (known[i] * known[j] * (values[i] - values[j]) ** 2) for i, j in combinations(range(90), 2)
    ]
    found = metric @ farthest_pair_squares(values, known, metric)
    assert found == pytest.approx(max(distances))
    assert metric @ box_squares(values, known) >= found


def test_true_votes_make_the_clusters_match_the_kinds():
    vectors, kind, votes = two_kinds(5, count=400, missing=0.05, flipped=0.0)
    for settings in (MPCK, EMPCK):
        labels = fit(vectors, votes, settings).labels
        agreement = np.mean(labels == kind)
        assert max(agreement, 1 - agreement) > 0.9


def test_explicit_links_are_obeyed_where_they_cost_little():
    random = np.random.default_rng(6)
    vectors = random.normal(size=(40, 2))
    must, cannot = np.array([[0, 1], [1, 2]]), np.array([[0, 3], [2, 4]])
    labels = fit(vectors, np.full(40, -1), Settings(weight=50.0), links=Links(must, cannot)).labels
    assert labels[0] == labels[1] == labels[2]
    assert labels[3] != labels[0] != labels[4]


def test_must_links_close_transitively_and_join_votes():
    vectors = np.zeros((6, 1))
    votes = np.array([1, 1, -1, -1, -1, -1])
    links = Links(must=np.array([[1, 2], [3, 4]]))
    fitted = fit(vectors, votes, EMPCK, links=links)
    ends = np.array([1, 2, 3, 4])
    problem = compiled.Problem(
        vectors,
        np.ones((6, 1)),
        votes,
        1.0,
        1.0,
        np.searchsorted(ends, np.arange(7)),
        np.array([2, 1, 4, 3]),
        np.ones(4, np.int64),
        np.ones(4),
    )
    np.testing.assert_array_equal(neighbourhoods(problem), [0, 0, 0, 1, 1, -1])
    assert fitted.labels[0] == fitted.labels[2]


def test_the_same_seed_gives_the_same_clustering_and_a_wholly_missing_column_no_nan():
    vectors, _, votes = two_kinds(7)
    vectors[:, 2] = np.nan
    one, other = (fit(vectors, votes, MULTI_CLASS, seed=11) for _ in range(2))
    np.testing.assert_array_equal(one.labels, other.labels)
    assert np.all(np.isfinite(one.metrics))
    assert np.all(np.isfinite(one.distances(vectors)))


def test_bad_input_raises_the_documented_error():
    vectors, _, votes = two_kinds(8, count=20)
    with pytest.raises(ConfigError, match="votes"):
        fit(vectors, votes[:5], EMPCK)
    with pytest.raises(ConfigError, match="link names a call"):
        fit(vectors, votes, EMPCK, links=Links(must=np.array([[0, 99]])))
    with pytest.raises(ConfigError, match="clusters"):
        Settings(clusters=0)


def _never_rises_unless_forced(steps):
    for before, after in pairwise(steps):
        if not after.forced:
            assert after.objective <= before.objective + 1e-9 * abs(before.objective), after.kind
    assert all(step.kind == "metrics" for step in steps if step.forced)


@pytest.mark.parametrize("settings", [MPCK, EMPCK, MULTI_CLASS])
def test_a_constant_column_is_regularised_and_only_those_steps_may_raise_the_objective(settings):
    vectors, _, votes = two_kinds(9)
    vectors[:, 4] = 3.0
    fitted = fit(vectors, votes, settings)
    assert any(step.forced for step in fitted.steps), "a column without scatter must be regularised"
    assert np.all(np.isfinite(fitted.metrics))
    assert np.all(fitted.metrics > 0.0)
    _never_rises_unless_forced(fitted.steps)


@pytest.mark.parametrize("settings", [MPCK, EMPCK, MULTI_CLASS])
def test_violated_cannot_links_that_make_a_scatter_negative_are_projected(settings):
    """Votes that contradict what is near: links between far calls of one cluster weigh more than its scatter."""
    random = np.random.default_rng(10)
    vectors = random.normal(size=(120, 3))
    far = np.argsort(vectors[:, 0])
    cannot = np.array([[i, j] for i in far[:20] for j in far[-20:]])
    fitted = fit(
        vectors, np.full(120, -1), replace(settings, clusters=1, weight=5.0), links=Links(cannot=cannot)
    )
    metrics = [step for step in fitted.steps if step.kind == "metrics"]
    if settings.exact_farthest:
        assert any(step.forced for step in metrics), (
            "pairs farther apart in a dimension than the farthest pair is"
        )
    assert np.all(np.isfinite(fitted.metrics))
    assert np.all(fitted.metrics > 0.0)
    _never_rises_unless_forced(fitted.steps)


def test_the_columns_of_pmpck_fall_in_the_same_way():
    trace = named_trace("v6", 3)
    columns = transform(trace.vectors)[:300, list(PAPER_SETUP_COLUMNS)]
    for seed in range(3):
        votes = draw_votes(trace.spam[:300], 0.3, 0.1 * seed, seed)
        steps = fit(columns, votes, EMPCK, seed).steps
        assert len(steps) > 4
        _never_rises_unless_forced(steps)
