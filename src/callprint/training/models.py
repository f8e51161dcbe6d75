"""From a dataset to a shipped model: train, calibrate, examine, export, write the card."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from callprint.core.identify.card import INPUT_FEATURES, ModelCard, ModelInput, Policy
from callprint.core.identify.feature_list import FEATURE_VERSION
from callprint.core.identify.feature_row import FEATURE_NAMES
from callprint.inference.onnx_identifier import OnnxIdentifier
from callprint.training.calibration import (
    REFERENCE_VIEW,
    header_policy,
    missing_payload,
    novelty_thresholds,
    out_of_fold,
    temperatures,
)
from callprint.training.classes import TRAINING_SPLITS, classes_of, training_flows
from callprint.training.dataset import Dataset, of_applications
from callprint.training.examine import examine
from callprint.training.export import compact_graph, sha256, write_model
from callprint.training.novelty import ENGINE_SHARE, KNOWN_SHARE
from callprint.training.reference import make_reference, sample_of
from callprint.training.sampling import HORIZON
from callprint.training.settings import TrainingSettings
from callprint.training.train import Progress, network_novelty, train_network

CHECKPOINTS = (10, 20, 40, 100)
THRESHOLD = 0.9  # the paper, section VII
SURE_PACKETS = 10  # sure names from fewer packets were wrong wherever calls of others showed it
FOLDS = 3


def make_compact_model(
    dataset: Dataset,
    out: Path,
    settings: TrainingSettings,
    *,
    version: str,
    name: str = "compact",
    state_file: Path | None = None,
    folds: int = FOLDS,
    on_epoch: Callable[[Progress], None] = lambda _progress: None,
    on_stage: Callable[[str], None] = lambda _stage: None,
) -> ModelCard:
    """Train the compact network on TRAINING_SPLITS and write `out` and its card; returns the card.

    Folds of the training splits calibrate it; the other splits only examine it. Raises DatasetError when the
    dataset has no training split.
    """
    flows = training_flows(dataset, TRAINING_SPLITS)
    classes, engines, target = classes_of(dataset, flows)
    on_stage("training")
    network = train_network(
        dataset, flows, target, len(classes), settings, state_file=state_file, on_epoch=on_epoch
    )
    held_out = out_of_fold(dataset, flows, target, len(classes), settings, folds, on_epoch, on_stage)
    graph = compact_graph(network, network_novelty(network, dataset, flows, target))
    policy = Policy(
        THRESHOLD,
        temperatures(held_out),
        novelty_thresholds(held_out, KNOWN_SHARE),
        novelty_thresholds(held_out, ENGINE_SHARE),
        SURE_PACKETS,
    )
    on_stage("measuring what drift is")
    at_horizon = held_out[REFERENCE_VIEW]
    reference = make_reference(
        sample_of(at_horizon, policy, engines), dataset.call[at_horizon.flow], len(classes), settings.seed
    )
    card = ModelCard(
        name=name,
        version=version,
        classes=classes,
        engines=engines,
        input=ModelInput(INPUT_FEATURES, len(FEATURE_NAMES), FEATURE_VERSION, 2, HORIZON),
        checkpoints=CHECKPOINTS,
        policy=policy,
        onnx_file=out.name,
        onnx_sha256=sha256(graph),
        training={
            "splits": [split for split in TRAINING_SPLITS if len(dataset.of_split(split))],
            "flows": len(flows),
            "calls": len(np.unique(dataset.call[flows])),
            "dataset_sha256": dataset.digest,
            "settings": asdict(settings),
            "folds": folds,
            "held_out_accuracy": {
                view.name: round(float((part.logits.argmax(1) == part.target).mean()), 4)
                for view, part in held_out.items()
            },
        },
        accuracy={},
        reference=reference,
        headers=header_policy(held_out, missing_payload(network)),
    )
    on_stage("examining")
    card = replace(card, accuracy=_accuracy(dataset, card, graph))
    write_model(graph, card, out)
    return card


def _accuracy(dataset: Dataset, card: ModelCard, graph: bytes) -> dict[str, Any]:
    identifier = OnnxIdentifier(card, graph)
    dataset = of_applications(dataset, card.classes)
    found: dict[str, Any] = {}
    for split in np.unique(dataset.split):
        if split not in TRAINING_SPLITS:
            found[str(split)] = {
                result.view.name: result.summary() for result in examine(dataset, identifier, str(split))
            }
    return found
