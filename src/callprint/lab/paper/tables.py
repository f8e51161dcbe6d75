"""Tables I to III of the paper on our data, as rows of text."""

import math

import numpy as np
import torch

from callprint.lab.paper import published
from callprint.lab.paper.experiment import Findings
from callprint.training.classes import TRAINING_SPLIT
from callprint.training.examine import LEAST_PACKETS
from callprint.training.paper.budgets import FULL
from callprint.training.paper.cells import VALIDATED, Cell, by_flow, by_window
from callprint.training.paper.networks import ALEXNET, make_network, parameters
from callprint.training.statistics import Proportion

PAPER_APPLICATIONS = 10
TABLE_1_K = 10


def counted(kind: str, k: int, classes: int) -> int:
    """Return the parameters of a network without making room for them."""
    with torch.device("meta"):
        return parameters(make_network(kind, k, classes))


def data_rows(findings: Findings) -> list[list[str]]:
    """Return Table I: application, media stack, codecs, flows, megabytes of evidence, windows at k = 10."""
    dataset = findings.dataset
    rows = []
    flows = dataset.of_split(TRAINING_SPLIT, LEAST_PACKETS)
    for i, (name, engine) in enumerate(zip(findings.classes, findings.engines, strict=True)):
        mine = flows[findings.target[flows] == i]
        size = int((dataset.spans[mine, 1] - dataset.spans[mine, 0]).sum())
        mean_step = (1 + TABLE_1_K) / 2
        windows = int(np.maximum(0, 1 + np.floor((dataset.packets[mine] - TABLE_1_K) / mean_step)).sum())
        codecs = len({str(codec) for codec in dataset.codec[mine]})
        rows.append([name, engine, str(codecs), str(len(mine)), f"{size / 1e6:.1f}", f"{windows:,}"])
    return rows


def parameter_rows(counts: dict[int, int], classes: int) -> list[list[str]]:
    """Return Table II: for each k our count for ten applications beside the paper's, and for our applications."""
    rows = []
    for k, ours in counts.items():
        paper = published.PARAMETERS[k]
        rows.append(
            [
                str(k),
                f"{k} x 256 x 1",
                f"{ours:,}",
                f"{paper:,}",
                f"{ours / paper - 1:+.2%}",
                f"{counted(ALEXNET, k, classes):,}",
                f"{4 * ours / 1e6:.1f}",
            ]
        )
    return rows


def growth(counts: dict[int, int]) -> int:
    """Return by how many parameters a network grows with one more row of its last image."""
    return counts[6] - counts[4]


def largest_difference(counts: dict[int, int]) -> float:
    """Return the largest relative difference between our counts and those of the paper."""
    return max(abs(ours / published.PARAMETERS[k] - 1) for k, ours in counts.items())


def command_for(findings: Findings) -> str:
    """Return the command that makes what is missing."""
    option = " --full" if findings.plan.budget.name == FULL.name else ""
    return f"`callprint evaluate --paper{option}`"


def mean_and_spread(values: list[float]) -> str:
    """Return the mean of seeds, with their standard deviation where there are several."""
    if len(values) == 1:
        return f"{values[0]:.1%}"
    mean = sum(values) / len(values)
    spread = math.sqrt(sum((one - mean) ** 2 for one in values) / (len(values) - 1))
    return f"{mean:.1%} ± {100 * spread:.1f}"


def mean_share(findings: Findings, cells: list[Cell], asked: str) -> float:
    """Return the share named right, the mean over the cells of seeds; nan when nothing was asked."""
    return float(np.mean([findings.right(cell, asked).share for cell in cells])) if cells else float("nan")


def share_of_seeds(findings: Findings, cells: list[Cell], asked: str) -> str:
    """Return the share named right: with the Wilson interval for one seed, mean and deviation for several."""
    counts = [findings.right(cell, asked) for cell in cells]
    counts = [one for one in counts if one.asked]
    if not counts:
        return "–"
    if len(counts) == 1:
        return str(counts[0])
    pooled = Proportion(round(sum(one.hits for one in counts) / len(counts)), counts[0].asked)
    return f"{mean_and_spread([one.share for one in counts])} {str(pooled).partition(' ')[2]}"


def accuracy_row(findings: Findings, kind: str, k: int) -> list[str]:
    """Return a network's row of Table III: what trained it, loss, accuracies; or where it is missing."""
    return accuracy_of(findings, findings.of(kind, k))


def accuracy_of(findings: Findings, cells: list[Cell]) -> list[str]:
    """Return the same for the cells of one network's seeds."""
    columns = 5 + 2 * len(findings.splits)
    if not cells:
        return [f"missing: {command_for(findings)}", *([""] * (columns - 1))]
    facts = cells[0].facts
    last = [cell.facts["epochs"][-1] for cell in cells]
    row = [
        str(len(cells)),
        f"{facts['training_windows']:,} x {len(facts['epochs'])}",
        f"{sum(one['loss'] for one in last) / len(last):.3f}",
        mean_and_spread([one["accuracy"] for one in last]),
        share_of_seeds(findings, cells, VALIDATED),
    ]
    for split in findings.splits:
        row += [
            share_of_seeds(findings, cells, by_window(split)),
            share_of_seeds(findings, cells, by_flow(split)),
        ]
    return row


def accuracy_head(findings: Findings) -> list[str]:
    """Return the names of the columns of `accuracy_row`."""
    head = ["seeds", "windows x epochs", "loss", "training", "leaky validation"]
    for split in findings.splits:
        head += [f"{split}, window", f"{split}, flow"]
    return head


def published_accuracy(k: int) -> str:
    """Return the paper's validation accuracy."""
    return f"{published.ACCURACIES[k][2]:.2%}"
