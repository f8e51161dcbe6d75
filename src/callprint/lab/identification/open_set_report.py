"""The report's section on applications left out of training."""

from collections.abc import Sequence

import numpy as np

from callprint.lab.identification.open_set import KNOWN, Round
from callprint.lab.identification.open_set_figures import (
    PEERS_VARIED,
    RECORDED,
    as_verdicts,
    by_application,
    by_seed,
    counted,
    mean_area,
)
from callprint.lab.identification.open_set_scores import SCORES
from callprint.lab.identification.report_text import Report
from callprint.training.statistics import Proportion

NEARLY_ALL = 0.9


def detection(rounds: Sequence[Round], score: str) -> Proportion:
    """Return the strangers detected at RECORDED: the mean over seeds, of as many flows as one seed asks about.

    All seeds ask about the same flows, so an interval must count each flow once.
    """
    seeds = by_seed(rounds, RECORDED, score)
    asked = seeds[0].asked
    return Proportion(round(sum(one.share for one in seeds) / len(seeds) * asked), asked)


def _beyond_tails(rounds: Sequence[Round]) -> float:
    """Return the share of known flows that OpenMax takes for unknown at even odds."""
    odds = np.concatenate([one.scores[KNOWN]["openmax"] for one in rounds])
    return float((odds > 0).mean())


def open_set_section(
    report: Report, rounds: Sequence[Round], classes: Sequence[str], splits: Sequence[str], threshold: float
) -> None:
    """Append the section."""
    seeds = len({one.seed for one in rounds})
    applications = len({one.application for one in rounds})
    report.add("## Applications left out of training")
    chance = (
        f"with {seeds} seeds: mean, the interval for the number of flows of one seed, and smallest to largest"
        if seeds > 1
        else "with one seed"
    )
    report.add(
        f"Each of {applications} applications was left out of a quick training run on dataset1 in turn, {chance}. Its "
        "flows are the strangers, other calls of the remaining applications the known ones, all at the horizon. "
        "*Detected*: strangers beyond the limit that 5% of the known flows exceed. *False unknowns*: known flows of "
        "the other splits beyond that limit, which is set on dataset1 alone."
    )
    rows = []
    for score, name in SCORES.items():
        found = detection(rounds, score)
        shares = [one.share for one in by_seed(rounds, RECORDED, score)]
        rows.append(
            [
                name,
                f"{mean_area(rounds, score):.3f}",
                str(found),
                *([f"{min(shares):.1%} to {max(shares):.1%}"] if seeds > 1 else []),
                *(f"{counted(rounds, RECORDED, score, split).share:.1%}" for split in splits),
            ]
        )
    head = ["score", "area under the ROC curve", "detected", *(["seeds"] if seeds > 1 else [])]
    report.table([*head, *(f"false unknowns, {split}" for split in splits)], rows)
    report.add(
        "OpenMax fits its tails to the few held-out calls of each application: "
        f"{_beyond_tails(rounds):.0%} of the other known flows are more likely beyond them than not."
    )
    report.add(
        "A limit set on calls between the pairs of applications in dataset1 does not account for other peers. So the "
        "limit of a card is set on held-out calls both as recorded and as if another peer had answered, and a verdict "
        "needs confidence as well. The share that each limit makes `unknown`, with these quick networks (*By flow* "
        "has the share that the shipped one is sure of):"
    )
    limits = (RECORDED, PEERS_VARIED, as_verdicts(threshold))
    report.table(
        ["limit", "strangers `unknown`", "known, dataset1", *(f"known, {split}" for split in splits)],
        [
            [
                limit.name,
                *(f"{counted(rounds, limit, part=part).share:.1%}" for part in ("strangers", KNOWN, *splits)),
            ]
            for limit in limits
        ],
    )
    of_application = by_application(rounds, RECORDED)
    ranked = sorted(of_application.items(), key=lambda item: item[1])
    missed = [i for i, found in ranked if found < NEARLY_ALL]
    listed = ", ".join(f"{classes[i]} {of_application[i]:.0%}" for i in missed)
    others = [found for i, found in ranked if i not in missed]
    if missed and others:
        report.add(
            f"Detected least often: {listed}; the {len(others)} others: {sum(others) / len(others):.1%} on average."
        )
