"""Adds to a model card how flows of headers alone are judged, for a network that was trained before this was known.

Networks of the same recipe are trained on folds of dataset1 by call, as when it was made; the network stays as it is:

    python -m callprint.lab.identification.header_limits models/compact.onnx calls.npz
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from callprint.core.ground.errors import ModelError
from callprint.core.identify.card import ModelCard, card_text
from callprint.core.identify.feature_row import group_columns
from callprint.inference.onnx_identifier import card_path, load_model
from callprint.training.calibration import header_policy, out_of_fold
from callprint.training.classes import classes_of, training_flows
from callprint.training.dataset import Dataset, load_dataset
from callprint.training.settings import TrainingSettings


def graph_means(path: Path) -> np.ndarray:
    """Return the means of the feature columns in training, (F,) float32, as the graph of a compact network has them."""
    for tensor in onnx.load(path).graph.initializer:
        if tensor.name == "mean":
            means: np.ndarray = numpy_helper.to_array(tensor)
            return means
    raise ModelError(f"{path} is not a compact network: it has no means of features")


def with_header_policy(card: ModelCard, means: np.ndarray, dataset: Dataset) -> ModelCard:
    """Return the card with limits for headers, fitted on the flows of the training split whose class it knows."""
    flows = training_flows(dataset)
    flows = flows[np.isin(dataset.application[flows], card.classes)]
    classes, _engines, target = classes_of(dataset, flows)
    if classes != card.classes:
        raise ModelError("the dataset has not all applications of the card")
    settings = TrainingSettings(**card.training["settings"])
    held_out = out_of_fold(dataset, flows, target, len(classes), settings, card.training["folds"])
    return replace(card, headers=header_policy(held_out, means[group_columns("payload")]))


def main() -> None:
    """Read a network's card and a dataset file; write the card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("dataset", type=Path)
    args = parser.parse_args()
    card = with_header_policy(
        load_model(args.model).card, graph_means(args.model), load_dataset(args.dataset)
    )
    card_path(args.model).write_text(card_text(card), encoding="utf-8")


if __name__ == "__main__":
    main()
