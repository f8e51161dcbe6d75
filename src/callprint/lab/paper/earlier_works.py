"""Earlier works beside the paper's networks: those of lab/identification/baselines.py, and three on captures.

nDPI names protocols, not applications; the best use of its label is to name the application that had it most often in
training. The same holds for ports.
"""

import csv
import json
import shutil
import subprocess
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier

from callprint.core.evidence import EVIDENCE_HEADER
from callprint.training.classes import TRAINING_SPLIT
from callprint.training.dataset import LABEL_FILE, Dataset, Label, read_labels
from callprint.training.examine import LEAST_PACKETS
from callprint.training.statistics import Proportion

NDPI = "ndpiReader"  # of the Debian package libndpi-bin
NDPI_LIMIT_S = 60
YILDIRIM_BYTES = range(60, 151)
UDP_AND_IP_BYTES = 28
FIRST_PACKETS = 10


@dataclass(frozen=True, slots=True)
class Earlier:
    """Flows that an earlier work names right, by split."""

    name: str
    right: dict[str, Proportion]


def _endpoints(label: Label) -> frozenset[tuple[str, int]]:
    quad = label.quad
    return frozenset([(quad.src_ip, quad.src_port), (quad.dst_ip, quad.dst_port)])


def ndpi_labels(capture: Path) -> dict[frozenset[tuple[str, int]], str]:
    """Return nDPI's name of every flow of a capture by its two endpoints; empty when it fails."""
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "flows.csv"
        command = [NDPI, "-q", "-i", str(capture), "-C", str(table)]
        done = subprocess.run(command, capture_output=True, check=False, timeout=NDPI_LIMIT_S)
        if done.returncode or not table.exists():
            return {}
        with table.open(newline="", encoding="utf-8", errors="replace") as file:
            return {
                frozenset(
                    [(row["src_ip"], int(row["src_port"])), (row["dst_ip"], int(row["dst_port"]))]
                ): row["ndpi_proto"]
                for row in csv.DictReader(file)
            }


def _all_ndpi_labels(folder: Path, labels: list[Label], cache: Path) -> list[str]:
    file = cache / "ndpi-labels.json"
    if file.exists():
        kept = json.loads(file.read_text())
        if len(kept) == len(labels):
            return [str(one) for one in kept]
    by_capture: dict[str, dict[frozenset[tuple[str, int]], str]] = {}
    found = []
    for label in labels:
        if label.capture not in by_capture:
            by_capture[label.capture] = ndpi_labels(folder / label.capture)
        found.append(by_capture[label.capture].get(_endpoints(label), "none"))
    cache.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(found))
    return found


def _usual_application(labels: list[Label], seen: list[str]) -> dict[str, str]:
    counts: dict[str, Counter[str]] = {}
    for label, what in zip(labels, seen, strict=True):
        if label.split == TRAINING_SPLIT:
            counts.setdefault(what, Counter())[label.application] += 1
    return {what: found.most_common(1)[0][0] for what, found in counts.items()}


def _examined(labels: list[Label], named: list[str], splits: list[str]) -> dict[str, Proportion]:
    counts = {}
    for split in splits:
        right = [
            name == one.application for one, name in zip(labels, named, strict=True) if one.split == split
        ]
        counts[split] = Proportion(sum(right), len(right))
    return counts


def measure_ndpi(folder: Path, splits: list[str], cache: Path) -> tuple[Earlier, str] | None:
    """Return how many flows nDPI's labels name right and a list of the labels; None when nDPI is not installed."""
    if shutil.which(NDPI) is None:
        return None
    labels = read_labels(folder / LABEL_FILE)
    seen = _all_ndpi_labels(folder, labels, cache)
    usual = _usual_application(labels, seen)
    named = [usual.get(what, "") for what in seen]
    shares = Counter(what for label, what in zip(labels, seen, strict=True) if label.split in splits)
    says = ", ".join(f"{what} ({count})" for what, count in shares.most_common(8))
    return Earlier(
        "nDPI's label, and the application that had it most often", _examined(labels, named, splits)
    ), says


def measure_ports(folder: Path, splits: list[str], seed: int) -> Earlier:
    """Return how many flows trees name right by the two UDP ports alone."""
    labels = read_labels(folder / LABEL_FILE)
    rows = np.array([(one.quad.src_port, one.quad.dst_port) for one in labels], np.float32)
    names = np.array([one.application for one in labels])
    trained = np.array([one.split == TRAINING_SPLIT for one in labels])
    trees = ExtraTreesClassifier(60, random_state=seed, class_weight="balanced").fit(
        rows[trained], names[trained]
    )
    return Earlier(
        "UDP ports alone (must be near chance), trees",
        _examined(labels, trees.predict(rows).tolist(), splits),
    )


def yildirim_share(dataset: Dataset, split: str) -> Proportion:
    """Return the flows whose first packets are 60 to 150 bytes long: what Yildirim and Radcliffe take to be VoIP."""
    flows = dataset.of_split(split, LEAST_PACKETS)
    inside = 0
    for index in flows:
        at, end = dataset.spans[index]
        lengths: list[int] = []
        while at < end and len(lengths) < FIRST_PACKETS:
            length = int(dataset.buffer[at + 8]) | int(dataset.buffer[at + 9]) << 8
            if dataset.buffer[at + 10] == 0:
                lengths.append(length + UDP_AND_IP_BYTES)
            at += EVIDENCE_HEADER + length
        inside += sum(one in YILDIRIM_BYTES for one in lengths) > len(lengths) / 2
    return Proportion(inside, len(flows))
