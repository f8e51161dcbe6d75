"""Calls that are kept back from training where the labels keep none: the same ones for every command."""

import hashlib
from dataclasses import replace

import numpy as np

from callprint.training.classes import TRAINING_SPLITS
from callprint.training.dataset import Dataset

HELD_OUT = "held out"
EVERY = 5  # of the calls of an application one is held out
LEAST_LEFT = 3  # calls of an application that stay to train on: `train --add` refuses fewer


def with_held_out(dataset: Dataset) -> Dataset:
    """Return the dataset with one call in EVERY of each application as HELD_OUT.

    A call of two applications counts for both. An application keeps LEAST_LEFT calls; one that has no more has none
    held out, and so has one of which the labels keep calls for testing already.
    """
    trained = np.isin(dataset.split, TRAINING_SPLITS)
    tested = set(dataset.application[~trained].tolist())
    calls: dict[str, set[str]] = {}
    sides: dict[str, set[str]] = {}
    named = zip(dataset.application[trained].tolist(), dataset.call[trained].tolist(), strict=True)
    for application, call in named:
        calls.setdefault(application, set()).add(call)
        sides.setdefault(call, set()).add(application)
    left = {application: len(own) for application, own in calls.items()}
    held: set[str] = set()
    for application in sorted(set(calls) - tested, key=lambda each: (len(calls[each]), each)):
        own = calls[application]
        for call in sorted(own - held, key=_drawn):
            if len(own & held) >= max(len(own) // EVERY, 1):
                break
            if all(left[side] > LEAST_LEFT for side in sides[call]):
                held.add(call)
                left.update({side: left[side] - 1 for side in sides[call]})
    if not held:
        return dataset
    held_out = trained & np.isin(dataset.call, sorted(held))
    return replace(dataset, split=np.where(held_out, HELD_OUT, dataset.split))


def _drawn(call: str) -> bytes:
    return hashlib.sha256(call.encode()).digest()
