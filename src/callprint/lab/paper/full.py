"""The paper's networks by its full procedure: one file of packed flows in, one small result for each network out."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from callprint.lab.paper.plan import PLANS
from callprint.training.paper.budgets import FULL
from callprint.training.paper.cells import VALIDATED, by_flow, by_window
from callprint.training.paper.graphs import network_model, save_model
from callprint.training.paper.networks import parameters
from callprint.training.paper.on_device import DeviceFlows, examined_windows, leaky_split, right_of
from callprint.training.paper.packed import PackedFlows
from callprint.training.paper.procedure import EpochResult, Procedure, device_of_training, train

RESULTS = Path("docs/results/paper-full")
CACHE = Path(".cache/paper-full")
PROCESSOR_KEEP_S = 600.0  # an epoch takes from seven minutes to hours there
SEED = 1


@dataclass(frozen=True, slots=True)
class FullResult:
    """What a network came to: small enough to be committed."""

    name: str
    procedure: dict[str, Any]
    digest: str  # of the packed flows
    device: str
    parameters: int
    training_windows: int
    epochs: list[dict[str, Any]]  # loss and accuracy of each
    right: dict[str, tuple[int, int]]  # of how many windows, by VALIDATED, by_window(split), by_flow(split)

    @classmethod
    def read(cls, path: Path) -> "FullResult":
        """Read what `write` wrote."""
        return cls(**json.loads(path.read_text()))

    def write(self, path: Path) -> None:
        """Write a whole file or none."""
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(self), indent=1) + "\n")
        partial.replace(path)


def full_procedures() -> list[Procedure]:
    """Return AlexNet for every k, the CNN and GoogLeNet, first seed; those with most steps first."""
    networks = [one for one in PLANS[FULL.name].procedures if one.seed == SEED and not one.penalised]
    return sorted(networks, key=lambda one: one.k)


def device_name(device: torch.device) -> str:
    """Return what a result says that it was trained on."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


def result_of(procedure: Procedure, digest: str, results: Path) -> FullResult | None:
    """Return the result that there is of a procedure and these data."""
    path = results / f"{procedure.name}.json"
    if not path.exists():
        return None
    found = FullResult.read(path)
    return found if (found.procedure, found.digest) == (asdict(procedure), digest) else None


def run_network(
    procedure: Procedure,
    packed: PackedFlows,
    *,
    cache: Path,
    results: Path,
    say: Callable[[str], None],
) -> FullResult:
    """Train a network, or go on with it, and write its result and its graph. Raises ModelError."""
    digest = packed.digest
    found = result_of(procedure, digest, results)
    if found is not None:
        say(f"{procedure.name}: done before")
        return found
    device = device_of_training()
    # Accumulates in float32; the paper's networks do not need more than ten bits of the factors.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    flows = DeviceFlows.of(packed, device)
    training, validation = leaky_split(flows, procedure.k, procedure.seed)
    say(f"{procedure.name}: {training.count:,} windows, {procedure.epochs} epochs, on {device_name(device)}")
    folder = cache / procedure.name
    for path in (folder, results):
        path.mkdir(parents=True, exist_ok=True)
    log = folder / "epochs.json"
    state = folder / "training.state"
    epochs: list[dict[str, Any]] = json.loads(log.read_text()) if log.exists() and state.exists() else []
    begin = (time.monotonic(), time.process_time())

    def on_epoch(result: EpochResult) -> None:
        nonlocal begin
        now = (time.monotonic(), time.process_time())
        epochs[:] = [*(one for one in epochs if one["epoch"] < result.epoch), asdict(result)]
        log.write_text(json.dumps(epochs))
        say(
            f"{procedure.name}: epoch {result.epoch}/{procedure.epochs}, loss {result.loss:.3f}, "
            f"{result.accuracy:.1%}; {now[0] - begin[0]:,.0f} s, of the processor {now[1] - begin[1]:,.0f} s"
        )
        begin = now

    network = train(
        procedure,
        training,
        len(packed.classes),
        digest=digest,
        state_file=state,
        device=device,
        # A GPU trains a network in less time than it takes to write its gigabytes after every epoch.
        keep_every_s=PROCESSOR_KEEP_S if device.type == "cpu" else float("inf"),
        on_epoch=on_epoch,
    )
    save_model(network_model(network), folder / "network.onnx")
    network.to(device)
    asked = {VALIDATED: validation}
    for split, (drawn, first) in examined_windows(
        flows, procedure.k, FULL.windows_of_flow(procedure.k), SEED
    ).items():
        asked |= {by_window(split): drawn, by_flow(split): first}
    result = FullResult(
        name=procedure.name,
        procedure=asdict(procedure),
        digest=digest,
        device=device_name(device),
        parameters=parameters(network),
        training_windows=training.count,
        epochs=epochs,
        right={name: (right_of(network, windows), windows.count) for name, windows in asked.items()},
    )
    result.write(results / f"{procedure.name}.json")
    state.unlink(missing_ok=True)
    return result
