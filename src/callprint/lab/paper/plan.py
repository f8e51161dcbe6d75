"""Which networks the paper's report trains, in which order, under each budget of training/paper/budgets.py."""

from dataclasses import dataclass, replace

from callprint.training.paper.budgets import COMPARED_K, FULL, QUICK, REDUCED, Budget
from callprint.training.paper.networks import ALEXNET, CNN, GOOGLENET
from callprint.training.paper.procedure import Procedure
from callprint.training.sampling import PAPER_K

SEEDS_OF_SMALL = (2, 3)
SMALL_K = (2, 4)
NORM_K = 4  # at which L1 and L2, the paper's future work, are tried
NORMS = {"l1": 1e-6, "l2": 1e-4}


@dataclass(frozen=True, slots=True)
class Plan:
    """What is trained and examined for the report."""

    budget: Budget
    differs: str  # how it differs from the paper's procedure, for the report
    procedures: tuple[Procedure, ...]  # in the order in which they run

    def named(self, kind: str, k: int) -> list[Procedure]:
        """Return the procedures of one network, one for each seed."""
        return [one for one in self.procedures if (one.kind, one.k) == (kind, k) and not one.penalised]

    def with_norms(self) -> list[Procedure]:
        """Return the procedures that add a norm of the weights to the loss."""
        return [one for one in self.procedures if one.penalised]


def _plan(budget: Budget, differs: str, networks: list[tuple[str, int, int]], *, norms: bool) -> Plan:
    procedures = [budget.procedure(*network) for network in networks]
    if norms:
        plain = budget.procedure(ALEXNET, NORM_K, 1)
        procedures += [replace(plain, **{norm: weight}) for norm, weight in NORMS.items()]
    return Plan(budget, differs, tuple(procedures))


_COMPARED = [(CNN, COMPARED_K), (GOOGLENET, COMPARED_K)]
_EVERY_NETWORK = [*((ALEXNET, k) for k in PAPER_K), *_COMPARED]
# What matters most first: a run that is stopped early has most of the tables.
_BY_IMPORTANCE = [
    *((ALEXNET, k, 1) for k in (4, 2, 10, 20)),
    *((kind, k, 1) for kind, k in _COMPARED),
    *((ALEXNET, k, 1) for k in (6, 8, 40, 100)),
    *((ALEXNET, k, seed) for seed in SEEDS_OF_SMALL for k in SMALL_K),
]

_PLANS = (
    _plan(
        FULL,
        "The paper's procedure in full: all windows, 20 epochs, batches of 100, dropout 0.5 in all of the first seven "
        "layers.",
        [(kind, k, seed) for seed in (1, 2, 3) for kind, k in _EVERY_NETWORK],
        norms=True,
    ),
    _plan(
        REDUCED,
        "For machines without a GPU: instead of 20 epochs over all windows, 4 epochs (2 at k = 100) over as many "
        "windows as the tables say, drawn evenly over the applications, in batches of 25 instead of 100 (10 from "
        "k = 20 on), without the dropout of AlexNet's convolutions (the full layers keep theirs). From k = 20 on "
        "AlexNet's convolutions start from those trained at k = 10. So the accuracies are those of networks that have "
        "not finished learning, the more so from k = 20 on, where fewer windows fit into the time: what the tables "
        "say about those k is the budget first, and k second. Parameters and times are what they are in full.",
        _BY_IMPORTANCE,
        norms=True,
    ),
    _plan(
        QUICK,
        "A sketch that shows that everything runs: a few steps of each network, so its figures mean nothing.",
        [(ALEXNET, 2, 1), *((kind, k, 1) for kind, k in _COMPARED)],
        norms=False,
    ),
)
PLANS = {plan.budget.name: plan for plan in _PLANS}
