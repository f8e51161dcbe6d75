"""MPCK-Means and its descendants: semi-supervised clustering with a learned diagonal metric per cluster.

Source: Bilenko, Basu, Mooney, "Integrating constraints and metric learning in semi-supervised clustering",
ICML 2004 (MPCK-Means); Wu, Bagchi, Singh, Wita, DSN 2009 (eMPCK, eMPCK multi-class, pMPCK). It minimises

    J = sum_i ( ||x_i - mu||^2_A - log det A ) + must-links violated + cannot-links violated

by turns: assignment, means, metrics, until no point moves. What the paper leaves open is decided in
docs/how/spit-algorithms.md. J never rises: not in the assignment, not in the means, and not in the metrics
where neither regularisation nor projection had to act (`Step.forced` says so).
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from callprint.core.ground.errors import ConfigError
from callprint.core.spam import compiled_clustering as compiled
from callprint.core.spam.farthest import box_squares, farthest_pair_squares
from callprint.core.spam.neighbourhoods import first_centers

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

REGULARISATION = 1e-3  # epsilon: share of the mean scatter below which a dimension counts as singular


@dataclass(frozen=True, slots=True)
class Settings:
    """How to cluster. The defaults are eMPCK."""

    clusters: int = 2
    exact_farthest: bool = False  # farthest pair of the data, O(n^2); otherwise the box around it, O(n)
    pre_metrics: bool = True  # learn the metrics on the initial clusters before the first assignment
    must_link_votes: bool = True  # votes of one class must link; False leaves several kinds of spam apart
    weight: float = 1.0  # of every constraint
    metric_prior: float = 0.0  # imaginary calls that draw each metric to the pooled one; 0 as in the paper
    iterations: int = 100

    def __post_init__(self) -> None:
        """Raise ConfigError when a value is out of range."""
        for name in ("clusters", "iterations"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("weight", "metric_prior"):
            if not getattr(self, name) >= 0.0:
                raise ConfigError(f"{name} must not be negative, not {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the loop, for convergence tables and the tests of the objective."""

    kind: str  # "start", "assign", "means" or "metrics"
    objective: float
    forced: bool  # a metric was regularised or projected: the objective may rise


@dataclass(frozen=True, slots=True)
class Links:
    """Explicit constraints between calls, as index pairs (p, 2), all with the weight of `Settings`."""

    must: Integers = field(default_factory=lambda: np.zeros((0, 2), np.int64))
    cannot: Integers = field(default_factory=lambda: np.zeros((0, 2), np.int64))


@dataclass(frozen=True, slots=True)
class Clustering:
    """A fitted clustering. Centres and metrics live on the standardised scale."""

    labels: Integers  # (n,) cluster of every fitted call
    centers: Floats  # (clusters, d)
    metrics: Floats  # (clusters, d) diagonals of A_h
    offset: Floats  # (d,) subtracted from a value ...
    scale: Floats  # (d,) ... which is then divided by this
    iterations: int
    steps: tuple[Step, ...]

    def assign(self, vectors: Floats) -> Integers:
        """Return the cluster (n,) of each vector (n, d): nearest centre under the metrics, no constraints."""
        return compiled.predict(*self._standardise(vectors), self.centers, self.metrics)[0]

    def distances(self, vectors: Floats) -> Floats:
        """Return ||x - mu_h||^2 under A_h minus log det A_h, (n, clusters)."""
        return compiled.predict(*self._standardise(vectors), self.centers, self.metrics)[1]

    def _standardise(self, vectors: Floats) -> tuple[Floats, Floats]:
        return _masked((vectors - self.offset) / self.scale)


def _masked(scaled: Floats) -> tuple[Floats, Floats]:
    # C order always: the compiled functions are specialised once, not again for every layout.
    known = ~np.isnan(np.ascontiguousarray(scaled))
    return np.where(known, np.ascontiguousarray(scaled), 0.0), known.astype(np.float64)


def fit(
    vectors: Floats, votes: Integers, settings: Settings, seed: int = 0, links: Links | None = None
) -> Clustering:
    """Cluster calls.

    `vectors (n, d)`: transformed feature vectors, NaN where a value is missing. `votes (n,)`: class of the
    user's vote, -1 where nobody said anything (for SPIT: 0 not spam, 1 spam). The same seed gives the same
    clustering. Raises ConfigError when shapes do not fit or a link names a call that is not there.
    """
    if vectors.ndim != 2 or votes.shape != (len(vectors),) or len(vectors) == 0:
        raise ConfigError(f"vectors must be (n, d) and votes (n,), not {vectors.shape} and {votes.shape}")
    random = np.random.default_rng(seed)
    offset, scale = _column_scales(vectors)
    values, known = _masked((vectors - offset) / scale)
    problem = _problem(values, known, votes, settings, links or Links())
    loop = _Loop(problem, settings, random)
    loop.run()
    return Clustering(
        loop.labels, loop.centers, loop.metrics, offset, scale, loop.iteration, tuple(loop.steps)
    )


def _column_scales(vectors: Floats) -> tuple[Floats, Floats]:
    known = ~np.isnan(vectors)
    counts = np.maximum(known.sum(0), 1)
    offset = np.where(known, vectors, 0.0).sum(0) / counts
    spread = np.sqrt(np.where(known, (vectors - offset) ** 2, 0.0).sum(0) / counts)
    # A constant column has spread 0 up to rounding; dividing by that would blow its rounding noise up.
    return offset, np.where(spread > 1e-12 * np.maximum(np.abs(offset), 1.0), spread, 1.0)


def _problem(
    values: Floats, known: Floats, votes: Integers, settings: Settings, links: Links
) -> compiled.Problem:
    pairs = np.concatenate([links.must, links.cannot]).astype(np.int64).reshape(-1, 2)  # (p, 2)
    if pairs.size and (pairs.min() < 0 or pairs.max() >= len(values) or np.any(pairs[:, 0] == pairs[:, 1])):
        raise ConfigError("a link names a call outside the data, or the same call twice")
    kinds = np.repeat(np.array([1, 0]), [len(links.must), len(links.cannot)])
    ends = np.concatenate([pairs[:, 0], pairs[:, 1]])
    order = np.argsort(ends, kind="stable")
    return compiled.Problem(
        values,
        known,
        votes.astype(np.int64),
        settings.weight if settings.must_link_votes else 0.0,
        settings.weight,
        np.searchsorted(ends[order], np.arange(len(values) + 1)),
        np.concatenate([pairs[:, 1], pairs[:, 0]])[order],
        np.concatenate([kinds, kinds])[order],
        np.full(2 * len(pairs), settings.weight),
    )


class _Loop:
    """The state of one run: labels, centres, metrics and the farthest pairs that belong to them."""

    def __init__(self, problem: compiled.Problem, settings: Settings, random: np.random.Generator) -> None:
        self.problem, self.settings, self.random = problem, settings, random
        self.classes = max(int(problem.votes.max()) + 1, 1)
        self.centers, self.labels = first_centers(problem, settings.clusters, random)
        self.metrics = np.ones_like(self.centers)
        self.cannot_links = self.classes > 1 or bool(np.any(problem.pair_kind == 0))
        self.far_squares = self._far_squares(self.metrics)
        self.total = self._class_sums()
        self.iteration = 0
        self.steps: list[Step] = []
        self._note("start")

    def run(self) -> None:
        if self.settings.pre_metrics:
            self._update_metrics()
        while self.iteration < self.settings.iterations:
            self.iteration += 1
            self.total = self._class_sums()  # anew, so that rounding does not add up over the moves
            far = (self.metrics * self.far_squares).sum(1)
            order = self.random.permutation(len(self.labels))
            moved = compiled.assign(
                self.problem, self.labels, order, self.centers, self.metrics, far, self.total
            )
            self._note("assign")
            if moved == 0 and self.iteration > 1:
                break
            compiled.means(self.problem, self.labels, self.centers)
            self._note("means")
            self._update_metrics()

    def _class_sums(self) -> compiled.ClassSums:
        return compiled.class_sums(self.problem, self.labels, self.settings.clusters, self.classes)

    def _far_squares(self, metrics: Floats) -> Floats:
        """Squared differences of the farthest pair under each metric, (clusters, d)."""
        if not self.cannot_links:
            return np.zeros_like(metrics)
        if not self.settings.exact_farthest:
            return np.broadcast_to(box_squares(self.problem.values, self.problem.known), metrics.shape)
        return np.stack([farthest_pair_squares(self.problem.values, self.problem.known, m) for m in metrics])

    def _update_metrics(self) -> None:
        spread, counts = compiled.scatter(
            self.problem, self.labels, self.centers, self.total, np.ascontiguousarray(self.far_squares)
        )
        if self.settings.metric_prior > 0.0:
            pooled = np.maximum(spread.sum(0), 0.0) / np.maximum(counts.sum(0), 1.0)
            spread = spread + self.settings.metric_prior * pooled
            counts = counts + self.settings.metric_prior
        projected = np.maximum(spread, 0.0)
        floor = REGULARISATION * np.maximum(projected.mean(1, keepdims=True), 1e-12)
        safe = np.where(projected < floor, projected + floor, projected)
        # A cluster that lost all its points, or all known values of a dimension, keeps the metric it had.
        learned = np.where(counts > 0.0, np.maximum(counts, 1.0) / safe, self.metrics)
        forced = bool(np.any((safe != spread) & (counts > 0.0))) or self.settings.metric_prior > 0.0
        if self.settings.exact_farthest and self.cannot_links and not forced:
            self._step_towards(learned)
        else:
            self.metrics = learned
            if self.settings.exact_farthest:
                self.far_squares = self._far_squares(learned)
        self._note("metrics", forced)

    def _step_towards(self, learned: Floats) -> None:
        """Go to the learned metrics, or part of the way if the farthest pair changed so that J would rise.

        The closed form holds the farthest pair fixed. J is convex in the metrics and falls at first in this
        direction, so halving the step finds a fall; eight halvings without one mean there is none to gain.
        """
        before, old, old_far = self._objective(), self.metrics, self.far_squares
        for halving in range(8):
            self.metrics = old + (learned - old) * 0.5**halving
            self.far_squares = self._far_squares(self.metrics)
            if self._objective() <= before:
                return
        self.metrics, self.far_squares = old, old_far

    def _objective(self) -> float:
        far_squares = np.ascontiguousarray(self.far_squares)
        return compiled.objective(
            self.problem, self.labels, self.centers, self.metrics, far_squares, self.total
        )

    def _note(self, kind: str, forced: bool = False) -> None:
        self.steps.append(Step(kind, self._objective(), forced))
