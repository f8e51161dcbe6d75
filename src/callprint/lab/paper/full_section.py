"""The report's section about the paper's full procedure, from the results that there are."""

from pathlib import Path

from callprint.lab.paper import published
from callprint.lab.paper.full import FullResult
from callprint.training.paper.cells import EXAMINED_SPLITS, VALIDATED, by_flow, by_window
from callprint.training.paper.networks import ALEXNET, CNN
from callprint.training.statistics import share

SPEED = "inference.txt"  # what was timed, beside the results
TITLE = "## The paper's full procedure"
COMPARED = {CNN: "above 94%"}
OTHERS = "close to 100%"


def read_results(folder: Path) -> list[FullResult]:
    """Return all results, by network and k."""
    found = [FullResult.read(path) for path in folder.glob("*.json")]
    return sorted(found, key=lambda one: (one.procedure["kind"], one.procedure["k"]))


def full_section(folder: Path) -> str:
    """Return the section in Markdown; empty when there is nothing to tell."""
    results = read_results(folder)
    speed = folder / SPEED
    timed = speed.read_text() if speed.exists() else ""
    if not results:
        return timed
    asked = [VALIDATED, *(name for split in EXAMINED_SPLITS for name in (by_window(split), by_flow(split)))]
    head = ["network", "k", "windows x epochs", "loss", "training", "leaky validation"]
    head += [f"{split}, {what}" for split in EXAMINED_SPLITS for what in ("window", "flow")]
    lines = ["| " + " | ".join([*head, "paper, leaky", "trained on"]) + " |", "|" + "---|" * (len(head) + 2)]
    for one in results:
        kind, k, last = one.procedure["kind"], one.procedure["k"], one.epochs[-1]
        paper = f"{published.ACCURACIES[k][2]:.2%}" if kind == ALEXNET else COMPARED.get(kind, OTHERS)
        cells = [kind, str(k), f"{one.training_windows:,} x {len(one.epochs)}", f"{last['loss']:.3f}"]
        cells += [f"{last['accuracy']:.1%}", *(share(*one.right.get(name, (0, 0))) for name in asked)]
        lines.append("| " + " | ".join([*cells, paper, one.device]) + " |")
    return (
        f"{TITLE}\n\nAll windows, 20 epochs, batches of 100, AlexNet with dropout in its first seven layers, one seed; "
        "made by `make paper-gpu` ([paper-networks.md](../how/paper-networks.md#the-full-procedure)).\n\n"
        + "\n".join(lines)
        + "\n\n"
        + timed
    )
