"""Calls that are kept back from training where the labels keep none: the same ones for every command."""

import hashlib
from dataclasses import replace

import numpy as np

from callprint.training.classes import TRAINING_SPLITS
from callprint.training.dataset import Dataset

HELD_OUT = "held out"
EVERY = 5  # of the calls of an application one is held out
LEAST_CALLS = 4  # of an application, for one of them to be held out


def with_held_out(dataset: Dataset) -> Dataset:
    """Return the dataset with one call in EVERY of each application as HELD_OUT.

    A dataset that has flows for testing already stays as it is.
    """
    if not np.isin(dataset.split, TRAINING_SPLITS).all():
        return dataset
    held: set[str] = set()
    for application in np.unique(dataset.application):
        calls = sorted(set(dataset.call[dataset.application == application].tolist()), key=_drawn)
        held.update(calls[: max(len(calls) // EVERY, 1)] if len(calls) >= LEAST_CALLS else ())
    return replace(dataset, split=np.where(np.isin(dataset.call, sorted(held)), HELD_OUT, dataset.split))


def _drawn(call: str) -> bytes:
    return hashlib.sha256(call.encode()).digest()
