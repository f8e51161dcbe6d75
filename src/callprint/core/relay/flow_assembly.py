"""Flows reassembled from their parts, for one partition: the counterpart of `shipping.py`.

    unknown  --first part (first_record 0)-->  pending  --HORIZON or END-->  forgotten
    unknown  --later part-->                   unknown: the flow was decided before; only its END is passed on
    pending  --repeated part-->                pending; its records are dropped
    pending  --part after a hole-->            broken: judged at its end by what came before the hole
    pending  --part of a decided flow-->       forgotten, judged by what came: its HORIZON was lost
    pending  --too many of its source-->       forgotten, judged by what came; the oldest of the source goes first

The result depends on the parts of the flow alone, so it is the same whenever and wherever they are read, unless flows
are evicted. Each packet is passed on once: the judge keeps the logs (`evidence_logs.py`), which are bounded by what is
pending here.
"""

from dataclasses import dataclass, replace

import numpy as np

from callprint.core.evidence import EVIDENCE_HEADER
from callprint.core.flow.layout import DECIDED
from callprint.core.ground.arrays import Array, joined, rows_of
from callprint.core.wire.frame import Origin
from callprint.core.wire.media import KEY_FIELDS, PART, SHIPPED_PACKET, MediaBatch, PartKind

MAXIMUM_PENDING = 1 << 16
"""Pending flows of a partition. A flow is pending for a minute at most: that is a thousand new flows a second."""
MAXIMUM_PENDING_BYTES = 256 << 20
"""Bytes of their evidence logs."""

FlowId = tuple[int, bytes]
"""A flow as one source saw it: the source, and the key fields as bytes."""

_KEY = np.dtype([(name, PART[name].str) for name in KEY_FIELDS])


def flow_ids(source: int, parts: Array) -> list[FlowId]:
    """Return the identity of the flow of each part; parts: (n,) PART."""
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
    """Return (n,) bool: whether the address of one side is an IPv4 address, written as ::ffff:a.b.c.d."""
    mapped: Array = (parts[f"{side}_hi"] == 0) & (parts[f"{side}_lo"] >> np.uint64(32) == 0xFFFF)
    return mapped


def _log_bytes(batch: MediaBatch) -> list[int]:
    """Return the bytes that the records of each part take in an evidence log."""
    ends = np.concatenate(([0], np.cumsum(batch.packets["length"], dtype=np.int64)))  # (m + 1,)
    records = batch.parts["records"].astype(np.int64)
    at = np.concatenate(([0], np.cumsum(records)))  # (n + 1,)
    sizes: list[int] = (np.diff(ends[at]) + records * EVIDENCE_HEADER).tolist()
    return sizes


@dataclass(slots=True)
class _Pending:
    last: bytes | None = None  # PART, the newest part: an expired flow is judged by it
    records: int = 0  # passed on so far
    bytes: int = 0  # of its evidence log
    k: int = 0  # RTP packets among them
    headers: int = 0  # of these, headers alone
    broken: bool = False


def _as_horizons(flows: list[_Pending]) -> Array:
    """Return parts, (n,) PART, that ask for flows to be judged by what has come of them."""
    last = [pending.last for pending in flows if pending.last is not None]
    parts = np.frombuffer(bytearray().join(last), dtype=PART)
    parts["k"] = [pending.k for pending in flows if pending.last is not None]
    parts["evidence_headers"] = [pending.headers for pending in flows if pending.last is not None]
    parts["kind"] = PartKind.HORIZON
    parts["time_ns"] = parts["last_active_ns"]
    parts["records"] = 0
    parts["windows"] = 0
    return parts


@dataclass(slots=True)
class AssemblyCounters:
    """What happened to parts that were not simply passed on."""

    continued: int = 0  # parts of flows that had been decided before
    repeated: int = 0  # parts that came twice
    holes: int = 0  # flows with a part missing
    expired: int = 0  # flows whose agent fell silent
    evicted: int = 0  # flows judged early because too many were pending
    forged: int = 0  # parts of flows between an IPv4 and an IPv6 address


class _Changes:
    """How the batch that is passed on differs from the one that came: usually not at all."""

    def __init__(self, parts: int) -> None:
        self.passed_on = [True] * parts
        self.with_records = [True] * parts
        self.broken: dict[int, _Pending] = {}  # parts of flows with a hole before them
        self.decided: list[int] = []

    def apply(self, batch: MediaBatch) -> MediaBatch:
        """Return the changed batch, or the batch itself when nothing differs."""
        if all(self.passed_on) and all(self.with_records) and not self.broken and not self.decided:
            return batch
        parts = batch.parts.copy()
        records = parts["records"].astype(np.int64)
        kept = np.array(self.with_records, dtype=np.bool_)  # (n,)
        of_packets = np.repeat(kept, records)  # (m,)
        of_bytes = np.repeat(of_packets, batch.packets["length"])
        parts["records"][~kept] = 0
        for i, pending in self.broken.items():
            parts["k"][i], parts["evidence_headers"][i] = pending.k, pending.headers
        parts["evidence_state"][self.decided] = DECIDED
        passed_on = np.array(self.passed_on, dtype=np.bool_)
        windows = batch.windows[np.repeat(passed_on, parts["windows"])]
        return MediaBatch(
            batch.origin,
            rows_of(parts, passed_on),
            batch.packets[of_packets],
            batch.payload[of_bytes],
            windows,
        )


class PartitionAssembly:
    """The pending flows of one partition. `absorb` passes on what each part adds to its flow."""

    def __init__(
        self, maximum_flows: int = MAXIMUM_PENDING, maximum_bytes: int = MAXIMUM_PENDING_BYTES
    ) -> None:
        """Beyond these pending flows, or bytes of their logs, a source with more than its share loses its oldest."""
        self._maximum_flows = maximum_flows
        self._maximum_bytes = maximum_bytes
        self._pending: dict[int, dict[FlowId, _Pending]] = {}  # by source, the oldest first
        self._flows = 0
        self._bytes = 0
        self.counters = AssemblyCounters()

    def __len__(self) -> int:
        return self._flows

    def absorb(self, batch: MediaBatch) -> MediaBatch:
        """Take a batch in; return the parts to be judged: the same batch when all is well.

        CHECKPOINT and HORIZON parts, and END parts of flows not yet decided, ask for a judgement of the flow's log
        including the records that they bring. END and STATISTICS parts hold the flow's statistics.
        """
        parts = batch.parts
        changes = _Changes(len(parts))
        newest: dict[FlowId, int] = {}
        overtaken: list[_Pending] = []
        source = batch.origin.source
        mine = self._pending.setdefault(source, {})
        sizes = _log_bytes(batch)
        # No packet that travels has such a pair, but a forged IPv6 header can. A row with it could not be read back,
        # and neither could the rows beside it.
        forged = (_is_ipv4(parts, "src") != _is_ipv4(parts, "dst")).tolist()
        columns = (
            parts[name].tolist()
            for name in ("kind", "first_record", "records", "k", "evidence_headers", "evidence_state")
        )
        for i, (flow, kind, first, records, k, headers, state) in enumerate(
            zip(flow_ids(source, parts), *columns, strict=True)
        ):
            if forged[i]:
                self.counters.forged += 1
                changes.with_records[i] = changes.passed_on[i] = False
                continue
            pending = mine.get(flow)
            if kind == PartKind.STATISTICS or (kind == PartKind.END and state == DECIDED):
                changes.with_records[i] = not records
                if state == DECIDED and pending is not None and pending.last is not None:
                    self.counters.holes += not pending.broken
                    overtaken.append(self._forget(mine, flow))
                continue
            if pending is None:
                if first:
                    self._pass_over(i, kind, changes)
                    continue
                pending = mine[flow] = _Pending()
                self._flows += 1
            if self._take(pending, i, first, records, changes):
                pending.k, pending.headers = k, headers
                pending.bytes += sizes[i]
                self._bytes += sizes[i]
            newest[flow] = i
            if kind in (PartKind.HORIZON, PartKind.END):
                self._forget(mine, flow)
            elif pending.broken:
                changes.passed_on[i] = False
        for flow, i in newest.items():
            if flow in mine:
                # Bytes, because numpy copies such a row field by field; a view would keep the batch in memory.
                mine[flow].last = parts[i : i + 1].tobytes()
        evicted = self._evict(mine)
        if not mine:
            del self._pending[source]
        changed = changes.apply(batch)
        if not evicted and not overtaken:
            return changed
        judged = _as_horizons(overtaken), changed.parts, _as_horizons(evicted)
        return replace(changed, parts=joined(judged))

    def expire(self, origin: Origin) -> MediaBatch:
        """Return parts that have every pending flow of a silent source judged by what it has sent."""
        mine = self._pending.pop(origin.source, {})
        flows = [self._forget(mine, flow) for flow in list(mine)]
        self.counters.expired += len(flows)
        return replace(nothing_of(origin), parts=_as_horizons(flows))

    def _forget(self, mine: dict[FlowId, _Pending], flow: FlowId) -> _Pending:
        pending = mine.pop(flow)
        self._flows -= 1
        self._bytes -= pending.bytes
        return pending

    def _evict(self, mine: dict[FlowId, _Pending]) -> list[_Pending]:
        """While too many flows are pending, take the oldest from this source if it has more than its share.

        A batch is about one source, so only flows of that source can be judged with it; other sources lose their
        surplus when they next send something. So there are at most twice as many flows as wanted.
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
        """Drop part i of a flow that was decided before, unless it is the END with the flow's statistics."""
        self.counters.continued += 1
        changes.with_records[i] = False
        if kind == PartKind.END:
            changes.decided.append(i)
        else:
            changes.passed_on[i] = False

    def _take(self, pending: _Pending, i: int, first: int, records: int, changes: _Changes) -> bool:
        """Add part i to its flow; return whether its records are passed on."""
        if first == pending.records and not pending.broken:
            pending.records += records
            return True
        if first < pending.records:
            self.counters.repeated += 1
        elif first > pending.records:
            self.counters.holes += not pending.broken
            pending.broken = True
        changes.with_records[i] = False
        if pending.broken:
            changes.broken[i] = pending
        return False
