"""The report's sections on how a model judges every view of every flow."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import product

import numpy as np

from callprint.inference.onnx_identifier import OnnxIdentifier
from callprint.lab.identification.pictures import by_k_picture, confusion_picture, reliability_picture
from callprint.lab.identification.report_text import Report
from callprint.training.dataset import Dataset
from callprint.training.examine import Examination, examine_cut, examine_view
from callprint.training.sampling import FINAL, HORIZON, PAPER_K, VIEWS, View
from callprint.training.statistics import share
from callprint.training.windows import cut_windows

MOST_CONFUSIONS = 12
WINDOWS_PER_FLOW = 20  # at most, in accuracy by window

Results = dict[str, list[Examination]]
"""How a model judged every view of each split."""


def found_view(results: Results, split: str, view: View) -> Examination | None:
    """Return one view of a split, None where no flow is long enough for it."""
    return next((one for one in results.get(split, []) if one.view == view), None)


def each_view(results: Results, views: Iterable[View]) -> Iterator[tuple[str, Examination]]:
    """Yield every split with each of the views that any of its flows is long enough for."""
    for split, view in product(results, list(views)):
        found = found_view(results, split, view)
        if found is not None:
            yield split, found


def final(examinations: list[Examination]) -> Examination:
    """Return the view at the horizon."""
    return next(found for found in examinations if found.view == FINAL)


def flows_section(report: Report, results: Results) -> None:
    """Append how the model judges each view of each split, by flow."""
    report.add("## By flow")
    rows = []
    for split, examinations in results.items():
        for found in examinations:
            count = len(found.target)
            sure = int(found.sure.sum())
            rows.append(
                [
                    split,
                    found.view.name,
                    str(count),
                    share(int(found.right.sum()), count),
                    share(int(found.engine_right.sum()), count),
                    f"{sure / count:.1%}",
                    share(int(found.right[found.sure].sum()), sure),
                ]
            )
    report.table(
        ["split", "looked at", "flows", "application right", "engine right", "sure", "of these right"], rows
    )


def unknown_section(report: Report, results: Results, identifier: OnnxIdentifier) -> None:
    """Append how the model judges flows of applications that it does not know; `results`: of all flows."""
    rows = []
    for split, examinations in results.items():
        for found in examinations:
            strange = found.target < 0
            count = int(strange.sum())
            if not count:
                continue
            named = found.decisions.application[strange & found.sure]
            names = Counter(identifier.applications[i] for i in named.tolist())
            said = ", ".join(f"{name} ({times})" for name, times in names.most_common())
            rows.append([split, found.view.name, str(count), share(count - len(named), count), said or "–"])
    if rows:
        report.add("Flows of applications that the model does not know, which do not count above:")
        report.table(["split", "looked at", "flows", "`unknown`", "sure wrong names"], rows)


def examine_windows(
    dataset: Dataset, identifier: OnnxIdentifier, flows: np.ndarray, k: int, seed: int
) -> Examination:
    """Let the model judge windows of k packets, a random step in [1, k] apart: WINDOWS_PER_FLOW drawn of each flow."""
    rng = np.random.default_rng(seed)
    flow: list[int] = []
    first: list[int] = []
    for index in flows:
        starts = np.cumsum(np.r_[0, rng.integers(1, k + 1, int(dataset.packets[index]))])
        starts = starts[starts + k <= dataset.packets[index]]
        drawn = rng.permutation(starts)[:WINDOWS_PER_FLOW]
        flow += [int(index)] * len(drawn)
        first += drawn.tolist()
    starts = np.array(first, np.int64)
    windows = cut_windows(dataset.buffer, dataset.spans, np.array(flow, np.int64), starts, k)
    return examine_cut(dataset, identifier, windows, View(f"windows of {k}", 0, k, False), k)


def k_section(report: Report, dataset: Dataset, identifier: OnnxIdentifier, splits: list[str]) -> None:
    """Append accuracy and coverage over k."""
    report.add("## By k")
    report.add(
        f"From the flow's first packet; k = {HORIZON} is the final verdict, with the RTCP of ten further seconds. "
        "*By window*: windows of k packets, a random step in [1, k] apart as in the paper, "
        f"at most {WINDOWS_PER_FLOW} from each flow."
    )
    curves: dict[str, dict[str, list[float]]] = {}
    rows = []
    for split in splits:
        flows = dataset.of_split(split)
        lines: dict[str, list[float]] = {"accuracy": [], "coverage": [], "precision of sure": []}
        cells = []
        for k in PAPER_K:
            found = examine_view(dataset, identifier, flows, View(str(k), 0, k, k == HORIZON))
            windows = examine_windows(dataset, identifier, flows, k, seed=k)
            lines["accuracy"].append(float(found.right.mean()))
            lines["coverage"].append(float(found.sure.mean()))
            lines["precision of sure"].append(
                float(found.right[found.sure].mean()) if found.sure.any() else np.nan
            )
            cells.append(
                [f"{found.right.mean():.1%}", f"{found.sure.mean():.1%}", f"{windows.right.mean():.1%}"]
            )
        curves[split] = lines
        for i, what in enumerate(("by flow", "sure", "by window")):
            rows.append([split, what, *(cell[i] for cell in cells)])
    report.table(["split", "", *(f"k = {k}" for k in PAPER_K)], rows)
    by_k_picture(report.picture("accuracy-by-k.png", "Accuracy and coverage over k"), list(PAPER_K), curves)


def applications_section(report: Report, results: Results, identifier: OnnxIdentifier) -> None:
    """Append accuracy for each application."""
    report.add("## By application, at the horizon")
    rows = []
    for i, (name, engine) in enumerate(zip(identifier.card.classes, identifier.card.engines, strict=True)):
        row = [name, engine]
        for examinations in results.values():
            found = final(examinations)
            mine = found.target == i
            row += [
                share(int(found.right[mine].sum()), int(mine.sum())),
                share(int(found.engine_right[mine].sum()), int(mine.sum())),
            ]
        rows.append(row)
    head = ["application", "engine"]
    for split in results:
        head += [f"{split}", f"{split}, engine"]
    report.table(head, rows)


def confusions_section(report: Report, results: Results, identifier: OnnxIdentifier) -> None:
    """Append which applications are taken for which."""
    report.add("## What goes wrong")
    classes = identifier.card.classes
    for split, examinations in results.items():
        found = final(examinations)
        pairs = Counter(
            (classes[int(target)], classes[int(named)])
            for target, named in zip(
                found.target[~found.right], found.decisions.application[~found.right], strict=True
            )
        )
        listed = ", ".join(f"{a} named {b} ({n})" for (a, b), n in pairs.most_common(MOST_CONFUSIONS))
        wrong_sure = int((~found.right & found.sure).sum())
        report.add(
            f"**{split}** at the horizon: {int((~found.right).sum())} of {len(found.target)} best guesses are wrong: "
            f"{listed or 'none'}. Of the sure verdicts {wrong_sure} of {int(found.sure.sum())} are wrong."
        )
        unsure = Counter(classes[int(target)] for target in found.target[~found.sure] if target >= 0)
        if unsure:
            listed = ", ".join(f"{name} ({count})" for name, count in unsure.most_common(MOST_CONFUSIONS))
            report.add(f"Known applications called `unknown` there: {listed}.")
        present = sorted(set(found.target.tolist()))
        counts = np.zeros((len(present), len(classes)), np.int64)
        for target, named in zip(found.target, found.decisions.application, strict=True):
            counts[present.index(int(target)), int(named)] += 1
        used = [j for j in range(len(classes)) if counts[:, j].any() or j in present]
        confusion_picture(
            report.picture(f"confusion-{split}.png", f"Confusion matrix of {split}"),
            f"{split}, horizon, flows",
            counts[:, used],
            [classes[i] for i in present],
            [classes[j] for j in used],
        )


def expected_calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = 10) -> float:
    """Return the ECE: mean distance of confidence and accuracy over equal-width bins, weighted by their size."""
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    error = 0.0
    for i in range(bins):
        inside = place == i
        if inside.any():
            error += inside.mean() * abs(float(confidence[inside].mean()) - float(right[inside].mean()))
    return error


def calibration_section(report: Report, results: Results) -> None:
    """Append confidence beside accuracy."""
    report.add("## Calibration")
    rows = []
    for view in VIEWS:
        for split, found in each_view(results, (view,)):
            error = expected_calibration_error(found.decisions.confidence, found.right)
            mean = float(found.decisions.confidence.mean())
            rows.append([split, view.name, f"{mean:.3f}", f"{error:.3f}"])
    report.table(["split", "looked at", "mean confidence", "expected calibration error (10 bins)"], rows)
    curves = {
        split: (
            np.concatenate([found.decisions.confidence for found in examinations]),
            np.concatenate([found.right for found in examinations]),
        )
        for split, examinations in results.items()
    }
    report.add("All views together:")
    reliability_picture(report.picture("reliability.png", "Confidence against accuracy"), curves)
