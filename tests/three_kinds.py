"""A labelled dataset of three made-up applications, told apart by three header bytes."""

import numpy as np
from evidence_logs import pack, steady_flow

from callprint.training.dataset import Dataset

KINDS = {
    "alpha": {"first": 0x80, "kind": 0},
    "beta": {"first": 0x90, "kind": 96},
    "gamma": {"first": 0xA0, "kind": 8},
}


def three_kinds() -> Dataset:
    """Return eight flows of each in dataset1 and four in dataset2, two to a call."""
    rng = np.random.default_rng(0)
    logs, names, calls, splits = [], [], [], []
    for split, count in (("dataset1", 8), ("dataset2", 4)):
        for name, header in KINDS.items():
            for i in range(count):
                first = {"sequence": int(rng.integers(65536)), "timestamp": int(rng.integers(2**32))}
                logs.append(steady_flow(120, ssrc=int(rng.integers(2**32)), **first, **header))
                names.append(name)
                calls.append(f"{split}-{name}-{i // 2}")
                splits.append(split)
    buffer, spans = pack(logs)
    text = np.array(names)
    return Dataset(
        buffer,
        spans,
        np.full(len(logs), 120),
        text,
        text,
        np.array(splits),
        np.array(calls),
        text,
        text,
        text,
    )
