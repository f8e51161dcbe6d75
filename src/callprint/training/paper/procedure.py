"""The paper's training procedure (sections VI-C and VIII-B): resumable, seeded."""

import ctypes
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from callprint.core.ground.errors import ModelError
from callprint.training.kept_state import keep_state, resume_state
from callprint.training.paper.networks import ALEXNET, PaperNetwork, alexnet, make_network
from callprint.training.paper.windows import Images, as_input

MALLOC_TRIM_THRESHOLD, MALLOC_MMAP_MAX = -1, -4  # of glibc's malloc.h

CONSTANT_EPOCHS = 2  # the learning rate decays after them
PAUSE_STEPS = 20  # between them a training may keep its state


@dataclass(frozen=True, slots=True)
class Procedure:
    """How one network is trained; the defaults are the paper's, except `decay`, which it does not give."""

    kind: str
    k: int
    seed: int = 1
    most_windows: int | None = None  # of each class; None: all
    epochs: int = 20
    batch: int = 100
    rate: float = 0.01
    momentum: float = 0.9
    decay: float = 0.01  # rho; 0.01 divides the rate by seven over twenty epochs
    convolution_dropout: float = 0.5  # AlexNet only; its full layers keep the paper's 0.5
    l1: float = 0.0
    l2: float = 0.0
    start: "Procedure | None" = None  # whose convolutions the training starts from; None: random weights

    @property
    def penalised(self) -> bool:
        """Whether a norm of the weights is added to the loss."""
        return bool(self.l1 or self.l2)

    @property
    def name(self) -> str:
        """What the network is called in tables and file names."""
        penalties = f"-l1-{self.l1:g}" * bool(self.l1) + f"-l2-{self.l2:g}" * bool(self.l2)
        return f"{self.kind.lower()}-k{self.k}-seed{self.seed}{penalties}"


@dataclass(frozen=True, slots=True)
class EpochResult:
    """Where a run stands after an epoch."""

    epoch: int
    loss: float
    accuracy: float  # of the epoch's own batches, before their update


class Windows(Protocol):
    """What trains a network: labelled windows that are taken by their numbers."""

    count: int

    def batch(self, part: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return images (n, 1, k, 256) in [0, 1] and classes (n,) of the windows `part`, on the training's device."""


@dataclass(frozen=True, slots=True)
class HostWindows:
    """Windows in the processor's memory; target: (flows of the dataset,) class of each."""

    images: Images
    target: np.ndarray
    device: torch.device

    @property
    def count(self) -> int:
        """How many windows there are."""
        return len(self.images.flow)

    def batch(self, part: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return images and classes."""
        chosen = part.cpu().numpy()
        images = torch.from_numpy(as_input(self.images.images[chosen])).to(self.device)
        return images, torch.from_numpy(self.target[self.images.flow[chosen]]).to(self.device)


@dataclass(slots=True)
class Progress:
    """How far a training is: whole epochs, and the part of the next one that is done."""

    epoch: int = 0
    windows: int = 0  # of the next epoch, looked at
    loss: float = 0.0  # their sum
    right: int = 0
    random: list[torch.Tensor] = field(
        default_factory=list
    )  # states of the generators, in the middle of an epoch


def device_of_training() -> torch.device:
    """Return the GPU if torch sees one, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def decayed_rate(procedure: Procedure, epoch: int) -> float:
    """Return the learning rate of an epoch (from 1): rate_i = rate_(i-1) / (1 + rho i) after CONSTANT_EPOCHS."""
    rate = procedure.rate
    for i in range(CONSTANT_EPOCHS + 1, epoch + 1):
        rate /= 1.0 + procedure.decay * i
    return rate


def new_network(procedure: Procedure, classes: int) -> PaperNetwork:
    """Return the untrained network of a procedure."""
    torch.manual_seed(procedure.seed)
    if procedure.kind == ALEXNET:
        return alexnet(procedure.k, classes, convolution_dropout=procedure.convolution_dropout)
    return make_network(procedure.kind, procedure.k, classes)


def _start_from(network: PaperNetwork, convolutions: list[np.ndarray]) -> None:
    with torch.no_grad():
        for part, values in zip(network.convolutions.parameters(), convolutions, strict=True):
            part.copy_(torch.from_numpy(values.copy()))


def _keep_freed_memory() -> None:
    # A step allocates gigabytes and frees them. glibc returns such blocks to the system, which clears them again for
    # the next step; when it keeps them, a step of a large network on a CPU takes half as long. Other C libraries have
    # no such function.
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(MALLOC_MMAP_MAX, 0)
        mallopt(MALLOC_TRIM_THRESHOLD, -1)  # never


def _mixed_precision(device: torch.device) -> bool:
    # bfloat16 needs no loss scaling; a processor without instructions for it computes it slower than float32.
    return device.type == "cuda" or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def train(
    procedure: Procedure,
    windows: Windows,
    classes: int,
    *,
    digest: str,
    state_file: Path,
    device: torch.device,
    convolutions: list[np.ndarray] | None = None,
    keep_every_s: float | None = None,
    on_epoch: Callable[[EpochResult], None] = lambda _result: None,
) -> PaperNetwork:
    """Train a network on windows that lie on `device`; digest: names the data.

    `convolutions`: weights and biases to start from, in the order of the layers. An interrupted run resumes from
    `state_file`, which is written after every epoch, or with `keep_every_s` whenever that many seconds have passed,
    within an epoch too. Raises ModelError when it belongs to another run.
    """
    _keep_freed_memory()
    network = new_network(procedure, classes).to(device)
    if convolutions is not None:
        _start_from(network, convolutions)
    network.convolutions.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        network.parameters(), procedure.rate, momentum=procedure.momentum, nesterov=True, fused=True
    )
    identity = {"procedure": asdict(procedure), "digest": digest, "windows": windows.count}
    progress = _resume(state_file, identity, network, optimizer)
    kept_s = time.monotonic()

    def keep(*, between_epochs: bool) -> None:
        nonlocal kept_s
        due = between_epochs if keep_every_s is None else time.monotonic() - kept_s >= keep_every_s
        if due:
            _keep(state_file, identity, network, optimizer, progress)
            kept_s = time.monotonic()

    network.train()
    while progress.epoch < procedure.epochs:
        for group in optimizer.param_groups:
            group["lr"] = decayed_rate(procedure, progress.epoch + 1)
        _finish_epoch(
            network, optimizer, windows, procedure, device, progress, lambda: keep(between_epochs=False)
        )
        result = EpochResult(
            progress.epoch + 1, progress.loss / windows.count, progress.right / windows.count
        )
        progress = Progress(result.epoch)
        if result.epoch < procedure.epochs:
            keep(between_epochs=True)
        on_epoch(result)
    return network.eval().cpu()


def _finish_epoch(
    network: PaperNetwork,
    optimizer: torch.optim.Optimizer,
    windows: Windows,
    procedure: Procedure,
    device: torch.device,
    progress: Progress,
    pause: Callable[[], None],
) -> None:
    torch.manual_seed(procedure.seed * 1009 + progress.epoch + 1)
    order = torch.randperm(windows.count, device=device)
    if progress.random:
        _set_random(progress.random)
    # Sums stay on the device until they are asked for: to read them after every step would wait for it.
    loss_sum = torch.tensor(progress.loss, dtype=torch.float64, device=device)
    right = torch.tensor(progress.right, device=device)
    for start in range(progress.windows, windows.count, procedure.batch):
        images, wanted = windows.batch(order[start : start + procedure.batch])
        images = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=_mixed_precision(device)):
            logits = network(images)
        loss = nn.functional.cross_entropy(logits.float(), wanted)
        optimizer.zero_grad()
        _with_penalties(loss, network, procedure).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        loss_sum += loss.detach().double() * len(wanted)
        right += (logits.detach().argmax(1) == wanted).sum()
        if (start // procedure.batch + 1) % PAUSE_STEPS == 0:
            _note(progress, start + len(wanted), loss_sum, right, procedure)
            pause()
    _note(progress, windows.count, loss_sum, right, procedure)


def _note(
    progress: Progress, windows: int, loss: torch.Tensor, right: torch.Tensor, procedure: Procedure
) -> None:
    progress.windows, progress.loss, progress.right = windows, float(loss), int(right)
    progress.random = _random()
    if not np.isfinite(progress.loss):
        raise ModelError(f"training of {procedure.name} diverged: its loss is not finite")


def _random() -> list[torch.Tensor]:
    states = [torch.get_rng_state()]
    return [*states, torch.cuda.get_rng_state()] if torch.cuda.is_available() else states


def _set_random(states: list[torch.Tensor]) -> None:
    torch.set_rng_state(states[0])
    if torch.cuda.is_available():
        torch.cuda.set_rng_state(states[1])


def _with_penalties(loss: torch.Tensor, network: nn.Module, procedure: Procedure) -> torch.Tensor:
    # The paper's future work, section VIII-C: norms of the weights against overfitting.
    weights = [one for one in network.parameters() if one.dim() > 1]
    if procedure.l1:
        loss = loss + procedure.l1 * torch.stack([one.abs().sum() for one in weights]).sum()
    if procedure.l2:
        loss = loss + procedure.l2 * torch.stack([one.square().sum() for one in weights]).sum()
    return loss


def _keep(path: Path, identity: dict[str, Any], network: Any, optimizer: Any, progress: Progress) -> None:
    state = {
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "progress": asdict(progress),
    }
    keep_state(path, identity, state)


def _resume(path: Path, identity: dict[str, Any], network: Any, optimizer: Any) -> Progress:
    def restore(state: dict[str, Any]) -> Progress:
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        # States of 0.1.0 have whole epochs only.
        return Progress(**state["progress"]) if "progress" in state else Progress(int(state["epoch"]))

    return resume_state(path, identity, restore) or Progress()
