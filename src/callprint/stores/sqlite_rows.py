"""The SQL that writes and asks for verdicts, flow summaries and models."""

from collections.abc import Sequence

from callprint.stores.base import StoredVerdict
from callprint.stores.columns import KEY_COLUMNS, MODEL, SEQUENCE, SUMMARY, VERDICT, insert_statement
from callprint.stores.queries import VerdictQuery

NEXT_SEQUENCE = "UPDATE last_sequence SET number = number + 1 RETURNING number"
# A judgement that is given again is the latest again. ON CONFLICT rather than INSERT OR IGNORE: the latter would also
# skip a row that breaks a NOT NULL or a CHECK, and a verdict would be lost in silence.
GIVEN_AGAIN = f" ON CONFLICT DO UPDATE SET {SEQUENCE} = excluded.{SEQUENCE}"
PUT_VERDICT = insert_statement("verdict", (*VERDICT.names, SEQUENCE)) + GIVEN_AGAIN
# The SQL form of queries.summary_order.
_NEW_ORDER, _OLD_ORDER = (
    f"({row}.last_seen_ns, {row}.packets + {row}.long_packets + {row}.rtcp_packets)"
    for row in ("excluded", "flow")
)
# Of two summaries that cover the same, the later one only completes the first, as it does in Cassandra.
PUT_FLOW = (
    insert_statement("flow", SUMMARY.names)
    + " ON CONFLICT DO UPDATE SET "
    + ", ".join(
        f"{column} = iif({_NEW_ORDER} > {_OLD_ORDER}, excluded.{column}, coalesce(flow.{column}, excluded.{column}))"
        for column in SUMMARY.names[len(KEY_COLUMNS) :]
    )
    + f" WHERE {_NEW_ORDER} > {_OLD_ORDER} OR ({_NEW_ORDER} = {_OLD_ORDER} AND ("
    + " OR ".join(
        f"(flow.{column} IS NULL AND excluded.{column} IS NOT NULL)"
        for column in SUMMARY.names
        if column in SUMMARY.optional
    )
    + "))"
)
PUT_MODEL = insert_statement("model", MODEL.names) + " ON CONFLICT DO NOTHING"
SELECT_MODELS = f"SELECT {MODEL.selected()} FROM model ORDER BY first_used_ns, name, digest"

# The SQL form of queries.verdict_order: a verdict of the same flow that is later than v.
_LATER = (
    "SELECT 1 FROM verdict w WHERE "
    + " AND ".join(f"w.{column} = v.{column}" for column in KEY_COLUMNS)
    + " AND (w.final, w.decided_at_ns, w.k, w.sequence, w.model) >"
    + " (v.final, v.decided_at_ns, v.k, v.sequence, v.model)"
)
_SELECT = f"SELECT {VERDICT.selected('v')}, {SUMMARY.selected('f')} FROM verdict v LEFT JOIN flow f ON " + (
    " AND ".join(f"f.{column} = v.{column}" for column in KEY_COLUMNS)
)
_ORDER = (
    " ORDER BY v.decided_at_ns DESC, v.src_ip, v.src_port, v.dst_ip, v.dst_port, v.ssrc, v.first_seen_ns,"
    " v.final DESC, v.k DESC, v.sequence DESC, v.model DESC"
)


def select_verdicts(query: VerdictQuery) -> tuple[str, list[object]]:
    """Return the statement and the parameters that answer `query`."""
    asked = {f"v.{column} = ?": value for column, value in zip(KEY_COLUMNS, query.flow or (), strict=False)}
    asked |= {
        "(v.src_ip = ? OR v.dst_ip = ?)": query.address,
        "v.application = ?": query.application,
        "v.reason = ?": query.reason,
        "v.declared_application = ?": query.declared,
        "v.decided_at_ns >= ?": query.since_ns,
        "v.decided_at_ns < ?": query.until_ns,
    }
    return select_statement(_SELECT, asked, _LATER if query.last_only else None, _ORDER, query.limit)


def select_statement(
    select: str, asked: dict[str, object], later: str | None, order: str, limit: int | None
) -> tuple[str, list[object]]:
    """Return a statement and its parameters.

    asked: conditions and what each `?` in them stands for, None where it is not asked.
    later: the query that finds a later row of the same flow or call, where only the last row counts.
    """
    conditions = [condition for condition, value in asked.items() if value is not None]
    parameters = [asked[condition] for condition in conditions for _ in range(condition.count("?"))]
    if later is not None:
        conditions.append(f"NOT EXISTS ({later})")
    where = " WHERE " + " AND ".join(conditions) if conditions else ""
    if limit is None:
        return select + where + order, parameters
    return f"{select}{where}{order} LIMIT ?", [*parameters, limit]


def stored_verdict(row: Sequence[object]) -> StoredVerdict:
    """Turn a row of `select_verdicts` into values. Raises TypeError or ValueError as `Columns.value` does."""
    end = len(VERDICT.names)
    verdict = VERDICT.value(row[:end])
    return StoredVerdict(verdict, None if row[end] is None else SUMMARY.value(row[end:], verdict.flow))
