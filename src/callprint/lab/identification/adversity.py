"""What happens to flows between the application and the monitor, done to evidence windows byte by byte.

A condition takes the records of one flow and returns what would have been seen: packets lost or late, a start that
was missed, fields hidden. Addresses and ports are not among the conditions: evidence does not hold them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from callprint.core.evidence import EVIDENCE_RTCP, EVIDENCE_RTP, split
from callprint.core.identify.decision import SURE, Decisions
from callprint.inference.onnx_identifier import OnnxIdentifier
from callprint.training.dataset import Dataset
from callprint.training.examine import LEAST_PACKETS
from callprint.training.windows import cut_windows

SPARE_PACKETS = 128  # cut from each flow, so that a hundred are left when some are lost
MILLISECOND_NS = 1_000_000


class Record(NamedTuple):
    """One packet of an evidence log."""

    time_ns: int
    kind: int
    payload: bytes


Change = Callable[[list[Record], np.random.Generator], list[Record]]


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that happens to flows."""

    name: str
    change: Change
    first: int = 0  # RTP packets missed at the start


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a model made of a split's flows under one condition."""

    condition: Condition
    right: np.ndarray  # (n,) bool: the best class is the application
    sure: np.ndarray  # (n,) bool


def unchanged(records: list[Record], _rng: np.random.Generator) -> list[Record]:
    """Nothing happens."""
    return records


def loss(share: float) -> Change:
    """Return a change that loses this share of all packets, each independently."""

    def change(records: list[Record], rng: np.random.Generator) -> list[Record]:
        kept = rng.random(len(records)) >= share
        return [record for record, keep in zip(records, kept, strict=True) if keep]

    return change


def bursts(share: float, length: float) -> Change:
    """Return a change that loses this share of all packets, in runs of `length` on average (Gilbert 1960)."""

    def change(records: list[Record], rng: np.random.Generator) -> list[Record]:
        leave = 1.0 / length
        enter = leave * share / (1.0 - share)
        lost, kept = False, []
        for record, draw in zip(records, rng.random(len(records)), strict=True):
            lost = draw >= leave if lost else draw < enter
            if not lost:
                kept.append(record)
        return kept

    return change


def jitter(mean_ms: float) -> Change:
    """Return a change that delays each packet by an exponential time; packets overtake each other."""

    def change(records: list[Record], rng: np.random.Generator) -> list[Record]:
        delays = rng.exponential(mean_ms * MILLISECOND_NS, len(records)).astype(np.int64)
        late = [
            record._replace(time_ns=record.time_ns + int(by))
            for record, by in zip(records, delays, strict=True)
        ]
        return sorted(late, key=lambda record: record.time_ns)

    return change


def no_rtcp(records: list[Record], _rng: np.random.Generator) -> list[Record]:
    """A NAT that gives RTP and RTCP unrelated ports."""
    return [record for record in records if record.kind != EVIDENCE_RTCP]


def no_handshake(records: list[Record], _rng: np.random.Generator) -> list[Record]:
    """A call without ICE, or a monitor that did not see what came before the media."""
    return [record for record in records if record.kind in (EVIDENCE_RTP, EVIDENCE_RTCP)]


def only_media(records: list[Record], _rng: np.random.Generator) -> list[Record]:
    """A monitor that sees RTP and nothing else."""
    return [record for record in records if record.kind == EVIDENCE_RTP]


def _put(payload: bytes, at: int, value: bytes) -> bytes:
    return payload[:at] + value + payload[at + len(value) :]


def other_ssrc(records: list[Record], rng: np.random.Generator) -> list[Record]:
    """Another random SSRC, also where RTCP names it."""
    sources = [record.payload[8:12] for record in records if record.kind == EVIDENCE_RTP]
    if not sources:
        return records
    old, new = max(set(sources), key=sources.count), rng.bytes(4)
    return [
        record._replace(
            payload=_put(record.payload, 8, new)
            if record.kind == EVIDENCE_RTP
            else record.payload.replace(old, new)
        )
        for record in records
    ]


def _moved(payload: bytes, at: int, size: int, by: int) -> bytes:
    value = (int.from_bytes(payload[at : at + size], "big") + by) % (1 << (8 * size))
    return _put(payload, at, value.to_bytes(size, "big"))


def other_sequence(records: list[Record], rng: np.random.Generator) -> list[Record]:
    """Sequence numbers that begin elsewhere."""
    by = int(rng.integers(1 << 16))
    return [
        record._replace(payload=_moved(record.payload, 2, 2, by)) if record.kind == EVIDENCE_RTP else record
        for record in records
    ]


def other_timestamp(records: list[Record], rng: np.random.Generator) -> list[Record]:
    """Timestamps that begin elsewhere, also in sender reports that are not encrypted."""
    by = int(rng.integers(1 << 32))

    def moved(record: Record) -> bytes:
        if record.kind == EVIDENCE_RTP:
            return _moved(record.payload, 4, 4, by)
        is_report = len(record.payload) >= 28 and record.payload[1] == 200
        return _moved(record.payload, 16, 4, by) if is_report else record.payload

    return [record._replace(payload=moved(record)) for record in records]


def other_start(records: list[Record], rng: np.random.Generator) -> list[Record]:
    """All three begin elsewhere."""
    return other_timestamp(other_sequence(other_ssrc(records, rng), rng), rng)


def zeroed(records: list[Record], _rng: np.random.Generator) -> list[Record]:
    """Sequence number, timestamp and SSRC of RTP overwritten with zeros."""
    return [
        record._replace(payload=_put(record.payload, 2, bytes(10))) if record.kind == EVIDENCE_RTP else record
        for record in records
    ]


CONDITIONS = (
    Condition("as recorded", unchanged),
    *(Condition(f"{percent} % loss", loss(percent / 100)) for percent in (1, 2, 3, 5)),
    Condition("5 % loss in bursts of 4", bursts(0.05, 4.0)),
    *(Condition(f"{mean_ms} ms jitter", jitter(float(mean_ms))) for mean_ms in (2, 10, 40)),
    Condition("5 % loss and 10 ms jitter", lambda records, rng: jitter(10.0)(loss(0.05)(records, rng), rng)),
    Condition("no RTCP (NAT of single ports)", no_rtcp),
    Condition("no handshake", no_handshake),
    Condition("RTP alone", only_media),
    Condition("first packet missed", unchanged, 1),
    *(Condition(f"first {packets} packets missed", unchanged, packets) for packets in (10, 50, 150)),
    Condition("another SSRC", other_ssrc),
    Condition("sequence begins elsewhere", other_sequence),
    Condition("timestamp begins elsewhere", other_timestamp),
    Condition("all three begin elsewhere", other_start),
    Condition("all three overwritten with zeros", zeroed),
)


def _log(records: list[Record]) -> bytes:
    return b"".join(
        record.time_ns.to_bytes(8, "little", signed=True)
        + len(record.payload).to_bytes(2, "little")
        + bytes((record.kind, 0))
        + record.payload
        for record in records
    )


def examine_conditions(
    dataset: Dataset, identifier: OnnxIdentifier, flows: np.ndarray, seed: int
) -> list[Outcome]:
    """Let the model judge the flows at the horizon under every condition; flows: (n,) int64 into the dataset.

    Flows of which fewer than LEAST_PACKETS are left do not count.
    """
    number = {name: i for i, name in enumerate(identifier.applications)}
    target = np.array([number.get(str(name), -1) for name in dataset.application[flows]], np.int64)
    windows = {}
    outcomes = []
    for i, condition in enumerate(CONDITIONS):
        if condition.first not in windows:
            windows[condition.first] = _windows(dataset, flows, condition.first)
        rng = np.random.default_rng((seed, i))
        logs = [_log(condition.change(records, rng)) for records in windows[condition.first]]
        ends = np.cumsum([len(log) for log in logs])
        spans = np.column_stack([ends - [len(log) for log in logs], ends]).astype(np.int64)
        buffer = np.frombuffer(b"".join(logs), np.uint8)
        found: Decisions = identifier.identify(buffer, spans)
        enough = identifier.scores(buffer, spans)[2] >= LEAST_PACKETS
        outcomes.append(
            Outcome(condition, (found.application == target)[enough], (found.reason == SURE)[enough])
        )
    return outcomes


def _windows(dataset: Dataset, flows: np.ndarray, first: int) -> list[list[Record]]:
    found = cut_windows(dataset.buffer, dataset.spans, flows, first, SPARE_PACKETS, tail=True, lead=True)
    return [[Record(*record) for record in split(found.buffer[start:end])] for start, end in found.spans]
