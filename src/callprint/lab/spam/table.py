"""Results of the experiments, averaged over seeds and asked by trace, method, feedback ratio and noise."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from callprint.lab.spam import plots
from callprint.lab.spam.cell import Cell
from callprint.lab.spam.experiment import LARGE, NOISES, RATIOS, SURFACE_NOISES, SURFACE_RATIOS, SWEEP_NOISES
from callprint.lab.spam.methods import BASELINES, DETECTOR, OURS, PAPER_METHODS
from callprint.lab.spam.traces import TRACES

COMPETITORS = (*PAPER_METHODS, *BASELINES)

Results = dict[Cell, dict[str, Any]]


class Table:
    """Means over the seeds that were computed, by trace, method, feedback ratio and noise."""

    def __init__(self, cells: Results) -> None:
        self._rows: dict[tuple[str, str, float, float], list[dict[str, Any]]] = {}
        for cell, row in cells.items():
            self._rows.setdefault((cell.trace, cell.method, cell.ratio, cell.noise), []).append(row)

    def values(
        self, trace: str, method: str, ratio: float, noise: float, measure: str, scope: str
    ) -> list[float]:
        """Return the measure of each seed; empty where nothing was computed."""
        return [row[scope][measure] for row in self._rows.get((trace, method, ratio, noise), [])]

    def mean(
        self,
        trace: str,
        method: str,
        ratio: float,
        noise: float,
        measure: str = "f",
        scope: str = "without_vote",
    ) -> float:
        """Return the mean over seeds, NaN where nothing was computed."""
        found = self.values(trace, method, ratio, noise, measure, scope)
        return float(np.mean(found)) if found else float("nan")

    def is_complete(self, trace: str, ratio: float, noise: float) -> bool:
        """Return whether every method that is meant to judge this trace was measured in this cell."""
        methods = [m for m in (*COMPETITORS, DETECTOR) if (trace, m) != (LARGE, "MPCK")]
        return all(self.values(trace, m, ratio, noise, "f", "without_vote") for m in methods)

    def with_all_of_ours(self, ratio: float, noise: float) -> list[str]:
        """Return the traces in which our detector and its ablations were measured."""
        return [t for t in TRACES if all(self.values(t, m, ratio, noise, "f", "without_vote") for m in OURS)]

    def over_traces(
        self, traces: Sequence[str], method: str, ratio: float, noise: float
    ) -> tuple[float, float, int]:
        """Return F on calls without a vote, averaged over traces: mean, standard deviation and number of seeds."""
        found = [self.values(trace, method, ratio, noise, "f", "without_vote") for trace in traces]
        found = [values for values in found if values]
        if not found:
            return float("nan"), 0.0, 0
        seeds = min(map(len, found))
        means = np.mean([values[:seeds] for values in found], axis=0)
        return float(means.mean()), float(means.std()), seeds

    def series(
        self, trace: str, method: str, measure: str, noise: float = 0.0, scope: str = "all"
    ) -> plots.Points:
        """Return the measure against the feedback ratio; noise is in the votes only, so it says nothing at ratio 0."""
        points = []
        for ratio in sorted({*RATIOS, *SURFACE_RATIOS} if scope == "all" else RATIOS):
            found = self.values(trace, method, ratio, noise if ratio else 0.0, measure, scope)
            if found:
                points.append((ratio, float(np.mean(found)), float(np.std(found))))
        return points

    def against_noise(self, trace: str, method: str, measure: str, ratio: float) -> plots.Points:
        """Return the measure over all calls against the noise."""
        points = []
        for noise in sorted({*NOISES, *SURFACE_NOISES, *SWEEP_NOISES}):
            found = self.values(trace, method, ratio, noise, measure, "all")
            if found:
                points.append((noise, float(np.mean(found)), float(np.std(found))))
        return points

    def grid(self) -> tuple[list[float], list[float]]:
        """Return the feedback ratios and noises of the surfaces that were measured."""
        ratios = [r for r in SURFACE_RATIOS if self.values("v6", DETECTOR, r, 1.0, "tp", "all")]
        return ratios, [n for n in SURFACE_NOISES if self.values("v6", DETECTOR, 1.0, n, "tp", "all")]

    def surface(self, trace: str, method: str) -> np.ndarray:
        """Return TP - FP over all calls, (noises, ratios) of `grid`."""
        ratios, noises = self.grid()

        def mean(ratio: float, noise: float, measure: str) -> float:
            return self.mean(trace, method, ratio, noise, measure, "all")

        return np.array([[mean(r, n, "tp") - mean(r, n, "fp") for r in ratios] for n in noises])


def shown(value: float, digits: int = 2) -> str:
    """Return the number as text, a dash where it was not measured."""
    return "–" if np.isnan(value) else f"{value:.{digits}f}"


def with_spread(mean: float, spread: float, repeats: int, digits: int = 2, bold: bool = False) -> str:
    """Return "0.65 ± 0.03"; of one repeat only the mean, because nothing is known of the spread."""
    text = shown(mean, digits)
    if bold:
        text = f"**{text}**"
    return f"{text} ± {spread:.{digits}f}" if repeats > 1 else text


def volume(surface: np.ndarray, ratios: Sequence[float], noises: Sequence[float]) -> float:
    """Return the paper's Eq. 6: the integral of TP - FP over noise 0..1 and ratio 0.1..1 (ideal 0.9)."""
    return float(np.trapezoid(np.trapezoid(surface, ratios, axis=1), noises))
