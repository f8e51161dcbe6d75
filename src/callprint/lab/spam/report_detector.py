"""The sections of the report that are about our own detector."""

from typing import Any

import numpy as np

from callprint.core.spam.thresholds import Thresholds
from callprint.lab.spam.experiment import LARGE, NOISES, RATIOS
from callprint.lab.spam.methods import DETECTOR, OURS
from callprint.lab.spam.table import COMPETITORS, Table, with_spread
from callprint.lab.spam.traces import TRACES

MOST_LOST = 15  # cells that are listed one by one
CLEARLY = 0.02  # F below the best other from which on a cell counts as lost


def comparison(table: Table) -> str:
    """Return the comparison with the paper's four and the baselines."""
    rows, worst = [], []
    for noise in NOISES:
        for ratio in RATIOS if noise == 0.0 else RATIOS[1:]:
            traces = [trace for trace in TRACES if table.is_complete(trace, ratio, noise)]
            if not traces:
                continue
            found = [table.over_traces(_of(m, traces), m, ratio, noise) for m in (*COMPETITORS, DETECTOR)]
            top = max(mean for mean, _, _ in found)
            shown = [with_spread(*one, bold=one[0] == top) for one in found]
            rows.append(f"| {noise} | {ratio} | {len(traces)} | " + " | ".join(shown) + " |")
            best = max(mean for mean, _, _ in found[:-1])
            worst.append((found[-1][0] - best, ratio, noise))
    gaps, lost = _cells(table)
    above = sum(gap >= 0.0 for gap, _, _ in worst)
    closest = min(worst)
    names = " | ".join((*COMPETITORS, DETECTOR))
    listed = "\n".join(f"- {text}" for _, text in sorted(lost)[:MOST_LOST]) or "- none"
    own, other = (float(np.mean([pair[i] for pair in gaps])) for i in (0, 1))
    return f"""## Our detector beside the four and the baselines

F-measure on calls without a vote, mean over the traces that all methods were measured on. (The 20,020 calls of
`{LARGE}` are in the rows of noise 0 and 0.2 only, and without MPCK, which is quadratic.) The paper's four see
its sixteen features; the others and ours see all. **callprint also knows which calls share a caller and a
campaign.** Of the others only the two caller-mean baselines know who called: they learn from the features averaged
over all calls of a caller, and judge these alike. What our detector is without these keys is
[below](#what-each-part-is-worth).

| noise | ratio | traces | {names} |
|---|---|---|{"---|" * (len(COMPETITORS) + 1)}
{chr(10).join(rows)}

Averaged over the traces, callprint is at least as good as the best of the {len(COMPETITORS)} others in {above} of
{len(worst)} rows; its smallest lead over it is {closest[0]:+.2f} (ratio {closest[1]}, noise {closest[2]}).

In single cells of trace, ratio and noise it is compared with the *best* of the {len(COMPETITORS)} others there
(chosen in hindsight, which no operator can): callprint is at least as good in
{sum(a >= b for a, b in gaps)} of {len(gaps)} cells, and more than {CLEARLY} below in {len(lost)}; mean F
{own:.3f} against {other:.3f} of the best other. The cells that are more than {CLEARLY} below, the {MOST_LOST} widest:

{listed}

With no feedback at all the others cannot judge (F = 0); callprint judges by its scorecard.

![no noise](pictures/spit-baselines-noise-0.png)

![a fifth of the votes false](pictures/spit-baselines-noise-20.png)"""


def _cells(table: Table) -> tuple[list[tuple[float, float]], list[tuple[float, str]]]:
    """Return (ours, best other) of every cell, and the cells that are lost: (gap, in words)."""
    pairs, lost = [], []
    for trace in TRACES:
        for ratio in RATIOS:
            for noise in NOISES if ratio else (0.0,):
                if not table.is_complete(trace, ratio, noise):
                    continue
                ours = table.mean(trace, DETECTOR, ratio, noise)
                others = {m: table.mean(trace, m, ratio, noise) for m in COMPETITORS}
                others = {m: f for m, f in others.items() if not np.isnan(f)}
                leader = max(others, key=lambda m: others[m])
                pairs.append((ours, others[leader]))
                if ours < others[leader] - CLEARLY:
                    where = f"{trace}, ratio {ratio}, noise {noise}"
                    words = f"{where}: callprint {ours:.3f}, {leader} {others[leader]:.3f}"
                    lost.append((ours - others[leader], words))
    return pairs, lost


def _of(method: str, traces: list[str]) -> list[str]:
    return [trace for trace in traces if (trace, method) != (LARGE, "MPCK")]


def against_cold_start(table: Table) -> str:
    """Return whether feedback ever hurts: each trace beside its own cold start."""
    cells = [(r, n) for r in RATIOS[1:] for n in (0.0, 0.2)]
    rows, worst = [], []
    for trace in TRACES:
        cold = table.over_traces([trace], DETECTOR, 0.0, 0.0)
        found = [table.over_traces([trace], DETECTOR, r, n) for r, n in cells]
        rows.append(
            f"| {trace} | {with_spread(*cold)} | " + " | ".join(with_spread(*one) for one in found) + " |"
        )
        worst += [
            (mean - cold[0], trace, r, n)
            for (mean, _, _), (r, n) in zip(found, cells, strict=True)
            if not np.isnan(mean)
        ]
    fell = [one for one in worst if one[0] < -CLEARLY]
    words = (
        "; ".join(f"{trace} at ratio {r}, noise {n} ({gap:+.2f})" for gap, trace, r, n in sorted(fell))
        or "none"
    )
    return f"""## Feedback against no feedback

F of callprint on calls without a vote, by trace; "r, n" are feedback ratio and noise. Feedback should never hurt.

| trace | none | {" | ".join(f"{r}, {n}" for r, n in cells)} |
|---|---|{"---|" * len(cells)}
{chr(10).join(rows)}

Cells more than {CLEARLY} below their own cold start: {words}."""


def actions(rows: list[dict[str, Any]], millions: list[dict[str, Any]]) -> str:
    """Return what the live detector advises at its own thresholds."""
    limits = Thresholds()
    lines = []
    for row in rows:
        votes = f"{row['ratio']:.0%}, noise {row['noise']}" if row["ratio"] else "none"
        kind = "spam" if row["spam"] else "legitimate"
        shares = " | ".join(f"{row[name]:.2%}" for name in ("allow", "watch", "challenge", "block"))
        lines.append(f"| {row['trace']} | {votes} | {row['phase']} | {kind} | {row['calls']:,} | {shares} |")
    legitimate = [row for row in rows if not row["spam"]]
    calls = sum(row["calls"] for row in legitimate)
    blocked = sum(round(row["block"] * row["calls"]) for row in legitimate)
    judged = []
    for million_calls in millions:
        for row in million_calls["actions"]:
            shares = " | ".join(f"{row[kind][s]:.3%}" for kind in ("legitimate", "spam") for s in row["spam"])
            votes = "yes" if row["feedback"] else "no"
            judged.append(f"| {million_calls['seed']} | {row['phase']} | {votes} | {shares} |")
    return f"""## Live, at its own thresholds

Every trace was played through the live detector as it runs in production: each call judged at its set-up and at its
end with what was known then, learning once an hour, thresholds {limits.watch} (watch), {limits.challenge} (challenge)
and {limits.block} (block). Shares of calls by the action advised. Users vote a minute after a call ends.

| trace | votes | judged at | calls | number | allow | watch | challenge | block |
|---|---|---|---|---|---|---|---|---|
{chr(10).join(lines)}

Of {calls:,} judgements of legitimate calls in this table {blocked:,} advised to block ({blocked / max(calls, 1):.4%}).

The same thresholds on the million calls of the next section, in shares of calls at or above each:

| seed | judged at | votes | legitimate: watch | challenge | block | spam: watch | challenge | block |
|---|---|---|---|---|---|---|---|---|
{chr(10).join(judged)}"""


def million(millions: list[dict[str, Any]]) -> str:
    """Return recall at a very low false-positive rate."""
    first = millions[0]
    campaigns = [key for key in first["rows"][0] if key not in {"method", "phase", "recall"}]
    lines = []
    for place, row in enumerate(first["rows"]):
        same = [one["rows"][place] for one in millions]
        shares = [
            with_spread(
                float(np.mean([one[key] for one in same])),
                float(np.std([one[key] for one in same])),
                len(same),
                3,
            )
            for key in ("recall", *campaigns)
        ]
        lines.append(f"| {row['method']} | {row['phase']} | " + " | ".join(shares) + " |")
    seeds = ", ".join(str(one["seed"]) for one in millions)
    return f"""## Recall at a false-positive rate of 0.01 %

{first["legitimate"]:,} legitimate and {first["spam"]:,} spam calls judged as live, each with what was known of its
caller so far; {first["votes"]:,} votes on the first day's calls, a tenth of them false; spammers take new numbers
each day. The threshold of each row is set on these calls so that {first["false_positive_rate"]:.2%} of the legitimate
ones lie above it. Mean over the populations of seeds {seeds}.

| method | judged at | recall | {" | ".join(campaigns)} |
|---|---|---|{"---|" * len(campaigns)}
{chr(10).join(lines)}

The anchors (ROBO-SPOT: 97 % at below 0.01 %; TouchPal: 99.99 % precision on benign calls) were measured on
other, real data and are no like-for-like comparison; where the rows above stay below 97 %, this detector does not reach
the anchor on these campaigns."""


def ablations(table: Table) -> str:
    """Return what each part of the detector is worth."""
    cells = ((0.0, 0.0), (0.005, 0.0), (0.02, 0.2), (0.1, 0.2), (0.3, 0.2), (0.5, 0.0))
    rows = []
    for method in (*OURS, *COMPETITORS[-2:]):
        values = [
            with_spread(*table.over_traces(table.with_all_of_ours(ratio, noise), method, ratio, noise))
            for ratio, noise in cells
        ]
        rows.append(f"| {method} | " + " | ".join(values) + " |")
    return f"""## What each part is worth

F on calls without a vote, mean over all traces. "Without keys": it does not know which calls share a caller or a
campaign, like most baselines; "without prior": no scorecard. Under them the two baselines that know the caller.

| | no feedback | 0.5 % | 2 %, noise 0.2 | 10 %, noise 0.2 | 30 %, noise 0.2 | 50 % |
|---|---|---|---|---|---|---|
{chr(10).join(rows)}

Where calls are known to share a caller, users' votes on one of them speak for the others. The caller-mean rows
show how much of that any method gains from the caller's key alone."""
