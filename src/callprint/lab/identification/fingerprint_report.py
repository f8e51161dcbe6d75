"""The report on fingerprints: how stable they are, who shares one, and what a table of them is worth alone.

    PYTHONPATH=src python -m callprint.lab.identification.fingerprint_report

reads the labelled calls and the captures by others in ../shared/data and writes docs/results/fingerprint.md.
"""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np

from callprint.core.fingerprint.fingerprint import SECTIONS, fingerprints, is_near, sections
from callprint.lab.identification.last_verdicts import last_verdicts
from callprint.lab.identification.report_text import Report
from callprint.training.dataset import Dataset, build_dataset
from callprint.training.examine import LEAST_PACKETS
from callprint.training.sampling import EARLY, FINAL, FINAL_MEDIA, MIDFLOW, View, view_windows

DATA = Path("../shared/data")
PAGE = Path("docs/results/fingerprint.md")
LEARNED = ("dataset1", "versions")
EXAMINED = ("dataset2", "cross")
PUBLIC = "public"
MOST_SHARED = 25  # fingerprints in the table of those that several applications share
REPEATS = 20  # of the measurement of time


class Seen(NamedTuple):
    """A flow with its fingerprint."""

    application: str
    version: str
    call: str
    fingerprint: str


class Table:
    """What fingerprints were seen from which applications."""

    def __init__(self, flows: Iterable[Seen]) -> None:
        self.by_fingerprint: dict[str, Counter[str]] = {}
        for flow in flows:
            self.by_fingerprint.setdefault(flow.fingerprint, Counter())[flow.application] += 1

    def names(self, fingerprint: str) -> list[str]:
        """Return the applications of a fingerprint, the most frequent first."""
        return [name for name, _ in self.by_fingerprint.get(fingerprint, Counter()).most_common()]


def main() -> None:
    """Write the report."""
    dataset, _ = build_dataset(DATA / "calls")
    report = Report(PAGE)
    report.add("# Fingerprints")
    report.add(
        "How stable [fingerprints](../how/fingerprint.md) are, which applications share one, and what a table from "
        f"fingerprint to application is worth without any network. Flows of at least {LEAST_PACKETS} packets. Made by "
        "`PYTHONPATH=src python -m callprint.lab.identification.fingerprint_report`."
    )
    final = {name: _seen(dataset, name, FINAL) for name in (*LEARNED, *EXAMINED)}
    learned = [flow for name in LEARNED for flow in final[name]]
    _add_stability(report, learned)
    _add_looks(report, dataset)
    _add_shared(report, learned)
    _add_worth(report, dataset, Table(learned), _public())
    _add_time(report, dataset)
    PAGE.write_text(report.text.rstrip() + "\n", encoding="utf-8")


def _texts(dataset: Dataset, flows: np.ndarray, view: View) -> dict[int, str]:
    """Return the fingerprints of one view of flows by their indices; none where it shows too few packets."""
    windows = view_windows(dataset, flows, view)
    found = fingerprints(windows.buffer, windows.spans)
    enough = windows.packets >= LEAST_PACKETS
    return dict(
        zip(windows.flow[enough].tolist(), (text.decode() for text in found[enough].tolist()), strict=True)
    )


def _seen(dataset: Dataset, split: str, view: View) -> list[Seen]:
    return [
        Seen(str(dataset.application[i]), str(dataset.version[i]), str(dataset.call[i]), text)
        for i, text in _texts(dataset, dataset.of_split(split), view).items()
    ]


def _public() -> list[Seen]:
    """Return the flows of captures by others whose packets name the sender."""
    found: list[Seen] = []
    for path in sorted(path for path in (DATA / "public").rglob("*") if path.is_file()):
        for verdict in last_verdicts(path, None):
            if verdict.declared_application and verdict.fingerprint:
                name, version = verdict.declared_application, verdict.declared_version or ""
                found.append(Seen(name, version, str(path), verdict.fingerprint))
    return found


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "–"


def _agreement(pairs: Sequence[tuple[Seen, Seen]]) -> list[str]:
    """Return how many pairs there are, and how many of them are the same and near."""
    same = sum(one.fingerprint == other.fingerprint for one, other in pairs)
    near = sum(is_near(one.fingerprint, other.fingerprint) for one, other in pairs)
    return [f"{len(pairs):,}", _share(same, len(pairs)), _share(near, len(pairs))]


def _add_stability(report: Report, flows: list[Seen]) -> None:
    """Append how often two flows of one application have the same fingerprint."""
    pairs = [pair for pair in combinations(flows, 2) if pair[0].call != pair[1].call]
    within = [pair for pair in pairs if pair[0].application == pair[1].application]
    rows = [
        ["same application and version", *_agreement([p for p in within if p[0].version == p[1].version])],
        [
            "same application, another version",
            *_agreement([p for p in within if p[0].version != p[1].version]),
        ],
        ["two applications", *_agreement([p for p in pairs if p[0].application != p[1].application])],
    ]
    report.add("## Stability")
    report.add(
        "Pairs of flows of different calls in "
        + " and ".join(LEARNED)
        + ", looked at to the evidence horizon. "
        "*Near*: no section that both have seen differs."
    )
    report.table(["pairs", "number", "same", "same or near"], rows)
    report.add(
        "By application: how many fingerprints it has, how many of its flows the most frequent one covers, and how "
        "often two of its flows agree in each section. A WebRTC stack has one for each role, client and server of "
        "DTLS, and for audio and video."
    )
    table = []
    for name in sorted({flow.application for flow in flows}):
        own = Counter(flow.fingerprint for flow in flows if flow.application == name)
        own_pairs = [pair for pair in within if pair[0].application == name]
        agree = Counter(
            section
            for one, other in own_pairs
            for section in SECTIONS
            if sections(one.fingerprint)[section] == sections(other.fingerprint)[section]
        )
        (usual, most), total = own.most_common(1)[0], sum(own.values())
        shares = [_share(agree[section], len(own_pairs)) for section in SECTIONS]
        table.append([name, f"{total:,}", str(len(own)), _share(most, total), *shares, f"`{usual}`"])
    report.table(["application", "flows", "fingerprints", "usual", *SECTIONS, "the usual one"], table)


def _add_looks(report: Report, dataset: Dataset) -> None:
    """Append how the fingerprints of two looks at one flow compare."""
    flows = np.concatenate([dataset.of_split(name) for name in (*LEARNED, *EXAMINED)])
    final = _texts(dataset, flows, FINAL)
    rows = []
    for view in (EARLY, MIDFLOW):
        pairs = [(text, final[i]) for i, text in _texts(dataset, flows, view).items() if i in final]
        agree = Counter(
            section
            for one, other in pairs
            for section in SECTIONS
            if sections(one)[section] == sections(other)[section]
        )
        rows.append(
            [
                view.name,
                f"{len(pairs):,}",
                _share(sum(one == other for one, other in pairs), len(pairs)),
                _share(sum(is_near(one, other) for one, other in pairs), len(pairs)),
                *(_share(agree[section], len(pairs)) for section in SECTIONS),
            ]
        )
    report.add("## Other looks at the same flow")
    report.add("Beside the look to the evidence horizon, which has 100 packets and RTCP for 10 s after them.")
    report.table(["look", "flows", "same", "same or near", *SECTIONS], rows)


def _add_shared(report: Report, flows: list[Seen]) -> None:
    """Append the fingerprints that several applications share."""
    table = Table(flows)
    shared = {text: seen for text, seen in table.by_fingerprint.items() if len(seen) > 1}
    own = sum(sum(seen.values()) for text, seen in table.by_fingerprint.items() if text not in shared)
    report.add("## Collisions")
    report.add(
        f"{len(table.by_fingerprint)} fingerprints in {len(flows):,} flows of {' and '.join(LEARNED)}; {len(shared)} "
        f"of them come from several applications. {_share(own, len(flows))} of the flows have one that a single "
        "application has."
    )
    ranked = sorted(shared.items(), key=lambda item: (-sum(item[1].values()), item[0]))
    rows = [
        [
            f"`{text}`",
            f"{sum(seen.values()):,}",
            ", ".join(f"{name} {count}" for name, count in seen.most_common()),
        ]
        for text, seen in ranked[:MOST_SHARED]
    ]
    report.table(["fingerprint", "flows", "applications"], rows)


def _add_worth(report: Report, dataset: Dataset, table: Table, public: list[Seen]) -> None:
    """Append what a table from fingerprint to application names right in flows that it was not made from."""
    known = {name for seen in table.by_fingerprint.values() for name in seen}
    sets = [
        (f"{name}, {view.name}", _seen(dataset, name, view))
        for name in EXAMINED
        for view in (EARLY, FINAL, FINAL_MEDIA, MIDFLOW)
    ]
    sets.append(
        (f"{PUBLIC}, applications in the table", [flow for flow in public if flow.application in known])
    )
    sets.append((f"{PUBLIC}, others", [flow for flow in public if flow.application not in known]))
    rows = []
    for name, flows in sets:
        answers = [(flow.application, table.names(flow.fingerprint)) for flow in flows]
        found = [(truth, names) for truth, names in answers if names]
        alone = [(truth, names[0]) for truth, names in found if len(names) == 1]
        rows.append(
            [
                name,
                f"{len(flows):,}",
                _share(len(found), len(flows)),
                _share(sum(truth == names[0] for truth, names in found), len(flows)),
                _share(sum(truth in names for truth, names in found), len(found)),
                _share(len(alone), len(flows)),
                _share(sum(truth == name for truth, name in alone), len(alone)),
            ]
        )
    report.add("## What it is worth alone")
    report.add(
        f"A table of the fingerprints in {' and '.join(LEARNED)}, each with its applications, asked about other flows. "
        "*Known*: the table has the fingerprint. *Right*: its most frequent application sent the flow, of all flows. "
        "*Among them*: one of its applications did, of the known ones. *Single*: the table has one application for it; "
        "behind it how often that is right. In the captures by others, the truth is what their packets say themselves "
        "([use/names.md](../use/names.md)). A flow that is first seen after its beginning has other first numbers and "
        "no handshake: its fingerprint names nothing by itself."
    )
    report.table(["flows of", "number", "known", "right", "among them", "single", "right where single"], rows)


def _add_time(report: Report, dataset: Dataset) -> None:
    """Append what fingerprints cost."""
    windows = view_windows(dataset, dataset.of_split(LEARNED[0]), FINAL)
    fingerprints(windows.buffer, windows.spans)
    took = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        fingerprints(windows.buffer, windows.spans)
        took.append(time.perf_counter() - start)
    each_us = min(took) / len(windows.spans) * 1e6
    report.add("## Cost")
    report.add(
        f"{each_us:.1f} µs a look, at the evidence horizon, on one core (least of {REPEATS} runs over "
        f"{len(windows.spans):,} flows). Nothing is computed for a packet: a flow is looked at once or twice."
    )


if __name__ == "__main__":
    main()
