"""The report's section on earlier works and on trees over our own features."""

import numpy as np

from callprint.inference.onnx_identifier import OnnxIdentifier
from callprint.lab.identification.baselines import BaselineResult, TreesResult
from callprint.lab.identification.report_text import Report
from callprint.lab.identification.views_report import Results, found_view
from callprint.training.dataset import Dataset
from callprint.training.examine import Examination
from callprint.training.sampling import EARLY, View
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
        "What earlier works looked at, with classifiers of their kind, trained on the same flows of dataset1 and asked "
        "after the first 10 packets. *Leaky* is the paper's protocol: windows of dataset1 split 80 / 20 at random, so "
        "that windows of one call are on both sides. It says that the byte images are nearly perfect; the columns "
        "before it say what they are worth on other calls."
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
        f"The SSRC alone should be worth no more than chance: {chance}, applications drawn evenly. What it is worth "
        "beyond that are two habits that no random number has: SIPp always sends the same SSRC, and pyVoIP draws 16 of "
        "its 32 bits. Both send in dataset2 and not in cross."
    )


def trees_section(
    report: Report, measured: list[TreesResult], views: tuple[View, ...], results: Results, name: str
) -> None:
    """Append trees on our own features beside our network, in every view, and say who is better where."""
    report.add("## Beside trees on the same features")
    report.add(
        "The strongest baseline is no earlier work but extremely randomised trees over our own features: from windows "
        "of dataset1 as they were recorded, and from windows of which seven in ten are renegotiated, as our network "
        "has them. Neither has a calibrated confidence or an open-set score."
    )
    rows = []
    for split in results:
        for view in views:
            found = found_view(results, split, view)
            if found is None:
                continue
            others = [one.right[split, view.name] for one in measured]
            best = max(others, key=lambda one: one[0])
            rows.append(
                [
                    split,
                    view.name,
                    *(share(*one) for one in others),
                    share(*counts(found)),
                    verdict_on(counts(found), best),
                ]
            )
    report.table(["split", "looked at", *(one.name for one in measured), f"**{name}**", "ours is"], rows)
