"""Two networks beside each other: is the new one at least as good, on what it learned and on what it knew before?"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from callprint.core.identify.decision import SURE
from callprint.inference import OnnxIdentifier
from callprint.training.classes import TRAINING_SPLITS
from callprint.training.dataset import Dataset
from callprint.training.examine import examine
from callprint.training.exemplars import Exemplars

EXEMPLARS = "exemplars"
FORGETTING = 0.02
"""How much less the answers to exemplars may be worth: the network before was trained on these very windows."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What a network made of some flows; arrays of (n,) bool."""

    right: np.ndarray
    sure: np.ndarray
    threshold: float

    @property
    def sure_and_wrong(self) -> np.ndarray:
        """(n,) bool."""
        return self.sure & ~self.right

    @property
    def worth(self) -> float:
        """What the answers are worth, a flow: 1 for a sure name that is right, 0 for none.

        A wrong one costs what the threshold says: where a name is given from a confidence of .9 on, nine right ones.
        """
        cost = self.threshold / (1 - self.threshold) if self.threshold < 1 else 0.0
        return float(((self.sure & self.right) - cost * self.sure_and_wrong).mean())


@dataclass(frozen=True, slots=True)
class Compared:
    """The answers of both networks to the same flows."""

    calls: str  # the part of the data, or EXEMPLARS
    seen: str  # the view
    before: Answers
    after: Answers

    @property
    def is_new(self) -> bool:
        """Whether these are calls that neither network was trained on."""
        return self.calls != EXEMPLARS

    @property
    def is_worse(self) -> bool:
        """Whether the new network loses more than it may."""
        allowed = 0.0 if self.is_new else FORGETTING
        return self.after.worth < self.before.worth - allowed


def compare(
    before: OnnxIdentifier, after: OnnxIdentifier, dataset: Dataset | None, exemplars: Exemplars | None
) -> Iterator[Compared]:
    """Compare on every part of a dataset that is for testing, and on the exemplars of the network before."""
    for split in np.unique(dataset.split) if dataset is not None else ():
        if dataset is None or split in TRAINING_SPLITS:
            continue
        both = (examine(dataset, each, str(split)) for each in (before, after))
        for old, new in zip(*both, strict=True):
            if len(old.target):
                yield Compared(
                    str(split),
                    old.view.name,
                    Answers(old.right, old.sure, before.card.policy.threshold),
                    Answers(new.right, new.sure, before.card.policy.threshold),
                )
    if exemplars is not None and len(exemplars.target):
        names = np.array(before.applications)[exemplars.target]
        answers = (
            _of_exemplars(each, exemplars, names, before.card.policy.threshold) for each in (before, after)
        )
        yield Compared(EXEMPLARS, "windows of training", *answers)


def _of_exemplars(
    identifier: OnnxIdentifier, exemplars: Exemplars, names: np.ndarray, threshold: float
) -> Answers:
    found = identifier.identify_rows(exemplars.features, exemplars.headers)
    right = np.array(identifier.applications)[found.application] == names
    return Answers(right, found.reason == SURE, threshold)
