"""An identifier with answers that can be worked out by hand, for tests of what is done with answers."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Answers:
    application: np.ndarray
    confidence: np.ndarray
    reason: np.ndarray
    engine: np.ndarray
    engine_confidence: np.ndarray


class ByLength:
    """Sure of logs of 3,000 bytes or more; the last byte decides the application."""

    name = "by-length 1"
    digest = "b1" * 8
    applications = ("even", "odd")
    engines = ("even's", "odd's")
    minimum_k = 5

    def identify(self, evidence: np.ndarray, spans: np.ndarray) -> Answers:
        lengths = spans[:, 1] - spans[:, 0]
        application = (evidence[spans[:, 1] - 1] & 1).astype(np.int16)
        confidence = np.minimum(lengths / 5000, 1).astype(np.float32)
        return Answers(
            application,
            confidence,
            np.where(lengths >= 3000, 0, 2).astype(np.uint8),
            np.where(lengths >= 2500, application, -1).astype(np.int16),
            confidence,
        )
