"""The pictures of the report. One line per method, the same colour everywhere."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # files only: no display is needed
import numpy as np
from matplotlib import pyplot as plt

COLOURS = {
    "MPCK": "#1f77b4",
    "eMPCK": "#d62728",
    "eMPCK multi-class": "#9467bd",
    "pMPCK": "#ff7f0e",
    "eMPCK, all features": "#8c564b",
    "logistic regression": "#17becf",
    "random forest": "#2ca02c",
    "Gaussian naive Bayes": "#bcbd22",
    "self-training": "#7f7f7f",
    "k-means + majority": "#e377c2",
    "caller-mean logistic regression": "#1a9e9e",
    "caller-mean random forest": "#0b5d0b",
    "callprint": "#000000",
}

Points = list[tuple[float, float, float]]  # x, mean, standard deviation
Series = dict[str, Points]


def lines(
    panels: dict[str, Series],
    x_label: str,
    y_label: str,
    path: Path,
    finish: Callable[[Any], None] | None = None,
) -> None:
    """Draw one panel for each trace: a line with error bars (one standard deviation) for each method."""
    columns = min(len(panels), 4)
    rows = -(-len(panels) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(4 * columns, 3.2 * rows), squeeze=False)
    for axis in axes.flat[len(panels) :]:
        axis.axis("off")
    for axis, (title, series) in zip(axes.flat, panels.items(), strict=False):
        for name, points in series.items():
            if not points:
                continue
            x, mean, spread = np.array(points).T
            style = {"label": name, "color": COLOURS.get(name), "linewidth": 1.2}
            if np.any(spread > 0.0):
                axis.errorbar(x, mean, spread, capsize=2, elinewidth=0.6, **style)
            else:  # one seed: nothing is known about the spread
                axis.plot(x, mean, **style)
        axis.set_title(title)
        axis.set_xlabel(x_label)
        axis.set_ylabel(y_label)
        axis.grid(alpha=0.3)
        if finish:
            finish(axis)
    named: dict[str, Any] = {}
    for axis in axes.flat:
        handles, names = axis.get_legend_handles_labels()
        named |= dict(zip(names, handles, strict=True))
    across = max(1, min(len(named), 2 * columns))
    figure.legend(named.values(), named.keys(), loc="lower center", ncol=across, frameon=False, fontsize=8)
    height = 0.25 * -(-len(named) // across) + 0.1  # inches that the legend takes
    figure.tight_layout(rect=(0, height / (3.2 * rows), 1, 1))
    figure.savefig(path, dpi=90)
    plt.close(figure)


def surfaces(panels: dict[str, tuple[Any, Any, Any]], path: Path) -> None:
    """Draw TP - FP over noise and feedback ratio, one surface for each method (the paper's Figures 12 to 14)."""
    figure = plt.figure(figsize=(4.2 * len(panels), 3.8))
    for place, (title, (ratios, noises, heights)) in enumerate(panels.items(), 1):
        axis = figure.add_subplot(1, len(panels), place, projection="3d")
        x, y = np.meshgrid(ratios, noises)
        axis.plot_surface(x, y, heights, cmap="viridis", vmin=-1, vmax=1)
        axis.set(title=title, xlabel="feedback ratio", ylabel="noise", zlabel="TP - FP", zlim=(-1, 1))
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    plt.close(figure)


def logarithmic(axis: Any) -> None:
    """Put both axes on a logarithmic scale."""
    axis.set_xscale("log")
    axis.set_yscale("log")
