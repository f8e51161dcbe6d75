"""The report on declared names: how many flows say what sends them, by what, and how often the network agrees.

    PYTHONPATH=src python -m callprint.lab.identification.declared_report

reads the labelled calls and the captures by others in ../shared/data and writes docs/results/declared-names.md.
"""

import csv
import sys
from collections import Counter
from pathlib import Path

from callprint.core.verdict import DECLARED_BY, REASON_CONTRADICTED, UNKNOWN, Verdict
from callprint.inference import DEFAULT_MODEL, load_model
from callprint.inference.onnx_identifier import OnnxIdentifier
from callprint.lab.identification.last_verdicts import last_verdicts
from callprint.lab.identification.report_text import Report
from callprint.training.examine import LEAST_PACKETS

DATA = Path("../shared/data")
PAGE = Path("docs/results/declared-names.md")
LABELLED = ("dataset1", "dataset2", "cross", "versions")

Sent = tuple[str, str, int, str, int]
"""A capture, and from where to where a flow in it went."""


def main() -> None:
    """Write the report."""
    identifier = load_model(DEFAULT_MODEL)
    labels = _column(DATA / "calls" / "flows.csv", "application")
    notes = _column(DATA / "calls" / "notes.csv", "note")
    report = Report(PAGE)
    report.add("# Declared names")
    report.add(
        "What packets say themselves about who sends them ([use/names.md](../use/names.md)), in the labelled calls "
        f"and in the captures by others: flows of at least {LEAST_PACKETS} packets, judged by {identifier.name}. "
        "Made by `PYTHONPATH=src python -m callprint.lab.identification.declared_report`."
    )
    sets = {name: _judged(DATA / "calls", DATA / "calls" / name, identifier) for name in LABELLED}
    sets["public"] = _judged(DATA / "public", DATA / "public", identifier)
    report.table(
        ["captures", "flows", "declared", *DECLARED_BY, "sure and declared", "contradicted"],
        [_line(name, [verdict for _, verdict in found]) for name, found in sets.items()],
    )
    report.add(
        "A name in `rtcp`, `dtls` or `stun` is in the packets of the flow itself; `sdp` and `sip` are counted where "
        "the media come from the party that says it. *Sure and declared*: the network was sure of a name, and a name "
        "was declared; of these the *contradicted* ones lost the sure name."
    )
    labelled = [one for name in LABELLED for one in sets[name]]
    _add_labels(report, labelled, labels)
    _add_notes(report, labelled, labels, notes)
    _add_contradictions(report, sets, labels)
    PAGE.write_text(report.text.rstrip() + "\n", encoding="utf-8")


def _column(path: Path, name: str) -> dict[Sent, str]:
    """Return what a column of a table of flows says about each."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    ends = ((row["src_ip"], int(row["src_port"]), row["dst_ip"], int(row["dst_port"])) for row in rows)
    return {(row["capture"], *end): row[name] for row, end in zip(rows, ends, strict=True)}


def _judged(root: Path, folder: Path, identifier: OnnxIdentifier) -> list[tuple[str, Verdict]]:
    """Return the last verdict on each flow in a folder of captures, with the capture's name under `root`."""
    found: list[tuple[str, Verdict]] = []
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    for i, path in enumerate(paths):
        if sys.stderr.isatty():
            print(f"\r{folder.name}: {i} of {len(paths)}", end="", file=sys.stderr)
        name = path.relative_to(root).as_posix()
        found += ((name, verdict) for verdict in last_verdicts(path, identifier))
    return found


def _line(name: str, verdicts: list[Verdict]) -> list[str]:
    by = Counter(verdict.declared_by for verdict in verdicts)
    declared = [verdict for verdict in verdicts if verdict.declared_by is not None]
    contradicted = sum(verdict.reason == REASON_CONTRADICTED for verdict in declared)
    sure = contradicted + sum(verdict.application != UNKNOWN for verdict in declared)
    return [
        name,
        f"{len(verdicts):,}",
        f"{len(declared):,} ({len(declared) / max(1, len(verdicts)):.0%})",
        *(f"{by[each]:,}" for each in DECLARED_BY),
        f"{sure:,}",
        f"{contradicted:,}",
    ]


def _sent(capture: str, verdict: Verdict) -> Sent:
    flow = verdict.flow
    return capture, flow.src_ip, flow.src_port, flow.dst_ip, flow.dst_port


def _add_labels(report: Report, found: list[tuple[str, Verdict]], labels: dict[Sent, str]) -> None:
    """Append how the declared names of labelled flows compare with their labels."""
    pairs = Counter(
        (labels[_sent(*one)], one[1].declared_application or "", one[1].declared_by or "")
        for one in found
        if one[1].declared_by is not None and _sent(*one) in labels
    )
    report.add("## Labels and declared names")
    report.add(
        "Where a text names only the media stack inside (PJMEDIA, GStreamer), that is the declared name."
    )
    report.table(
        ["label", "declared", "by", "flows"], [[*key, f"{count:,}"] for key, count in sorted(pairs.items())]
    )


def _add_notes(
    report: Report, found: list[tuple[str, Verdict]], labels: dict[Sent, str], notes: dict[Sent, str]
) -> None:
    """Append the declared names of flows through relays, bridges and conferences."""
    rows = Counter(
        (notes[sent], labels.get(sent, "–"), verdict.declared_application or "–", verdict.declared_by or "–")
        for capture, verdict in found
        if (sent := _sent(capture, verdict)) in notes
    )
    report.add("## Relays, bridges and conferences")
    report.add(
        "The label of a relayed flow is the program that made the packets, that of a transcoded one the relay. An "
        "rtpengine that transcodes passes the telephone's RTCP on, and the telephone's name with it."
    )
    report.table(
        ["way", "label", "declared", "by", "flows"],
        [[*key, f"{count:,}"] for key, count in sorted(rows.items())],
    )


def _add_contradictions(
    report: Report, sets: dict[str, list[tuple[str, Verdict]]], labels: dict[Sent, str]
) -> None:
    """Append the sure names that were withdrawn."""
    pairs = Counter(
        (
            name,
            verdict.best_application or "",
            f"{verdict.declared_application} ({verdict.declared_by})",
            labels.get(_sent(capture, verdict), "–"),
        )
        for name, found in sets.items()
        for capture, verdict in found
        if verdict.reason == REASON_CONTRADICTED
    )
    report.add("## Sure names that were withdrawn")
    report.table(
        ["captures", "the network's name", "declared", "label", "flows"],
        [[*key, f"{count:,}"] for key, count in sorted(pairs.items(), key=lambda item: (-item[1], item[0]))],
    )


if __name__ == "__main__":
    main()
