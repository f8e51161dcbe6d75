"""Flows put together from their parts: the counterpart of `shipping`, for one partition.

    unknown  --first part (first_record 0)-->  pending  --HORIZON or END-->  forgotten
    unknown  --later part-->                   unknown: the flow was decided before, only its END is told
    pending  --part that repeats-->            pending, what it brings is dropped
    pending  --part after a hole-->            broken: is judged at its end by what came before the hole
    pending  --too many, of its source-->      forgotten, judged by what came: the oldest of the source first

What comes out depends on the parts of the flow alone, so it is the same whenever and wherever they are read, as
long as nothing is evicted. Each packet goes on once: who judges keeps the logs (`evidence_logs.py`), which are
bounded by what is pending here.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from callprint.core.evidence import EVIDENCE_HEADER
from callprint.core.flow.layout import DECIDED
from callprint.core.wire.frame import Origin
from callprint.core.wire.media import KEY_FIELDS, PART, SHIPPED_PACKET, MediaBatch, PartKind

Array = np.ndarray[Any, Any]

MAXIMUM_PENDING = 1 << 16
"""Pending flows of a partition. A flow is pending for a minute at most: that is a thousand new flows a second."""
MAXIMUM_PENDING_BYTES = 256 << 20
"""Bytes of their evidence logs."""

FlowId = tuple[int, bytes]  # the source, and the key fields as bytes

_KEY = np.dtype([(name, PART[name].str) for name in KEY_FIELDS])


def flow_ids(source: int, parts: Array) -> list[FlowId]:
    """Return what identifies the flow of each part."""
    keys = np.empty(len(parts), dtype=_KEY)  # (n,)
    for name in KEY_FIELDS:
        keys[name] = parts[name]
    data = keys.tobytes()
    size = _KEY.itemsize
    return [(source, data[at : at + size]) for at in range(0, len(data), size)]


def nothing_of(origin: Origin) -> MediaBatch:
    """Return a batch of `origin` without parts."""
    nothing = np.zeros(0, dtype=np.uint8)
    return MediaBatch(origin, np.zeros(0, dtype=PART), np.zeros(0, dtype=SHIPPED_PACKET), nothing)


def _is_ipv4(parts: Array, side: str) -> Array:
    """Return (n,) bool: whether the address is an IPv4 one, which stands there as ::ffff:a.b.c.d."""
    mapped: Array = (parts[f"{side}_hi"] == 0) & (parts[f"{side}_lo"] >> np.uint64(32) == 0xFFFF)
    return mapped


def _log_bytes(batch: MediaBatch) -> list[int]:
    """Return how long the evidence log of each part is."""
    ends = np.concatenate(([0], np.cumsum(batch.packets["length"], dtype=np.int64)))  # (m + 1,)
    records = batch.parts["records"].astype(np.int64)
    at = np.concatenate(([0], np.cumsum(records)))  # (n + 1,)
    sizes: list[int] = (np.diff(ends[at]) + records * EVIDENCE_HEADER).tolist()
    return sizes


@dataclass(slots=True)
class _Pending:
    records: int = 0  # that went on
    bytes: int = 0  # of its evidence log
    k: int = 0  # RTP packets among them
    broken: bool = False
    last: Array | None = None  # (1,) PART, the newest part: what an expired flow is judged by


def _as_horizons(flows: list[_Pending]) -> Array:
    """Return parts, (n,) PART, that ask for the judgement of flows by what they have sent."""
    last = [pending.last for pending in flows if pending.last is not None]
    parts = np.concatenate(last) if last else np.zeros(0, dtype=PART)
    parts["k"] = [pending.k for pending in flows if pending.last is not None]
    parts["kind"] = PartKind.HORIZON
    parts["time_ns"] = parts["last_active_ns"]
    parts["records"] = 0
    return parts


@dataclass(slots=True)
class AssemblyCounters:
    """What happened to parts that were not simply taken."""

    continued: int = 0  # parts of flows that had been decided before
    repeated: int = 0  # parts that came twice
    holes: int = 0  # flows of which a part is missing
    expired: int = 0  # flows whose agent fell silent
    evicted: int = 0  # flows that were judged early because too many were pending
    forged: int = 0  # parts of flows between an IPv4 and an IPv6 address


class _Changes:
    """How what goes on differs from what came: nothing as a rule."""

    def __init__(self, parts: int) -> None:
        self.told = [True] * parts
        self.kept = [True] * parts  # whether the records go on
        self.k: dict[int, int] = {}
        self.decided: list[int] = []

    def apply(self, batch: MediaBatch) -> MediaBatch:
        """Return the batch itself where nothing differs."""
        if all(self.told) and all(self.kept) and not self.k and not self.decided:
            return batch
        parts = batch.parts.copy()
        records = parts["records"].astype(np.int64)
        kept = np.array(self.kept, dtype=np.bool_)  # (n,)
        of_packets = np.repeat(kept, records)  # (m,)
        of_bytes = np.repeat(of_packets, batch.packets["length"])
        parts["records"][~kept] = 0
        for i, k in self.k.items():
            parts["k"][i] = k
        parts["evidence_state"][self.decided] = DECIDED
        told = np.array(self.told, dtype=np.bool_)
        return MediaBatch(batch.origin, parts[told], batch.packets[of_packets], batch.payload[of_bytes])


class PartitionAssembly:
    """The pending flows of one partition. `absorb` lets through what each part adds to its flow."""

    def __init__(
        self, maximum_flows: int = MAXIMUM_PENDING, maximum_bytes: int = MAXIMUM_PENDING_BYTES
    ) -> None:
        """Of more pending flows, or bytes of their logs, a source with more than its share loses its oldest."""
        self._maximum_flows = maximum_flows
        self._maximum_bytes = maximum_bytes
        self._pending: dict[int, dict[FlowId, _Pending]] = {}  # by source, the oldest first
        self._flows = 0
        self._bytes = 0
        self.counters = AssemblyCounters()

    def __len__(self) -> int:
        return self._flows

    def absorb(self, batch: MediaBatch) -> MediaBatch:
        """Take a batch in; return one part for each thing to do: the same batch where all is well.

        CHECKPOINT and HORIZON parts, and END parts of flows not yet decided, ask for a judgement of the flow's log
        with the records that they bring. END and STATISTICS parts hold the flow's statistics.
        """
        parts = batch.parts
        changes = _Changes(len(parts))
        newest: dict[FlowId, int] = {}
        source = batch.origin.source
        mine = self._pending.setdefault(source, {})
        sizes = _log_bytes(batch)
        # No packet on its way has such a pair, but an IPv6 header can be made to say so. A row with it could not be
        # read again, and would take the rows beside it along.
        forged = (_is_ipv4(parts, "src") != _is_ipv4(parts, "dst")).tolist()
        columns = (
            parts[name].tolist() for name in ("kind", "first_record", "records", "k", "evidence_state")
        )
        for i, (flow, kind, first, records, k, state) in enumerate(
            zip(flow_ids(source, parts), *columns, strict=True)
        ):
            if forged[i]:
                self.counters.forged += 1
                changes.kept[i] = changes.told[i] = False
                continue
            if kind == PartKind.STATISTICS or (kind == PartKind.END and state == DECIDED):
                changes.kept[i] = not records
                continue
            pending = mine.get(flow)
            if pending is None:
                if first:
                    self._pass_over(i, kind, changes)
                    continue
                pending = mine[flow] = _Pending()
                self._flows += 1
            if self._take(pending, i, first, records, k, changes):
                pending.bytes += sizes[i]
                self._bytes += sizes[i]
            newest[flow] = i
            if kind in (PartKind.HORIZON, PartKind.END):
                self._forget(mine, flow)
            elif pending.broken:
                changes.told[i] = False
        for flow, i in newest.items():
            if flow in mine:
                mine[flow].last = parts[i : i + 1].copy()  # a view would keep the batch in memory
        evicted = self._evict(mine)
        if not mine:
            del self._pending[source]
        told = changes.apply(batch)
        if not evicted:
            return told
        return MediaBatch(
            told.origin, np.concatenate((told.parts, _as_horizons(evicted))), told.packets, told.payload
        )

    def expire(self, origin: Origin) -> MediaBatch:
        """Let every pending flow of a source that fell silent be judged by what it has sent."""
        mine = self._pending.pop(origin.source, {})
        flows = [self._forget(mine, flow) for flow in list(mine)]
        self.counters.expired += len(flows)
        nothing = nothing_of(origin)
        return MediaBatch(origin, _as_horizons(flows), nothing.packets, nothing.payload)

    def _forget(self, mine: dict[FlowId, _Pending], flow: FlowId) -> _Pending:
        pending = mine.pop(flow)
        self._flows -= 1
        self._bytes -= pending.bytes
        return pending

    def _evict(self, mine: dict[FlowId, _Pending]) -> list[_Pending]:
        """Take the oldest flows away from a source that has more than its share, while there are too many.

        A batch speaks of one source, so only its own flows can be judged with it; what other sources have too many is
        taken when they next send something. So there are at most twice as many as wanted.
        """
        evicted: list[_Pending] = []
        sources = len(self._pending)
        its_bytes = (
            sum(pending.bytes for pending in mine.values()) if self._bytes > self._maximum_bytes else 0
        )
        while mine and (
            (self._flows > self._maximum_flows and len(mine) > self._maximum_flows // sources)
            or (self._bytes > self._maximum_bytes and its_bytes > self._maximum_bytes // sources)
        ):
            evicted.append(self._forget(mine, next(iter(mine))))
            its_bytes -= evicted[-1].bytes
        self.counters.evicted += len(evicted)
        return evicted

    def _pass_over(self, i: int, kind: int, changes: _Changes) -> None:
        """The flow of part i was decided before; of such flows only the statistics at the end are wanted."""
        self.counters.continued += 1
        changes.kept[i] = False
        if kind == PartKind.END:
            changes.decided.append(i)
        else:
            changes.told[i] = False

    def _take(self, pending: _Pending, i: int, first: int, records: int, k: int, changes: _Changes) -> bool:
        """Return whether the records of part i go on."""
        if first == pending.records and not pending.broken:
            pending.records += records
            pending.k = k
            return True
        if first < pending.records:
            self.counters.repeated += 1
        elif first > pending.records:
            self.counters.holes += not pending.broken
            pending.broken = True
        changes.kept[i] = False
        if pending.broken:
            changes.k[i] = pending.k
        return False
