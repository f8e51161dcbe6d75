"""How much of the paper's training a network gets: all of it, as much as one processor core can do, or a sketch."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from callprint.training.paper.networks import ALEXNET, CNN, GOOGLENET
from callprint.training.paper.procedure import Procedure

COMPARED_K = 20  # the k at which the paper compares its three networks
LARGE_K = 40


@dataclass(frozen=True, slots=True)
class Budget:
    """How a network is trained, and on how many windows it is examined."""

    name: str
    procedure: Callable[[str, int, int], Procedure]  # kind, k, seed -> how that network is trained
    examined_of_flow: tuple[int, int]  # windows at most: below k = LARGE_K, and from there on
    validated_in_all: tuple[int, int]  # windows at most, 0 for all: up to k = LARGE_K, and beyond
    head_windows: int  # training windows whose deep features train the heads, at most

    def windows_of_flow(self, k: int) -> int:
        """Return how many windows of a flow are examined, at most."""
        return self.examined_of_flow[k >= LARGE_K]

    def validated(self, k: int) -> int:
        """Return how many windows validate, at most; 0: all."""
        return self.validated_in_all[k > LARGE_K]


# Windows that one epoch of the reduced budget looks at, chosen so that the whole report takes about an hour of one
# core: where one core can, as many for every k, so that the columns of a table differ in k and not in what was seen.
REDUCED_EPOCHS = 4
REDUCED_BATCH = 25
REDUCED_LARGE_BATCH = 10  # k from COMPARED_K on: more steps for the same windows
STARTING_K = (
    10  # large AlexNets start from its convolutions: a hundred steps from scratch would teach them nothing
)
REDUCED_WINDOWS = {2: 5000, 4: 5000, 6: 5000, 8: 5000, 10: 5000, 20: 2100, 40: 630, 100: 315}
REDUCED_COMPARED = {CNN: 2100, GOOGLENET: 2100}
CLASSES = 21  # of our data: what a number of windows is divided by


def _reduced(kind: str, k: int, seed: int = 1) -> Procedure:
    windows = REDUCED_COMPARED.get(kind, REDUCED_WINDOWS[k])
    return Procedure(
        kind,
        k,
        seed,
        most_windows=round(windows / CLASSES),
        epochs=2 if k == max(REDUCED_WINDOWS) else REDUCED_EPOCHS,  # a step there takes seconds and gigabytes
        batch=REDUCED_LARGE_BATCH if k >= COMPARED_K else REDUCED_BATCH,
        convolution_dropout=0.0,
        start=_reduced(ALEXNET, STARTING_K) if kind == ALEXNET and k >= COMPARED_K else None,
    )


def _sketch(kind: str, k: int, seed: int) -> Procedure:
    return replace(_reduced(kind, k, seed), most_windows=4, epochs=1, batch=16, start=None)


FULL = Budget("full", Procedure, examined_of_flow=(20, 20), validated_in_all=(0, 0), head_windows=20_000)
REDUCED = Budget(
    "reduced", _reduced, examined_of_flow=(5, 1), validated_in_all=(1000, 210), head_windows=2100
)
QUICK = Budget("quick", _sketch, examined_of_flow=(1, 1), validated_in_all=(40, 40), head_windows=80)
BUDGETS = {budget.name: budget for budget in (FULL, REDUCED, QUICK)}
