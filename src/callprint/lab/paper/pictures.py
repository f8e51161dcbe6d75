"""The paper's figures 5 to 7 on our data."""

from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")  # files only: no display is asked for

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

SPLIT_COLOURS = {"leaky": "#8a8f98", "dataset2": "#1f6fb4", "cross": "#d1603d"}
TRUE_COLOUR, FALSE_COLOUR = "#1f6fb4", "#d1603d"
HEAD_STYLES = {
    "AlexNet": "-",
    "SVM": "--",
    "random forest": "-.",
    "decision tree": ":",
    "naive Bayes": (0, (1, 3)),
}


def _save(figure: Figure, path: Path) -> None:
    # Without date and software version, and with fixed names inside, the same figures give the same bytes.
    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"svg.hashsalt": "callprint"}):
        figure.savefig(path, bbox_inches="tight", metadata={"Date": None, "Creator": None})
    plt.close(figure)


def rates_picture(
    path: Path, ks: list[int], applications: list[str], rates: dict[str, tuple[np.ndarray, np.ndarray]]
) -> None:
    """Draw figure 5; rates: part of the data -> TPR and FPR, each (applications, ks)."""
    figure, axes = plt.subplots(
        2, len(rates), figsize=(1.4 + 3.0 * len(rates), 1.2 + 0.4 * len(applications)), squeeze=False
    )
    for column, (part, pair) in enumerate(rates.items()):
        for row, (name, values, top) in enumerate((("TPR", pair[0], 1.0), ("FPR", pair[1], 0.1))):
            place = axes[row, column]
            colours = mpl.colormaps["Blues" if row == 0 else "Oranges"].with_extremes(bad="#eeeeee")
            place.imshow(values, cmap=colours, vmin=0, vmax=top, aspect="auto")
            for i, j in np.ndindex(*values.shape):
                if np.isfinite(values[i, j]):
                    colour = "white" if values[i, j] > 0.6 * top else "black"
                    text = f"{100 * values[i, j]:.0f}" if row == 0 else f"{100 * values[i, j]:.1f}"
                    place.text(j, i, text, ha="center", va="center", fontsize=6, color=colour)
            place.set_xticks(range(len(ks)), [str(k) for k in ks], fontsize=7)
            place.set_yticks(range(len(applications)), applications if column == 0 else [], fontsize=7)
            place.tick_params(length=0)
            place.set_title(f"{name} in %, {part}", fontsize=8)
            if row == 1:
                place.set_xlabel("k", fontsize=8)
    figure.tight_layout()
    _save(figure, path)


def probabilities_picture(
    path: Path, columns: list[str], found: dict[str, list[tuple[np.ndarray, np.ndarray]]]
) -> None:
    """Draw figure 6; found: part of the data -> for each column the highest probability (n,) and right (n,) bool."""
    figure, axes = plt.subplots(
        len(found), len(columns), figsize=(2.5 * len(columns), 1.9 * len(found)), squeeze=False, sharex=True
    )
    edges = np.linspace(0, 1, 21)
    for row, (part, pairs) in enumerate(found.items()):
        for column, (probability, right) in enumerate(pairs):
            place = axes[row, column]
            for mask, colour, label in ((right, TRUE_COLOUR, "right"), (~right, FALSE_COLOUR, "wrong")):
                weights = np.full(int(mask.sum()), 1 / max(len(right), 1))
                place.hist(probability[mask], edges, weights=weights, color=colour, alpha=0.6, label=label)
            place.tick_params(labelsize=6)
            if row == 0:
                place.set_title(columns[column], fontsize=8)
            if column == 0:
                place.set_ylabel(f"{part}:\nshare of windows", fontsize=7)
            if row == len(found) - 1:
                place.set_xlabel("highest probability", fontsize=7)
    axes[0, 0].legend(fontsize=7)
    figure.tight_layout()
    _save(figure, path)


def heads_picture(path: Path, ks: list[int], curves: dict[str, dict[str, list[float]]]) -> None:
    """Draw figure 7; curves: part of the data -> classifier -> accuracy at each k (nan: not measured)."""
    figure, axes = plt.subplots(1, len(curves), figsize=(3.6 * len(curves), 3.2), squeeze=False, sharey=True)
    for place, (part, lines) in zip(axes[0], curves.items(), strict=True):
        for name, values in lines.items():
            place.plot(
                range(len(ks)),
                values,
                linestyle=HEAD_STYLES.get(name, "-"),
                marker="o",
                markersize=3,
                label=name,
            )
        place.set_xticks(range(len(ks)), [str(k) for k in ks], fontsize=8)
        place.set_xlabel("k", fontsize=8)
        place.set_ylim(0, 1.02)
        place.grid(alpha=0.3)
        place.set_title(part, fontsize=9)
    axes[0, 0].set_ylabel("accuracy by window", fontsize=8)
    axes[0, -1].legend(fontsize=7)
    figure.tight_layout()
    _save(figure, path)
