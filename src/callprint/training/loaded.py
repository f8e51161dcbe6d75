"""A network from its ONNX file back as one that can be trained further."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from callprint.core.ground.errors import ModelError
from callprint.core.identify.card import INPUT_FEATURES, ModelCard
from callprint.core.identify.feature_row import FEATURE_NAMES
from callprint.inference import OnnxIdentifier, load_model
from callprint.training.network import CompactNetwork
from callprint.training.novelty import Novelty, Space, Spaces
from callprint.training.train import logits_of, novelty_scores

MOST_DIFFERENCE = 1e-2  # of scores, between the file and what was made of it
_PROBES = 64  # rows on which both are compared
_WEIGHT = re.compile(r"members\.\d+\..*\.(weight|bias)")


@dataclass(frozen=True)
class Loaded:
    """What a file holds."""

    identifier: OnnxIdentifier
    network: CompactNetwork
    novelty: Novelty

    @property
    def card(self) -> ModelCard:
        """The card of the file."""
        return self.identifier.card


def load_network(path: Path) -> Loaded:
    """Read a network that `callprint train` wrote, with its card.

    Raises ModelError when it is damaged or no such network.
    """
    identifier = load_model(path)  # checks the graph
    if identifier.card.input.kind != INPUT_FEATURES:
        raise ModelError(f"{path} looks at k-matrices: applications can be added to compact networks only")
    graph = onnx.load_model_from_string(path.read_bytes()).graph
    constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    try:
        network = _network(constants, len(identifier.applications))
        novelty = Novelty(_spaces(constants, "early"), _spaces(constants, "horizon"))
        same = _is_same(identifier, network, novelty)
    except (KeyError, ValueError, IndexError, TypeError, RuntimeError):
        same = False
    if not same:
        raise ModelError(f"{path} is not a network of this release's `callprint train`: train a new one")
    return Loaded(identifier, network, novelty)


def _tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(values, np.float32))  # a copy: what ONNX gives is read-only


def _network(constants: dict[str, np.ndarray], classes: int) -> CompactNetwork:
    members = len({name.split(".")[1] for name in constants if _WEIGHT.fullmatch(name)})
    joint, group = "members.0.joint", "members.0.groups.0"
    network = CompactNetwork(
        _tensor(constants["mean"]),
        _tensor(constants["deviation"]),
        classes,
        members,
        (len(constants[f"{joint}.0.bias"]), len(constants[f"{joint}.3.bias"])),
        (len(constants[f"{group}.0.bias"]), len(constants[f"{group}.3.bias"])),
    )
    state = {name: _tensor(constants[name]) for name in network.state_dict()}
    network.load_state_dict(state)
    return network.eval()


def _spaces(constants: dict[str, np.ndarray], name: str) -> Spaces:
    return Spaces(_space(constants, name), _space(constants, f"{name}.hidden"))


def _space(constants: dict[str, np.ndarray], name: str) -> Space:
    whitening, centres = constants[f"{name}.whitening"], constants[f"{name}.centres"]
    middle, spread = constants[f"{name}.middle"], constants[f"{name}.spread"]
    return Space(np.array(whitening), np.array(centres), np.float32(middle), np.float32(spread))


def _is_same(identifier: OnnxIdentifier, network: CompactNetwork, novelty: Novelty) -> bool:
    """Return whether the parts that were found score as the file does."""
    mean, deviation = network.mean.numpy(), network.deviation.numpy()
    usual = np.where(np.isfinite(deviation), deviation, 0.0)
    drawn = np.random.default_rng(0).normal(size=(_PROBES, len(FEATURE_NAMES)))
    rows = (mean + drawn * usual).astype(np.float32)
    logits, scores = identifier.scores_of_rows(rows)
    if scores is None or not np.allclose(logits, logits_of(network, rows), atol=MOST_DIFFERENCE):
        return False
    return np.allclose(scores, novelty_scores(network, novelty, rows), atol=MOST_DIFFERENCE)
