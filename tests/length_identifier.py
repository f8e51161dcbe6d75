"""An identifier whose answers can be worked out in the head, for tests of what is done with answers."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Said:
    application: np.ndarray
    confidence: np.ndarray
    reason: np.ndarray


class ByLength:
    """An identifier that can be computed in the head: sure of logs from 3,000 bytes on, by their last byte."""

    name = "by-length 1"
    applications = ("even", "odd")
    minimum_k = 5

    def identify(self, evidence: np.ndarray, spans: np.ndarray) -> Said:
        lengths = spans[:, 1] - spans[:, 0]
        return Said(
            (evidence[spans[:, 1] - 1] & 1).astype(np.int16),
            np.minimum(lengths / 5000, 1).astype(np.float32),
            np.where(lengths >= 3000, 0, 2).astype(np.uint8),
        )
