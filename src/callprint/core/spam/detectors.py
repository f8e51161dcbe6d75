"""The detectors that a configuration can name."""

from callprint.core.ground.errors import ConfigError
from callprint.core.spam.detector_names import ALGORITHM_NAMES, DETECTORS, OWN
from callprint.core.spam.interface import SpamDetector
from callprint.core.spam.own_detector import OwnDetector
from callprint.core.spam.paper_detector import PaperDetector


def make_detector(name: str) -> SpamDetector:
    """Return a fresh detector. Raises ConfigError when there is none of that name."""
    if name == OWN:
        return OwnDetector()
    if name not in ALGORITHM_NAMES:
        raise ConfigError(f"there is no detector {name!r}; there are: {', '.join(DETECTORS)}")
    return PaperDetector(name)
