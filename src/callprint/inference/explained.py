"""What a network makes of one flow: the probability of every class, and which groups of features speak for its guess.

A group's share is found by leaving it out: its columns get their means in training, as in training itself, which drops
groups now and then, and the network is asked again. What groups do together is not the sum of their shares.
"""

from dataclasses import dataclass

import numpy as np

from callprint.core.identify.card import ModelCard, Policy
from callprint.core.identify.decision import softmax, step_values
from callprint.core.identify.evidence_tables import logs_by_headers
from callprint.core.identify.feature_row import GROUPS, group_columns
from callprint.inference.onnx_identifier import OnnxIdentifier

_LEAST_PROBABILITY = 1e-6
"""Probabilities are kept this far from 0 and 1, so that log-odds stay finite."""


@dataclass(frozen=True, slots=True)
class GroupShare:
    """What one group of features does."""

    group: str  # a key of GROUPS
    odds: float  # change of the best class's natural log-odds that the group makes; above 0: it speaks for it
    novelty: float | None  # change of the novelty score; above 0: it makes the flow unlike what is known


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a network makes of one flow."""

    probabilities: tuple[tuple[str, float], ...]  # class and calibrated probability, the likeliest first
    packets: int  # RTP packets looked at
    threshold: float  # confidence from which the network is sure
    novelty: float | None  # None: it has no such score
    novelty_limit: float | None
    groups: tuple[GroupShare, ...]  # the largest share first; none for a network that reads no features


def explain(identifier: OnnxIdentifier, evidence: bytes) -> Explanation | None:
    """Explain the verdict on one evidence log; None when it holds too little to be judged. Raises ModelError."""
    buffer = np.frombuffer(evidence, np.uint8)
    spans = np.array([[0, len(buffer)]], np.int64)
    logits, novelty, counts = identifier.scores(buffer, spans)
    card = identifier.card
    packets = int(counts[0])
    if packets == 0 or not np.isfinite(logits).all():
        return None
    policy = _policy(card, bool(logs_by_headers(buffer, spans)[0]))
    temperature = step_values(policy.temperatures, counts)
    probabilities = softmax(logits, temperature)[0]
    order = np.argsort(-probabilities, kind="stable")
    limits = policy.novelty_thresholds
    groups: tuple[GroupShare, ...] = ()
    if identifier.usual_row is not None:
        row = identifier.feature_rows(buffer, spans)[0]
        groups = _shares(identifier, row, identifier.usual_row, float(temperature[0]))
    return Explanation(
        probabilities=tuple((card.classes[i], float(probabilities[i])) for i in order.tolist()),
        packets=packets,
        threshold=policy.threshold,
        novelty=float(novelty[0]) if limits else None,
        novelty_limit=float(step_values(limits, counts)[0]) if limits else None,
        groups=groups,
    )


def _shares(
    identifier: OnnxIdentifier, row: np.ndarray, usual: np.ndarray, temperature: float
) -> tuple[GroupShare, ...]:
    """Return what each group does; row and usual: (F,) float32."""
    rows = np.repeat(
        row[np.newaxis], len(GROUPS) + 1, axis=0
    )  # (groups + 1, F): the row, then without each group
    for i, group in enumerate(GROUPS, 1):
        columns = group_columns(group)
        rows[i, columns] = usual[columns]
    logits, novelty = identifier.scores_of_rows(rows)
    probabilities = softmax(logits, np.full(len(rows), temperature, np.float32))
    best = int(probabilities[0].argmax())
    chance = np.clip(probabilities[:, best].astype(np.float64), _LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY)
    odds = np.log(chance / (1 - chance))
    shares = [
        GroupShare(
            group,
            float(odds[0] - odds[i]),
            None if novelty is None else float(novelty[0] - novelty[i]),
        )
        for i, group in enumerate(GROUPS, 1)
    ]
    return tuple(sorted(shares, key=lambda share: -abs(share.odds)))


def _policy(card: ModelCard, by_headers: bool) -> Policy:
    return card.headers.policy if by_headers and card.headers is not None else card.policy
