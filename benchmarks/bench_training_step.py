"""A training step of the paper's AlexNet on a processor: convolutions by minimal filtering, beside torch's own.

    .venv/bin/python benchmarks/bench_training_step.py

Both in one process, on the same images. A step is forward, backward and update of 100 windows; the fastest counts.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from torch import nn

from callprint.core.identify.card import MATRIX_COLUMNS
from callprint.training.paper.convolution import Convolution
from callprint.training.paper.networks import ALEXNET
from callprint.training.paper.procedure import HostWindows, Procedure, train
from callprint.training.paper.windows import Images

CLASSES = 17
PROCESSOR = torch.device("cpu")


def torch_alone() -> AbstractContextManager[object]:
    """Train with nn.Conv2d meanwhile."""
    return patch.object(Convolution, "forward", nn.Conv2d.forward)


def step_s(k: int, steps: int, convolutions: Callable[[], AbstractContextManager[object]]) -> float:
    """Return the seconds of the fastest of some steps."""
    rng = np.random.default_rng(1)
    procedure = Procedure(ALEXNET, k, epochs=steps)  # of one step each
    images = rng.integers(0, 256, (procedure.batch, k, MATRIX_COLUMNS), np.uint8)
    windows = HostWindows(
        Images(images, np.arange(procedure.batch)), rng.integers(0, CLASSES, procedure.batch), PROCESSOR
    )
    times = [time.monotonic()]
    with convolutions(), tempfile.TemporaryDirectory() as folder:
        train(
            procedure,
            windows,
            CLASSES,
            digest="",
            state_file=Path(folder) / "state",
            device=PROCESSOR,
            keep_every_s=float("inf"),
            on_epoch=lambda _result: times.append(time.monotonic()),
        )
    return float(np.diff(times)[1:].min())


def main() -> None:
    """Print a line for each k."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--k", type=int, nargs="+", default=[6, 8, 10, 20, 40], help="packets of a window")
    parser.add_argument("--steps", type=int, default=5, help="after a first one that does not count")
    asked = parser.parse_args()
    print(" k  torch's own, s  filtered, s  ratio")
    for k in asked.k:
        own, filtered = (step_s(k, asked.steps + 1, one) for one in (torch_alone, nullcontext))
        print(f"{k:2}  {own:14.2f}  {filtered:11.2f}  {own / filtered:5.2f}", flush=True)


if __name__ == "__main__":
    main()
