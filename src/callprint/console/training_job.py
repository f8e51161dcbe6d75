"""The process of a training run: `callprint train`, then the new network beside the one in place, on the same calls."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from callprint.cli.dataset import read_data
from callprint.console.training_runs import NAME, Run, read_run
from callprint.core.ground.errors import CallprintError, ConfigError
from callprint.inference import OnnxIdentifier, load_model
from callprint.training.classes import TRAINING_SPLITS
from callprint.training.dataset import Dataset
from callprint.training.examine import examine
from callprint.whole_files import write_whole

NICE = 10  # the console and what it shows come first


def main(lock: int, folder: Path, train: list[str]) -> int:
    """Train, compare, and write down what came of it; returns the exit code of the training."""
    os.nice(NICE)
    run = read_run(folder)
    if run is None:
        raise ConfigError(f"{folder} has no run.json")
    out = folder / f"{NAME}-{run.number}.onnx"
    outcome: dict[str, Any] = {"number": run.number}
    code = 0
    if not out.with_suffix(".json").exists():  # it was cut off after training
        code = subprocess.run([*train, *_arguments(run, out)], pass_fds=[lock], check=False).returncode
    if code < 0:
        return code  # stopped: it can go on
    if code == 0:
        print("comparing with the network in place", flush=True)
        try:
            outcome["comparison"] = compared(run, load_model(Path(run.today)), load_model(out))
        except CallprintError as error:
            outcome["problem"] = str(error)
    else:
        outcome["failed"] = True
    write_whole(folder / "outcome.json", json.dumps(outcome))
    return code


def _arguments(run: Run, out: Path) -> list[str]:
    named = ["--out", str(out), "--name", NAME, "--model-version", str(run.number)]
    return [*run.data, *named, "--epochs", str(run.epochs), "--windows", str(run.windows)]


def compared(run: Run, today: OnnxIdentifier, new: OnnxIdentifier) -> list[dict[str, Any]]:
    """Return what both make of each part of the data that is for testing only, and of the flows with a new name.

    The figures are those of `callprint evaluate`. Raises DatasetError.
    """
    quiet = Console(stderr=True)
    rows: list[dict[str, Any]] = []
    named = [Path(run.named)] if run.named in run.data else []
    for paths, learned in ((named, True), ([Path(path) for path in run.data], False)):
        dataset = read_data(paths, quiet) if paths else None
        for split in np.unique(dataset.split) if dataset is not None else ():
            if dataset is not None and (str(split) in TRAINING_SPLITS) == learned:
                rows += _of_split(dataset, str(split), today, new, learned=learned)
    return rows


def _of_split(
    dataset: Dataset, split: str, today: OnnxIdentifier, new: OnnxIdentifier, *, learned: bool
) -> list[dict[str, Any]]:
    both = [examine(dataset, identifier, split) for identifier in (today, new)]
    return [
        {
            "calls": "named flows" if learned else split,
            "seen": before.view.name,
            "learned": learned,
            "today": before.summary(),
            "new": after.summary(),
        }
        for before, after in zip(*both, strict=True)
        if len(before.target)
    ]


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
