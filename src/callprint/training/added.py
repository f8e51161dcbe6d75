"""A network that more applications were added to, calibrated and written with its card and its exemplars."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from callprint.core.identify.card import HeaderPolicy, ModelCard, Policy, Steps
from callprint.core.identify.decision import step_values
from callprint.inference import OnnxIdentifier
from callprint.training.add import Addition, added_novelty, addition, learn
from callprint.training.calibration import (
    HEADER_KNOWN_SHARE,
    REFERENCE_VIEW,
    HeldOut,
    calibration_stage,
    calibration_views,
    call_folds,
    missing_payload,
    novelty_thresholds,
    temperatures,
    view_scores,
)
from callprint.training.classes import TRAINING_SPLITS
from callprint.training.dataset import Dataset, of_applications
from callprint.training.examine import examine
from callprint.training.exemplars import Exemplars, exemplars_path, join_exemplars, save_exemplars
from callprint.training.export import compact_graph, sha256, write_model
from callprint.training.loaded import Loaded
from callprint.training.make_exemplars import make_exemplars
from callprint.training.network import CLIP, CompactNetwork
from callprint.training.novelty import ENGINE_SHARE, KNOWN_SHARE, Novelty
from callprint.training.reference import make_reference, sample_of
from callprint.training.sampling import View
from callprint.training.settings import TrainingSettings
from callprint.training.train import Progress, logits_of, novelty_scores

FOLDS = 3


def add_to_model(
    base: Loaded,
    exemplars: Exemplars,
    dataset: Dataset,
    out: Path,
    settings: TrainingSettings,
    *,
    version: str,
    name: str,
    folds: int = FOLDS,
    on_epoch: Callable[[Progress], None] = lambda _progress: None,
    on_stage: Callable[[str], None] = lambda _stage: None,
) -> ModelCard:
    """Add the applications of TRAINING_SPLITS to a network; write `out`, its card and its exemplars; return the card.

    Raises DatasetError when the dataset has nothing that can be added.
    """
    added = addition(dataset, base.card.classes, base.card.engines, settings.seed)
    on_stage("training")
    network = learn(base.network, exemplars, added, added.flows, settings, on_epoch)
    novelty = added_novelty(network, exemplars, added, added.flows)
    held_out, calls = _out_of_fold(base, exemplars, added, settings, folds, on_epoch, on_stage)
    policy, headers = _policies(base.card, held_out, missing_payload(network))
    on_stage("measuring what drift is")
    graph = compact_graph(network, novelty)
    reference = make_reference(
        sample_of(held_out[REFERENCE_VIEW], policy, added.engines),
        calls[REFERENCE_VIEW],
        len(added.classes),
        settings.seed,
    )
    card = replace(
        base.card,
        name=name,
        version=version,
        classes=added.classes,
        engines=added.engines,
        policy=policy,
        onnx_file=out.name,
        onnx_sha256=sha256(graph),
        training={
            "added_to": {"name": base.card.name, "version": base.card.version, "digest": base.card.digest},
            "added": sorted({str(each) for each in dataset.application[added.flows]}),
            "splits": [split for split in TRAINING_SPLITS if len(dataset.of_split(split))],
            "flows": len(added.flows),
            "calls": len(np.unique(dataset.call[added.flows])),
            "dataset_sha256": dataset.digest,
            "settings": asdict(settings),
            "folds": folds,
        },
        accuracy={},
        reference=reference,
        headers=headers,
    )
    on_stage("examining")
    identifier = OnnxIdentifier(card, graph)
    card = replace(card, accuracy=_accuracy(dataset, identifier))
    write_model(graph, card, out)
    own = make_exemplars(dataset, identifier, added.flows)
    save_exemplars(
        join_exemplars(exemplars, own),
        network.mean.numpy(),
        CLIP * network.deviation.numpy(),
        exemplars_path(out),
    )
    return card


def _accuracy(dataset: Dataset, identifier: OnnxIdentifier) -> dict[str, object]:
    dataset = of_applications(dataset, identifier.applications)
    return {
        str(split): {each.view.name: each.summary() for each in examine(dataset, identifier, str(split))}
        for split in np.unique(dataset.split)
        if split not in TRAINING_SPLITS and len(dataset.of_split(split))
    }


def _out_of_fold(
    base: Loaded,
    exemplars: Exemplars,
    added: Addition,
    settings: TrainingSettings,
    folds: int,
    on_epoch: Callable[[Progress], None],
    on_stage: Callable[[str], None],
) -> tuple[dict[View, HeldOut], dict[View, np.ndarray]]:
    """Return the scores of each calibration view from networks that were not added these calls, and their calls.

    The network itself was trained on the calls of its exemplars: they show what adding has changed, and the limits that
    it came with stand for what it makes of other calls.
    """
    fold = call_folds(added.dataset, added.flows, folds, settings.seed)
    of_exemplars = exemplars.call % folds
    own_calls = np.unique(added.dataset.call, return_inverse=True)[1] + exemplars.call.max(initial=0) + 1
    found: dict[View, list[tuple[HeldOut, np.ndarray]]] = {}
    for i in range(folds):
        on_stage(calibration_stage(i, folds))
        seen, held = added.flows[fold != i], added.flows[fold == i]
        known = exemplars.chosen(of_exemplars != i)
        network = learn(base.network, known, added, seen, settings, on_epoch)
        novelty = added_novelty(network, known, added, seen)
        for view in calibration_views():
            part = (
                view_scores(network, novelty, added.dataset, held, added.target, view) if len(held) else None
            )
            if part is not None:
                found.setdefault(view, []).append((part, own_calls[part.flow]))
            rows = exemplars.chosen((of_exemplars == i) & exemplars.of_view(view))
            if len(rows.target):
                found.setdefault(view, []).append((_scores(network, novelty, rows), rows.call))
    joined = {
        view: HeldOut(
            *(np.concatenate([getattr(part, name) for part, _ in parts]) for name in HeldOut.__slots__)
        )
        for view, parts in found.items()
    }
    return joined, {view: np.concatenate([calls for _, calls in parts]) for view, parts in found.items()}


def _scores(network: CompactNetwork, novelty: Novelty, rows: Exemplars) -> HeldOut:
    scores = novelty_scores(network, novelty, rows.features)
    return HeldOut(logits_of(network, rows.features), rows.target, scores, rows.features, rows.call)


def _policies(
    card: ModelCard, held_out: dict[View, HeldOut], payload: np.ndarray
) -> tuple[Policy, HeaderPolicy | None]:
    """Return how scores become answers: as in the card, and no less careful than these flows ask for."""
    policy = replace(
        card.policy,
        temperatures=higher(card.policy.temperatures, temperatures(held_out)),
        novelty_thresholds=higher(card.policy.novelty_thresholds, novelty_thresholds(held_out, KNOWN_SHARE)),
        engine_novelty_thresholds=higher(
            card.policy.engine_novelty_thresholds, novelty_thresholds(held_out, ENGINE_SHARE)
        ),
    )
    if card.headers is None:
        return policy, None
    of_headers = replace(
        card.headers.policy,
        temperatures=higher(card.headers.policy.temperatures, temperatures(held_out, headers=True)),
        novelty_thresholds=higher(
            card.headers.policy.novelty_thresholds,
            novelty_thresholds(held_out, HEADER_KNOWN_SHARE, headers=True),
        ),
    )
    return policy, replace(
        card.headers, policy=of_headers, payload=tuple(round(float(each), 6) for each in payload)
    )


def higher(before: Steps, now: Steps) -> Steps:
    """Return the higher value at each step of `before`; where that has none, neither has the result."""
    packets = np.array([first for first, _ in before], np.int64)
    if not now:
        return before
    values = step_values(now, packets)
    return tuple(
        (first, max(value, round(float(other), 3)))
        for (first, value), other in zip(before, values, strict=True)
    )
