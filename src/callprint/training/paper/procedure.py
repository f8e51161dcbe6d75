"""The paper's training procedure (sections VI-C and VIII-B): resumable after every epoch, seeded."""

import ctypes
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from callprint.core.ground.errors import ModelError
from callprint.training.paper.networks import ALEXNET, PaperNetwork, alexnet, make_network
from callprint.training.paper.windows import Images, as_input

MALLOC_TRIM_THRESHOLD, MALLOC_MMAP_MAX = -1, -4  # of glibc's malloc.h

CONSTANT_EPOCHS = 2  # the learning rate decays after them


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
    windows: Images,
    target: np.ndarray,
    classes: int,
    *,
    digest: str,
    state_file: Path,
    convolutions: list[np.ndarray] | None = None,
    on_epoch: Callable[[EpochResult], None] = lambda _result: None,
) -> PaperNetwork:
    """Train a network on windows; target: (flows of the dataset,) class of each; digest: names the data.

    `convolutions`: weights and biases to start from, in the order of the layers. An interrupted run resumes from
    `state_file`. Raises ModelError when that belongs to another run.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    _keep_freed_memory()
    network = new_network(procedure, classes).to(device)
    if convolutions is not None:
        _start_from(network, convolutions)
    network.convolutions.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        network.parameters(), procedure.rate, momentum=procedure.momentum, nesterov=True, fused=True
    )
    identity = {"procedure": asdict(procedure), "digest": digest, "windows": len(windows.flow)}
    done = _resume(state_file, identity, network, optimizer)
    network.train()
    for epoch in range(done + 1, procedure.epochs + 1):
        torch.manual_seed(procedure.seed * 1009 + epoch)
        for group in optimizer.param_groups:
            group["lr"] = decayed_rate(procedure, epoch)
        loss, accuracy = _epoch(network, optimizer, windows, target, procedure, device)
        if epoch < procedure.epochs:
            _keep(state_file, identity, network, optimizer, epoch)
        on_epoch(EpochResult(epoch, loss, accuracy))
    return network.eval().cpu()


def _epoch(
    network: PaperNetwork,
    optimizer: torch.optim.Optimizer,
    windows: Images,
    target: np.ndarray,
    procedure: Procedure,
    device: torch.device,
) -> tuple[float, float]:
    order = torch.randperm(len(windows.flow)).numpy()
    total, right, count = 0.0, 0, 0
    for start in range(0, len(order), procedure.batch):
        part = order[start : start + procedure.batch]
        images = torch.from_numpy(as_input(windows.images[part])).to(
            device, memory_format=torch.channels_last
        )
        wanted = torch.from_numpy(target[windows.flow[part]]).to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=_mixed_precision(device)):
            logits = network(images)
        loss = nn.functional.cross_entropy(logits.float(), wanted)
        optimizer.zero_grad()
        _with_penalties(loss, network, procedure).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total += float(loss.detach()) * len(part)
        right += int((logits.detach().argmax(1) == wanted).sum())
        count += len(part)
    if not np.isfinite(total):
        raise ModelError(f"training of {procedure.name} diverged: its loss is not finite")
    return total / count, right / count


def _with_penalties(loss: torch.Tensor, network: nn.Module, procedure: Procedure) -> torch.Tensor:
    # The paper's future work, section VIII-C: norms of the weights against overfitting.
    weights = [one for one in network.parameters() if one.dim() > 1]
    if procedure.l1:
        loss = loss + procedure.l1 * torch.stack([one.abs().sum() for one in weights]).sum()
    if procedure.l2:
        loss = loss + procedure.l2 * torch.stack([one.square().sum() for one in weights]).sum()
    return loss


def _keep(path: Path, identity: dict[str, Any], network: Any, optimizer: Any, epoch: int) -> None:
    state = {
        "identity": identity,
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "epoch": epoch,
    }
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)  # an interruption leaves the old state or the whole new one


def _resume(path: Path, identity: dict[str, Any], network: Any, optimizer: Any) -> int:
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    if state["identity"] != identity:
        raise ModelError(f"{path} belongs to a run with other settings or data: remove it")
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["epoch"])
