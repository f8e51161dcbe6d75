"""Calibration from calls that a network has not trained on: folds of the training split, by call."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from callprint.core.identify.card import HeaderPolicy, Policy
from callprint.core.identify.feature_row import group_columns
from callprint.training.dataset import Dataset
from callprint.training.network import CompactNetwork
from callprint.training.novelty import LEAST_PACKETS, Novelty
from callprint.training.sampling import HORIZON, View, view_rows
from callprint.training.statistics import fit_temperature
from callprint.training.train import (
    Progress,
    TrainingSettings,
    logits_of,
    network_novelty,
    novelty_scores,
    train_network,
)

STEPS = (2, 4, 10, 20, 40, 100)
"""Packet counts at which a temperature is fitted; it holds up to the next."""


HEADER_THRESHOLD = 0.97
HEADER_KNOWN_SHARE = 0.95
HEADER_LEAST_PACKETS = LEAST_PACKETS
"""Where only headers show, strangers are harder to tell: sure takes more.

With these, applications that were left out of dataset1 are named less often by headers than by whole packets.
"""

REFERENCE_VIEW = View(f"{HORIZON} packets from 0", 0, HORIZON, True)
"""The calibration view that is a final verdict from the flow's start."""


def call_folds(dataset: Dataset, flows: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Return the fold (0..folds-1) of each of `flows`, whole calls together, applications spread evenly."""
    rng = np.random.default_rng(seed)
    fold = np.zeros(len(flows), np.int64)
    for application in np.unique(dataset.application[flows]):
        members = np.flatnonzero(dataset.application[flows] == application)
        calls = np.unique(dataset.call[flows[members]])
        place = {call: i % folds for i, call in enumerate(rng.permutation(calls))}
        fold[members] = [place[call] for call in dataset.call[flows[members]]]
    # A call between two applications must not lie on both sides either.
    of_call: dict[str, int] = {}
    for i, call in enumerate(dataset.call[flows]):
        fold[i] = of_call.setdefault(str(call), int(fold[i]))
    return fold


def calibration_views() -> tuple[View, ...]:
    """Return the views that temperatures are fitted on: every step, from the start and from the middle, with the
    flow as it was and as if another peer had answered, since the network will meet both; all again by headers alone.
    """
    return tuple(
        View(
            f"{k} packets from {first}{', renegotiated' * varied}{', headers' * headers}",
            first,
            k,
            k == HORIZON,
            varied,
            headers=headers,
        )
        for headers in (False, True)
        for k in STEPS
        if not headers or k >= HEADER_LEAST_PACKETS
        for first in (0, 150)
        for varied in (False, True)
    )


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Scores of flows from networks that have not trained on them."""

    logits: np.ndarray  # (n, classes) float32
    target: np.ndarray  # (n,) int64
    novelty: np.ndarray  # (n,) float32
    features: np.ndarray  # (n, F) float32
    flow: np.ndarray  # (n,) int64 into the dataset


def view_scores(
    network: CompactNetwork,
    novelty: Novelty,
    dataset: Dataset,
    flows: np.ndarray,
    target: np.ndarray,
    view: View,
) -> HeldOut | None:
    """Return the scores of one view of flows; None when no flow is long enough for it."""
    rows = view_rows(dataset, flows, view)
    enough = rows.packets >= min(view.packets, 10)
    if not enough.any():
        return None
    features, flow = rows.features[enough], rows.flow[enough]
    if view.headers:
        features[:, group_columns("payload")] = missing_payload(network)
    scores = novelty_scores(network, novelty, features)
    return HeldOut(logits_of(network, features), target[flow], scores, features, flow)


def calibration_stage(fold: int, folds: int) -> str:
    """Return in words what a run does in a fold, counted from 0: it trains one more network."""
    return f"calibrating, network {fold + 1} of {folds}"


def out_of_fold(
    dataset: Dataset,
    flows: np.ndarray,
    target: np.ndarray,
    classes: int,
    settings: TrainingSettings,
    folds: int,
    on_epoch: Callable[[Progress], None] = lambda _progress: None,
    on_stage: Callable[[str], None] = lambda _stage: None,
) -> dict[View, HeldOut]:
    """Return, for each calibration view, scores of flows from networks that were trained on the other folds.

    Views that no flow is long enough for are left out. Each fold is a stage.
    """
    fold = call_folds(dataset, flows, folds, settings.seed)
    found: dict[View, list[HeldOut]] = {}
    for i in range(folds):
        on_stage(calibration_stage(i, folds))
        seen = flows[fold != i]
        network = train_network(dataset, seen, target, classes, settings, on_epoch=on_epoch)
        novelty = network_novelty(network, dataset, seen, target)
        for view in calibration_views():
            part = view_scores(network, novelty, dataset, flows[fold == i], target, view)
            if part is not None:
                found.setdefault(view, []).append(part)
    return {
        view: HeldOut(
            *(np.concatenate([getattr(part, name) for part in parts]) for name in HeldOut.__slots__)
        )
        for view, parts in found.items()
    }


def missing_payload(network: CompactNetwork) -> np.ndarray:
    """Return what stands in the columns of payloads where there are none, as when training drops them: their means."""
    mean: np.ndarray = network.mean.numpy()
    return mean[group_columns("payload")]


def _steps(
    held_out: dict[View, HeldOut], headers: bool, fit: Callable[[HeldOut], float]
) -> tuple[tuple[int, float], ...]:
    steps = []
    for k in STEPS:
        parts = [part for view, part in held_out.items() if view.packets == k and view.headers == headers]
        if parts:
            joined = HeldOut(
                *(np.concatenate([getattr(part, name) for part in parts]) for name in HeldOut.__slots__)
            )
            steps.append((k, round(fit(joined), 3)))
    return tuple(steps)


def temperatures(held_out: dict[View, HeldOut], headers: bool = False) -> tuple[tuple[int, float], ...]:
    """Return the softmax temperature of each step of packet counts; `headers`: of the views of headers alone."""
    return _steps(held_out, headers, lambda part: fit_temperature(part.logits, part.target))


def novelty_thresholds(
    held_out: dict[View, HeldOut], known_share: float, headers: bool = False
) -> tuple[tuple[int, float], ...]:
    """Return the novelty limit of each step, which `known_share` of the flows of known applications stay below.

    Renegotiated flows count as well: a limit fitted to the recorded pairs of applications alone calls known ones
    unknown when another peer answers.
    """
    return _steps(held_out, headers, lambda part: float(np.quantile(part.novelty, known_share)))


def header_policy(held_out: dict[View, HeldOut], payload: np.ndarray) -> HeaderPolicy:
    """Return how flows of headers alone are judged; payload: what `missing_payload` gives of the network."""
    policy = Policy(
        HEADER_THRESHOLD,
        temperatures(held_out, headers=True),
        novelty_thresholds(held_out, HEADER_KNOWN_SHARE, headers=True),
    )
    values = tuple(round(float(value), 6) for value in payload)
    return HeaderPolicy(policy, HEADER_LEAST_PACKETS, values)
