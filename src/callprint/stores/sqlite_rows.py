"""Verdicts and flow summaries as rows of the SQLite store, and the statements that write and ask for them."""

from collections.abc import Callable
from typing import Any

from callprint.core.verdict import FlowSummary, Verdict
from callprint.stores.base import RegisteredModel, StoredVerdict, VerdictQuery
from callprint.stores.sqlite_values import (
    count,
    flag,
    flow_key,
    insert_statement,
    number,
    optional,
    text,
    time,
)

KEY_COLUMNS = ("src_ip", "src_port", "dst_ip", "dst_port", "ssrc", "first_seen_ns")
VERDICT_COLUMNS = (
    *KEY_COLUMNS,
    "application",
    "best_application",
    "confidence",
    "k",
    "final",
    "model",
    "started_midflow",
    "last_seen_ns",
    "decided_at_ns",
    "reason",
)
FLOW_COLUMNS = (
    *KEY_COLUMNS,
    "payload_type",
    "codec",
    "clock_rate_hz",
    "packets",
    "bytes",
    "long_packets",
    "rtcp_packets",
    "expected",
    "lost",
    "duplicates",
    "reordered",
    "jitter_ms",
    "last_seen_ns",
    "ended",
)


# ON CONFLICT rather than INSERT OR IGNORE: the latter would also skip a row that breaks a NOT NULL or a
# CHECK, and a verdict would be lost in silence.
PUT_VERDICT = insert_statement("verdict", VERDICT_COLUMNS) + " ON CONFLICT DO NOTHING"
PUT_FLOW = (
    insert_statement("flow", FLOW_COLUMNS)
    + " ON CONFLICT DO UPDATE SET "
    + ", ".join(f"{column} = excluded.{column}" for column in FLOW_COLUMNS[len(KEY_COLUMNS) :])
    + " WHERE (excluded.last_seen_ns, excluded.packets + excluded.long_packets + excluded.rtcp_packets)"
    + " > (flow.last_seen_ns, flow.packets + flow.long_packets + flow.rtcp_packets)"
)

# The SQL form of base.verdict_order: a verdict of the same flow that is later than v.
_LATER = (
    "SELECT 1 FROM verdict w WHERE "
    + " AND ".join(f"w.{column} = v.{column}" for column in KEY_COLUMNS)
    + " AND (w.final, w.decided_at_ns, w.k, w.model) > (v.final, v.decided_at_ns, v.k, v.model)"
)
_SELECT = (
    "SELECT "
    + ", ".join([*(f"v.{column}" for column in VERDICT_COLUMNS), *(f"f.{column}" for column in FLOW_COLUMNS)])
    + " FROM verdict v LEFT JOIN flow f ON "
    + " AND ".join(f"f.{column} = v.{column}" for column in KEY_COLUMNS)
)
_ORDER = (
    " ORDER BY v.decided_at_ns DESC, v.src_ip, v.src_port, v.dst_ip, v.dst_port, v.ssrc, v.first_seen_ns,"
    " v.final DESC, v.k DESC, v.model DESC"
)


def select_verdicts(query: VerdictQuery) -> tuple[str, list[object]]:
    """Return the statement and the parameters that answer `query`."""
    conditions: list[str] = []
    parameters: list[object] = []
    if query.flow is not None:
        conditions += [f"v.{column} = ?" for column in KEY_COLUMNS]
        parameters += query.flow
    if query.address is not None:
        conditions.append("(v.src_ip = ? OR v.dst_ip = ?)")
        parameters += [query.address, query.address]
    if query.application is not None:
        conditions.append("v.application = ?")
        parameters.append(query.application)
    if query.since_ns is not None:
        conditions.append("v.decided_at_ns >= ?")
        parameters.append(query.since_ns)
    if query.until_ns is not None:
        conditions.append("v.decided_at_ns < ?")
        parameters.append(query.until_ns)
    if query.last_only:
        conditions.append(f"NOT EXISTS ({_LATER})")
    statement = _SELECT + (" WHERE " + " AND ".join(conditions) if conditions else "") + _ORDER
    if query.limit is not None:
        statement += " LIMIT ?"
        parameters.append(query.limit)
    return statement, parameters


def verdict_row(verdict: Verdict) -> tuple[object, ...]:
    """Return a verdict in the order of VERDICT_COLUMNS."""
    values = tuple(getattr(verdict, column) for column in VERDICT_COLUMNS[len(KEY_COLUMNS) :])
    return (*verdict.flow, *values)


def flow_row(summary: FlowSummary) -> tuple[object, ...]:
    """Return a flow summary in the order of FLOW_COLUMNS."""
    return (*summary.flow, *(getattr(summary, column) for column in FLOW_COLUMNS[len(KEY_COLUMNS) :]))


PUT_MODEL = insert_statement("model", RegisteredModel._fields) + " ON CONFLICT DO NOTHING"
SELECT_MODELS = f"SELECT {', '.join(RegisteredModel._fields)} FROM model ORDER BY first_used_ns, name, digest"


def stored_model(row: tuple[Any, ...]) -> RegisteredModel:
    """Turn a row of SELECT_MODELS into a value. Raises ValueError or TypeError, as `stored_verdict`."""
    *texts, first_used_ns = row
    return RegisteredModel(*map(text, texts), time(first_used_ns))


def stored_verdict(row: tuple[Any, ...]) -> StoredVerdict:
    """Turn a row of `select_verdicts` into values.

    A file is data from outside, and a damaged or forged one can hold any value in any column.
    Raises ValueError or TypeError when a value is none that a verdict has.
    """
    key_end, verdict_end = len(KEY_COLUMNS), len(VERDICT_COLUMNS)
    flow = flow_key(row[:key_end])
    verdict = Verdict(flow, **_read(VERDICT_COLUMNS[key_end:], row[key_end:verdict_end]))
    if not 0 <= verdict.confidence <= 1:
        raise ValueError(f"confidence {verdict.confidence} is not between 0 and 1")
    if row[verdict_end] is None:
        return StoredVerdict(verdict, None)
    summary = FlowSummary(flow, **_read(FLOW_COLUMNS[key_end:], row[verdict_end + key_end :]))
    return StoredVerdict(verdict, summary)


def _read(columns: tuple[str, ...], row: tuple[Any, ...]) -> dict[str, Any]:
    return {column: _READ.get(column, count)(value) for column, value in zip(columns, row, strict=True)}


_READ: dict[str, Callable[[object], Any]] = {
    "application": text,
    "best_application": optional(text),
    "confidence": number,
    "final": flag,
    "model": text,
    "started_midflow": flag,
    "last_seen_ns": time,
    "decided_at_ns": time,
    "reason": optional(text),
    "codec": text,
    "jitter_ms": number,
    "ended": text,
}
"""How a column is read, where it is not a count."""
