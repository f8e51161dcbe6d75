"""From a network's scores to a verdict: calibrated softmax, the threshold, and the open-set score.

confidence = max softmax(logits / temperature), with the temperature that the card gives for the number of
packets looked at (Guo et al. 2017). A verdict is sure when the confidence reaches the card's threshold and the
novelty score (the higher, the less like anything trained on) does not exceed the card's limit.
"""

from dataclasses import dataclass

import numpy as np

from callprint.core.ground.arrays import Array
from callprint.core.identify.card import Policy, Steps
from callprint.core.verdict import REASON_LOW_CONFIDENCE, REASON_NOVEL, REASON_TOO_SHORT, REASONS

SURE = REASONS.index(None)
TOO_SHORT = REASONS.index(REASON_TOO_SHORT)
LOW_CONFIDENCE = REASONS.index(REASON_LOW_CONFIDENCE)
NOVEL = REASONS.index(REASON_NOVEL)

CONFIDENCE_DECIMALS = 4
"""Confidences are rounded before they are compared with the threshold: their last bits depend on the batch."""


@dataclass(frozen=True, slots=True)
class Decisions:
    """What a model says of n evidence logs: the `Judgements` of core/verdicts/identifier.py."""

    application: Array  # (n,) int16, best class
    confidence: Array  # (n,) float32, its calibrated probability
    reason: Array  # (n,) uint8: SURE, or why the application is unknown


def step_values(steps: Steps, packets: Array) -> Array:
    """Return the value that applies to each packet count: the last step at or below it, else the first step."""
    starts = np.array([start for start, _ in steps])
    values = np.array([value for _, value in steps], np.float32)
    return values[np.clip(np.searchsorted(starts, packets, side="right") - 1, 0, None)]


def softmax(logits: Array, temperatures: Array) -> Array:
    """Return probabilities; logits: (n, classes) float32, temperatures: (n,) float32."""
    scaled = logits / temperatures[:, np.newaxis]  # (n, classes) float32
    scaled = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    probabilities: Array = scaled / scaled.sum(axis=1, keepdims=True)
    return probabilities


def decide(policy: Policy, minimum_packets: int, logits: Array, novelty: Array, packets: Array) -> Decisions:
    """Judge n flows. logits: (n, classes) float32; novelty: (n,) float32; packets: (n,) RTP packets looked at.

    Scores that are not finite count as no confidence at all, whatever caused them.
    """
    count = len(logits)
    broken = np.asarray(~np.isfinite(logits).all(axis=1))
    logits = np.where(broken[:, np.newaxis], np.float32(0.0), logits)
    probabilities = softmax(logits, step_values(policy.temperatures, packets))
    application = probabilities.argmax(axis=1).astype(np.int16)
    confidence = np.round(probabilities[np.arange(count), application], CONFIDENCE_DECIMALS).astype(
        np.float32
    )
    confidence[broken] = 0.0
    reason = np.zeros(count, np.uint8)
    if policy.novelty_thresholds:
        limits = step_values(policy.novelty_thresholds, packets)
        reason[~(np.round(novelty, CONFIDENCE_DECIMALS) <= limits)] = NOVEL
    reason[confidence < np.float32(policy.threshold)] = LOW_CONFIDENCE
    reason[broken] = LOW_CONFIDENCE
    reason[packets < minimum_packets] = TOO_SHORT
    return Decisions(application, confidence, reason)
