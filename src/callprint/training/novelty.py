"""The open-set score: how far a flow lies from the application that the network names, in two spaces.

Each distance is a Mahalanobis distance to the mean of the class that the network prefers, with one covariance for all
classes. (Lee et al. 2018 take the nearest class instead; but where network and distance disagree about the nearest
application, something is wrong.) One space is that of the standardised features, since what a network has learnt to
ignore may be just what gives a stranger away; the other is that of the last hidden layers, where features that vary
within an application count for little. The logarithms of both distances are standardised on the flows that fitted
the spaces, and the larger one is the score: being strange in one space is enough. docs/results/identification.md
compares it with other scores on applications held out of dataset1.

There is a pair of spaces for early looks and one for the horizon, where more is known about a flow: its RTCP as well.
All are fitted on flows as they were recorded and as if another peer had answered. Recorded pairs alone make narrow
classes, which a known application leaves as soon as its peer is another one; the limit, which must let it pass, would
then let strangers pass as well.
"""

from dataclasses import dataclass, replace

import numpy as np

from callprint.core.identify.features import packet_counts
from callprint.training.dataset import Dataset
from callprint.training.sampling import FINAL, HORIZON, MIDFLOW, Rows, View, view_rows

FEATURE_RIDGE = 0.01  # added to every variance: features that never vary in training must not decide alone
HIDDEN_RIDGE = 1e-4  # of hidden layers of unit length
FLOOR = np.float32(1e-3)  # added to a distance before its logarithm is taken
SPREAD_SHARE = 0.95  # a standardised distance of 1 is this quantile of the fitted flows, 0 their median
KNOWN_SHARE = 0.98
"""Of held-out flows of known applications, half of them renegotiated: how many the limit of a name lets pass."""
ENGINE_SHARE = 0.98
"""The same of the limit of an engine, which could be wider: a relative of the known applications may pass."""
LEAST_PACKETS = 10  # spaces are not fitted on windows with fewer
EMBEDDING_CLIP = 6.0  # standard deviations of a whitened column, as the embedding of a flow holds them


def _also_renegotiated(*views: View) -> tuple[View, ...]:
    return views + tuple(
        replace(view, name=f"{view.name}, renegotiated", renegotiated=True) for view in views
    )


EARLY_VIEWS = _also_renegotiated(
    *(View(f"{k} packets from {first}", first, k, False) for first in (0, 150) for k in (10, 40))
)
HORIZON_VIEWS = _also_renegotiated(FINAL, MIDFLOW)


@dataclass(frozen=True, slots=True)
class Space:
    """Rows x -> whitening' x, in which every class has the unit matrix as covariance, and class means."""

    whitening: np.ndarray  # (F, F) float32
    centres: np.ndarray  # (classes, F) float32, whitened class means
    middle: np.float32  # logarithm of the usual distance
    spread: np.float32  # from there to the logarithm of a large one

    def distances(self, rows: np.ndarray) -> np.ndarray:
        """Return squared distances to all centres over F; (n, F) float32 in, (n, classes) float32 out."""
        whitened = rows @ self.whitening
        found: np.ndarray = (
            (whitened**2).sum(1, keepdims=True)
            - 2.0 * whitened @ self.centres.T
            + (self.centres**2).sum(1)[np.newaxis]
        ) / np.float32(rows.shape[1])
        return found

    def strangeness(self, rows: np.ndarray, named: np.ndarray) -> np.ndarray:
        """Return the standardised distance (n,) float32 of rows (n, F) to the centre of the class named (n,)."""
        found: np.ndarray = (_logarithm(self.distances(rows), named) - self.middle) / self.spread
        return found


def _logarithm(distances: np.ndarray, named: np.ndarray) -> np.ndarray:
    # Rounding may leave a distance of zero below zero.
    found: np.ndarray = np.log(np.maximum(distances[np.arange(len(named)), named], 0) + FLOOR)
    return found


@dataclass(frozen=True, slots=True)
class Spaces:
    """Where a flow is measured: in its standardised features and in the network's last hidden layers."""

    features: Space
    hidden: Space

    def score(self, scaled: np.ndarray, hidden: np.ndarray, named: np.ndarray) -> np.ndarray:
        """Return the larger of the two standardised distances, (n,) float32."""
        found: np.ndarray = np.maximum(
            self.features.strangeness(scaled, named), self.hidden.strangeness(hidden, named)
        )
        return found


@dataclass(frozen=True, slots=True)
class Novelty:
    """The score of a network: `early` below HORIZON packets, `horizon` from there on."""

    early: Spaces
    horizon: Spaces

    def score(
        self, features: np.ndarray, scaled: np.ndarray, hidden: np.ndarray, logits: np.ndarray
    ) -> np.ndarray:
        """Return the score (n,) float32 of feature rows (n, F), the same standardised, their hidden rows and logits."""
        named = logits.argmax(1)
        scores: np.ndarray = np.where(
            packet_counts(features) >= HORIZON,
            self.horizon.score(scaled, hidden, named),
            self.early.score(scaled, hidden, named),
        )
        return scores


def fit_space(rows: np.ndarray, target: np.ndarray, named: np.ndarray, classes: int, ridge: float) -> Space:
    """Fit class means, the shared covariance and the scale; rows: (n, F) float32, target, named: (n,) class."""
    exact = rows.astype(np.float64)
    # A class whose flows are all too short for these windows gets the mean of all rows.
    means = np.stack(
        [exact[target == i].mean(0) if (target == i).any() else exact.mean(0) for i in range(classes)]
    )
    residuals = exact - means[target]
    covariance = residuals.T @ residuals / len(exact) + ridge * np.eye(exact.shape[1])
    whitening = np.linalg.cholesky(np.linalg.inv(covariance))
    space = Space(
        whitening.astype(np.float32),
        (means @ whitening).astype(np.float32),
        np.float32(0.0),
        np.float32(1.0),
    )
    logarithm = _logarithm(space.distances(rows), named)
    middle, large = np.quantile(logarithm, (0.5, SPREAD_SHARE))
    return replace(space, middle=np.float32(middle), spread=np.float32(large - middle + 1e-6))


def fit_spaces(scaled: np.ndarray, hidden: np.ndarray, target: np.ndarray, logits: np.ndarray) -> Spaces:
    """Fit both spaces; scaled, hidden: (n, columns) float32, target: (n,) class, logits: (n, classes)."""
    named, classes = logits.argmax(1), logits.shape[1]
    return Spaces(
        fit_space(scaled, target, named, classes, FEATURE_RIDGE),
        fit_space(hidden, target, named, classes, HIDDEN_RIDGE),
    )


def fitting_rows(dataset: Dataset, flows: np.ndarray, views: tuple[View, ...]) -> Rows:
    """Return the windows that spaces are fitted on."""
    found = [view_rows(dataset, flows, view) for view in views]
    rows = Rows(*(np.concatenate([getattr(each, name) for each in found]) for name in Rows.__slots__))
    kept = rows.packets >= LEAST_PACKETS
    return Rows(rows.features[kept], rows.flow[kept], rows.packets[kept])
