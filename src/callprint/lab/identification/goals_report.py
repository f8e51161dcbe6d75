"""The report's table of goals: which were met, which were missed and by how much."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from callprint.lab.identification.baselines import BaselineResult, TreesResult
from callprint.lab.identification.baselines_report import counts, verdict_on
from callprint.lab.identification.report_text import Report
from callprint.lab.identification.speed_report import TIMED_FLOWS
from callprint.lab.identification.views_report import Results, each_view, found_view
from callprint.training.sampling import EARLY, FINAL, FINAL_MEDIA, MIDFLOW, View
from callprint.training.statistics import share

if TYPE_CHECKING:  # they need torch, which only those who train networks have
    from callprint.lab.identification.open_set import Round
    from callprint.lab.paper.experiment import Findings

ACCURACY = (
    ("dataset2", EARLY, 0.985),
    ("dataset2", FINAL, 0.995),
    ("cross", FINAL, 0.95),
    ("dataset2", MIDFLOW, 0.97),
    ("cross", MIDFLOW, 0.90),
)
SURE_VIEWS = (FINAL, FINAL_MEDIA, MIDFLOW)
SURE_PRECISION, SURE_COVERAGE = 0.99, 0.80
DETECTED = 0.92
TIMES_S = {10: 0.2, 100: 1.0}
FLOWS_EACH_SECOND = 20_000
BATCH_MS = 3.0


@dataclass(slots=True)
class Measured:
    """What the rows are made from; what was not measured is empty."""

    results: Results
    took_s: dict[int, float]  # k -> processor seconds for TIMED_FLOWS flows
    baselines: list[BaselineResult] = field(default_factory=list)
    trees: list[TreesResult] = field(default_factory=list)
    tree_views: tuple[View, ...] = ()
    rounds: "Sequence[Round]" = ()
    findings: "Findings | None" = None
    alexnet_batch_ms: float | None = None
    gpu: bool = False


def goals_section(report: Report, measured: Measured) -> None:
    """Append the table."""
    rows = [
        *_accuracy(measured.results),
        *_alexnet(measured),
        *_sure(measured.results),
        *_unknown(measured),
        *_baselines(measured),
        *_speed(measured),
    ]
    if rows:
        report.add("## Beside the goals")
        report.add(
            "[notes.md](notes.md) says what is known about why goals were missed, and what could be tried next."
        )
        report.table(["what", "goal", "reached", ""], rows)


def _verdict(shortfalls: Iterable[tuple[float, str]]) -> str:
    """Return whether a goal is met, and if not, by how much each part falls short: (amount, format) of each."""
    short = [form.format(amount) for amount, form in shortfalls if amount > 0]
    return f"**missed** by {' and '.join(short)}" if short else "met"


def _accuracy(results: Results) -> list[list[str]]:
    rows = []
    for split, view, wanted in ACCURACY:
        found = found_view(results, split, view)
        if found is not None:
            short = wanted - float(found.right.mean())
            what = f"{split}, {view.name}: application right"
            rows.append([what, f"≥ {wanted:.1%}", share(*counts(found)), _verdict([(short, "{:.1%}")])])
    return rows


def _alexnet(measured: Measured) -> list[list[str]]:
    if measured.findings is None:
        return []
    from callprint.lab.identification.paper_section import alexnet_counts  # noqa: PLC0415 - needs torch

    rows = []
    for split in measured.results:
        ours, theirs = (
            found_view(measured.results, split, FINAL),
            alexnet_counts(measured.findings, split),
        )
        if ours is None or not theirs:
            continue
        k = max(theirs, key=lambda one: theirs[one][0] / theirs[one][1])
        comparison = verdict_on(counts(ours), theirs[k])
        rows.append(
            [
                f"{split}, the paper's AlexNet (its best, k = {k})",
                "reported, and beaten by ours",
                f"{share(*theirs[k])}; ours {share(*counts(ours))}",
                _beside_baseline(comparison),
            ]
        )
    return rows


def _sure(results: Results) -> list[list[str]]:
    rows = []
    for split, found in each_view(results, SURE_VIEWS):
        sure, right = int(found.sure.sum()), int(found.right[found.sure].sum())
        coverage = sure / len(found.target)
        precision = right / sure if sure else 0.0
        shortfalls = [
            (SURE_PRECISION - precision, "{:.1%} of the sure verdicts"),
            (SURE_COVERAGE - coverage, "{:.1%} coverage"),
        ]
        rows.append(
            [
                f"{split}, {found.view.name}: sure verdicts right, at coverage",
                f"≥ {SURE_PRECISION:.0%} at ≥ {SURE_COVERAGE:.0%}",
                f"{share(right, sure)} at {coverage:.1%}",
                _verdict(shortfalls),
            ]
        )
    return rows


def _unknown(measured: Measured) -> list[list[str]]:
    if not measured.rounds:
        return []
    from callprint.lab.identification.open_set_report import detection  # noqa: PLC0415 - needs torch
    from callprint.lab.identification.open_set_scores import USED  # noqa: PLC0415 - needs torch

    found = detection(measured.rounds, USED)
    what = "unknown applications detected at 5% false unknowns (each left out once)"
    return [[what, f"≥ {DETECTED:.0%}", str(found), _verdict([(DETECTED - found.share, "{:.1%}")])]]


def _baselines(measured: Measured) -> list[list[str]]:
    rows = []
    for split in measured.results:
        earlier = {one.name: one.right[split] for one in measured.baselines if split in one.right}
        rows += _best_of(measured, split, EARLY, earlier, "every earlier work's")
        for view in measured.tree_views:
            where = split, view.name
            trees = {one.name: one.right[where] for one in measured.trees if where in one.right}
            rows += _best_of(measured, split, view, trees, "trees on our own features")
    return rows


def _best_of(
    measured: Measured, split: str, view: View, others: dict[str, tuple[int, int]], whose: str
) -> list[list[str]]:
    ours = found_view(measured.results, split, view)
    if ours is None or not others:
        return []
    best = max(others, key=lambda name: others[name][0] / others[name][1])
    return [
        [
            f"{split}, {view.name}: better than {whose}",
            "yes, with the interval",
            f"{share(*counts(ours))}; the best ({best}) {share(*others[best])}",
            _beside_baseline(verdict_on(counts(ours), others[best])),
        ]
    ]


def _beside_baseline(comparison: str) -> str:
    if comparison == "better":
        return "met"
    if comparison.startswith("better"):
        return "better, but the intervals overlap: more flows would have to show it"
    return f"**missed**: ours is {comparison}"


def _speed(measured: Measured) -> list[list[str]]:
    rows = []
    for k, limit_s in TIMES_S.items():
        if k in measured.took_s:
            took_s = measured.took_s[k]
            what = f"{TIMED_FLOWS} flows at k = {k}, compact network, one core"
            rows.append(
                [what, f"≤ {limit_s} s", f"{took_s:.3f} s", _verdict([(took_s - limit_s, "{:.3f} s")])]
            )
    if measured.took_s:
        each_second = TIMED_FLOWS / max(measured.took_s.values())
        rows.append(
            [
                "compact network on one core, slowest k",
                f"≥ {FLOWS_EACH_SECOND:,} flows/s",
                f"{each_second:,.0f} flows/s",
                _verdict([(FLOWS_EACH_SECOND - each_second, "{:,.0f} flows/s")]),
            ]
        )
    ms = measured.alexnet_batch_ms
    if ms is not None:
        rows.append(
            [
                "the paper's AlexNet at k = 20, ONNX, batches on 2 cores ([paper.md](paper.md))",
                f"≤ {BATCH_MS:.0f} ms a flow",
                f"{ms:.2f} ms with 8-bit weights",
                _verdict([(ms - BATCH_MS, "{:.2f} ms")]),
            ]
        )
    gpu = "not measured here: see [inference.md](inference.md)" if measured.gpu else "not measured: no GPU"
    rows.append(["the same on a GPU", f"≥ {FLOWS_EACH_SECOND:,} flows/s", "–", gpu])
    return rows
