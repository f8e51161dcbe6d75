"""How good verdicts are where only headers show: the report docs/results/headers.md.

python -m callprint.lab.identification.headers_report ../shared/data/calls docs/results/headers.md
"""

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from callprint.core.dissect import dissect
from callprint.core.flow.engine import EngineSettings, FlowEngine, FlowEvents
from callprint.core.flow.layout import EVENT_CHECKPOINT
from callprint.core.ground.addresses import address_text
from callprint.core.identify.decision import SURE
from callprint.inference import DEFAULT_MODEL, OnnxIdentifier, load_model
from callprint.lab.identification.report_text import Report
from callprint.sources import open_captures
from callprint.training.dataset import LABEL_FILE, Dataset, Label, Quad, build_dataset, read_labels
from callprint.training.examine import LEAST_PACKETS, Examination, examine_view
from callprint.training.sampling import EARLY, FINAL, FINAL_MEDIA, MIDFLOW
from callprint.training.statistics import share

SPLITS = ("dataset2", "cross")
VIEWS = (EARLY, FINAL, FINAL_MEDIA, MIDFLOW)

ENGINE = EngineSettings(maximum_flows=4096, evidence_memory_bytes=64 << 20)


@dataclass(frozen=True, slots=True)
class HeaderFlow:
    """A labelled flow whose packets are too long, so that its final verdict is based on headers."""

    label: Label
    log: bytes


def header_flows(folder: Path) -> Iterator[HeaderFlow]:
    """Yield the labelled flows of a folder of captures that are judged by headers, with their evidence."""
    by_capture: dict[str, dict[Quad, Label]] = {}
    for label in read_labels(folder / LABEL_FILE):
        by_capture.setdefault(label.capture, {})[label.quad] = label
    for name, wanted in by_capture.items():
        engine = FlowEngine(ENGINE)
        for data, records in open_captures([folder / name]):
            yield from _judged_by_headers(engine.process(data, dissect(data, records)), wanted)
        yield from _judged_by_headers(engine.finish(), wanted)


def _judged_by_headers(drains: Iterable[FlowEvents], wanted: dict[Quad, Label]) -> Iterator[HeaderFlow]:
    for drain in drains:
        for event, flow in zip(drain.events, drain.flows, strict=True):
            final = event["kind"] != EVENT_CHECKPOINT and event["end"] > event["start"]
            if not final or not flow["evidence_headers"] or event["k"] < LEAST_PACKETS:
                continue
            source, destination = (
                (address_text(int(flow[f"{side}_hi"]), int(flow[f"{side}_lo"])), int(flow[f"{side}_port"]))
                for side in ("src", "dst")
            )
            label = wanted.get(Quad(*source, *destination))
            if label is not None:
                yield HeaderFlow(label, drain.evidence[event["start"] : event["end"]].tobytes())


def write_report(folder: Path, dataset: Dataset, identifier: OnnxIdentifier, path: Path) -> None:
    """Examine the model on every split of SPLITS and write the report."""
    report = Report(path)
    report.add("# Verdicts by headers alone")
    report.add(
        f"Made by `python -m callprint.lab.identification.headers_report ../shared/data/calls "
        f"docs/results/headers.md`. Model: {identifier.name}, digest "
        f"`{identifier.digest}`. What counts is as in [identification.md](identification.md): shares with their 95 % "
        "Wilson interval; *sure* verdicts are those that are not `unknown`."
    )
    _cut_section(report, dataset, identifier)
    _long_section(report, list(header_flows(folder)), identifier)
    path.write_text(report.text.rstrip() + "\n", encoding="utf-8")


def _cut_section(report: Report, dataset: Dataset, identifier: OnnxIdentifier) -> None:
    report.add("## Packets cut behind their headers")
    report.add(
        "The calls of dataset2 and cross, which nothing was trained, tuned or chosen on, as they were captured and as "
        "if the capture had cut every RTP packet behind its header. RTCP and handshake are whole."
    )
    known: list[list[str]] = []
    strangers: list[list[str]] = []
    for split in SPLITS:
        for view in VIEWS:
            for looked_at, of in (("packets", view), ("headers", replace(view, headers=True))):
                found = examine_view(dataset, identifier, dataset.of_split(split), of)
                cells = [split, view.name, looked_at]
                known.append(cells + _of_known(found))
                strangers.append(cells + _of_strangers(found))
    head = ["split", "looked at", "based on"]
    report.table([*head, "flows", "application right", "sure", "of these right"], known)
    report.add("Flows of applications that the network does not know, where anything but `unknown` is wrong:")
    report.table([*head, "flows", "unknown"], strangers)


def _of_known(found: Examination) -> list[str]:
    known = found.target >= 0
    right, sure = found.right[known], found.sure[known]
    count, sures = len(right), int(sure.sum())
    return [
        str(count),
        share(int(right.sum()), count),
        f"{sures / max(count, 1):.1%}",
        share(int(right[sure].sum()), sures),
    ]


def _of_strangers(found: Examination) -> list[str]:
    sure = found.sure[found.target < 0]
    return [str(len(sure)), share(int((~sure).sum()), len(sure))]


def _long_section(report: Report, flows: list[HeaderFlow], identifier: OnnxIdentifier) -> None:
    report.add("## Packets too long for the filter")
    report.add(
        "Flows with fewer than ten packets below 256 bytes, which no network has been trained on: G.711 and G.722 in "
        "packets of 30 ms and more, Opus at high rates. Those of dataset1 are from calls with flows that have trained."
    )
    logs = [flow.log for flow in flows]
    ends = np.cumsum([len(log) for log in logs], dtype=np.int64)
    spans = np.column_stack([ends - [len(log) for log in logs], ends])
    decisions = identifier.identify(np.frombuffer(b"".join(logs), np.uint8), spans)
    named = [identifier.applications[number] for number in decisions.application.tolist()]
    right = np.array([name == flow.label.application for name, flow in zip(named, flows, strict=True)])
    sure = decisions.reason == SURE
    of = np.array([flow.label.split for flow in flows])
    rows = []
    for split in np.unique(of).tolist():
        mine = of == split
        count, sures = int(mine.sum()), int((mine & sure).sum())
        rows.append(
            [
                split,
                str(count),
                share(int((mine & right).sum()), count),
                f"{sures / count:.1%}",
                share(int((mine & right & sure).sum()), sures),
            ]
        )
    report.table(["split", "flows", "application right", "sure", "of these right"], rows)


def main() -> None:
    """Read labelled captures and a network; write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of captures and flows.csv")
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL)
    args = parser.parse_args()
    dataset, _ = build_dataset(args.data)
    write_report(args.data, dataset, load_model(args.model), args.out)


if __name__ == "__main__":
    main()
