"""All cells of the paper's tables, made or taken from the cache."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from callprint.lab.paper.deep_heads import HeadResult, make_heads
from callprint.lab.paper.plan import Plan
from callprint.training.classes import classes_of, training_flows
from callprint.training.dataset import Dataset
from callprint.training.paper.cells import Cell, cell_identity, examined_splits, make_cell, read_cell
from callprint.training.paper.networks import ALEXNET
from callprint.training.paper.procedure import EpochResult, Procedure
from callprint.training.paper.windows import first_windows
from callprint.training.statistics import Proportion, right_of


@dataclass(slots=True)
class Findings:
    """The finished cells of a plan; procedures without one are in `missing`."""

    dataset: Dataset
    plan: Plan
    classes: tuple[str, ...]
    engines: tuple[str, ...]
    target: np.ndarray  # (flows of the dataset,) class
    splits: list[str]  # examined
    cells: dict[str, Cell] = field(default_factory=dict)  # by the procedure's name
    heads: dict[str, list[HeadResult]] = field(default_factory=dict)
    missing: list[Procedure] = field(default_factory=list)

    def of(self, kind: str, k: int) -> list[Cell]:
        """Return the cells of a network, one for each seed that there is."""
        return [self.cells[one.name] for one in self.plan.named(kind, k) if one.name in self.cells]

    def ks(self) -> list[int]:
        """Return the k at which there is an AlexNet."""
        return sorted({one.procedure.k for one in self.cells.values() if one.procedure.kind == ALEXNET})

    def right(self, cell: Cell, asked: str) -> Proportion:
        """Return how many windows of `asked` a cell's network names right; none when it was not asked."""
        if asked not in cell.scores:
            return Proportion(0, 0)
        scores = cell.scores[asked]
        return right_of(scores.logits.argmax(1), self.target[scores.flow])

    def head_right(self, cell: Cell, head: HeadResult, asked: str) -> Proportion:
        """Return the same for a head."""
        if asked not in head.named:
            return Proportion(0, 0)
        return right_of(head.named[asked], self.target[cell.scores[asked].flow])


def run_experiment(
    dataset: Dataset,
    plan: Plan,
    cache: Path,
    *,
    threads: int,
    train_missing: bool = True,
    on_stage: Callable[[str], None] = lambda _stage: None,
) -> Findings:
    """Make every cell of a plan with its heads. With `train_missing` False, what the cache lacks stays missing."""
    flows = training_flows(dataset)
    classes, engines, target = classes_of(dataset, flows)
    findings = Findings(dataset, plan, classes, engines, target, examined_splits(dataset))
    budget = plan.budget
    for procedure in plan.procedures:

        def on_epoch(result: EpochResult, of: Procedure = procedure) -> None:
            on_stage(f"{of.name}: epoch {result.epoch}/{of.epochs}, loss {result.loss:.3f}")

        on_stage(procedure.name)
        folder = cache / budget.name / procedure.name
        if train_missing:
            cell = make_cell(dataset, procedure, budget, cache, threads=threads, on_epoch=on_epoch)
        else:
            found = read_cell(procedure, folder, cell_identity(dataset, procedure))
            if found is None:
                findings.missing.append(procedure)
                continue
            cell = found
        findings.cells[procedure.name] = cell
        checked = first_windows(dataset, flows[:: max(1, len(flows) // 64)], procedure.k)
        on_stage(f"{procedure.name}: heads")
        findings.heads[procedure.name] = make_heads(cell, target, checked, threads=threads)
    return findings
