"""Values as rows of the Cassandra tables, and back.

Tables by query hold a value several times, each time with the columns of its partition besides.
"""

import zlib
from collections.abc import Iterable, Iterator
from typing import Any, Generic, NamedTuple, TypeVar

from callprint.core.call import MEDIA_ONLY_PREFIX, Action, CallRecord
from callprint.core.ground.errors import RowError
from callprint.core.verdict import FlowSummary, Verdict
from callprint.stores.base import UnknownEvidence
from callprint.stores.columns import CALL, EVIDENCE, KEY_COLUMNS, SEQUENCE, SUMMARY, VERDICT, Columns
from callprint.stores.queries import summary_order

HOUR_NS = 3_600_000_000_000
DAY_NS = 24 * HOUR_NS
BUCKETS = 8  # partitions of one application's hour, one number's day, ...; part of the tables' layout
HOST_BUCKETS = 32
"""Partitions of an hour, which its hosts share: what is stored together is few writes of a node."""

About = TypeVar("About", Verdict, FlowSummary)
Judgement = TypeVar("Judgement", Verdict, CallRecord)

GROUP_COLUMNS = ("kind", "name", "day", "bucket", "started_ns", "call_id", "from_tag")
SELECT_VERDICT = f"SELECT {VERDICT.selected()}, {SEQUENCE}"
SELECT_CALL = f"SELECT {CALL.selected()}, {SEQUENCE}"
OF_FLOW = " AND ".join(f"{column} = ?" for column in KEY_COLUMNS)
BY_HOST_DAY = "verdict_by_host_day"
"""The kind of the days whose rows by host are in the table of that name, which verdict_by_host_hour replaced."""
_MODEL, _DETECTOR = VERDICT.names.index("model"), CALL.names.index("detector")


class Row(NamedTuple):
    """A row to write. Rows with the same partition may go in one batch."""

    table: str
    partition: tuple[object, ...]
    columns: tuple[str, ...]
    cells: tuple[object, ...]  # one tuple for all rows that hold the same
    apart: tuple[object, ...] = ()  # what comes after them in this row

    @property
    def values(self) -> tuple[object, ...]:
        """A value for each column."""
        return (*self.cells, *self.apart)


def groups_of(call: CallRecord) -> Iterator[tuple[str, str]]:
    """Yield the groups, (kind, name), that the row of a call puts it into: those that people look for."""
    if call.campaign:
        yield "campaign", call.campaign
    if call.action != Action.ALLOW:
        yield "action", str(call.action)
    if call.spam:
        yield "spam", "yes"


def bucket_of(*key: object) -> int:
    """Return the bucket of a flow or a call: the same in every process."""
    return zlib.crc32("|".join(map(str, key)).encode()) % BUCKETS


def host_bucket(host: str) -> int:
    """Return the bucket of a host: the same in every process."""
    return zlib.crc32(host.encode()) % HOST_BUCKETS


def is_media_only(call_id: str, from_tag: str = "") -> bool:
    """Return whether a Call-ID is that of a call without signalling, whose rows call_by_id does not have."""
    return not from_tag and call_id.startswith(MEDIA_ONLY_PREFIX)


class Judged(NamedTuple, Generic[Judgement]):
    """A judgement that was read, and what orders it among others (queries.py)."""

    value: Judgement
    sequence: int
    judge: str  # the cell that names who judged


def verdict_rows(verdict: Verdict, sequence: int) -> Iterator[Row]:
    """Yield the rows of one verdict: by flow, by both hosts and hour, by application and hour.

    Raises RowError when it holds what no verdict does: all rows are checked before one is written.
    """
    if not isinstance(verdict.confidence, float) or not 0 <= verdict.confidence <= 1:
        raise RowError(f"a verdict on {verdict.flow} has the confidence {verdict.confidence!r}")
    written = _written(VERDICT, verdict, "")
    written[SEQUENCE] = sequence
    columns, cells = tuple(written), tuple(written.values())
    hour = verdict.decided_at_ns // HOUR_NS
    yield Row("verdict_by_flow", verdict.flow[:4], columns, cells)
    for host in {verdict.flow.src_ip, verdict.flow.dst_ip}:
        partition = (hour, host_bucket(host))
        names = (*columns, "host", "hour", "bucket")
        yield Row("verdict_by_host_hour", partition, names, cells, (host, *partition))
    of_hour = (verdict.application, hour, bucket_of(*verdict.flow))
    yield _row("verdict_by_application_hour", of_hour, ("hour", "bucket"), columns, cells)


def summary_row(summary: FlowSummary) -> Row:
    """Return the row of a flow summary. Raises RowError when it is incomplete.

    What is not known is not written, so that a later summary that covers the same can complete the row.
    """
    written = _written(SUMMARY, summary, None)
    written["covered"] = summary_order(summary)[1]
    return Row("flow_by_key", summary.flow[:4], tuple(written), tuple(written.values()))


def evidence_row(verdict: Verdict, evidence: bytes) -> Row:
    """Return the row of an unknown flow's evidence log. Raises RowError when it is none."""
    if not isinstance(evidence, bytes):
        raise RowError(f"the evidence of {verdict.flow} is no bytes")
    kept = UnknownEvidence(verdict.flow, verdict.decided_at_ns, verdict.k, verdict.model, evidence)
    partition = (verdict.decided_at_ns // DAY_NS, bucket_of(*verdict.flow))
    return _row("unknown_evidence", partition, ("day", "bucket"), EVIDENCE.names, EVIDENCE.row(kept))


def call_rows(call: CallRecord, sequence: int) -> Iterator[Row]:
    """Yield the rows of one call: by Call-ID, by hour, by both numbers and day, by group and day.

    Of a call without signalling the row by Call-ID is no more than its place in call_by_hour, in the same partition.
    Raises RowError for no call.
    """
    try:
        row = CALL.row(call)
    except (TypeError, ValueError) as error:
        raise RowError(f"call {call.call_id!r} holds a value that is none of a call: {error}") from error
    written = {name: cell for name, cell in zip(CALL.names, row, strict=True) if cell is not None}
    written[SEQUENCE] = sequence
    columns, cells = tuple(written), tuple(written.values())
    bucket = bucket_of(call.call_id, call.from_tag)
    day, hour = call.started_ns // DAY_NS, call.started_ns // HOUR_NS
    yield _row("call_by_hour", (hour, bucket), ("hour", "bucket"), columns, cells)
    if is_media_only(call.call_id, call.from_tag):
        place = (hour, bucket, call.call_id, call.started_ns)
        yield Row("media_call_by_id", (hour, bucket), ("hour", "bucket", "call_id", "started_ns"), place)
    else:
        yield Row("call_by_id", (call.call_id,), columns, cells)
    for number in {call.caller, call.callee} - {""}:
        yield _row("call_by_number_day", (number, day, bucket), ("number", "day", "bucket"), columns, cells)
    for group in groups_of(call):
        key = (call.started_ns, call.call_id, call.from_tag)
        yield Row("call_by_group", (*group, day, bucket), GROUP_COLUMNS, (*group, day, bucket, *key))


def _row(
    table: str,
    partition: tuple[object, ...],
    apart: tuple[str, ...],  # the last columns of the partition, where they hold nothing of the value
    columns: tuple[str, ...],
    cells: tuple[object, ...],
) -> Row:
    return Row(table, partition, (*columns, *apart), cells, partition[-len(apart) :])


def _written(columns: Columns[About], value: About, absent_text: str | None) -> dict[str, object]:
    """Return the cells of a verdict or summary by column. Raises RowError when one is missing.

    An absent value is not written, or a text as `absent_text`, which nothing written later replaces (cql/001).
    """
    written: dict[str, object] = {}
    for name, cell in zip(columns.names, columns.row(value), strict=True):
        if cell is not None:
            written[name] = cell
        elif name in columns.optional_texts and absent_text is not None:
            written[name] = absent_text
        elif name not in columns.optional:
            raise RowError(f"a {type(value).__name__} of {value.flow} has no {name}")
    return written


def _value(columns: Columns[About], row: Any) -> About:
    """Return the value of a row that was selected by `columns.selected()`."""
    return columns.value(
        [
            None if cell == "" and name in columns.optional_texts else cell
            for name, cell in zip(columns.names, row, strict=True)
        ]
    )


def verdict_of(row: Any) -> Judged[Verdict]:
    """Return the verdict of a row of any verdict table, selected by `SELECT_VERDICT`."""
    return Judged(_value(VERDICT, row[:-1]), row[-1] or 0, row[_MODEL])  # rows of 0.1.0 have no sequence


def call_of(row: Any) -> Judged[CallRecord]:
    """Return the call of a row of any call table, selected by `SELECT_CALL`."""
    return Judged(CALL.value(row[:-1]), row[-1] or 0, row[_DETECTOR])


def summary_of(row: Any) -> FlowSummary:
    """Return the summary of a row of flow_by_key."""
    return _value(SUMMARY, row)


def by_partition(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Group rows with one partition key: a node takes those of a request as one write, whichever tables they are in."""
    groups: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(row.partition, []).append(row)
    yield from groups.values()
