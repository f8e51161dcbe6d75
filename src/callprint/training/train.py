"""The training loop of the compact network: seeded, resumable, by call."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from callprint.core.identify.feature_row import group_columns
from callprint.training.dataset import Dataset
from callprint.training.kept_state import keep_state, resume_state
from callprint.training.network import CompactNetwork
from callprint.training.novelty import EARLY_VIEWS, HORIZON_VIEWS, Novelty, fit_spaces, fitting_rows
from callprint.training.sampling import RENEGOTIATED_SHARE, Rows, training_rows
from callprint.training.settings import TrainingSettings


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands, after an epoch."""

    epoch: int
    epochs: int
    loss: float
    accuracy: float  # on the epoch's own windows, before their update


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def class_weights(target: np.ndarray, classes: int) -> np.ndarray:
    """Return a weight for each row so that every class counts the same; target: (n,) int64."""
    counts = np.bincount(target, minlength=classes)
    weights: np.ndarray = (1.0 / counts[target]).astype(np.float32)
    return weights / weights.mean()


def train_network(
    dataset: Dataset,
    flows: np.ndarray,
    target: np.ndarray,
    classes: int,
    settings: TrainingSettings,
    *,
    state_file: Path | None = None,
    on_epoch: Callable[[Progress], None] = lambda _progress: None,
    without: Sequence[str] = (),
    renegotiated: float = RENEGOTIATED_SHARE,
) -> CompactNetwork:
    """Train on windows of `flows` ((n,) int64 into the dataset); target: (flows of the dataset,) class of each.

    `without`: groups of features that the network is not to see; `renegotiated`: share of the windows that is varied as
    if another peer had answered. With `state_file`, the state is kept after every epoch, and an interrupted run resumes
    from it. Raises ModelError when the state belongs to another run.
    """
    torch.manual_seed(settings.seed)
    device = _device()
    rows = training_rows(dataset, flows, settings.windows_per_flow, _epoch_seed(settings, 0), renegotiated)
    deviation = torch.from_numpy(rows.features.std(0) + 1e-3)
    for group in without:
        deviation[group_columns(group)] = torch.inf  # so every value counts as the usual one
    network = CompactNetwork(
        torch.from_numpy(rows.features.mean(0)),
        deviation,
        classes,
        settings.members,
    ).to(device)
    steps = (len(flows) * settings.windows_per_flow // settings.batch + 1) * settings.epochs
    optimizer = torch.optim.AdamW(network.parameters(), settings.rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.rate, total_steps=steps + 1)
    identity = {
        "settings": asdict(settings),
        "digest": dataset.digest,
        "flows": len(flows),
        "without": list(without),
        "renegotiated": renegotiated,
    }
    done = _resume(state_file, identity, network, optimizer, schedule) if state_file else 0
    network.train()
    for epoch in range(done, settings.epochs):
        torch.manual_seed(_epoch_seed(settings, epoch))
        if epoch:
            seed = _epoch_seed(settings, epoch)
            rows = training_rows(dataset, flows, settings.windows_per_flow, seed, renegotiated)
        loss, accuracy = run_epoch(network, rows, target[rows.flow], settings, optimizer, schedule, device)
        if state_file:
            _keep(state_file, identity, network, optimizer, schedule, epoch + 1)
        on_epoch(Progress(epoch + 1, settings.epochs, loss, accuracy))
    return network.eval().cpu()


def _epoch_seed(settings: TrainingSettings, epoch: int) -> int:
    return settings.seed * 100_003 + epoch


def run_epoch(
    network: CompactNetwork,
    rows: Rows,
    target: np.ndarray,
    settings: TrainingSettings,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    device: torch.device,
) -> tuple[float, float]:
    """Train on every row once; target: (n,) class of each. Returns loss and accuracy, before the update."""
    scaled = network.scale(torch.from_numpy(rows.features).to(device))  # (n, F) float32
    wanted = torch.from_numpy(target).to(device)
    weight = torch.from_numpy(class_weights(target, network.classes)).to(device)
    order = torch.randperm(len(wanted), device=device)
    total = 0.0
    right = 0
    for start in range(0, len(order), settings.batch):
        part = order[start : start + settings.batch]
        loss = network.training_loss(scaled[part], wanted[part], weight[part])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        total += float(loss.detach()) * len(part)
    with torch.no_grad():
        sample = order[:2048]
        network.eval()
        scores = torch.stack([member(scaled[sample]) for member in network.members]).mean(0)
        right = int((scores.argmax(1) == wanted[sample]).sum())
        network.train()
    return total / len(order), right / len(sample)


def _keep(
    path: Path, identity: dict[str, Any], network: Any, optimizer: Any, schedule: Any, epoch: int
) -> None:
    state = {
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "schedule": schedule.state_dict(),
        "epoch": epoch,
    }
    keep_state(path, identity, state)


def _resume(path: Path, identity: dict[str, Any], network: Any, optimizer: Any, schedule: Any) -> int:
    def restore(state: dict[str, Any]) -> int:
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        return int(state["epoch"])

    return resume_state(path, identity, restore) or 0


def logits_of(network: CompactNetwork, features: np.ndarray) -> np.ndarray:
    """Return logits (n, classes) of feature rows (n, F) float32."""
    with torch.no_grad():
        logits: np.ndarray = network(torch.from_numpy(features)).numpy()
    return logits


def scaled_rows(network: CompactNetwork, features: np.ndarray) -> np.ndarray:
    """Return feature rows as the network standardises them, (n, F) float32."""
    with torch.no_grad():
        scaled: np.ndarray = network.scale(torch.from_numpy(features)).numpy()
    return scaled


def hidden_rows(network: CompactNetwork, features: np.ndarray) -> np.ndarray:
    """Return the last hidden layers of feature rows, (n, hidden units) float32 of unit length."""
    with torch.no_grad():
        hidden: np.ndarray = network.hidden(network.scale(torch.from_numpy(features))).numpy()
    return hidden


def novelty_scores(network: CompactNetwork, novelty: Novelty, features: np.ndarray) -> np.ndarray:
    """Return the open-set score (n,) float32 of feature rows (n, F) float32."""
    return novelty.score(
        features,
        scaled_rows(network, features),
        hidden_rows(network, features),
        logits_of(network, features),
    )


def network_novelty(
    network: CompactNetwork, dataset: Dataset, flows: np.ndarray, target: np.ndarray
) -> Novelty:
    """Fit the open-set score of a network on the flows that trained it; target: (flows of the dataset,) class."""
    spaces = []
    for views in (EARLY_VIEWS, HORIZON_VIEWS):
        rows = fitting_rows(dataset, flows, views)
        spaces.append(
            fit_spaces(
                scaled_rows(network, rows.features),
                hidden_rows(network, rows.features),
                target[rows.flow],
                logits_of(network, rows.features),
            )
        )
    return Novelty(*spaces)
