"""The report of the paper's networks: each of its tables and figures on our data, beside its own numbers."""

from pathlib import Path

import numpy as np

from callprint.inference.onnx_identifier import OnnxIdentifier
from callprint.lab.identification.report_text import Report
from callprint.lab.paper import published
from callprint.lab.paper.deep_heads import class_scores, svm_graph
from callprint.lab.paper.earlier_section import earlier_section
from callprint.lab.paper.experiment import Findings
from callprint.lab.paper.full import RESULTS
from callprint.lab.paper.full_section import full_section
from callprint.lab.paper.pictures import heads_picture, probabilities_picture, rates_picture
from callprint.lab.paper.rates import positive_rates
from callprint.lab.paper.speed_section import speed_section
from callprint.lab.paper.tables import (
    PAPER_APPLICATIONS,
    accuracy_head,
    accuracy_of,
    accuracy_row,
    command_for,
    counted,
    data_rows,
    growth,
    largest_difference,
    mean_share,
    parameter_rows,
    published_accuracy,
    share_of_seeds,
)
from callprint.training.paper.cells import VALIDATED, by_flow, by_window
from callprint.training.paper.heads import HEADS
from callprint.training.paper.networks import ALEXNET, ALEXNET_CHANNELS, ALEXNET_UNITS, CNN, GOOGLENET
from callprint.training.sampling import PAPER_K
from callprint.training.statistics import share

LEAKY = "dataset1, leaky"
FIGURE_6_K = (4, 10, 20, 100)


def write_paper_report(
    findings: Findings, compact: OnnxIdentifier, path: Path, command: str, folder: Path | None, cache: Path
) -> None:
    """Write report and pictures. `folder`: the captures, for what needs more than the evidence; or None."""
    report = Report(path)
    report.pictures.mkdir(parents=True, exist_ok=True)
    _head(report, findings, command)
    _tables_1_and_2(report, findings)
    _table_3(report, findings)
    _compared(report, findings)
    in_full = full_section(path.parent / RESULTS.name)
    if in_full:
        report.add(in_full)
    _norms(report, findings)
    _figure_5(report, findings)
    _figure_6(report, findings)
    _figure_7(report, findings)
    speed_section(report, findings, compact)
    earlier_section(report, findings, compact, folder, cache)
    report.add("## Where this differs from the paper")
    report.add("\n".join(f"- {difference}" for difference in published.DIFFERENCES))
    path.write_text(report.text.rstrip() + "\n", encoding="utf-8")


def _head(report: Report, findings: Findings, command: str) -> None:
    report.add("# The identification paper on our data")
    report.add(
        f"Made by `{command}`; dataset SHA-256 `{findings.dataset.digest[:16]}…`. Every network, head, table and "
        "figure of the paper, measured through ONNX Runtime. What callprint itself identifies with, and why, is in "
        "[identification.md](identification.md) and [models.md](../use/models.md)."
    )
    report.add(f"**Budget `{findings.plan.budget.name}`.** {findings.plan.differs}")
    if findings.missing:
        names = ", ".join(one.name for one in findings.missing)
        report.add(
            f"**Missing:** {names}. {command_for(findings)} makes them and goes on from what is there."
        )
    report.add(
        "Two protocols for every network, from one training run. *Leaky validation* is the paper's: windows of "
        "dataset1 split 80 / 20 at random, so that windows of one call are on both sides. The honest one asks the same "
        "network about calls that it has never seen: *dataset2* (other calls, voices, addresses) and *cross* (the "
        "other end is another application); by window as in the paper, and by flow, which gets one verdict from its "
        "first k packets. In brackets the 95 % Wilson interval; with several seeds mean ± standard deviation over "
        "them, and the interval of their mean. Flows count from 10 packets on, and from k packets on."
    )


def _tables_1_and_2(report: Report, findings: Findings) -> None:
    report.add("## Table I: the data")
    head = ["application", "media stack", "codecs", "flows", "MB", "windows at k = 10"]
    report.table(head, data_rows(findings))
    sizes = [
        f"{name} {size:,.0f} MB, {windows:,}" for name, (size, windows) in published.APPLICATIONS.items()
    ]
    report.add(
        "dataset1; MB of RTP and RTCP below 256 bytes; windows as the random steps in [1, 10] give on average. The "
        f"paper's, windows at k = 10: {'; '.join(sizes)}."
    )
    report.add("## Table II: parameters of AlexNet")
    counts = {k: counted(ALEXNET, k, PAPER_APPLICATIONS) for k in PAPER_K}
    report.table(
        [
            "k",
            "input",
            "ours, 10 applications",
            "paper",
            "difference",
            f"ours, {len(findings.classes)}",
            "MB",
        ],
        parameter_rows(counts, len(findings.classes)),
    )
    channels, units = (", ".join(map(str, sizes)) for sizes in (ALEXNET_CHANNELS, ALEXNET_UNITS))
    report.add(
        f"The paper's table does not say how wide the layers are. Ours are convolutions of {channels} channels, the "
        f"first with stride 2, and full layers of {units}: from k = 4 to k = 6 the count grows by {growth(counts):,} "
        f"(paper: {growth(published.PARAMETERS):,}), one row of the last image more for the first full layer, and it "
        f"lies within {largest_difference(counts):.2%} of the paper's everywhere."
    )


def _table_3(report: Report, findings: Findings) -> None:
    report.add("## Table III: accuracy of AlexNet")
    rows = [[str(k), *accuracy_row(findings, ALEXNET, k), published_accuracy(k)] for k in PAPER_K]
    report.table(["k", *accuracy_head(findings), "paper, leaky"], rows)
    report.add(
        "*Training* is the accuracy of the last epoch's batches before their update, under dropout, so it may lie "
        f"below validation. {_gaps(findings)} [notes.md](notes.md) says why."
    )


def _gaps(findings: Findings) -> str:
    """Return how far below leaky validation accuracy lies on other calls, over the k that there are."""
    sentences = []
    for split in findings.splits:
        gaps = [
            mean_share(findings, findings.of(ALEXNET, k), VALIDATED)
            - mean_share(findings, findings.of(ALEXNET, k), by_window(split))
            for k in findings.ks()
        ]
        gaps = [one for one in gaps if np.isfinite(one)]
        if gaps:
            sentences.append(
                f"By window, accuracy on {split} is {100 * min(gaps):.1f} to {100 * max(gaps):.1f} points below leaky "
                "validation."
            )
    return " ".join(sentences)


def _compared(report: Report, findings: Findings) -> None:
    report.add("## Three networks at k = 20")
    rows = []
    for kind in (CNN, ALEXNET, GOOGLENET):
        count = f"{counted(kind, 20, len(findings.classes)):,}"
        rows.append([kind, count, *accuracy_row(findings, kind, 20), published.COMPARED[kind]])
    report.table(["network", "parameters", *accuracy_head(findings), "paper, leaky"], rows)
    ratio = counted(GOOGLENET, 20, len(findings.classes)) / counted(ALEXNET, 20, len(findings.classes))
    report.add(
        f"The paper finds that GoogLeNet takes more time and space. Ours, with no wide full layer, has {ratio:.1%} of "
        "AlexNet's parameters."
    )


def _norms(report: Report, findings: Findings) -> None:
    wanted = findings.plan.with_norms()
    if not wanted:
        return
    report.add(f"## L1 and L2 norms at k = {wanted[0].k}, the paper's future work")
    rows = [["none", *accuracy_of(findings, findings.of(ALEXNET, wanted[0].k)[:1])]]
    for one in wanted:
        name = f"L1, weight {one.l1:g}" if one.l1 else f"L2, weight {one.l2:g}"
        rows.append(
            [name, *accuracy_of(findings, [findings.cells[one.name]] if one.name in findings.cells else [])]
        )
    report.table(["norm in the loss", *accuracy_head(findings)], rows)
    report.add(f"The paper hopes that norms of the weights cure its over-fitting. {_norm_effects(findings)}")


def _norm_effects(findings: Findings) -> str:
    """Return how accuracy by window changes with each norm, on the splits that the networks have not seen."""
    wanted = findings.plan.with_norms()
    plain = findings.of(ALEXNET, wanted[0].k)[:1]
    changes = []
    for one in wanted:
        cells = [findings.cells[one.name]] if one.name in findings.cells else []
        if plain and cells:
            differences = [
                100
                * (
                    mean_share(findings, cells, by_window(split))
                    - mean_share(findings, plain, by_window(split))
                )
                for split in findings.splits
            ]
            listed = " and ".join(
                f"{by:+.1f} points on {split}" for by, split in zip(differences, findings.splits, strict=True)
            )
            changes.append(f"{'L1' if one.l1 else 'L2'} changes accuracy by window by {listed}.")
    return " ".join(changes)


def _figure_5(report: Report, findings: Findings) -> None:
    ks = findings.ks()
    if not ks:
        return
    report.add("## Figure 5: true and false positive rates")
    parts = {LEAKY: VALIDATED, **{split: by_window(split) for split in findings.splits}}
    rates = {}
    for part, asked in parts.items():
        columns = []
        for k in ks:
            cell = findings.of(ALEXNET, k)[0]
            scores = cell.scores.get(asked)
            nothing = np.full(len(findings.classes), np.nan)
            columns.append(
                (nothing, nothing)
                if scores is None
                else positive_rates(
                    scores.logits.argmax(1), findings.target[scores.flow], len(findings.classes)
                )
            )
        rates[part] = (
            np.column_stack([one[0] for one in columns]),
            np.column_stack([one[1] for one in columns]),
        )
    picture = report.picture("paper-rates.svg", "True and false positive rates by application and k")
    rates_picture(picture, ks, list(findings.classes), rates)
    report.add(
        "By window, AlexNet, first seed, in per cent; grey: not among the windows. The paper's charts show rates close "
        "to 1 on dataset1 and a few outliers on dataset2 (Skype at k = 20, Xlite at k = 4)."
    )


def _figure_6(report: Report, findings: Findings) -> None:
    ks = [k for k in FIGURE_6_K if k in findings.ks()] or findings.ks()
    if not ks:
        return
    report.add("## Figure 6: probabilities of right and wrong results")
    found: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    sure = []
    for part, asked in {LEAKY: VALIDATED, **{split: by_window(split) for split in findings.splits}}.items():
        for k in ks:
            scores = findings.of(ALEXNET, k)[0].scores.get(asked)
            if scores is None:
                continue
            right = scores.logits.argmax(1) == findings.target[scores.flow]
            probability = class_scores(scores.logits).max(1)
            found.setdefault(part, []).append((probability, right))
            beyond = probability >= 0.9
            sure.append(
                [part, str(k), f"{beyond.mean():.1%}", share(int(right[beyond].sum()), int(beyond.sum()))]
            )
    probabilities_picture(
        report.picture("paper-probabilities.svg", "Highest probability of right and wrong results"),
        [f"k = {k}" for k in ks],
        found,
    )
    report.table(["windows of", "k", "probability at least 0.9", "of these right"], sure)
    report.add(
        "The paper: true results are close to 1, false ones anywhere from 0.2 to 0.98. It proposes to examine "
        "results below 0.9; the table shows how far that threshold can be trusted, uncalibrated as in the paper."
    )


def _figure_7(report: Report, findings: Findings) -> None:
    ks = [
        k
        for k in findings.ks()
        if all(one.procedure.name in findings.heads for one in findings.of(ALEXNET, k))
    ]
    if not ks:
        return
    report.add("## Figure 7: classifiers on deep features")
    parts = {LEAKY: VALIDATED, **{split: by_window(split) for split in findings.splits}}
    curves: dict[str, dict[str, list[float]]] = {}
    for part, asked in parts.items():
        lines: dict[str, list[float]] = {ALEXNET: []}
        for k in ks:
            cell = findings.of(ALEXNET, k)[0]
            lines[ALEXNET].append(findings.right(cell, asked).share)
            for head in findings.heads[cell.procedure.name]:
                lines.setdefault(head.name, []).append(findings.head_right(cell, head, asked).share)
        curves[part] = lines
    heads_picture(
        report.picture("paper-heads.svg", "Accuracy of four classifiers on deep features"), ks, curves
    )
    rows = []
    shown = [(ALEXNET, k) for k in ks] + [(kind, 20) for kind in (CNN, GOOGLENET) if findings.of(kind, 20)]
    for kind, k in shown:
        cell = findings.of(kind, k)[0]
        for asked in (VALIDATED, *(by_flow(split) for split in findings.splits)):
            row = [
                f"{kind}, k = {k}",
                "leaky validation" if asked == VALIDATED else asked.replace("first", "flow"),
            ]
            row.append(share_of_seeds(findings, [cell], asked))
            for head in findings.heads[cell.procedure.name]:
                count = findings.head_right(cell, head, asked)
                row.append(f"{count.share:.1%}" if count.asked else "–")
            rows.append(row)
    report.table(["features of", "asked", "the network itself", *HEADS], rows)
    largest = max(head.difference for heads in findings.heads.values() for head in heads)
    report.add(
        f"Paper: {published.HEADS_ACCURACY} for each of the four, leaky. Trained on the deep features (the second to "
        "last layer) of windows on which the network was trained. Each network with each head is one ONNX graph from "
        f"k-matrix to scores; over {sum(len(one) for one in findings.heads.values())} such graphs no class score "
        f"differs by more than {largest:.1e} from network and scikit-learn in Python. The graphs with the SVM stay in "
        f"the cache as `{svm_graph(next(iter(findings.cells.values()))).name}`."
    )
