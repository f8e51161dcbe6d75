"""The settings of a training run: apart from the run itself, so that the help of a command needs no torch."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """What a training run is made of; the same settings and dataset give the same network on one machine."""

    seed: int = 1
    epochs: int = 30
    windows_per_flow: int = 20  # new ones for every epoch
    batch: int = 512
    rate: float = 2e-3  # peak of a one-cycle schedule
    weight_decay: float = 1e-2
    members: int = 4


ADD_SETTINGS = TrainingSettings(epochs=16)
"""What adding applications to a network is made of; the members are those that the network has."""
