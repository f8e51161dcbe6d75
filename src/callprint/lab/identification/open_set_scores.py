"""Scores that may tell strangers from known applications, higher = stranger, for the comparison of open_set.py.

Each is fitted on the flows that trained a network, at the horizon, and then applied to others. Only OpenMax needs calls
that the network has not seen: those that trained it lie so near their means that every other call would be beyond
the tails.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import weibull_min
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import NearestNeighbors

from callprint.core.identify.decision import softmax
from callprint.core.identify.feature_row import GROUPS, group_columns
from callprint.training.network import CompactNetwork
from callprint.training.novelty import EMBEDDING_CLIP, FEATURE_RIDGE, Space, fit_space, fit_spaces
from callprint.training.sampling import Rows
from callprint.training.train import hidden_rows, logits_of, scaled_rows

NEIGHBOURS = 3
WEIBULL_TAIL = 20  # OpenMax (Bendale and Boult 2016): the farthest rows of a class, at most
TAIL_SHARE, LEAST_TAIL = 0.25, 5  # of its rows, where it has few
OPENMAX_CLASSES = 3  # whose logits are revised
COMPONENTS = 8  # of the linear autoencoder of each class
FOREST_TREES = 100

USED = "both"
SCORES = {
    "confidence": "softmax confidence",
    "energy": "energy",
    "logit": "largest logit",
    "openmax": "OpenMax",
    "hidden_neighbour": "third neighbour, hidden layers",
    "neighbour": "third neighbour, embedding",
    "forest": "one-class forest, features",
    "autoencoder": "linear autoencoder of the named class",
    "groups": "worst group of features, distance to the named class",
    "nearest": "Mahalanobis on features, nearest class",
    "features": "Mahalanobis on features, named class",
    "deep": "Mahalanobis on deep features, named class",
    "features_energy": "the larger of Mahalanobis on features and energy",
    "both": "**the larger of Mahalanobis on features and on deep features (used)**",
}


def hidden_layers(network: CompactNetwork, features: np.ndarray) -> np.ndarray:
    """Return the last hidden layers of all perceptrons, of the groups as well, side by side, of unit length."""
    with torch.no_grad():
        scaled = network.scale(torch.from_numpy(features))
        found = []
        for member in network.members:
            found.append(member.joint.last_hidden(scaled))
            for group, perceptron in zip(GROUPS, member.groups, strict=True):
                found.append(perceptron.last_hidden(scaled[:, group_columns(group)]))
        joined: np.ndarray = torch.cat(found, 1).numpy()
    return joined / np.maximum(np.linalg.norm(joined, axis=1, keepdims=True), 1e-9)


def _energy(logits: np.ndarray) -> np.ndarray:
    top = logits.max(1, keepdims=True)
    found: np.ndarray = -(np.log(np.exp(logits - top).sum(1)) + top[:, 0])
    return found


def _farthest(neighbours: NearestNeighbors, rows: np.ndarray) -> np.ndarray:
    distances: np.ndarray = neighbours.kneighbors(rows)[0][:, -1]
    return distances


def _named_right(logits: np.ndarray, target: np.ndarray, application: int) -> np.ndarray:
    """Return the rows of an application that are named right, or all of its rows if none is."""
    mine = logits[target == application]
    right: np.ndarray = mine[mine.argmax(1) == application]
    return right if len(right) else mine


@dataclass(slots=True)
class OpenMax:
    """Class means in the space of logits, and how far the farthest rows of each class lie from theirs."""

    means: np.ndarray  # (classes, classes) float64
    tails: np.ndarray  # (classes, 3) float64: Weibull shape, location, scale

    @classmethod
    def fit(
        cls, logits: np.ndarray, target: np.ndarray, held_logits: np.ndarray, held_target: np.ndarray
    ) -> "OpenMax":
        """Fit means to rows that trained the network, and tails to rows of other calls; both those named right."""
        means, tails = [], []
        for i in range(logits.shape[1]):
            means.append(_named_right(logits, target, i).mean(0))
            rows = _named_right(held_logits, held_target, i)
            if not len(rows):  # no held-out call of this application: those that trained it have to do
                rows = _named_right(logits, target, i)
            tail = min(WEIBULL_TAIL, max(LEAST_TAIL, int(TAIL_SHARE * len(rows))))
            away = np.sort(np.linalg.norm(rows - means[-1], axis=1))[-tail:]
            tails.append(weibull_min.fit(away, floc=0.0))
        return cls(np.stack(means), np.array(tails))

    def score(self, logits: np.ndarray) -> np.ndarray:
        """Return the log odds of none of the classes: the probability itself would be rounded to 1."""
        ranks = np.argsort(-logits, axis=1)[:, :OPENMAX_CLASSES]
        revised = logits.astype(np.float64).copy()
        nothing = np.zeros(len(logits))
        rows = np.arange(len(logits))
        for rank in range(ranks.shape[1]):
            named = ranks[:, rank]
            away = np.linalg.norm(logits - self.means[named], axis=1)
            with np.errstate(over="ignore"):  # infinitely far beyond a tail
                beyond = weibull_min.cdf(away, *self.tails[named].T)
            weight = beyond * (OPENMAX_CLASSES - rank) / OPENMAX_CLASSES
            nothing += logits[rows, named] * weight
            revised[rows, named] *= 1 - weight
        found: np.ndarray = nothing + _energy(revised)
        return found


class OpenSetScorer:
    """All scores of one network except OpenMax; rows and target are of the flows that trained it, at the horizon."""

    def __init__(self, network: CompactNetwork, rows: Rows, target: np.ndarray) -> None:
        """target: (n,) class of each row."""
        self._network = network
        scaled, logits = scaled_rows(network, rows.features), logits_of(network, rows.features)
        hidden, named = hidden_rows(network, rows.features), logits.argmax(1)
        self._spaces = fit_spaces(scaled, hidden, target, logits)
        layers = hidden_layers(network, rows.features)
        self._hidden = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(layers)
        self._embedding = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(self._embed(scaled))
        self._forest = IsolationForest(n_estimators=FOREST_TREES, random_state=1).fit(scaled)
        self._groups: dict[str, tuple[Space, np.ndarray]] = {}
        for group in GROUPS:
            part = scaled[:, group_columns(group)]
            space = fit_space(part, target, named, network.classes, FEATURE_RIDGE)
            own = space.distances(part)[np.arange(len(target)), target]
            self._groups[group] = (space, np.quantile(own, 0.9) + 1e-3)
        self._autoencoders = []
        for i in range(network.classes):
            mine = scaled[target == i]
            axes = np.linalg.svd(mine - mine.mean(0), full_matrices=False)[2][:COMPONENTS]
            self._autoencoders.append((mine.mean(0), axes))
        energy = _energy(logits)
        self._middle = float(np.median(energy))
        self._spread = float(np.quantile(energy, 0.95)) - self._middle + 1e-9

    def _embed(self, scaled: np.ndarray) -> np.ndarray:
        whitened: np.ndarray = scaled @ self._spaces.features.whitening
        return whitened.clip(-EMBEDDING_CLIP, EMBEDDING_CLIP)

    def _group_scores(self, scaled: np.ndarray, named: np.ndarray) -> np.ndarray:
        rows = np.arange(len(scaled))
        scores = [
            space.distances(scaled[:, group_columns(group)])[rows, named] / usual
            for group, (space, usual) in self._groups.items()
        ]
        worst: np.ndarray = np.max(scores, axis=0)
        return worst

    def _reconstruction(self, scaled: np.ndarray, named: np.ndarray) -> np.ndarray:
        errors = np.zeros(len(scaled))
        for i, (mean, axes) in enumerate(self._autoencoders):
            rows = scaled[named == i] - mean
            errors[named == i] = ((rows - rows @ axes.T @ axes) ** 2).mean(1)
        return errors

    def scores(self, features: np.ndarray) -> dict[str, np.ndarray]:
        """Return every score of SCORES except OpenMax for rows (n, F) float32."""
        scaled, logits = scaled_rows(self._network, features), logits_of(self._network, features)
        named = logits.argmax(1)
        distance = self._spaces.features.strangeness(scaled, named)
        deep = self._spaces.hidden.strangeness(hidden_rows(self._network, features), named)
        energy = _energy(logits)
        return {
            "confidence": -softmax(logits, np.ones(len(logits), np.float32)).max(1),
            "energy": energy,
            "logit": -logits.max(1),
            "hidden_neighbour": _farthest(self._hidden, hidden_layers(self._network, features)),
            "neighbour": _farthest(self._embedding, self._embed(scaled)),
            "forest": -self._forest.score_samples(scaled),
            "autoencoder": self._reconstruction(scaled, named),
            "groups": self._group_scores(scaled, named),
            "nearest": self._spaces.features.distances(scaled).min(1),
            "features": distance,
            "deep": deep,
            "features_energy": np.maximum(distance, (energy - self._middle) / self._spread),
            USED: np.maximum(distance, deep),
        }
