"""Examination of a model on flows that it has never seen, with the shipped file and the shipped code."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from callprint.core.identify.decision import SURE, Decisions, softmax, step_values
from callprint.inference.onnx_identifier import OnnxIdentifier
from callprint.training.dataset import Dataset
from callprint.training.sampling import VIEWS, View, view_windows
from callprint.training.statistics import wilson
from callprint.training.windows import Windows

LEAST_PACKETS = 10  # flows with fewer do not count in accuracy figures


@dataclass(frozen=True, slots=True)
class Examination:
    """What a model made of one view of a split's flows."""

    view: View
    flow: np.ndarray  # (n,) int64 into the dataset
    target: np.ndarray  # (n,) int64, class; -1 for an application that the model does not know
    decisions: Decisions
    probabilities: np.ndarray  # (n, classes) float32, calibrated
    novelty: np.ndarray  # (n,) float32
    packets: np.ndarray  # (n,) int64
    engines: np.ndarray  # (classes,) str

    @property
    def right(self) -> np.ndarray:
        """(n,) bool: the best class is the application."""
        return self.decisions.application == self.target

    @property
    def engine_right(self) -> np.ndarray:
        """(n,) bool: the best class has the application's engine."""
        right: np.ndarray = self.engines[self.decisions.application] == self.engines[self.target]
        return right

    @property
    def sure(self) -> np.ndarray:
        """(n,) bool: the verdict is not `unknown`."""
        sure: np.ndarray = self.decisions.reason == SURE
        return sure

    def summary(self) -> dict[str, Any]:
        """Return the figures that a model card holds."""
        count = len(self.target)
        low, high = wilson(int(self.right.sum()), count)
        sure = int(self.sure.sum())
        return {
            "flows": count,
            "accuracy": round(float(self.right.mean()), 4) if count else None,
            "interval_95": [round(low, 4), round(high, 4)],
            "engine_accuracy": round(float(self.engine_right.mean()), 4) if count else None,
            "coverage": round(sure / count, 4) if count else None,
            "precision_of_sure": round(float(self.right[self.sure].mean()), 4) if sure else None,
        }


def examine_view(dataset: Dataset, identifier: OnnxIdentifier, flows: np.ndarray, view: View) -> Examination:
    """Let the model judge one view of each flow; flows too short for the view are left out."""
    windows = view_windows(dataset, flows, view)
    return examine_cut(dataset, identifier, windows, view, min(LEAST_PACKETS, view.packets))


def examine_cut(
    dataset: Dataset, identifier: OnnxIdentifier, windows: Windows, view: View, least_packets: int
) -> Examination:
    kept = windows.packets >= least_packets
    flow = windows.flow[kept]
    spans = windows.spans[kept]
    logits, novelty, packets = identifier.scores(windows.buffer, spans)
    number = {name: i for i, name in enumerate(identifier.applications)}
    card = identifier.card
    policy = card.headers.policy if view.headers and card.headers is not None else card.policy
    return Examination(
        view=view,
        flow=flow,
        target=np.array([number.get(str(name), -1) for name in dataset.application[flow]], np.int64),
        decisions=identifier.identify(windows.buffer, spans),
        probabilities=softmax(logits, step_values(policy.temperatures, packets)),
        novelty=novelty,
        packets=packets,
        engines=np.array(identifier.card.engines),
    )


def examine(
    dataset: Dataset, identifier: OnnxIdentifier, split: str, views: tuple[View, ...] = VIEWS
) -> list[Examination]:
    """Let the model judge every view of every flow of a split that counts."""
    flows = dataset.of_split(split, LEAST_PACKETS)
    return [examine_view(dataset, identifier, flows, view) for view in views]
