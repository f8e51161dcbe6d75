"""The SQL that writes and asks for calls, votes and the allow-list."""

from callprint.core.call import CallRecord
from callprint.stores.columns import ALLOW_ENTRY, CALL, VOTE, insert_statement
from callprint.stores.queries import CallQuery, Where
from callprint.stores.sqlite_rows import (
    Conditions,
    Statement,
    select_statement,
    sides,
    where_statement,
    without_mark,
)

CALL_KEY = ("call_id", "from_tag", "started_ns")
_INDEXED = {"campaign": "", "action": "allow"}
"""Fields with an index, and the value whose rows it leaves out: they are too many (migrations.py)."""

PUT_VOTE = insert_statement("feedback", VOTE.names) + " ON CONFLICT DO NOTHING"
PUT_ALLOWED = insert_statement("allowed", ALLOW_ENTRY.names) + " ON CONFLICT DO NOTHING"
REMOVE_ALLOWED = "DELETE FROM allowed WHERE caller = ?"
SELECT_ALLOWED = f"SELECT {ALLOW_ENTRY.selected()} FROM allowed ORDER BY caller"

# A row of the same call that is later than c, as in queries.verdict_order: the latest is what is known of it now.
_LATER_CALL = (
    "SELECT 1 FROM call d WHERE "
    + " AND ".join(f"d.{column} = c.{column}" for column in CALL_KEY)
    + " AND (d.phase = 'end', d.judged_at_ns, d.sequence, d.detector) >"
    + " (c.phase = 'end', c.judged_at_ns, c.sequence, c.detector)"
)
_CALL_ORDER = (
    " ORDER BY c.started_ns DESC, c.call_id, c.from_tag,"
    " c.phase = 'end' DESC, c.judged_at_ns DESC, c.sequence DESC, c.detector DESC"
)
_LATER_VOTE = (
    "SELECT 1 FROM feedback g WHERE g.caller = f.caller AND g.user = f.user"
    " AND (g.given_at_ns, g.call_id, g.from_tag, g.spam) > (f.given_at_ns, f.call_id, f.from_tag, f.spam)"
)


def select_calls(query: CallQuery) -> list[Statement]:
    """Return the statements that answer `query` together, each in the order of the interface."""
    conditions = _sides(query)
    for asked in conditions:
        if query.after is not None:
            asked["c.started_ns <= ?"] = query.after[:1]
            asked["(c.started_ns < ? OR (c.call_id, c.from_tag) > (?, ?))"] = query.after
    wheres = [where_statement(_cell(where.field), where) for where in query.where]
    select = f"SELECT {CALL.selected('c')} FROM call c"
    later = _LATER_CALL if query.last_only else None
    return [select_statement(select, asked, later, _CALL_ORDER, query.limit, wheres) for asked in conditions]


def call_place(call: CallRecord) -> tuple[int, str, str]:
    """Return what orders the answers of `select_calls` among each other."""
    return -call.started_ns, call.call_id, call.from_tag


def is_indexed(query: CallQuery) -> bool:
    """Return whether an index gives the rows that meet the condition, so that none is looked through in vain."""
    return len(query.where) == 1 and _has_index(query.where[0])


def _has_index(where: Where) -> bool:
    return where.field in _INDEXED and where.comparison == "=" and where.value != _INDEXED[where.field]


def select_times(query: CallQuery, limit: int) -> list[Statement]:
    """Return the statements for the times of the rows that a query looks through, the latest first."""
    conditions = _sides(query)
    for asked in conditions:
        if query.after is not None:
            asked["c.started_ns <= ?"] = query.after[:1]
    select = "SELECT c.started_ns FROM call c"
    return [
        select_statement(select, asked, None, " ORDER BY c.started_ns DESC", limit) for asked in conditions
    ]


def _sides(query: CallQuery) -> list[Conditions]:
    """Return the conditions of each statement, with what SQLite must read to take an index that leaves rows out."""
    found = sides(_asked(query), "c.caller", "c.callee", query.number)
    if query.number:
        for asked, column in zip(found, ("caller", "callee"), strict=True):
            asked[f"c.{column} <> ''"] = ()
    for asked in found:
        if query.spam:
            asked["c.spam = 1"] = ()
        for where in filter(_has_index, query.where):
            asked[f"c.{where.field} <> '{_INDEXED[where.field]}'"] = ()
    return found


def _cell(field: str) -> str:
    return without_mark("c.detector") if field == "detector" else f"c.{field}"


def _asked(query: CallQuery) -> dict[str, object]:
    return {
        "c.call_id = ?": query.call_id,
        "(c.caller_application = ? OR c.callee_application = ?)": query.application,
        "c.spam = ?": None if query.spam else query.spam,
        "c.started_ns >= ?": query.since_ns,
        "c.started_ns < ?": query.until_ns,
    }


def select_votes(caller: str | None) -> Statement:
    """Return the statement and the parameters for the votes that count: the latest of each (user, caller)."""
    select = f"SELECT {VOTE.selected('f')} FROM feedback f"
    asked: Conditions = {} if caller is None else {"f.caller = ?": (caller,)}
    return select_statement(select, asked, _LATER_VOTE, " ORDER BY f.caller, f.user", None)
