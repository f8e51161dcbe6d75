"""Draws the pictures of the report."""

from pathlib import Path
from typing import Any

from callprint.lab.spam import plots
from callprint.lab.spam.experiment import CONTENDERS, PAPER_TRACES, SWEEP_RATIO
from callprint.lab.spam.methods import DETECTOR, PAPER_METHODS
from callprint.lab.spam.table import COMPETITORS, Table
from callprint.lab.spam.traces import TRACES

FIVE = (*PAPER_METHODS, DETECTOR)


def draw(table: Table, timing: list[dict[str, Any]], pictures: Path) -> None:
    """Draw everything into the folder."""
    for measure, name in (("f", "F-measure"), ("tp", "true-positive rate"), ("fp", "false-positive rate")):
        panels = {t: {m: table.series(t, m, measure) for m in FIVE} for t in TRACES}
        plots.lines(panels, "feedback ratio", name, pictures / f"spit-{measure}-ratio.png")
    across = {t: table.series(t, "eMPCK", "tp") for t in PAPER_TRACES}
    plots.lines({"eMPCK": across}, "feedback ratio", "true-positive rate", pictures / "spit-empck-traces.png")
    noisy: dict[str, plots.Series] = {
        f"v6, ratio {SWEEP_RATIO}, {label}": {
            m: table.against_noise("v6", m, measure, SWEEP_RATIO) for m in FIVE
        }
        for measure, label in (("tp", "TP"), ("fp", "FP"))
    }
    plots.lines(noisy, "noise", "rate", pictures / "spit-noise.png")
    for noise in (0.0, 0.2):
        shown = [m for m in (*COMPETITORS, DETECTOR) if m not in {"eMPCK multi-class", "pMPCK"}]
        panels = {t: {m: table.series(t, m, "f", noise, "without_vote") for m in shown} for t in TRACES}
        name = f"spit-baselines-noise-{int(100 * noise)}.png"
        plots.lines(panels, "feedback ratio", "F, calls without a vote", pictures / name)
    times: plots.Series = {
        m: [(row["calls"], row[m], row[f"{m} spread"]) for row in timing] for m in CONTENDERS
    }
    plots.lines(
        {"time to convergence": times}, "calls", "CPU seconds", pictures / "spit-time.png", plots.logarithmic
    )
    surfaces = {m: (*table.grid(), table.surface("v6", m)) for m in FIVE if m != "eMPCK multi-class"}
    plots.surfaces(surfaces, pictures / "spit-surfaces.png")
