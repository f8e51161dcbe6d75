"""Learn the scorecard from random simulated traces and write it as a module of plain numbers.

The traces of the report are never among those learned from: `traces.random_plan` draws other populations and other
campaigns. They come from the same simulator, though, and the report says so.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from callprint.core.spam.features import FEATURE_COUNT, NAMES, SETUP_COLUMNS, Feature, transform
from callprint.core.spam.scorecard import Scorecard, caller_inputs, load
from callprint.lab.spam.traces import Trace, draw_trace, random_plan

BINS = 10
PENALTY = 0.02  # inverse strength of the quadratic penalty on points
# When people make calls is an assumption of the simulator, and differs by country and on every Sunday: with points for
# it, the same call would be twelve times as likely spam at 22 h as at 10 h. Only votes may teach the hour.
NOT_LEARNED = (Feature.HOUR_COS, Feature.HOUR_SIN)
UNWEIGHED = {"caller_weights": [0.0, 1.0, 0.0, 0.0]}  # a caller's logit is the mean logit of its calls
LISTS = ("edges", "setup", "end")  # of a feature, in the order in which they are written
HEADER = '''"""Points of the scorecard, learned by `callprint spit learn --traces {traces}`. Do not edit.

Learned on {calls} simulated calls of {traces} random traces (seeds 0 to {last}), of which {spam} were spam and
{rate:.1%} of the callers spammers. The values are natural-logarithm odds; see scorecard.py for their use.
"""

from typing import Any

# fmt: off
WEIGHTS: dict[str, Any] = '''

Floats = NDArray[np.float64]


def learning_traces(count: int, first: int = 0) -> list[Trace]:
    """Draw random traces to learn from, by consecutive seeds."""
    return [draw_trace(f"learn-{seed}", *random_plan(seed), seed) for seed in range(first, first + count)]


def learn_scorecard(traces: list[Trace]) -> dict[str, Any]:
    """Return the weights of a scorecard, as `scorecard.load` takes them."""
    values = np.concatenate([transform(trace.vectors) for trace in traces])
    spam = np.concatenate([trace.spam for trace in traces])
    edges = [_edges(column) for column in values.T]
    indicator = _indicators(values, edges)
    width = [len(row) + 2 for row in edges]
    starts = np.concatenate([[0], np.cumsum(width)])
    setup, end = np.zeros(starts[-1], bool), np.zeros(starts[-1], bool)
    for column in range(FEATURE_COUNT):
        points = slice(starts[column], starts[column + 1])
        end[points] = column not in NOT_LEARNED
        setup[points] = end[points] & (column in SETUP_COLUMNS)
    features: dict[str, dict[str, Any]] = {
        name: {"offset": float(offset), "scale": float(scale), "edges": row.round(5).tolist()}
        for name, offset, scale, row in zip(
            NAMES, np.nanmean(values, axis=0).round(5), np.nanstd(values, axis=0).round(5), edges, strict=True
        )
    }
    weights: dict[str, Any] = {}
    for phase, used in (("setup", setup), ("end", end)):
        model = LogisticRegression(C=PENALTY, max_iter=500).fit(indicator[:, used], spam)
        points = np.zeros(starts[-1])
        points[used] = model.coef_[0]
        weights[f"{phase}_intercept"] = round(float(model.intercept_[0]), 4)
        for column, row in enumerate(features.values()):
            here = slice(starts[column], starts[column + 1])
            if used[here].any():
                row[phase] = points[here].round(3).tolist()
    weights["spammer_rate"] = round(spammer_rate(traces), 4)
    weights["caller_weights"] = _caller_weights(load(weights | UNWEIGHED | {"features": features}), traces)
    return weights | {"features": features}


def write_module(weights: dict[str, Any], traces: list[Trace], path: Path) -> None:
    """Write the weights as a Python module."""
    spam = np.concatenate([trace.spam for trace in traces])
    header = HEADER.format(
        traces=len(traces),
        last=len(traces) - 1,
        calls=len(spam),
        spam=int(spam.sum()),
        rate=spammer_rate(traces),
    )
    path.write_text(header + weights_text(weights), encoding="utf-8")


def weights_text(weights: dict[str, Any]) -> str:
    """Return the weights as Python text: a line for each number or list."""
    lines = [f'    "{key}": {json.dumps(value)},' for key, value in weights.items() if key != "features"]
    lines.append('    "features": {')
    for name, row in weights["features"].items():
        lines.append(f'        "{name}": {{"offset": {row["offset"]}, "scale": {row["scale"]},')
        lists = [f'            "{key}": {json.dumps(row[key])}' for key in LISTS if key in row]
        lines.append(",\n".join(lists) + "},")
    return "\n".join(["{", *lines, "    },", "}", ""])


def spammer_rate(traces: list[Trace]) -> float:
    """Return the share of spammers among all callers."""
    spammers = sum(len(np.unique(trace.calls["caller"][trace.spam])) for trace in traces)
    return spammers / sum(len(np.unique(trace.calls["caller"])) for trace in traces)


def _edges(column: Floats) -> Floats:
    edges = np.unique(np.nanquantile(column, np.linspace(0.0, 1.0, BINS + 1)[1:-1]))
    return np.asarray(edges)


def _indicators(values: Floats, edges: list[Floats]) -> csr_matrix:
    columns, start = [], 0
    for column, row in zip(values.T, edges, strict=True):
        place = np.where(np.isnan(column), len(row) + 1, np.searchsorted(row, column, side="right"))
        columns.append(place + start)
        start += len(row) + 2
    flat = np.stack(columns, axis=1)
    bounds = np.arange(0, flat.size + 1, flat.shape[1])
    return csr_matrix((np.ones(flat.size), flat.ravel(), bounds), shape=(len(values), start))


def _caller_weights(card: Scorecard, traces: list[Trace]) -> list[float]:
    """Learn what the mean logit of a caller's calls so far, and their number, reveal about the caller.

    Each call is one example, with the calls up to it: what a live detector knows.
    """
    inputs, truth, importance = [], [], []
    for trace in traces:
        logits = card.logits(transform(trace.vectors), at_end=True)
        _, caller, counts = np.unique(trace.calls["caller"], return_inverse=True, return_counts=True)
        order = np.argsort(caller, kind="stable")
        first = np.concatenate([[0], np.cumsum(counts)[:-1]])
        total = np.cumsum(logits[order])
        before = np.where(first > 0, total[first - 1], 0.0)
        number = np.arange(len(order)) - first[caller[order]] + 1.0
        inputs.append(caller_inputs((total - before[caller[order]]) / number, number))
        truth.append(trace.spam[order])
        importance.append(1.0 / counts[caller[order]])
    model = LogisticRegression(C=1.0, fit_intercept=False, max_iter=500)
    model.fit(np.concatenate(inputs), np.concatenate(truth), np.concatenate(importance))
    return [round(float(weight), 4) for weight in model.coef_[0]]
