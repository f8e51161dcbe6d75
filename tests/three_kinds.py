"""A labelled dataset of three applications, told apart by three header bytes."""

from collections.abc import Mapping

import numpy as np
from evidence_logs import pack, steady_flow

from callprint.training.dataset import Dataset

HEADERS = ({"first": 0x80, "kind": 0}, {"first": 0x90, "kind": 96}, {"first": 0xA0, "kind": 8})
NAMES = ("alpha", "beta", "gamma")
FLOWS = {"dataset1": 8, "dataset2": 4}


def three_kinds(
    names: tuple[str, ...] = NAMES, flows: Mapping[str, int] = FLOWS, packets: int = 120
) -> Dataset:
    """Return as many flows of each application as `flows` has for a split, two to a call."""
    rng = np.random.default_rng(0)
    rows = []
    for split, count in flows.items():
        for name, header in zip(names, HEADERS, strict=True):
            for i in range(count):
                first = {"sequence": int(rng.integers(65536)), "timestamp": int(rng.integers(2**32))}
                log = steady_flow(packets, ssrc=int(rng.integers(2**32)), **first, **header)
                rows.append((log, name, split, f"{split}-{name}-{i // 2}"))
    logs, applications, splits, calls = zip(*rows, strict=True)
    buffer, spans = pack(list(logs))
    text = np.array(applications)
    lengths = np.full(len(logs), packets)
    return Dataset(
        buffer, spans, lengths, text, text, np.array(splits), np.array(calls), text, text, text, text
    )
