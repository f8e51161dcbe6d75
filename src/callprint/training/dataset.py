"""Labelled datasets: whole-flow evidence logs with the application of their sender, in one file without pickle.

Made from a folder of captures and one CSV file (docs/use/models.md describes both). Training and serving see a flow
through the same reader, order of packets, dissector and flow engine.
"""

import csv
import hashlib
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from callprint.core.capture.packet_order import OrderedBatch, PacketOrder
from callprint.core.dissect import dissect
from callprint.core.evidence import EVIDENCE_HEADER, EVIDENCE_KINDS, EVIDENCE_RTP, SUMMARIES
from callprint.core.flow.engine import EngineSettings, FlowEngine
from callprint.core.ground.addresses import address_text
from callprint.core.ground.compiled import compiled_allocating, read_only
from callprint.core.ground.errors import CaptureError, DatasetError
from callprint.owner_only import owner_only
from callprint.sources import open_captures

LABEL_FILE = "flows.csv"
LABEL_ENCODING = "utf-8-sig"  # spreadsheets put a byte order mark first: it is not part of a column's name
REQUIRED_COLUMNS = ("capture", "src_ip", "src_port", "dst_ip", "dst_port", "application")
DEFAULT_SPLIT = "dataset1"

WHOLE_FLOW_PACKETS = 1000  # RTP packets kept of each flow: 10 s at 10 ms, room for windows from the middle
WHOLE_FLOW_RTCP = 512
LONGEST_RECORD = 255  # bytes of a packet in evidence
RTP_HEADER = 12
_DAMAGE = (zipfile.BadZipFile, zlib.error, tokenize.TokenError)


class Quad(NamedTuple):
    """The ports and addresses that a label names."""

    src_ip: str
    src_port: int
    dst_ip: str
    dst_port: int


@dataclass(frozen=True, slots=True)
class Label:
    """One row of the CSV file."""

    line: int
    capture: str
    quad: Quad
    application: str
    engine: str
    split: str
    call: str
    codec: str
    encrypted: str
    version: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """Flows and their labels: arrays of the same length, except `buffer`. Strings are fixed-width unicode arrays."""

    buffer: np.ndarray  # (bytes,) uint8: evidence logs of whole flows
    spans: np.ndarray  # (flows, 2) int64
    packets: np.ndarray  # (flows,) int64, RTP packets in each log
    application: np.ndarray
    engine: np.ndarray
    split: np.ndarray  # dataset1, dataset2, cross, ...: which part of the data the flow belongs to
    call: np.ndarray  # folds never divide a call
    codec: np.ndarray
    encrypted: np.ndarray
    capture: np.ndarray
    version: np.ndarray  # of the application; empty where the labels do not say

    def of_split(self, split: str, least_packets: int = 10) -> np.ndarray:
        """Return the indices of a split's flows that count in accuracy figures."""
        return np.flatnonzero((self.split == split) & (self.packets >= least_packets))

    @property
    def digest(self) -> str:
        """SHA-256 over logs and labels: names the data in a model card."""
        return digest_of_arrays(self)


def digest_of_arrays(table: Any) -> str:
    """Return SHA-256 over the arrays of a dataclass, in the order of its fields."""
    total = hashlib.sha256()
    for field in fields(table):
        total.update(np.ascontiguousarray(getattr(table, field.name)).tobytes())
    return total.hexdigest()


@dataclass(slots=True)
class BuildReport:
    """What was read, and what could not be matched."""

    captures: int = 0
    flows: int = 0  # labelled flows, all in the dataset
    unlabelled_flows: int = 0
    labels_without_flow: int = 0
    other_sources: int = 0  # further SSRC on labelled ports: in the dataset as flows of their own
    damaged_captures: int = 0


def read_labels(path: Path) -> list[Label]:
    """Read the CSV file. Rows of kind `rtcp` are left out: RTCP is evidence of its flow.

    Raises DatasetError naming file and line.
    """
    try:
        with path.open(newline="", encoding=LABEL_ENCODING) as file:
            return _labels(path, csv.DictReader(file))
    except FileNotFoundError as error:
        raise DatasetError(
            f"{path}: {error.strerror}; `callprint record` and `callprint dataset label` write one, and "
            "docs/use/models.md says what it holds"
        ) from error
    except OSError as error:
        raise DatasetError(f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path}: not a CSV file in UTF-8: {error}") from None


def _labels(path: Path, reader: "csv.DictReader[str]") -> list[Label]:
    missing = [name for name in REQUIRED_COLUMNS if name not in (reader.fieldnames or [])]
    if missing:
        raise DatasetError(f"{path}, line 1: no column {', '.join(missing)}")
    labels: list[Label] = []
    lines: dict[tuple[str, Quad], int] = {}
    for row in reader:
        where = f"{path}, line {reader.line_num}"
        if None in row or None in row.values():
            raise DatasetError(f"{where}: the number of fields differs from the first line")
        if row.get("kind") == "rtcp":
            continue
        try:
            quad = Quad(row["src_ip"], int(row["src_port"]), row["dst_ip"], int(row["dst_port"]))
        except ValueError:
            raise DatasetError(f"{where}: a port is not a number") from None
        if not row["application"]:
            raise DatasetError(f"{where}: no application")
        before = lines.setdefault((row["capture"], quad), reader.line_num)
        if before != reader.line_num:
            raise DatasetError(f"{where}: the same flow as in line {before}")
        labels.append(
            Label(
                line=reader.line_num,
                capture=row["capture"],
                quad=quad,
                application=row["application"],
                engine=row.get("engine") or row["application"],
                split=row.get("dataset") or DEFAULT_SPLIT,
                call=row.get("call") or row["capture"],
                codec=row.get("codec") or "",
                encrypted=row.get("encrypted") or "",
                version=row.get("version") or "",
            )
        )
    if not labels:
        raise DatasetError(f"{path}: labels no flow")
    return labels


def whole_flows(capture: Path) -> tuple[list[tuple[Quad, int, bytes]], list[CaptureError]]:
    """Return (addresses and ports, RTP packets, evidence log) of each flow of a capture, and the capture's defects.

    Raises CaptureError when it is no capture.
    """
    engine = FlowEngine(
        EngineSettings(
            maximum_flows=4096,
            evidence_memory_bytes=64 << 20,
            horizon_packets=WHOLE_FLOW_PACKETS,
            horizon_rtcp_packets=WHOLE_FLOW_RTCP,
            checkpoints=(WHOLE_FLOW_PACKETS,),
            whole_enough=0,  # networks learn from whole packets
        )
    )
    found: dict[tuple[int, int], tuple[Quad, int, bytes]] = {}
    source = open_captures([capture])

    def collect(drains: object) -> None:
        for drain in drains:  # type: ignore[attr-defined]
            for event, flow in zip(drain.events, drain.flows, strict=True):
                if event["end"] > event["start"]:
                    quad = Quad(
                        address_text(int(flow["src_hi"]), int(flow["src_lo"])),
                        int(flow["src_port"]),
                        address_text(int(flow["dst_hi"]), int(flow["dst_lo"])),
                        int(flow["dst_port"]),
                    )
                    log = drain.evidence[event["start"] : event["end"]].tobytes()
                    found[int(event["row"]), int(flow["generation"])] = (quad, int(event["k"]), log)

    def process(batches: Iterable[OrderedBatch]) -> None:
        for batch in batches:
            if batch.begins_anew:
                collect(engine.finish())
            collect(engine.process(batch.data, dissect(batch.data, batch.records)))

    order = PacketOrder()
    for data, records in source:
        process(order.take(data, records, buffer=source.buffer, rows=source.rows))
    process(order.flush())
    collect(engine.finish())
    return list(found.values()), source.warnings


def build_dataset(
    folder: Path, on_capture: Callable[[int, int], None] = lambda _done, _all: None
) -> tuple[Dataset, BuildReport]:
    """Read a folder of labelled captures. `on_capture(done, all)` is called after each.

    Raises DatasetError naming file and line when labels and captures contradict each other.
    """
    labels = read_labels(folder / LABEL_FILE)
    by_capture: dict[str, dict[Quad, Label]] = {}
    for label in labels:
        by_capture.setdefault(label.capture, {})[label.quad] = label
    report = BuildReport()
    logs: list[bytes] = []
    rows: list[tuple[Label, int]] = []
    for done, (name, wanted) in enumerate(by_capture.items()):
        line = next(iter(wanted.values())).line
        path = folder / name
        try:
            lies_inside = folder.resolve() in path.resolve().parents
        except (ValueError, RuntimeError):  # a NUL in the name, a link to itself
            raise DatasetError(f"{folder / LABEL_FILE}, line {line}: {name!r} names no file") from None
        if not lies_inside:
            raise DatasetError(f"{folder / LABEL_FILE}, line {line}: {name} lies outside {folder}")
        try:
            flows, warnings = whole_flows(path)
        except CaptureError as error:
            raise DatasetError(f"{folder / LABEL_FILE}, line {line}: {error}") from error
        report.captures += 1
        report.damaged_captures += bool(warnings)
        seen: set[Quad] = set()
        for quad, packets, log in flows:
            label = wanted.get(quad)
            if label is None:
                report.unlabelled_flows += 1
                continue
            report.other_sources += quad in seen
            seen.add(quad)
            logs.append(log)
            rows.append((label, packets))
        report.labels_without_flow += len(wanted) - len(seen)
        on_capture(done + 1, len(by_capture))
    report.flows = len(rows)
    if not rows:
        raise DatasetError(f"{folder}: no capture holds a flow that {LABEL_FILE} labels")
    ends = np.cumsum([len(log) for log in logs])
    columns = {
        name: np.array([getattr(label, name) for label, _ in rows], dtype=np.str_)
        for name in ("application", "engine", "split", "call", "codec", "encrypted", "capture", "version")
    }
    dataset = Dataset(
        buffer=np.frombuffer(b"".join(logs), np.uint8),
        spans=np.column_stack([ends - [len(log) for log in logs], ends]).astype(np.int64),
        packets=np.array([packets for _, packets in rows], np.int64),
        **columns,
    )
    return dataset, report


def join_datasets(datasets: Sequence[Dataset]) -> Dataset:
    """Return the flows of several datasets (at least one) as one, in their order."""
    columns = {
        field.name: np.concatenate([getattr(each, field.name) for each in datasets])
        for field in fields(Dataset)
        if field.name != "spans"
    }
    starts = np.cumsum([0, *(len(each.buffer) for each in datasets[:-1])])
    spans = np.concatenate([each.spans + start for each, start in zip(datasets, starts, strict=True)])
    return Dataset(spans=spans, **columns)


def without_applications(dataset: Dataset, names: Sequence[str]) -> Dataset:
    """Return the dataset without some applications. Raises DatasetError when it does not have one of them."""
    missing = sorted(set(names) - set(dataset.application.tolist()))
    if missing:
        raise DatasetError(f"the dataset has no application {missing[0]!r}")
    left = sorted(set(dataset.application.tolist()) - set(names))
    if not left:
        raise DatasetError("the dataset has no other application than those that are left out")
    return of_applications(dataset, left)


def of_applications(dataset: Dataset, names: Sequence[str]) -> Dataset:
    """Return the flows of some applications; the dataset itself when it has no others."""
    kept = np.isin(dataset.application, list(names))
    if kept.all():
        return dataset
    return Dataset(
        buffer=dataset.buffer,
        **{
            field.name: getattr(dataset, field.name)[kept]
            for field in fields(Dataset)
            if field.name != "buffer"
        },
    )


def save_dataset(dataset: Dataset, path: Path) -> None:
    """Write a dataset as .npz, without pickled objects, for its owner alone: it holds voice.

    Raises DatasetError when it cannot be written.
    """
    try:
        with open(path, "wb", opener=owner_only) as file:
            np.savez(file, **{field.name: getattr(dataset, field.name) for field in fields(Dataset)})
    except OSError as error:
        raise DatasetError(f"{path} cannot be written: {error.strerror}") from error


@compiled_allocating
def _are_logs(buffer, spans):
    """Return whether every span is a row of records as the flow engine writes them, to its end."""
    for i in range(spans.shape[0]):
        at = spans[i, 0]
        end = spans[i, 1]
        while at < end:
            if at + EVIDENCE_HEADER > end:
                return False
            size = np.int64(buffer[at + 8]) | np.int64(buffer[at + 9]) << 8
            kind = buffer[at + 10]
            at += EVIDENCE_HEADER + size
            short = kind == EVIDENCE_RTP and size < RTP_HEADER
            other = kind in SUMMARIES or kind >= EVIDENCE_KINDS
            if at > end or size > LONGEST_RECORD or other or short:
                return False
    return True


def load_dataset(path: Path) -> Dataset:
    """Read what `save_dataset` wrote. Raises DatasetError naming what is missing or does not fit."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            columns = {
                field.name: stored[field.name]
                for field in fields(Dataset)
                if field.name != "version" or field.name in stored
            }
        columns.setdefault("version", np.full(columns["packets"].size, ""))  # files of 0.1.0 lack it
    except KeyError as error:
        raise DatasetError(f"{path}: {error.args[0]}") from None
    except OSError as error:
        raise DatasetError(f"{path}: {error.strerror or 'not a dataset file'}") from error
    except MemoryError:
        raise DatasetError(f"{path}: not a dataset file: it claims to be larger than the memory") from None
    except (ValueError, EOFError, NotImplementedError, RuntimeError, SyntaxError, *_DAMAGE) as error:
        # Of what is no archive at all, NumPy advises to load it as pickled objects.
        detail = "`callprint dataset build` makes one" if "allow_pickle" in str(error) else error
        raise DatasetError(f"{path}: not a dataset file: {detail}") from None
    dataset = Dataset(**columns)
    flows = dataset.packets.size
    for field in fields(Dataset):
        column, kinds = columns[field.name], "iu" if field.name in ("buffer", "spans", "packets") else "U"
        if column.ndim != (2 if field.name == "spans" else 1) or column.dtype.kind not in kinds:
            raise DatasetError(f"{path}: {field.name} holds something else")
        if field.name != "buffer" and len(columns[field.name]) != flows:
            raise DatasetError(f"{path}: {field.name} has {len(columns[field.name])} rows, packets {flows}")
    spans = dataset.spans
    if dataset.buffer.dtype != np.uint8 or dataset.buffer.ndim != 1:
        raise DatasetError(f"{path}: buffer is not bytes")
    if (
        spans.dtype != np.int64
        or spans.shape != (flows, 2)
        or (spans < 0).any()
        or (spans > len(dataset.buffer)).any()
        or (spans[:, 1] < spans[:, 0]).any()
    ):
        raise DatasetError(f"{path}: spans do not lie in buffer")
    if not _are_logs(read_only(dataset.buffer), read_only(spans)):
        raise DatasetError(f"{path}: what lies in buffer is no evidence")
    return dataset
