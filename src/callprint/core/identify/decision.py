"""From a network's scores to a verdict: calibrated softmax, the threshold, and the open-set score.

confidence = max softmax(logits / temperature), with the temperature that the card gives for the number of
packets looked at (Guo et al. 2017). A verdict is sure when the confidence reaches the card's threshold and the
novelty score (the higher, the less like anything trained on) does not exceed the card's limit. Below the card's
`sure_packets` none is sure.

The confidence of an engine is the sum over its applications. Where siblings cannot be told apart, or where the flow is
somewhat unlike all of them, the engine may be sure though the application is not: its limit of novelty may be wider.
"""

from dataclasses import dataclass

import numpy as np

from callprint.core.flow.layout import NO_APPLICATION
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
    engine: Array  # (n,) int16, a class of the engine that is sure; NO_APPLICATION: none is
    engine_confidence: Array  # (n,) float32, the calibrated probability of the likeliest engine


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


def decide(
    policy: Policy,
    engines: tuple[str, ...],
    minimum_packets: int,
    logits: Array,
    novelty: Array,
    packets: Array,
) -> Decisions:
    """Judge n flows. logits: (n, classes) float32; novelty: (n,) float32; packets: (n,) RTP packets looked at.

    `engines`: of each class. Scores that are not finite count as no confidence at all, whatever caused them.
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
    least = np.float32(policy.threshold)
    few = packets < max(minimum_packets, policy.sure_packets)
    reason = np.zeros(count, np.uint8)
    reason[~_within(policy.novelty_thresholds, novelty, packets)] = NOVEL
    reason[confidence < least] = LOW_CONFIDENCE
    reason[broken] = LOW_CONFIDENCE
    reason[few] = TOO_SHORT

    engine, engine_confidence = _likeliest_engine(engines, probabilities)
    engine_confidence[broken] = 0.0
    limits = policy.engine_novelty_thresholds or policy.novelty_thresholds
    sure = (engine_confidence >= least) & _within(limits, novelty, packets) & ~few
    engine = np.where(sure | (reason == SURE), engine, NO_APPLICATION).astype(np.int16)
    return Decisions(application, confidence, reason, engine, engine_confidence)


def _within(limits: Steps, novelty: Array, packets: Array) -> Array:
    """Return (n,) bool: whether the novelty score is within the limit for the packets; always where there is none."""
    if not limits:
        return np.ones(len(novelty), np.bool_)
    return np.asarray(np.round(novelty, CONFIDENCE_DECIMALS) <= step_values(limits, packets))


def _likeliest_engine(engines: tuple[str, ...], probabilities: Array) -> tuple[Array, Array]:
    """Return the first class of the likeliest engine, (n,) int64, and the engine's probability, (n,) float32."""
    firsts = np.array([engines.index(engine) for engine in dict.fromkeys(engines)])
    of_engine = np.zeros((len(engines), len(firsts)), np.float32)
    of_engine[np.arange(len(engines)), [list(firsts).index(engines.index(engine)) for engine in engines]] = (
        1.0
    )
    sums = probabilities @ of_engine
    best = sums.argmax(axis=1)
    confidence = np.round(np.minimum(sums[np.arange(len(sums)), best], 1.0), CONFIDENCE_DECIMALS)
    return firsts[best], confidence.astype(np.float32)
