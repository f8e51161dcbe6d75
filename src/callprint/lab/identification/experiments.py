"""The networks that an accuracy report trains, and how thoroughly."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from callprint.inference.onnx_identifier import OnnxIdentifier
from callprint.lab.identification.open_set import QUICK, Round, leave_applications_out
from callprint.lab.identification.seeds import train_seeds
from callprint.lab.identification.unseen_codec import UnseenCodec, examine_unseen_codecs
from callprint.lab.paper.experiment import Findings, run_experiment
from callprint.lab.paper.plan import PLANS
from callprint.training.classes import TRAINING_SPLIT
from callprint.training.dataset import Dataset
from callprint.training.settings import TrainingSettings

SKETCH = TrainingSettings(epochs=1, windows_per_flow=4, members=1)
"""Shows that everything runs; its figures mean nothing."""

CODEC_ROUNDS = 8  # no application of dataset1 uses more codecs


@dataclass(frozen=True, slots=True)
class Experiments:
    """Training runs on one dataset; `quick`: sketches of them. Their results are kept beside `paper_cache`."""

    dataset: Dataset
    paper_cache: Path
    quick: bool = False
    full: bool = False  # of the paper's networks
    on_stage: Callable[[str], None] = lambda _stage: None

    @property
    def _left_out(self) -> TrainingSettings:
        """Settings of networks that are trained without some applications or codecs: there are many of them."""
        return SKETCH if self.quick else QUICK

    def _cache(self, name: str) -> Path:
        return self.paper_cache.parent / (f"{name}-sketch" if self.quick else name)

    def seeds(self, count: int, shipped: OnnxIdentifier) -> list[OnnxIdentifier]:
        """Return networks of the shipped recipe with seeds 1..count, from the cache where it has them."""
        settings = SKETCH if self.quick else TrainingSettings()
        return train_seeds(self.dataset, self._cache("compact"), settings, count, shipped, self.on_stage)

    def left_out_rounds(self, splits: list[str], seeds: int) -> list[Round]:
        """Return the scores of applications that were left out, each in turn, from the cache where it has them."""
        return leave_applications_out(
            self.dataset,
            self._left_out,
            seeds,
            splits,
            self._cache("left-out"),
            lambda done, total: self.on_stage(f"applications left out: {done} of {total}"),
        )

    def unseen_codecs(self, splits: list[str]) -> dict[str, UnseenCodec]:
        """Return how flows are named whose application did not use their codec in training."""
        return examine_unseen_codecs(
            self.dataset,
            splits,
            self._left_out,
            CODEC_ROUNDS,
            lambda done, total: self.on_stage(f"codecs left out: {done} of {total}"),
        )

    def paper_findings(self) -> Findings | None:
        """Return what the paper's cache holds; None when it holds no network. Nothing is trained."""
        if not len(self.dataset.of_split(TRAINING_SPLIT)):
            return None
        findings = run_experiment(
            self.dataset,
            PLANS["quick" if self.quick else "full" if self.full else "reduced"],
            self.paper_cache,
            threads=torch.get_num_threads(),
            train_missing=False,
            on_stage=self.on_stage,
        )
        return findings if findings.cells else None
