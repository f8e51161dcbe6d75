"""The report of hold_out.py: what becomes of other versions, and of strangers."""

from pathlib import Path

import numpy as np

from callprint.lab.identification.hold_out import (
    APPLICATIONS,
    ENGINES,
    SAME,
    SETTINGS,
    VERSIONS,
    VIEWS,
    Found,
    Judged,
)
from callprint.lab.identification.report_text import Report
from callprint.training.dataset import Dataset
from callprint.training.models import SURE_PACKETS
from callprint.training.novelty import ENGINE_SHARE, KNOWN_SHARE
from callprint.training.sampling import FINAL
from callprint.training.statistics import share

GOALS = (
    "Goals: of versions left out the best guess right ≥ 98 %, sure ≥ 93 %, sure ones right ≥ 99.5 %; of strangers "
    "`unknown` or named by their engine alone ≥ 97 %, sure wrong names ≤ 1 %."
)


RIGHT = ("best guess right", "sure", "sure ones right")
WRONG = ("`unknown`, or by engine alone", "sure wrong names", "wrong engines sure")


def write_hold_out_report(dataset: Dataset, found: Found, path: Path, command: str) -> None:
    """Write the report."""
    report = Report(path)
    report.add("# Versions and strangers left out")
    report.add(
        f"Made by `{command}`, on dataset1 and `versions` alone. Networks are quick ones ({SETTINGS.members} members, "
        f"{SETTINGS.epochs} epochs, one seed), and shares are followed by their 95 % Wilson interval. Every version is "
        "left out once where ten flows of other versions remain, every application once, and every engine that several "
        f"applications share. The limit of novelty lets {KNOWN_SHARE:.0%} of the calls pass that calibrate a network, "
        f"that of an engine {ENGINE_SHARE:.0%}; nothing is sure below {SURE_PACKETS} packets. {GOALS}"
    )
    joined = {key: _joined(parts) for key, parts in found.items()}
    report.add("## Known applications")
    report.table(
        ["calls", "looked at", "flows", *RIGHT, "engine sure", "of these right"],
        [
            [kind, view.name, *_known(dataset, joined[kind, view.name])]
            for kind in (SAME, VERSIONS)
            for view in VIEWS
        ],
    )
    report.add("## Strangers")
    report.table(
        ["left out", "looked at", "flows", *WRONG],
        [
            [kind, view.name, *_strange(dataset, joined[kind, view.name])]
            for kind in (APPLICATIONS, ENGINES)
            for view in VIEWS
        ],
    )
    report.add("## By application, at the horizon")
    versions = joined[VERSIONS, FINAL.name]
    report.table(
        ["version left out", "flows", *RIGHT],
        [
            [f"{application}: {version}", *_known(dataset, _of(versions, chosen))[:4]]
            for application, version, chosen in _products(dataset, versions, by_version=True)
        ],
    )
    for kind in (APPLICATIONS, ENGINES):
        judged = joined[kind, FINAL.name]
        report.table(
            [f"{kind} left out", "flows", "`unknown`, or by engine alone", "sure wrong names", "most often"],
            [
                [application, *_strange(dataset, _of(judged, chosen))[:3], _favourite(_of(judged, chosen))]
                for application, _, chosen in _products(dataset, judged, by_version=False)
            ],
        )
    path.write_text(report.text.rstrip() + "\n", encoding="utf-8")


def _joined(parts: list[Judged]) -> Judged:
    return Judged(*(np.concatenate([getattr(part, name) for part in parts]) for name in Judged.__slots__))


def _of(judged: Judged, chosen: np.ndarray) -> Judged:
    return Judged(*(getattr(judged, name)[chosen] for name in Judged.__slots__))


def _products(dataset: Dataset, judged: Judged, *, by_version: bool) -> list[tuple[str, str, np.ndarray]]:
    """Return application, version (or "") and which of the judged flows are of it."""
    applications = dataset.application[judged.flow]
    versions = dataset.version[judged.flow] if by_version else np.full(len(judged.flow), "")
    pairs = sorted({(str(one), str(other)) for one, other in zip(applications, versions, strict=True)})
    return [(one, other, (applications == one) & (versions == other)) for one, other in pairs]


def _known(dataset: Dataset, judged: Judged) -> list[str]:
    right = judged.named == dataset.application[judged.flow]
    has_engine = judged.engine != ""
    engine_right = judged.engine == dataset.engine[judged.flow]
    count, sure, engines = len(right), int(judged.sure.sum()), int(has_engine.sum())
    return [
        str(count),
        share(int(right.sum()), count),
        share(sure, count),
        share(int(right[judged.sure].sum()), sure),
        f"{engines / count:.1%}",
        share(int(engine_right.sum()), engines),
    ]


def _strange(dataset: Dataset, judged: Judged) -> list[str]:
    count, sure = len(judged.flow), int(judged.sure.sum())
    wrong_engine = (judged.engine != "") & (judged.engine != dataset.engine[judged.flow])
    harmless = ~judged.sure & ~wrong_engine
    return [
        str(count),
        share(int(harmless.sum()), count),
        share(sure, count),
        share(int(wrong_engine.sum()), count),
    ]


def _favourite(judged: Judged) -> str:
    """Return the name that is most often surely wrong."""
    names, counts = np.unique(judged.named[judged.sure], return_counts=True)
    return f"{names[counts.argmax()]} ({counts.max()})" if len(names) else "–"
