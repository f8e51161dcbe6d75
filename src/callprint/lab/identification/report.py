"""The accuracy report. Everything in it is computed from the run that writes it; docs/results/notes.md has the rest."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime

from callprint.core.ground.errors import DatasetError
from callprint.core.identify.card import ModelCard
from callprint.inference.onnx_identifier import OnnxIdentifier
from callprint.lab.identification.adversity_report import TEXT, adversity_section
from callprint.lab.identification.baselines import SEED, measure_baselines, measure_trees
from callprint.lab.identification.baselines_report import earlier_section, trees_section
from callprint.lab.identification.early_report import early_section
from callprint.lab.identification.goals_report import Measured, goals_section
from callprint.lab.identification.report_text import Report
from callprint.lab.identification.speed_report import measure_speed, speed_section
from callprint.lab.identification.strangers_report import strangers_section
from callprint.lab.identification.views_report import (
    Results,
    applications_section,
    calibration_section,
    confusions_section,
    flows_section,
    k_section,
    unknown_section,
)
from callprint.training.classes import TRAINING_SPLIT, TRAINING_SPLITS, classes_of
from callprint.training.dataset import Dataset, of_applications
from callprint.training.examine import LEAST_PACKETS, Examination, examine
from callprint.training.sampling import EARLY, FINAL, FINAL_MEDIA, MIDFLOW
from callprint.training.statistics import share

if TYPE_CHECKING:
    from callprint.lab.identification.experiments import Experiments

EXAMINED = {
    "dataset2": "other calls, voices and addresses",
    "cross": "the other end is another application",
}
TREE_VIEWS = (EARLY, FINAL, FINAL_MEDIA, MIDFLOW)
CUDA = "CUDAExecutionProvider"


ONE_SEED = (
    "One network, one seed: further seeds of its recipe were not trained, so this page cannot say how much of a figure "
    "is chance of training. With `--seeds 3`, `callprint evaluate` trains two more, goes on after an interruption, and "
    "adds a table."
)


@dataclass(frozen=True, slots=True)
class Extras:
    """What a report can have beside the model's own figures; each takes time, or needs data that not everyone has."""

    unseen: Path | None = (
        None  # captures of other origin: what the model makes of applications that it has never seen
    )
    experiments: "Experiments | None" = None  # training runs
    seeds: int = 0  # of networks made like this one and of left-out runs, for the spread of figures
    left_out: bool = False  # applications and codecs left out of training runs


def write_report(
    dataset: Dataset,
    identifier: OnnxIdentifier,
    path: Path,
    command: str,
    extras: Extras | None = None,
) -> None:
    """Examine the model on every split of the dataset that trains nothing, and write report and pictures.

    Raises DatasetError when the model knows none of the dataset's applications, or there is no call for testing.
    """
    extras = extras or Extras()
    if not np.isin(dataset.application, identifier.applications).any():
        raise DatasetError(f"{identifier.name} knows none of the applications in this dataset")
    everything, dataset = dataset, of_applications(dataset, identifier.applications)
    others = sorted(set(dataset.split.tolist()) - {*EXAMINED, *TRAINING_SPLITS})
    splits = [split for split in (*EXAMINED, *others) if len(dataset.of_split(split))]
    if not splits:
        raise DatasetError(
            f"the dataset has no call for testing: those of {' and '.join(TRAINING_SPLITS)} are for training"
        )
    report = Report(path)
    report.pictures.mkdir(parents=True, exist_ok=True)
    results = {split: _examined(dataset, identifier, split) for split in splits}
    measured = _measure(dataset, identifier, results, extras, path.parent)
    _head(report, dataset, identifier, command, splits)
    flows_section(report, results)
    unknown_section(report, {split: _examined(everything, identifier, split) for split in splits}, identifier)
    goals_section(report, measured)
    _seeds(report, dataset, identifier, splits, extras)
    k_section(report, dataset, identifier, splits)
    early_section(report, dataset, identifier, splits)
    applications_section(report, results, identifier)
    confusions_section(report, results, identifier)
    calibration_section(report, results)
    report.add("## Adversity")
    report.add(TEXT)
    draw = partial(report.picture, "adversity.png", "Accuracy under every condition")
    report.table(*adversity_section(dataset, identifier, splits, draw))
    if measured.baselines:
        earlier_section(report, measured.baselines, results, identifier, dataset)
        trees_section(report, measured.trees, TREE_VIEWS, results, identifier.name)
    _paper(report, measured, identifier)
    _left_out(report, dataset, identifier, splits, measured, extras)
    if extras.unseen is not None:
        strangers_section(report, extras.unseen, identifier)
    speed_section(report, measured.took_s)
    path.write_text(report.text.rstrip() + "\n", encoding="utf-8")


def _examined(dataset: Dataset, identifier: OnnxIdentifier, split: str) -> list[Examination]:
    """Return the views of a split that any of its flows is long enough for."""
    return [found for found in examine(dataset, identifier, split) if len(found.target)]


def _measure(
    dataset: Dataset, identifier: OnnxIdentifier, results: Results, extras: Extras, folder: Path
) -> Measured:
    """Measure what the table of goals compares, and other sections show in full."""
    gpu = CUDA in onnxruntime.get_available_providers()
    measured = Measured(results, measure_speed(dataset, identifier), tree_views=TREE_VIEWS, gpu=gpu)
    if len(dataset.of_split(TRAINING_SPLIT)):
        _classes, _engines, target = classes_of(dataset, dataset.of_split(TRAINING_SPLIT))
        splits = list(results)
        measured.baselines = measure_baselines(dataset, target, TRAINING_SPLIT, splits, SEED)
        measured.trees = measure_trees(dataset, target, TRAINING_SPLIT, splits, TREE_VIEWS, SEED)
    if extras.experiments is not None:
        # Only training needs torch.
        from callprint.lab.identification.paper_section import PAPER_REPORT_NAME, batch_ms  # noqa: PLC0415

        measured.findings = extras.experiments.paper_findings()
        measured.alexnet_batch_ms = batch_ms(folder / PAPER_REPORT_NAME)
        if extras.left_out:
            measured.rounds = extras.experiments.left_out_rounds(list(results), max(1, extras.seeds))
    return measured


def _head(
    report: Report, dataset: Dataset, identifier: OnnxIdentifier, command: str, splits: list[str]
) -> None:
    card = identifier.card
    report.add("# Identification results")
    report.add(
        f"Made by `{command}`. Model: {identifier.name}, `{card.onnx_file}`, SHA-256 `{card.onnx_sha256[:16]}…`; "
        f"trained on {card.training.get('flows', '?')} flows of {card.training.get('calls', '?')} calls of "
        f"{_trained_on(card)} and nothing else: features, network, temperatures and thresholds were chosen on folds of "
        "it by call ([models.md](../use/models.md#how-it-was-chosen) says what had been seen before each choice)."
    )
    for split in splits:
        flows = dataset.of_split(split)
        everything = int((dataset.split == split).sum())
        what = EXAMINED.get(split, "other calls")
        report.add(
            f"- **{split}**: {what}; {len(flows)} flows of {len(np.unique(dataset.call[flows]))} calls, "
            f"{len(np.unique(dataset.application[flows]))} applications. {everything - len(flows)} further flows have "
            f"fewer than {LEAST_PACKETS} RTP packets below 256 bytes and do not count."
        )
    report.add(
        "A flow counts once, whatever its length. Shares are followed by their 95 % Wilson interval. "
        "*Sure* verdicts are those that are not `unknown`: calibrated confidence at or above "
        f"{card.policy.threshold}, and an open-set score within the card's limit. *Engine* counts a verdict as right "
        f"when it names an application with the same media stack ({_siblings(card) or 'here no two share one'})."
    )


def _trained_on(card: ModelCard) -> str:
    splits = card.training.get("splits") or [card.training.get("split", TRAINING_SPLIT)]
    return " and ".join(map(str, splits))


def _siblings(card: ModelCard) -> str:
    """Return which classes share an engine, in words."""
    by_engine: dict[str, list[str]] = {}
    for name, engine in zip(card.classes, card.engines, strict=True):
        by_engine.setdefault(engine, []).append(name)
    shared = {engine: names for engine, names in by_engine.items() if len(names) > 1}
    return "; ".join(f"{', '.join(names)} share {engine}" for engine, names in shared.items())


def _seeds(
    report: Report, dataset: Dataset, identifier: OnnxIdentifier, splits: list[str], extras: Extras
) -> None:
    if extras.experiments is None or not extras.seeds:
        report.add(ONE_SEED)
        return
    # Only training needs torch.
    from callprint.lab.identification.seeds import seeds_rows  # noqa: PLC0415

    models = extras.experiments.seeds(extras.seeds, identifier)
    report.add(f"## {len(models)} seeds")
    first = " The model above is that of the first seed." if models[0] is identifier else ""
    report.add(
        f"The same recipe with {len(models)} seeds of training, folds and limits: mean, and smallest to largest.{first}"
    )
    found = [{split: _examined(dataset, model, split) for split in splits} for model in models]
    report.table(["split", "looked at", "application right", "sure", "of these right"], seeds_rows(found))


def _paper(report: Report, measured: Measured, identifier: OnnxIdentifier) -> None:
    if measured.findings is not None:
        # Only training needs torch.
        from callprint.lab.identification.paper_section import paper_section  # noqa: PLC0415

        paper_section(report, measured.findings, measured.results, identifier.name)


def _left_out(
    report: Report,
    dataset: Dataset,
    identifier: OnnxIdentifier,
    splits: list[str],
    measured: Measured,
    extras: Extras,
) -> None:
    if extras.experiments is None or not extras.left_out:
        return
    # Only training needs torch.
    from callprint.lab.identification.open_set_report import open_set_section  # noqa: PLC0415

    classes, _engines, _target = classes_of(dataset, dataset.of_split(TRAINING_SPLIT))
    threshold = identifier.card.policy.threshold
    open_set_section(report, measured.rounds, classes, splits, threshold)
    report.add("## A codec never heard")
    codecs = extras.experiments.unseen_codecs(splits)
    report.add(
        "Each codec of each application was left out of a quick training run on dataset1 once; its flows in the "
        "other splits were then judged by that network, and by one trained on everything."
    )
    report.table(
        ["split", "flows", "codec in the training data", "never heard from that application"],
        [
            [split, str(of.flows), share(of.seen, of.flows), share(of.unseen, of.flows)]
            for split, of in codecs.items()
        ],
    )
