"""Verdicts and flow summaries as rows of the Cassandra tables, and back."""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Any, NamedTuple

from callprint.core.call import CallRecord
from callprint.core.ground.errors import RowError
from callprint.core.verdict import FlowKey, FlowSummary, Verdict
from callprint.stores.base import UnknownEvidence, summary_order
from callprint.stores.sqlite_call_rows import CALL_COLUMNS, call_row

HOUR_NS = 3_600_000_000_000
DAY_NS = 24 * HOUR_NS
BUCKETS = 8  # partitions of one host's day, one application's hour, ...; part of the tables' layout

FLOW_COLUMNS = ("src_ip", "src_port", "dst_ip", "dst_port", "ssrc", "first_seen_ns")
VERDICT_COLUMNS = tuple(field.name for field in fields(Verdict) if field.name != "flow")
EVIDENCE_COLUMNS = ("decided_at_ns", "k", "model", "evidence")
SUMMARY_COLUMNS = tuple(field.name for field in fields(FlowSummary) if field.name != "flow")
_ABSENT_TEXT = ("best_application", "reason")


class Row(NamedTuple):
    """A row to write. Rows with the same table and partition may go in one batch."""

    table: str
    partition: tuple[object, ...]
    columns: tuple[str, ...]
    values: tuple[object, ...]


def bucket_of(*key: object) -> int:
    """Return the bucket of a flow or a call: the same in every process."""
    return zlib.crc32("|".join(map(str, key)).encode()) % BUCKETS


def verdict_rows(verdict: Verdict) -> Iterator[Row]:
    """Yield the rows of one verdict: by flow, by both hosts and day, by application and hour."""
    named: dict[str, Any] = {name: getattr(verdict, name) for name in VERDICT_COLUMNS}
    _check(verdict, named)
    for name in _ABSENT_TEXT:
        named[name] = named[name] or ""
    named.update(zip(FLOW_COLUMNS, verdict.flow, strict=True))
    bucket = bucket_of(*verdict.flow)
    day, hour = verdict.decided_at_ns // DAY_NS, verdict.decided_at_ns // HOUR_NS
    columns, values = tuple(named), tuple(named.values())
    yield Row("verdict_by_flow", verdict.flow[:4], columns, values)
    for host in {verdict.flow.src_ip, verdict.flow.dst_ip}:
        partition = (host, day, bucket)
        yield Row(
            "verdict_by_host_day", partition, (*columns, "host", "day", "bucket"), (*values, *partition)
        )
    yield Row(
        "verdict_by_application_hour",
        (verdict.application, hour, bucket),
        (*columns, "hour", "bucket"),
        (*values, hour, bucket),
    )


def _check(verdict: Verdict, named: dict[str, Any]) -> None:
    """Raise RowError when a verdict holds what no verdict does: all rows are checked before one is written."""
    for name, value in named.items():
        if value is None and name not in _ABSENT_TEXT:
            raise RowError(f"a verdict on {verdict.flow} has no {name}")
    if not isinstance(verdict.confidence, float) or not 0 <= verdict.confidence <= 1:
        raise RowError(f"a verdict on {verdict.flow} has the confidence {verdict.confidence!r}")


def summary_row(summary: FlowSummary) -> Row:
    """Return the row of a flow summary."""
    named: dict[str, Any] = {name: getattr(summary, name) for name in SUMMARY_COLUMNS}
    if any(value is None for value in named.values()):
        raise RowError(f"a summary of {summary.flow} is incomplete")
    named.update(zip(FLOW_COLUMNS, summary.flow, strict=True))
    named["covered"] = summary_order(summary)[1]
    return Row("flow_by_key", summary.flow[:4], tuple(named), tuple(named.values()))


def evidence_row(verdict: Verdict, evidence: bytes) -> Row:
    """Return the row of an unknown flow's evidence log. Raises RowError when it is none."""
    if not isinstance(evidence, bytes):
        raise RowError(f"the evidence of {verdict.flow} is no bytes")
    columns = (*FLOW_COLUMNS, *EVIDENCE_COLUMNS)
    values = (*verdict.flow, verdict.decided_at_ns, verdict.k, verdict.model, evidence)
    partition = (verdict.decided_at_ns // DAY_NS, bucket_of(*verdict.flow))
    return Row("unknown_evidence", partition, (*columns, "day", "bucket"), (*values, *partition))


def call_rows(call: CallRecord) -> Iterator[Row]:
    """Yield the rows of one call: by Call-ID, by both numbers and day, by hour. Raises RowError for no call."""
    try:
        values = dict(zip(CALL_COLUMNS, call_row(call), strict=True))
    except (TypeError, ValueError) as error:
        raise RowError(f"call {call.call_id!r} holds a value that is none of a call: {error}") from error
    named = {name: value for name, value in values.items() if value is not None}
    bucket = bucket_of(call.call_id, call.from_tag)
    day, hour = call.started_ns // DAY_NS, call.started_ns // HOUR_NS
    columns, cells = tuple(named), tuple(named.values())
    yield Row("call_by_id", (call.call_id,), columns, cells)
    yield Row("call_by_hour", (hour, bucket), (*columns, "hour", "bucket"), (*cells, hour, bucket))
    for number in {call.caller, call.callee} - {""}:
        partition = (number, day, bucket)
        yield Row(
            "call_by_number_day", partition, (*columns, "number", "day", "bucket"), (*cells, *partition)
        )


def flow_of(row: Any) -> FlowKey:
    """Return the flow key of a row of any table that has one."""
    return FlowKey(*(getattr(row, name) for name in FLOW_COLUMNS))


def verdict_of(row: Any) -> Verdict:
    """Return the verdict of a row of any verdict table."""
    named = {name: getattr(row, name) for name in VERDICT_COLUMNS}
    for name in _ABSENT_TEXT:
        named[name] = named[name] or None
    return Verdict(flow=flow_of(row), **named)


def evidence_of(row: Any) -> UnknownEvidence:
    """Return what a row of unknown_evidence holds."""
    return UnknownEvidence(flow_of(row), row.decided_at_ns, row.k, row.model, bytes(row.evidence))


def summary_of(row: Any) -> FlowSummary:
    """Return the summary of a row of flow_by_key."""
    return FlowSummary(flow=flow_of(row), **{name: getattr(row, name) for name in SUMMARY_COLUMNS})


def by_partition(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Group rows that go to one partition of one table."""
    groups: dict[tuple[str, tuple[object, ...]], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.table, row.partition), []).append(row)
    yield from groups.values()
