"""The report's section on earlier works and on trees over our own features."""

import numpy as np

from callprint.inference.onnx_identifier import OnnxIdentifier
from callprint.lab.identification.baselines import BaselineResult, TreesResult
from callprint.lab.identification.report_text import Report
from callprint.lab.identification.views_report import Results, each_view, found_view
from callprint.training.dataset import Dataset
from callprint.training.examine import Examination
from callprint.training.sampling import EARLY, RENEGOTIATED_SHARE, View
from callprint.training.statistics import share, wilson


def verdict_on(ours: tuple[int, int], other: tuple[int, int]) -> str:
    """Return which of two shares (right, asked) is larger, and whether their intervals are apart."""
    mine, theirs = ours[0] / ours[1], other[0] / other[1]
    if mine == theirs:
        return "as good"
    apart = wilson(*ours)[0] > wilson(*other)[1] or wilson(*other)[0] > wilson(*ours)[1]
    return ("better" if mine > theirs else "worse") + ("" if apart else ", within the intervals")


def counts(found: Examination) -> tuple[int, int]:
    """Return how many flows are named right, and how many were asked."""
    return int(found.right.sum()), len(found.target)


def earlier_section(
    report: Report,
    measured: list[BaselineResult],
    results: Results,
    identifier: OnnxIdentifier,
    dataset: Dataset,
) -> None:
    """Append what earlier works looked at, with classifiers of their kind."""
    report.add("## Beside earlier works")
    report.add(
        "The inputs of earlier works, with classifiers of their kind, trained on the same flows of dataset1 and "
        "judging after the first 10 packets. *Leaky* is the paper's protocol: windows of dataset1 split 80 / 20 at "
        "random, so that windows of one call are on both sides. The columns before it show how good the same "
        "classifier is on other calls."
    )
    rows = []
    for found in measured:
        leaky = "" if found.leaky_accuracy is None else f"{found.leaky_accuracy:.1%}"
        rows.append([found.name, *(share(*found.right[split]) for split in results), leaky])
    ours = [found_view(results, split, EARLY) for split in results]
    rows.append([f"**{identifier.name}**", *(share(*counts(one)) if one else "–" for one in ours), ""])
    report.table(["looks at", *results, "leaky, by window"], rows)
    chance = " and ".join(
        f"{1 / len(np.unique(dataset.application[dataset.of_split(split)])):.1%} on {split}"
        for split in results
    )
    report.add(
        f"The SSRC alone should be no better than chance: {chance}, with applications drawn evenly. Whatever it gains "
        "beyond that comes from senders that do not draw it at random ([notes.md](notes.md))."
    )


def trees_section(
    report: Report, measured: list[TreesResult], views: tuple[View, ...], results: Results, name: str
) -> None:
    """Append trees on our own features beside our network, in every view, and which is better."""
    report.add("## Beside trees on the same features")
    report.add(
        "Extremely randomised trees over our own features, trained on windows of dataset1 as they were recorded, and "
        f"on windows of which {RENEGOTIATED_SHARE:.0%} are renegotiated, as for our network. Neither has a calibrated "
        "confidence or an open-set score."
    )
    rows = []
    for split, found in each_view(results, views):
        others = [one.right[split, found.view.name] for one in measured]
        best = max(others, key=lambda one: one[0])
        ours = counts(found)
        shares = [share(*one) for one in (*others, ours)]
        rows.append([split, found.view.name, *shares, verdict_on(ours, best)])
    report.table(["split", "looked at", *(one.name for one in measured), f"**{name}**", "ours is"], rows)
