"""Classifiers on deep features, and their scores in Python, which their ONNX form (head_graphs.py) is checked against.

The softmax of a head's logits is what it believes: they are logarithms of probabilities, except those of the SVM, which
are decision values. So the same kind of card serves heads and networks.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

SVM = "SVM"
RANDOM_FOREST = "random forest"
DECISION_TREE = "decision tree"
NAIVE_BAYES = "naive Bayes"
HEADS = (SVM, RANDOM_FOREST, DECISION_TREE, NAIVE_BAYES)

FOREST_TREES = 60
SVM_COST = 10.0
ABSENT = np.float32(-30.0)  # decision value of a class without training windows: far below any other
LEAST_PROBABILITY = 1e-6  # of a leaf that never saw a class
# Features that a network never uses for a class have next to no variance; unsmoothed they would decide alone.
VARIANCE_SMOOTHING = 1e-2


@dataclass(frozen=True, slots=True)
class Head:
    """A fitted classifier with the scaling of its features."""

    name: str
    mean: np.ndarray  # (units,) float32
    deviation: np.ndarray  # (units,) float32
    classifier: Any  # of scikit-learn, fitted on scaled features
    classes: int

    @property
    def present(self) -> np.ndarray:
        """The classes (c,) int64 that its training windows had."""
        present: np.ndarray = np.asarray(self.classifier.classes_, np.int64)
        return present


def _classifier(name: str, seed: int) -> Any:
    if name == SVM:
        return OneVsRestClassifier(SVC(C=SVM_COST, kernel="rbf", gamma="scale"))
    if name == RANDOM_FOREST:
        return RandomForestClassifier(FOREST_TREES, random_state=seed)
    if name == DECISION_TREE:
        return DecisionTreeClassifier(random_state=seed)
    return GaussianNB(var_smoothing=VARIANCE_SMOOTHING)


def fit_head(name: str, features: np.ndarray, target: np.ndarray, classes: int, seed: int) -> Head:
    """Fit a head; features: (n, units) float32 of training windows, target: (n,) class."""
    mean = features.mean(0).astype(np.float32)
    deviation = (features.std(0) + 1e-3).astype(np.float32)
    fitted = _classifier(name, seed).fit(_rows(name, features, mean, deviation), target)
    return Head(name, mean, deviation, fitted, classes)


def _rows(name: str, features: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    # Standardised features (n, units); naive Bayes adds a thousand squares, which single precision cannot hold.
    rows: np.ndarray = (features - mean) / deviation
    return rows.astype(np.float64) if name == NAIVE_BAYES else rows


def head_logits(head: Head, features: np.ndarray) -> np.ndarray:
    """Return logits (n, classes) float32 of deep features (n, units); absent classes have the lowest score."""
    rows = _rows(head.name, features, head.mean, head.deviation)
    if head.name == SVM:
        found = head.classifier.decision_function(rows).reshape(len(rows), -1)
        if len(head.present) == 2:  # scikit-learn gives two classes one column
            found = np.hstack([-found, found])
        logits = np.full((len(rows), head.classes), ABSENT, np.float32)
    else:
        found = np.log(np.maximum(head.classifier.predict_proba(rows), LEAST_PROBABILITY))
        logits = np.full((len(rows), head.classes), np.log(LEAST_PROBABILITY), np.float32)
    logits[:, head.present] = found
    return logits
