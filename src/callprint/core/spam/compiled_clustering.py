"""The compiled half of `clustering`: greedy assignment, metric scatter and the objective. Internal.

Votes of users form classes. All pairs inside a class must link, all pairs across classes cannot link; with
n votes that would be n^2/2 pairs. A sum of squared differences over a whole class needs only its count, sum
and sum of squares, so what is kept for each (cluster, class) is those three, per dimension because values
can be missing: `counts`, `sums`, `squares`, each (clusters, classes, d), and `sizes (clusters, classes)`.
Explicit pairs are few and are walked one by one: those of point i are `pair_other[p]`, `pair_kind[p]`
(1 must link, 0 cannot link) and `pair_weight[p]` for p in `pair_start[i] .. pair_start[i+1]`.

A missing value is marginalised: `known` (n, d) is 0 there, the value is 0, and the dimension counts neither
in a distance nor in the log-determinant of that point.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from callprint.core.ground.compiled import compiled_allocating

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Problem(NamedTuple):
    """What does not change while clustering."""

    values: Floats  # (n, d) standardised, 0 where missing
    known: Floats  # (n, d) 1 or 0
    votes: Integers  # (n,) class of the vote, -1: not voted
    must_weight: float  # weight of a must-link between two votes of one class
    cannot_weight: float  # weight of a cannot-link between two votes of different classes
    pair_start: Integers  # (n + 1,)
    pair_other: Integers
    pair_kind: Integers
    pair_weight: Floats


class ClassSums(NamedTuple):
    """Count, sum and sum of squares of the voted points of each (cluster, class)."""

    sizes: Floats  # (clusters, classes)
    counts: Floats  # (clusters, classes, d)
    sums: Floats  # (clusters, classes, d)
    squares: Floats  # (clusters, classes, d)


@compiled_allocating
def _move(problem: Problem, total: ClassSums, point: int, cluster: int, sign: float) -> None:
    vote = problem.votes[point]
    total.sizes[cluster, vote] += sign
    for d in range(problem.values.shape[1]):
        value = problem.values[point, d]
        total.counts[cluster, vote, d] += sign * problem.known[point, d]
        total.sums[cluster, vote, d] += sign * value
        total.squares[cluster, vote, d] += sign * value * value


@compiled_allocating
def class_sums(problem: Problem, labels: Integers, clusters: int, classes: int) -> ClassSums:
    """Sum up all voted points under the assignment `labels (n,)`."""
    dimensions = problem.values.shape[1]
    total = ClassSums(
        np.zeros((clusters, classes)),
        np.zeros((clusters, classes, dimensions)),
        np.zeros((clusters, classes, dimensions)),
        np.zeros((clusters, classes, dimensions)),
    )
    for point in range(labels.size):
        if problem.votes[point] >= 0:
            _move(problem, total, point, labels[point], 1.0)
    return total


@compiled_allocating
def _difference(problem: Problem, total: ClassSums, point: int, cluster: int, vote: int, d: int) -> float:
    """Sum over the voted points of (cluster, vote) of the squared difference to `point` in dimension d."""
    if problem.known[point, d] == 0.0:
        return 0.0
    value = problem.values[point, d]
    return float(
        total.counts[cluster, vote, d] * value * value
        - 2.0 * value * total.sums[cluster, vote, d]
        + total.squares[cluster, vote, d]
    )


@compiled_allocating
def _vote_cost(
    problem: Problem, total: ClassSums, metrics: Floats, farthest: Floats, point: int, cluster: int
) -> float:
    """Penalty of putting a voted point (not itself in `total`) into a cluster."""
    vote = problem.votes[point]
    clusters, classes = total.sizes.shape
    cost = 0.0
    if problem.must_weight > 0.0:
        for other in range(clusters):
            if other == cluster or total.sizes[other, vote] == 0.0:
                continue
            apart = 0.0
            for d in range(metrics.shape[1]):
                weight = metrics[cluster, d] + metrics[other, d]
                apart += weight * _difference(problem, total, point, other, vote, d)
            cost += 0.5 * problem.must_weight * apart
    for other in range(classes):
        if other == vote or total.sizes[cluster, other] == 0.0:
            continue
        apart = 0.0
        for d in range(metrics.shape[1]):
            apart += metrics[cluster, d] * _difference(problem, total, point, cluster, other, d)
        cost += problem.cannot_weight * (total.sizes[cluster, other] * farthest[cluster] - apart)
    return cost


@compiled_allocating
def _pair_distance(problem: Problem, metrics: Floats, cluster: int, one: int, other: int) -> float:
    distance = 0.0
    for d in range(metrics.shape[1]):
        if problem.known[one, d] != 0.0 and problem.known[other, d] != 0.0:
            apart = problem.values[one, d] - problem.values[other, d]
            distance += metrics[cluster, d] * apart * apart
    return distance


@compiled_allocating
def _pair_cost(
    problem: Problem, labels: Integers, metrics: Floats, farthest: Floats, point: int, cluster: int
) -> float:
    """Penalty of the explicit pairs of a point if it were in a cluster."""
    cost = 0.0
    for p in range(problem.pair_start[point], problem.pair_start[point + 1]):
        other = problem.pair_other[p]
        home = labels[other]
        if problem.pair_kind[p] == 1 and home != cluster:
            here = _pair_distance(problem, metrics, cluster, point, other)
            there = _pair_distance(problem, metrics, home, point, other)
            cost += problem.pair_weight[p] * 0.5 * (here + there)
        elif problem.pair_kind[p] == 0 and home == cluster:
            near = _pair_distance(problem, metrics, cluster, point, other)
            cost += problem.pair_weight[p] * (farthest[cluster] - near)
    return cost


@compiled_allocating
def own_cost(values: Floats, known: Floats, center: Floats, metric: Floats, log_metric: Floats) -> float:
    """||x - mu||^2 under A, minus log det A, over the known dimensions."""
    cost = 0.0
    for d in range(values.size):
        if known[d] != 0.0:
            apart = values[d] - center[d]
            cost += metric[d] * apart * apart - log_metric[d]
    return cost


@compiled_allocating
def assign(
    problem: Problem,
    labels: Integers,
    order: Integers,
    centers: Floats,
    metrics: Floats,
    farthest: Floats,
    total: ClassSums,
) -> int:
    """Put every point, in the given order, where it costs least; returns how many moved.

    `labels` and `total` change in place. A tie leaves a point where it is, so the loop around this ends.
    """
    clusters = centers.shape[0]
    log_metrics = np.log(metrics)
    moved = 0
    for point in order:
        home = labels[point]
        voted = problem.votes[point] >= 0
        paired = problem.pair_start[point] < problem.pair_start[point + 1]
        if voted:
            _move(problem, total, point, home, -1.0)
        best = home
        best_cost = np.inf
        for step in range(clusters):
            cluster = (home + step) % clusters  # its present home first: it wins a tie
            cost = own_cost(
                problem.values[point],
                problem.known[point],
                centers[cluster],
                metrics[cluster],
                log_metrics[cluster],
            )
            if voted:
                cost += _vote_cost(problem, total, metrics, farthest, point, cluster)
            if paired:
                cost += _pair_cost(problem, labels, metrics, farthest, point, cluster)
            if cost < best_cost:
                best = cluster
                best_cost = cost
        if voted:
            _move(problem, total, point, best, 1.0)
        if best != home:
            labels[point] = best
            moved += 1
    return moved


@compiled_allocating
def means(problem: Problem, labels: Integers, centers: Floats) -> None:
    """Move every centre to the mean of its known values; where there is none it stays."""
    total = np.zeros(centers.shape)
    counts = np.zeros(centers.shape)
    for point in range(labels.size):
        for d in range(centers.shape[1]):
            total[labels[point], d] += problem.values[point, d]
            counts[labels[point], d] += problem.known[point, d]
    for cluster in range(centers.shape[0]):
        for d in range(centers.shape[1]):
            if counts[cluster, d] > 0.0:
                centers[cluster, d] = total[cluster, d] / counts[cluster, d]


@compiled_allocating
def scatter(
    problem: Problem, labels: Integers, centers: Floats, total: ClassSums, far_squares: Floats
) -> tuple[Floats, Floats]:
    """Return (scatter, counts), both (clusters, d): counts / scatter are the metrics of least objective.

    `far_squares (clusters, d)`: squared difference of each cluster's farthest pair, per dimension.
    """
    clusters, dimensions = centers.shape
    classes = total.sizes.shape[1]
    spread = np.zeros((clusters, dimensions))
    counts = np.zeros((clusters, dimensions))
    for point in range(labels.size):
        home = labels[point]
        for d in range(dimensions):
            if problem.known[point, d] != 0.0:
                apart = problem.values[point, d] - centers[home, d]
                spread[home, d] += apart * apart
                counts[home, d] += 1.0
        for p in range(problem.pair_start[point], problem.pair_start[point + 1]):
            other = problem.pair_other[p]
            violated = (home != labels[other]) == (problem.pair_kind[p] == 1)
            if not violated or (problem.pair_kind[p] == 0 and other < point):
                continue  # every pair stands in the list of both its ends
            for d in range(dimensions):
                both = problem.known[point, d] * problem.known[other, d]
                square = both * (problem.values[point, d] - problem.values[other, d]) ** 2
                if problem.pair_kind[p] == 1:
                    spread[home, d] += 0.5 * problem.pair_weight[p] * square
                else:
                    spread[home, d] += problem.pair_weight[p] * (far_squares[home, d] - square)
    for cluster in range(clusters):
        for vote in range(classes):
            for d in range(dimensions):
                spread[cluster, d] += _class_scatter(problem, total, far_squares, cluster, vote, d)
    return spread, counts


@compiled_allocating
def _class_scatter(
    problem: Problem, total: ClassSums, far_squares: Floats, cluster: int, vote: int, d: int
) -> float:
    """What the violated links of the votes (cluster, vote) add to the scatter of the cluster."""
    clusters, classes = total.sizes.shape
    added = 0.0
    for other in range(clusters):
        if other != cluster:
            added += 0.5 * problem.must_weight * _between(total, cluster, vote, other, vote, d)
    for other in range(vote + 1, classes):
        far = total.sizes[cluster, vote] * total.sizes[cluster, other] * far_squares[cluster, d]
        added += problem.cannot_weight * (far - _between(total, cluster, vote, cluster, other, d))
    return added


@compiled_allocating
def _between(total: ClassSums, cluster: int, vote: int, other: int, other_vote: int, d: int) -> float:
    """Sum over all pairs of two (cluster, class) cells of the squared difference in dimension d."""
    return float(
        total.counts[other, other_vote, d] * total.squares[cluster, vote, d]
        + total.counts[cluster, vote, d] * total.squares[other, other_vote, d]
        - 2.0 * total.sums[cluster, vote, d] * total.sums[other, other_vote, d]
    )


@compiled_allocating
def objective(
    problem: Problem,
    labels: Integers,
    centers: Floats,
    metrics: Floats,
    far_squares: Floats,
    total: ClassSums,
) -> float:
    """The MPCK-Means objective J (Bilenko, Basu, Mooney 2004, equation 5) of the present state."""
    spread, counts = scatter(problem, labels, centers, total, far_squares)
    # Both halves of a violated must-link lie in the scatters of its two clusters, so J is linear in them.
    return float(np.sum(metrics * spread - counts * np.log(metrics)))


@compiled_allocating
def predict(values: Floats, known: Floats, centers: Floats, metrics: Floats) -> tuple[Integers, Floats]:
    """Return the cheapest cluster (n,) of each point and all costs (n, clusters), constraints left out."""
    log_metrics = np.log(metrics)
    labels = np.zeros(values.shape[0], np.int64)
    costs = np.zeros((values.shape[0], centers.shape[0]))
    for point in range(values.shape[0]):
        for cluster in range(centers.shape[0]):
            costs[point, cluster] = own_cost(
                values[point], known[point], centers[cluster], metrics[cluster], log_metrics[cluster]
            )
        labels[point] = np.argmin(costs[point])
    return labels, costs
