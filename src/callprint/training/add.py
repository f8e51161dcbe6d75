"""More applications for a network that is trained already, without forgetting those that it knows.

The network gets scores for the new applications and goes on training, all of its layers, on windows of the added flows
and on its exemplars (training/exemplars.py), every application counting the same. Then the open-set score is fitted
anew to both. docs/results/notes.md says what else was tried.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from callprint.core.ground.errors import DatasetError
from callprint.training.classes import TRAINING_SPLITS, check_names, training_flows
from callprint.training.dataset import Dataset
from callprint.training.exemplars import Exemplars
from callprint.training.network import CompactNetwork
from callprint.training.novelty import EARLY_VIEWS, HORIZON_VIEWS, Novelty, fit_spaces, fitting_rows
from callprint.training.sampling import Rows, training_rows
from callprint.training.settings import TrainingSettings
from callprint.training.train import Progress, hidden_rows, logits_of, run_epoch, scaled_rows

LEAST_CALLS = 3  # of an added application: each fold that calibrates has one of its calls
MOST_FLOWS = 200  # of an added application that are looked at: more take longer and teach little


@dataclass(frozen=True, slots=True)
class Addition:
    """The flows that are added, and the classes with them."""

    dataset: Dataset
    flows: np.ndarray  # (n,) int64 into the dataset
    target: np.ndarray  # (flows of the dataset,) int64 class; -1 for none
    classes: tuple[str, ...]  # the network's, then the new ones
    engines: tuple[str, ...]


def addition(dataset: Dataset, classes: Sequence[str], engines: Sequence[str], seed: int = 1) -> Addition:
    """Return what a dataset adds to the classes of a network, whose engines are given.

    Raises DatasetError when it has nothing to train on, an application has several engines or too few calls.
    """
    flows = training_flows(dataset, TRAINING_SPLITS)
    names, of_engines = list(classes), list(engines)
    kept = []
    rng = np.random.default_rng(seed)
    for name in map(str, np.unique(dataset.application[flows])):
        own = flows[dataset.application[flows] == name]
        calls = len(np.unique(dataset.call[own]))
        if calls < LEAST_CALLS:
            raise DatasetError(f"{name} has {calls} calls to train on; at least {LEAST_CALLS} are needed")
        if name not in names:
            found = np.unique(dataset.engine[own])
            if len(found) != 1:
                raise DatasetError(f"application {name} has several engines: {', '.join(map(str, found))}")
            names.append(name)
            of_engines.append(str(found[0]))
        kept.append(rng.permutation(own)[:MOST_FLOWS])
    check_names(names, of_engines)
    number = {name: i for i, name in enumerate(names)}
    target = np.array([number.get(str(name), -1) for name in dataset.application], np.int64)
    return Addition(dataset, np.sort(np.concatenate(kept)), target, tuple(names), tuple(of_engines))


def grown(network: CompactNetwork, classes: int) -> CompactNetwork:
    """Return a copy that scores more classes; nothing speaks for the new ones yet, nor against them."""
    copied = copy.deepcopy(network)
    for layer in _last_layers(copied):
        weight = torch.zeros(classes, layer.in_features)
        bias = torch.zeros(classes)
        weight[: layer.out_features] = layer.weight.detach()
        bias[: layer.out_features] = layer.bias.detach()
        layer.weight, layer.bias = nn.Parameter(weight), nn.Parameter(bias)
        layer.out_features = classes
    copied.classes = classes
    return copied


def _last_layers(network: CompactNetwork) -> list[nn.Linear]:
    """Return the layers that give scores, of all perceptrons."""
    return [part[-1] for member in network.members for part in (member.joint, *member.groups)]


def learn(
    network: CompactNetwork,
    exemplars: Exemplars,
    added: Addition,
    flows: np.ndarray,
    settings: TrainingSettings,
    on_epoch: Callable[[Progress], None] = lambda _progress: None,
) -> CompactNetwork:
    """Return a network that knows the added classes as well; flows: (n,) int64, those of the addition that train."""
    torch.manual_seed(settings.seed)
    device = torch.device("cpu")  # a GPU is not worth the way there
    learning = grown(network, len(added.classes))
    known = exemplars.chosen(~exemplars.headers)
    steps = settings.epochs * (
        1 + (len(known.target) + len(flows) * settings.windows_per_flow) // settings.batch
    )
    optimizer = torch.optim.AdamW(learning.parameters(), settings.rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.rate, total_steps=steps + 1)
    learning.train()
    for epoch in range(settings.epochs):
        seed = settings.seed * 100_003 + epoch
        torch.manual_seed(seed)
        rows = training_rows(added.dataset, flows, settings.windows_per_flow, seed)
        both = Rows(
            np.concatenate([known.features, rows.features]),
            np.concatenate([known.call, rows.flow]),
            np.concatenate([known.seen, rows.packets]),
        )
        target = np.concatenate([known.target, added.target[rows.flow]])
        loss, accuracy = run_epoch(learning, both, target, settings, optimizer, schedule, device)
        on_epoch(Progress(epoch + 1, settings.epochs, loss, accuracy))
    return learning.eval()


def added_novelty(
    network: CompactNetwork, exemplars: Exemplars, added: Addition, flows: np.ndarray
) -> Novelty:
    """Fit the open-set score to exemplars and added flows; flows: (n,) int64, those that train."""
    spaces = []
    for views in (EARLY_VIEWS, HORIZON_VIEWS):
        known = exemplars.chosen(np.logical_or.reduce([exemplars.of_view(view) for view in views]))
        rows = fitting_rows(added.dataset, flows, views)
        features = np.concatenate([known.features, rows.features])
        spaces.append(
            fit_spaces(
                scaled_rows(network, features),
                hidden_rows(network, features),
                np.concatenate([known.target, added.target[rows.flow]]),
                logits_of(network, features),
            )
        )
    return Novelty(*spaces)
