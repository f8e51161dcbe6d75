"""How much of the paper's procedure is run: in full, reduced for one processor core, or a sketch for tests."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from callprint.training.paper.networks import ALEXNET, CNN, GOOGLENET
from callprint.training.paper.procedure import Procedure
from callprint.training.sampling import PAPER_K

COMPARED_K = 20  # the k at which the paper compares its three networks
SEEDS_OF_SMALL = (2, 3)
SMALL_K = (2, 4)
LARGE_K = 40


@dataclass(frozen=True, slots=True)
class Budget:
    """What is trained and what is examined."""

    name: str
    says: str  # how it differs from the paper's procedure, for the report
    procedures: tuple[Procedure, ...]  # in the order in which they run
    examined_windows: int  # of each flow, at most
    examined_large: int  # the same from k = LARGE_K on
    validated_windows: int  # at most; 0: all
    validated_large: int  # the same beyond LARGE_K
    head_windows: int  # training windows whose deep features train the heads, at most

    def windows_of_flow(self, k: int) -> int:
        """Return how many windows of a flow are examined, at most."""
        return self.examined_large if k >= LARGE_K else self.examined_windows

    def validated(self, k: int) -> int:
        """Return how many windows validate, at most; 0: all."""
        return self.validated_large if k > LARGE_K else self.validated_windows

    def named(self, kind: str, k: int) -> list[Procedure]:
        """Return the procedures of one network, one for each seed."""
        return [one for one in self.procedures if (one.kind, one.k) == (kind, k) and not one.penalised]

    def with_norms(self) -> list[Procedure]:
        """Return the procedures that add a norm of the weights to the loss."""
        return [one for one in self.procedures if one.penalised]


# Windows that one epoch of the reduced budget looks at, set so that all takes about an hour of one core: as many for
# every k as one core can, so that the columns of a table differ in k and not in what was seen.
REDUCED_EPOCHS = 4
REDUCED_BATCH = 25
REDUCED_LARGE_BATCH = 10  # k from COMPARED_K on: more steps for the same windows
STARTING_K = 10  # large AlexNets start from its convolutions, or a hundred steps would teach them nothing
REDUCED_WINDOWS = {2: 5000, 4: 5000, 6: 5000, 8: 5000, 10: 5000, 20: 2100, 40: 630, 100: 315}
REDUCED_COMPARED = {CNN: 2100, GOOGLENET: 2100}
NORM_K = 4  # at which L1 and L2, the paper's future work, are tried
NORMS = {"l1": 1e-6, "l2": 1e-4}
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


def _order(make: Callable[[str, int, int], Procedure]) -> tuple[Procedure, ...]:
    # What matters most first: a run that is stopped early has most of the tables.
    plan = [(ALEXNET, k, 1) for k in (4, 2, 10, 20)]
    plan += [(CNN, COMPARED_K, 1), (GOOGLENET, COMPARED_K, 1)]
    plan += [(ALEXNET, k, 1) for k in (6, 8, 40, 100)]
    plan += [(ALEXNET, k, seed) for seed in SEEDS_OF_SMALL for k in SMALL_K]
    norms = [replace(make(ALEXNET, NORM_K, 1), **{norm: weight}) for norm, weight in NORMS.items()]
    return (*(make(*one) for one in plan), *norms)


FULL = Budget(
    "full",
    "The paper's procedure in full: all windows, 20 epochs, batches of 100, dropout 0.5 in all of the first seven "
    "layers.",
    tuple(
        Procedure(kind, k, seed)
        for seed in (1, 2, 3)
        for kind, k in [*((ALEXNET, k) for k in PAPER_K), (CNN, COMPARED_K), (GOOGLENET, COMPARED_K)]
    )
    + tuple(Procedure(ALEXNET, NORM_K, **{norm: weight}) for norm, weight in NORMS.items()),
    examined_windows=20,
    examined_large=20,
    validated_windows=0,
    validated_large=0,
    head_windows=20_000,
)
REDUCED = Budget(
    "reduced",
    "There was no GPU: instead of 20 epochs over all windows, 4 epochs (2 at k = 100) over as many windows as "
    "the tables say, drawn evenly over the applications, in batches of 25 instead of 100 (10 from k = 20 on), "
    "without the dropout of AlexNet's convolutions (with 0.5 there a few hundred steps learn nothing; the "
    "full layers keep theirs). From k = 20 on AlexNet's convolutions start from those trained at k = 10. So "
    "the accuracies are those of networks that have not finished learning, the more so from k = 20 on, where "
    "fewer windows fit into the time: what the tables say of those k is the budget first, and k second. "
    "Parameters and times are what they are in full.",
    _order(_reduced),
    examined_windows=5,
    examined_large=1,
    validated_windows=1000,
    validated_large=210,
    head_windows=2100,
)


def _sketched(procedure: Procedure) -> Procedure:
    return replace(procedure, most_windows=4, epochs=1, batch=16, start=None)


QUICK = Budget(
    "quick",
    "A sketch that shows that everything runs: a few steps of each network, so its figures mean nothing.",
    tuple(_sketched(_reduced(*one)) for one in ((ALEXNET, 2), (CNN, COMPARED_K), (GOOGLENET, COMPARED_K))),
    examined_windows=1,
    examined_large=1,
    validated_windows=40,
    validated_large=40,
    head_windows=80,
)


def one_network(budget: Budget, kind: str, k: int, seed: int) -> Budget:
    """Return a budget of the same name for one network: what it trains, the whole budget finds in the cache."""
    planned = [one for one in budget.procedures if (one.kind, one.k, one.seed) == (kind, k, seed)]
    if budget.name == FULL.name:
        planned = planned or [Procedure(kind, k, seed)]
    elif not planned:
        planned = [
            _reduced(kind, k, seed) if budget.name == REDUCED.name else _sketched(_reduced(kind, k, seed))
        ]
    return replace(budget, procedures=tuple(planned))
