"""Writes docs/results/spit.md and its pictures from the results of the experiments. No number is typed in here
but those that the paper printed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callprint.lab.spam import report_detector as detector
from callprint.lab.spam import report_paper as paper
from callprint.lab.spam.report_pictures import draw
from callprint.lab.spam.table import Results, Table


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that the report shows."""

    cells: Results
    convergence: list[dict[str, Any]]
    timing: list[dict[str, Any]]
    millions: list[dict[str, Any]]  # repetitions with other seeds
    actions: list[dict[str, Any]]  # of the live detector on each trace
    command: str
    digest: str  # of the code that everything was measured with


def write_report(findings: Findings, docs: Path) -> Path:
    """Write the report and its pictures under `docs`; returns its path."""
    pictures = docs / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    table = Table(findings.cells)
    draw(table, findings.timing, pictures)
    text = "\n\n".join(
        [
            _head(findings),
            detector.comparison(table),
            detector.against_cold_start(table),
            detector.actions(findings.actions, findings.millions),
            detector.million(findings.millions),
            detector.ablations(table),
            paper.beside_the_paper(table, findings.convergence, findings.timing),
            paper.faithful(table),
            paper.noise(table),
            paper.convergence(findings.convergence),
            paper.timing(findings.timing),
            paper.volumes(table),
        ]
    )
    path = docs / "spit.md"
    path.write_text(text + "\n", encoding="utf-8")
    return path


def _head(findings: Findings) -> str:
    seeds = sorted({cell.seed for cell in findings.cells})
    spread = (
        "± and error bars are one standard deviation over them"
        if len(seeds) > 1
        else "one seed has no spread, so there are no error bars"
    )
    return f"""# Spam calls: measured results

Made by `{findings.command}` (digest of the code: `{findings.digest}`); every number and picture below comes from that
run: {len(findings.cells):,} cells, seeds {seeds[0]} to {seeds[-1]}; {spread}. A seed draws the trace, the voted calls
and the false votes anew; the detector was built on other seeds. The results are kept in files, so the command can be
stopped and resumed. How the algorithms work is in [spit-algorithms.md](../how/spit-algorithms.md).

**Read this first.** No labelled SIP + RTP spam trace is public, so all calls here are simulated: persons with
friends, businesses that call many, and spammers, as call events from which the features are computed by the same
code that serves live calls. The detector's scorecard was learned on *other* simulated traces (other populations,
other campaigns, other seeds), but by the same simulator: how well it carries over to a real network is not known
from these tables. Baselines and the paper's algorithms have no such prior, and that is part of what is compared.
F, TP and FP count calls. "Unmarked" leaves out the calls that users voted, whose label a method has seen;
"all" is what the paper appears to report."""
