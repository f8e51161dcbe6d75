"""The report's section on the identification paper's networks, from the cache of `callprint evaluate --paper`."""

import re
from pathlib import Path

from callprint.lab.identification.report_text import Report
from callprint.lab.identification.views_report import Results, found_view
from callprint.lab.paper.experiment import Findings
from callprint.lab.paper.tables import share_of_seeds
from callprint.training.paper.cells import VALIDATED, by_flow
from callprint.training.paper.networks import ALEXNET
from callprint.training.sampling import FINAL
from callprint.training.statistics import share

PAPER_REPORT_NAME = "paper.md"
BATCH_ROW = re.compile(r"^\| 8 bit, static \| [\d.,]+ \| (?P<ms>[\d.]+) \|", re.MULTILINE)


def alexnet_counts(findings: Findings, split: str) -> dict[int, tuple[int, int]]:
    """Return, for every k, how many flows of a split AlexNet's first seed names right, and how many were asked."""
    found = {}
    for k in findings.ks():
        count = findings.right(findings.of(ALEXNET, k)[0], by_flow(split))
        if count.asked:
            found[k] = (count.hits, count.asked)
    return found


def batch_ms(paper_report: Path) -> float | None:
    """Return AlexNet's milliseconds a flow at k = 20 in batches from the paper's report; None when it has none."""
    try:
        row = BATCH_ROW.search(paper_report.read_text(encoding="utf-8"))
    except OSError:
        return None
    return float(row["ms"]) if row else None


def paper_section(report: Report, findings: Findings, results: Results, name: str) -> None:
    """Append AlexNet's accuracy under both protocols beside ours; nothing when no network has been trained."""
    if not findings.ks():
        return
    report.add("## The paper's networks")
    report.add(
        f"AlexNet over byte images, trained with the budget `{findings.plan.budget.name}` "
        f"([{PAPER_REPORT_NAME}]({PAPER_REPORT_NAME}) says what that is, and has every network, head, table and figure "
        "of the paper). *Leaky* is the paper's protocol, by window; the others are by flow, from its first k packets."
    )
    rows = [
        [
            f"AlexNet, k = {k}",
            share_of_seeds(findings, findings.of(ALEXNET, k), VALIDATED),
            *(share_of_seeds(findings, findings.of(ALEXNET, k), by_flow(split)) for split in results),
        ]
        for k in findings.ks()
    ]
    ours = [found_view(results, split, FINAL) for split in results]
    cells = [share(int(one.right.sum()), len(one.target)) if one else "–" for one in ours]
    rows.append([f"**{name}**, horizon", "", *cells])
    report.table(["network", "leaky, by window", *results], rows)
    if findings.missing:
        report.add(
            f"Not in the cache when this report was written: {', '.join(one.name for one in findings.missing)}. "
            f"[{PAPER_REPORT_NAME}]({PAPER_REPORT_NAME}) has what had been trained when that was written."
        )
