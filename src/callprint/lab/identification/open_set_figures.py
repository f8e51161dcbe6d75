"""Figures from the rounds of open_set.py: limits, and the strangers and known flows beyond them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from callprint.lab.identification.open_set import KNOWN, KNOWN_VARIED, STRANGERS, Round
from callprint.lab.identification.open_set_scores import USED
from callprint.training.novelty import KNOWN_SHARE
from callprint.training.statistics import Proportion

FALSE_UNKNOWN = 0.05  # share of known flows that a limit may call unknown


@dataclass(frozen=True, slots=True)
class Limit:
    """How a limit on a score is set in each round: on known calls of dataset1 that did not train the network."""

    name: str
    false_unknown: float
    varied: bool  # also on flows as if another peer had answered
    threshold: float | None = None  # on the confidence as well, as for verdicts

    def beyond(self, found: Round, score: str, part: str) -> np.ndarray:
        """Return which flows of a part lie beyond the limit, (flows,) bool."""
        known = [found.scores[KNOWN][score]]
        if self.varied:
            known.append(found.scores[KNOWN_VARIED][score])
        limit = np.quantile(np.concatenate(known), 1 - self.false_unknown)
        beyond: np.ndarray = found.scores[part][score] > limit
        if self.threshold is not None:
            beyond = beyond | (found.scores[part]["confidence"] > -self.threshold)
        return beyond


RECORDED = Limit(f"{FALSE_UNKNOWN:.0%} of known calls", FALSE_UNKNOWN, varied=False)
PEERS_VARIED = Limit(
    f"{FALSE_UNKNOWN:.0%} of known calls, half of them as if another peer had answered",
    FALSE_UNKNOWN,
    varied=True,
)


def as_verdicts(threshold: float) -> Limit:
    """Return the rule that a model's card holds."""
    share = 1 - KNOWN_SHARE
    return Limit(f"{share:.0%} of the same, and confidence below {threshold}", share, True, threshold)


def area_under_curve(known: np.ndarray, strangers: np.ndarray) -> float:
    """Return the chance that a stranger scores higher than a known flow (ties count half)."""
    higher = (strangers[:, np.newaxis] > known).mean()
    equal = (strangers[:, np.newaxis] == known).mean()
    return float(higher + equal / 2)


def mean_area(rounds: Sequence[Round], score: str) -> float:
    """Return the mean area under the ROC curve over rounds."""
    return float(
        np.mean([area_under_curve(one.scores[KNOWN][score], one.scores[STRANGERS][score]) for one in rounds])
    )


def counted(rounds: Sequence[Round], limit: Limit, score: str = USED, part: str = STRANGERS) -> Proportion:
    """Return the flows of a part beyond the limit, over rounds."""
    found = [limit.beyond(one, score, part) for one in rounds]
    return Proportion(int(sum(one.sum() for one in found)), sum(len(one) for one in found))


def by_seed(rounds: Sequence[Round], limit: Limit, score: str = USED) -> list[Proportion]:
    """Return the strangers beyond the limit for each seed: every flow of the training split once."""
    seeds = sorted({one.seed for one in rounds})
    return [counted([one for one in rounds if one.seed == seed], limit, score) for seed in seeds]


def by_application(rounds: Sequence[Round], limit: Limit, score: str = USED) -> dict[int, float]:
    """Return the share of strangers beyond the limit for each application, over seeds."""
    applications = sorted({one.application for one in rounds})
    return {
        application: counted([one for one in rounds if one.application == application], limit, score).share
        for application in applications
    }
