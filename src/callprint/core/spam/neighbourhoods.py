"""Where clustering starts: neighbourhoods from must-links, and K centres out of them.

Source: MPCK-Means (ICML 2004), section 3.2: the transitive closure of the must-links gives neighbourhoods;
if there are at least K, a weighted farthest-first traversal picks K of their centres; otherwise all are
taken and the rest are random perturbations of the global centre. Cannot-links between neighbourhoods are
respected by the traversal through distance only: with votes as the source there is one neighbourhood for
each class, and those are apart by construction.
"""

import numpy as np
from numpy.typing import NDArray

from callprint.core.spam.compiled_clustering import Problem, predict

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

PERTURBATION = 0.5  # standard deviations by which a centre without a neighbourhood is moved


def neighbourhoods(problem: Problem) -> Integers:
    """Return the neighbourhood (n,) of every point, -1 for points without a must-link.

    Votes of one class are one neighbourhood when votes must link; explicit must-links join further points.
    Neighbourhoods are numbered in the order of their first point.
    """
    count = len(problem.votes)
    parent = np.arange(count)

    def root(point: int) -> int:
        while parent[point] != point:
            parent[point] = parent[parent[point]]
            point = int(parent[point])
        return point

    linked = np.zeros(count, dtype=bool)
    # Votes seed the start even where they do not have to stay together (multi-class): a class is one place.
    for vote in np.unique(problem.votes[problem.votes >= 0]):
        members = np.flatnonzero(problem.votes == vote)
        parent[members] = members[0]
        linked[members] = True
    for point in map(int, np.flatnonzero(np.diff(problem.pair_start))):
        for p in range(problem.pair_start[point], problem.pair_start[point + 1]):
            if problem.pair_kind[p] == 1:
                other = int(problem.pair_other[p])
                parent[root(other)] = root(point)
                linked[point] = linked[other] = True
    roots = np.array([root(int(point)) for point in np.flatnonzero(linked)], dtype=np.int64)
    found = np.full(count, -1, dtype=np.int64)
    _, first, numbers = np.unique(roots, return_index=True, return_inverse=True)
    found[linked] = np.argsort(np.argsort(first))[numbers]
    return found


def first_centers(problem: Problem, clusters: int, random: np.random.Generator) -> tuple[Floats, Integers]:
    """Return the initial centres (clusters, d) and the initial cluster (n,) of every point.

    A point of a chosen neighbourhood starts in its cluster, every other one at the nearest centre.
    """
    groups = neighbourhoods(problem)
    members = [np.flatnonzero(groups == group) for group in range(groups.max(initial=-1) + 1)]
    middle = _center(problem, np.arange(len(groups)), np.zeros(problem.values.shape[1]))
    spots = [_center(problem, points, middle) for points in members]
    chosen = _farthest_first(spots, [len(points) for points in members], clusters)
    centers = [spots[group] for group in chosen]
    while len(centers) < clusters:
        centers.append(middle + PERTURBATION * random.standard_normal(len(middle)))
    start = np.stack(centers)
    labels, _ = predict(problem.values, problem.known, start, np.ones_like(start))
    for cluster, group in enumerate(chosen):
        labels[members[group]] = cluster
    return start, labels


def _center(problem: Problem, points: Integers, fallback: Floats) -> Floats:
    counts = problem.known[points].sum(0)
    return np.where(counts > 0.0, problem.values[points].sum(0) / np.maximum(counts, 1.0), fallback)


def _farthest_first(spots: list[Floats], sizes: list[int], clusters: int) -> list[int]:
    """Pick centres far from those picked before, weighted by the size of their neighbourhood."""
    if len(spots) <= clusters:
        return list(range(len(spots)))
    chosen = [int(np.argmax(sizes))]
    while len(chosen) < clusters:
        apart = [
            size * min(float(((spot - spots[c]) ** 2).sum()) for c in chosen)
            for spot, size in zip(spots, sizes, strict=True)
        ]
        chosen.append(int(np.argmax(apart)))
    return chosen
