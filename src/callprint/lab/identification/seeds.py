"""The same recipe with several seeds shows how much of a figure is chance. Networks are kept and not made again."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from callprint.core.ground.errors import ModelError
from callprint.inference.onnx_identifier import OnnxIdentifier, card_path, load_model
from callprint.training.dataset import Dataset
from callprint.training.examine import Examination
from callprint.training.models import make_compact_model
from callprint.training.settings import TrainingSettings


def train_seeds(
    dataset: Dataset,
    folder: Path,
    settings: TrainingSettings,
    seeds: int,
    shipped: OnnxIdentifier,
    on_stage: Callable[[str], None] = lambda _stage: None,
) -> list[OnnxIdentifier]:
    """Return the networks of seeds 1, 2, ...; those that `folder` has of this dataset and settings are reused.

    So is `shipped`, when it was made with them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    models = []
    for seed in range(1, seeds + 1):
        path = folder / f"compact-seed-{seed}.onnx"
        of_seed = replace(settings, seed=seed)
        if _is_of(shipped, dataset, of_seed):
            models.append(shipped)
            continue
        if not _is_made(path, dataset, of_seed):
            make_compact_model(
                dataset,
                path,
                of_seed,
                version=f"seed {seed}",
                state_file=path.with_suffix(".training"),
                on_stage=lambda stage, seed=seed: on_stage(f"seed {seed}: {stage}"),
            )
            path.with_suffix(".training").unlink(missing_ok=True)
        models.append(load_model(path))
    return models


def _is_made(path: Path, dataset: Dataset, settings: TrainingSettings) -> bool:
    if not card_path(path).exists():
        return False
    try:
        return _is_of(load_model(path), dataset, settings)
    except ModelError:
        return False


def _is_of(model: OnnxIdentifier, dataset: Dataset, settings: TrainingSettings) -> bool:
    facts = model.card.training
    return facts.get("dataset_sha256") == dataset.digest and facts.get("settings") == asdict(settings)


def spread(values: list[float]) -> str:
    """Return the mean and the range of shares, as text."""
    return f"{np.mean(values):.1%} ({min(values):.1%} to {max(values):.1%})"


def seeds_rows(results: list[dict[str, list[Examination]]]) -> list[list[str]]:
    """Return table rows over seeds: split, view, application right, sure, of these right."""
    rows = []
    for split, examinations in results[0].items():
        for i, first in enumerate(examinations):
            found = [result[split][i] for result in results]
            right = [float(one.right.mean()) for one in found]
            sure = [float(one.sure.mean()) for one in found]
            precise = [float(one.right[one.sure].mean()) for one in found if one.sure.any()]
            rows.append(
                [split, first.view.name, spread(right), spread(sure), spread(precise) if precise else "–"]
            )
    return rows
