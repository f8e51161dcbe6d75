"""The detectors that a configuration can name."""

from callprint.core.ground.errors import ConfigError
from callprint.core.spam.detector_names import ALGORITHM_NAMES, DETECTORS, OWN
from callprint.core.spam.fair_votes import VOTES_PER_DAY
from callprint.core.spam.interface import SpamDetector
from callprint.core.spam.own_detector import OwnDetector
from callprint.core.spam.paper_detector import PaperDetector


def make_detector(name: str, votes_per_day: int = VOTES_PER_DAY) -> SpamDetector:
    """Return a fresh detector. Raises ConfigError when there is none of that name.

    `votes_per_day`: new votes of one user on one day that count for our own; the paper's know no days.
    """
    if name == OWN:
        return OwnDetector(votes_per_day=votes_per_day)
    if name not in ALGORITHM_NAMES:
        raise ConfigError(f"there is no detector {name!r}; there are: {', '.join(DETECTORS)}")
    return PaperDetector(name)
