"""The SQL that writes and asks for verdicts, flow summaries and models."""

from collections.abc import Sequence

from callprint.core.verdict import RUNNING, FlowKey
from callprint.stores.base import StoredVerdict
from callprint.stores.columns import KEY_COLUMNS, MODEL, SUMMARY, VERDICT, insert_statement
from callprint.stores.queries import CONTAINS, VerdictQuery, Where

Statement = tuple[str, list[object]]
"""With its parameters."""
Conditions = dict[str, tuple[object, ...]]
"""With what the `?` in each stand for; a single value stands for all of them."""

LOWER = "lower_unicode"
"""A function of our own, for texts that SQLite's lower() leaves as they are: that knows ASCII alone, and is fast."""


def lowered(cell: object) -> str | None:
    """Return what LOWER makes of a cell."""
    return None if cell is None else str(cell).lower()


def without_mark(cell: str) -> str:
    """Return the name of a judge without the digest that its column ends with (columns.py)."""
    return f"iif({cell} GLOB '* #????????', substr({cell}, 1, length({cell}) - 10), {cell})"


# The SQL form of queries.summary_order.
_NEW_ORDER, _OLD_ORDER = (
    f"({row}.last_seen_ns, {row}.packets + {row}.long_packets + {row}.rtcp_packets)"
    for row in ("excluded", "flow")
)
# Of two summaries that cover the same, the later one only completes the first, as it does in Cassandra.
FLOW_ENDING = (
    "ON CONFLICT DO UPDATE SET "
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
_KEY_OF_V = f"({', '.join(f'v.{column}' for column in KEY_COLUMNS)})"
_CELLS = (
    {name: f"v.{name}" for name in VERDICT.names}
    | {name: f"f.{name}" for name in SUMMARY.names if name not in KEY_COLUMNS}
    | {
        "model": without_mark("v.model"),
        "last_seen_ns": "coalesce(f.last_seen_ns, v.last_seen_ns)",
        "packets": "coalesce(f.packets, v.k)",
        "ended": f"coalesce(f.ended, '{RUNNING}')",
    }
)
"""What a condition on a field compares; of a flow that goes on, what JSON gives in its place."""
_ORDER = (
    " ORDER BY v.decided_at_ns DESC, v.src_ip, v.src_port, v.dst_ip, v.dst_port, v.ssrc, v.first_seen_ns,"
    " v.final DESC, v.k DESC, v.sequence DESC, v.model DESC"
)


def select_verdicts(query: VerdictQuery) -> list[Statement]:
    """Return the statements that answer `query` together, each in the order of the interface."""
    conditions = []
    for asked in _sides(query):
        if query.after is not None:
            time_ns, flow = query.after
            asked["v.decided_at_ns <= ?"] = (time_ns,)
            asked[f"(v.decided_at_ns < ? OR {_KEY_OF_V} > ({', '.join('?' * len(flow))}))"] = (time_ns, *flow)
        conditions.append(asked)
    wheres = [where_statement(_CELLS[where.field], where) for where in query.where]
    later = _LATER if query.last_only else None
    return [
        select_statement(_by_time(_SELECT, asked), asked, later, _ORDER, query.limit, wheres)
        for asked in conditions
    ]


def verdict_place(stored: StoredVerdict) -> tuple[int, FlowKey]:
    """Return what orders the answers of `select_verdicts` among each other."""
    return -stored.verdict.decided_at_ns, stored.verdict.flow


def select_times(query: VerdictQuery, limit: int) -> list[Statement]:
    """Return the statements for the times of the rows that a query looks through, the latest first."""
    conditions = list(_sides(query))
    for asked in conditions:
        if query.after is not None:
            asked["v.decided_at_ns <= ?"] = (query.after[0],)
    select = "SELECT v.decided_at_ns FROM verdict v"
    return [
        select_statement(_by_time(select, asked), asked, None, " ORDER BY v.decided_at_ns DESC", limit)
        for asked in conditions
    ]


def _by_time(select: str, asked: Conditions) -> str:
    """Name the index for a host's flows: SQLite would take the primary key and sort them all."""
    of_source = "v.src_ip = ?" in asked and "v.src_port = ?" not in asked
    return select.replace("verdict v", "verdict v INDEXED BY verdict_by_source", 1) if of_source else select


def _sides(query: VerdictQuery) -> list[Conditions]:
    return sides(_asked(query), "v.src_ip", "v.dst_ip", query.address)


def sides(asked: dict[str, object], one: str, other: str, value: object) -> list[Conditions]:
    """Return the conditions of each statement; two for a value in either of two columns.

    An index on each column then gives the rows in order, where the two together would have to be sorted.
    """
    given: Conditions = {condition: (held,) for condition, held in asked.items() if held is not None}
    if value is None:
        return [given]
    return [{f"{one} = ?": (value,), **given}, {f"{other} = ?": (value,), f"{one} <> ?": (value,), **given}]


def _asked(query: VerdictQuery) -> dict[str, object]:
    asked: dict[str, object] = {
        f"v.{column} = ?": value for column, value in zip(KEY_COLUMNS, query.flow or (), strict=False)
    }
    return asked | {
        "v.application = ?": query.application,
        "v.reason = ?": query.reason,
        "v.declared_application = ?": query.declared,
        "v.fingerprint GLOB ?": query.fingerprint_glob,
        "v.decided_at_ns >= ?": query.since_ns,
        "v.decided_at_ns < ?": query.until_ns,
    }


def where_statement(cell: str, where: Where) -> tuple[str, object]:
    """Return a condition on one cell and its parameter; `cell` is a column of ours, never a text from outside."""
    if where.comparison == CONTAINS:
        text = str(where.value).lower()
        lower = "lower" if text.isascii() else LOWER
        return f"instr({lower}({cell}), ?) > 0", text
    comparison = {"=": "IS", "!=": "IS NOT"}.get(where.comparison, where.comparison)
    return f"{cell} {comparison} ?", where.value


def select_statement(
    select: str,
    asked: Conditions,
    later: str | None,
    order: str,
    limit: int | None,
    wheres: Sequence[tuple[str, object]] = (),
) -> Statement:
    """Return a statement and its parameters.

    later: the query that finds a later row of the same flow or call, where only the last row counts.
    wheres: further conditions with one parameter each.
    """
    conditions = list(asked)
    parameters: list[object] = []
    for condition, values in asked.items():
        parameters += values * condition.count("?") if len(values) == 1 else values
    conditions += [condition for condition, _ in wheres]
    parameters += [value for _, value in wheres]
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
