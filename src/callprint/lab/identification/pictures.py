"""The pictures of an accuracy report. A colour means the same everywhere; every axis has a name."""

from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np

mpl.use("Agg")  # files only: no display is asked for

from matplotlib import pyplot as plt
from matplotlib.ticker import FuncFormatter, LogLocator

COLOURS = {"dataset2": "#1f6fb4", "cross": "#d1603d"}
OTHER_COLOUR = "#6b7a8f"
RESOLUTION_DPI = 110


def _save(figure: "plt.Figure", path: Path) -> None:
    # Without the software's version and the date the same figures give the same bytes.
    figure.savefig(path, dpi=RESOLUTION_DPI, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)


def _label(axes: "plt.Axes", x: str, y: str, legend: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc=legend)


def confusion_picture(
    path: Path, title: str, counts: np.ndarray, rows: list[str], columns: list[str]
) -> None:
    """Draw a confusion matrix; counts: (rows, columns) int64, flows of each application by best guess."""
    figure, axes = plt.subplots(figsize=(1.8 + 0.38 * len(columns), 1.6 + 0.34 * len(rows)))
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for i in range(len(rows)):
        for j in range(len(columns)):
            if counts[i, j]:
                colour = "white" if shares[i, j] > 0.55 else "black"
                axes.text(j, i, str(counts[i, j]), ha="center", va="center", fontsize=8, color=colour)
    axes.set_xticks(range(len(columns)), columns, rotation=60, ha="right", fontsize=8)
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    axes.set_xlabel("named by the model (best guess)")
    axes.set_ylabel("application of the sender")
    axes.set_title(title, fontsize=10)
    axes.tick_params(length=0)
    _save(figure, path)


def by_k_picture(path: Path, packets: list[int], curves: dict[str, dict[str, list[float]]]) -> None:
    """Draw accuracy, coverage and precision of sure verdicts over k for each split."""
    figure, axes = plt.subplots(figsize=(7.2, 4.2))
    styles = {"accuracy": "-", "coverage": "--", "precision of sure": ":"}
    for split, lines in curves.items():
        for what, values in lines.items():
            axes.plot(
                packets,
                values,
                styles[what],
                marker="o" if what == "accuracy" else None,
                color=COLOURS.get(split, OTHER_COLOUR),
                label=f"{split}: {what}",
            )
    axes.set_xscale("log")
    axes.set_xticks(packets, [str(k) for k in packets])
    axes.minorticks_off()
    axes.set_ylim(0, 1.02)
    _label(axes, "RTP packets looked at (k)", "share of flows", "lower right")
    _save(figure, path)


def curves_picture(path: Path, x: str, y: str, at: list[int], curves: dict[str, list[float]]) -> None:
    """Draw curves over the same places, both axes logarithmic."""
    figure, axes = plt.subplots(figsize=(7.2, 4.2))
    for name, values in curves.items():
        axes.plot(at, values, marker="o", markersize=3, linewidth=1.2, label=name)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(at, [f"{place:,}" for place in at])
    axes.minorticks_off()
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:,g}"))
    _label(axes, x, y, "best")
    _save(figure, path)


class Bars(NamedTuple):
    """One row of `bars_picture`."""

    name: str
    values: dict[str, float]  # split -> share


def bars_picture(path: Path, title: str, rows: list[Bars]) -> None:
    """Draw one bar for each split in every row, the first row on top."""
    splits = list(rows[0].values)
    figure, axes = plt.subplots(figsize=(7.2, 1.0 + 0.36 * len(rows)))
    thickness = 0.8 / len(splits)
    for i, split in enumerate(splits):
        places = [row + (i - (len(splits) - 1) / 2) * thickness for row in range(len(rows))]
        values = [row.values[split] for row in rows]
        axes.barh(places, values, thickness * 0.92, color=COLOURS.get(split, OTHER_COLOUR), label=split)
        for place, value in zip(places, values, strict=True):
            axes.text(value + 0.006, place, f"{value:.1%}", va="center", fontsize=6.5)
    axes.set_yticks(range(len(rows)), [row.name for row in rows], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.08)
    axes.set_xlabel(title)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    axes.margins(y=0.01)
    axes.legend(fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(splits), frameon=False)
    _save(figure, path)


def reliability_picture(path: Path, curves: dict[str, tuple[np.ndarray, np.ndarray]], bins: int = 10) -> None:
    """Draw confidence against accuracy; curves: split -> (confidence (n,), right (n,) bool). Areas show counts."""
    figure, axes = plt.subplots(figsize=(4.8, 4.6))
    axes.plot([0, 1], [0, 1], color="black", linewidth=0.8, alpha=0.5)
    for split, (confidence, right) in curves.items():
        place = np.minimum((confidence * bins).astype(int), bins - 1)
        filled = [i for i in range(bins) if (place == i).any()]
        x = [float(confidence[place == i].mean()) for i in filled]
        y = [float(right[place == i].mean()) for i in filled]
        sizes = [12 + 2.0 * float((place == i).sum()) for i in filled]
        colour = COLOURS.get(split, OTHER_COLOUR)
        axes.plot(x, y, color=colour, alpha=0.6, label=split)
        axes.scatter(x, y, sizes, color=colour, alpha=0.6)
    axes.set_xlim(0, 1.03)
    axes.set_ylim(0, 1.03)
    _label(axes, "confidence", "accuracy", "upper left")
    _save(figure, path)
