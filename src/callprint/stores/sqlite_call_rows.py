"""Calls, feedback and the allow-list as rows of the SQLite store, and the statements for them."""

import json
import math
from collections.abc import Callable
from typing import Any

from callprint.core.call import Action, AllowEntry, CallRecord, CallState, EndedBy, Phase, Vote
from callprint.core.verdict import FlowKey
from callprint.stores.base import CallQuery
from callprint.stores.sqlite_values import (
    count,
    flag,
    flow_key,
    insert_statement,
    member,
    number,
    optional,
    text,
    time,
)

CALL_KEY = ("call_id", "from_tag", "started_ns")


def _flows(value: object) -> tuple[FlowKey, ...]:
    return tuple(flow_key(flow) for flow in json.loads(text(value)))


def _features(value: object) -> tuple[float, ...]:
    return tuple(math.nan if feature is None else _finite(feature) for feature in json.loads(text(value)))


def _finite(feature: object) -> float:
    # JSON as Python reads it also holds texts, lists, NaN and Infinity.
    if not isinstance(feature, int | float) or not math.isfinite(feature):
        raise TypeError(f"{feature!r} is no finite number")
    return float(feature)


_READ: dict[str, Callable[[object], Any]] = {
    "call_id": text,
    "from_tag": text,
    "started_ns": time,
    "phase": member(Phase),
    "judged_at_ns": time,
    "detector": text,
    "caller": text,
    "callee": text,
    "ringing_ns": optional(time),
    "answered_ns": optional(time),
    "ended_ns": optional(time),
    "state": member(CallState),
    "final_status": optional(count),
    "ended_by": optional(member(EndedBy)),
    "caller_application": optional(text),
    "callee_application": optional(text),
    "caller_flows": _flows,
    "callee_flows": _flows,
    "caller_codec": optional(text),
    "callee_codec": optional(text),
    "caller_user_agent": optional(text),
    "callee_user_agent": optional(text),
    "attestation": text,
    "campaign": text,
    "signalling_ip": text,
    "spam_score": optional(number),
    "spam": optional(flag),
    "action": member(Action),
    "reason": text,
    "features": _features,
}
"""The columns of a call, and how each is read."""

CALL_COLUMNS = tuple(_READ)
"""The same columns, by name."""

PUT_CALL = insert_statement("call", CALL_COLUMNS) + " ON CONFLICT DO NOTHING"
PUT_FEEDBACK = (
    "INSERT INTO feedback (caller, user, given_at_ns, call_id, from_tag, spam) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT DO NOTHING"
)
PUT_ALLOWED = "INSERT INTO allowed (caller, user, given_at_ns) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
REMOVE_ALLOWED = "DELETE FROM allowed WHERE caller = ?"
SELECT_ALLOWED = "SELECT caller, user, given_at_ns FROM allowed ORDER BY caller"

# The SQL form of base.call_order: a row of the same call that is later than c.
_LATER = (
    "SELECT 1 FROM call d WHERE "
    + " AND ".join(f"d.{column} = c.{column}" for column in CALL_KEY)
    + " AND (d.phase = 'end', d.judged_at_ns, d.detector) > (c.phase = 'end', c.judged_at_ns, c.detector)"
)
_ORDER = (
    " ORDER BY c.started_ns DESC, c.call_id, c.from_tag,"
    " c.phase = 'end' DESC, c.judged_at_ns DESC, c.detector DESC"
)


def call_row(call: CallRecord) -> tuple[object, ...]:
    """Return a call in the order of its columns. NaN features become null in their list."""
    written = {
        "caller_flows": json.dumps(call.caller_flows),
        "callee_flows": json.dumps(call.callee_flows),
        "features": json.dumps(
            [None if math.isnan(feature) else feature for feature in call.features], allow_nan=False
        ),
    }
    return tuple(written[column] if column in written else getattr(call, column) for column in _READ)


def stored_call(row: tuple[Any, ...]) -> CallRecord:
    """Turn a row of `select_calls` into a call. Raises ValueError or TypeError for a wrong value."""
    fields = {column: read(value) for (column, read), value in zip(_READ.items(), row, strict=True)}
    return CallRecord(**fields)


def select_calls(query: CallQuery) -> tuple[str, list[object]]:
    """Return the statement and the parameters that answer `query`."""
    conditions: list[str] = []
    parameters: list[object] = []
    for condition, value in (
        ("c.call_id = ?", query.call_id),
        ("(c.caller = ? OR c.callee = ?)", query.number),
        ("(c.caller_application = ? OR c.callee_application = ?)", query.application),
        ("c.spam = ?", query.spam),
        ("c.started_ns >= ?", query.since_ns),
        ("c.started_ns < ?", query.until_ns),
    ):
        if value is not None:
            conditions.append(condition)
            parameters += [value] * condition.count("?")
    if query.last_only:
        conditions.append(f"NOT EXISTS ({_LATER})")
    columns = ", ".join(f"c.{column}" for column in _READ)
    where = " WHERE " + " AND ".join(conditions) if conditions else ""
    statement = f"SELECT {columns} FROM call c{where}{_ORDER}"
    if query.limit is not None:
        statement += " LIMIT ?"
        parameters.append(query.limit)
    return statement, parameters


def feedback_row(vote: Vote) -> tuple[object, ...]:
    """Return a mark in the order of PUT_FEEDBACK."""
    return (vote.caller, vote.user, vote.given_at_ns, vote.call_id, vote.from_tag, vote.spam)


def select_feedback(caller: str | None) -> tuple[str, list[object]]:
    """Return the statement and the parameters for the marks that count: the latest of each (user, caller)."""
    later = (
        "SELECT 1 FROM feedback g WHERE g.caller = f.caller AND g.user = f.user"
        " AND (g.given_at_ns, g.call_id, g.from_tag, g.spam) > (f.given_at_ns, f.call_id, f.from_tag, f.spam)"
    )
    statement = (
        "SELECT call_id, from_tag, caller, user, given_at_ns, spam FROM feedback f"
        f" WHERE NOT EXISTS ({later})"
    )
    if caller is not None:
        return statement + " AND f.caller = ? ORDER BY f.caller, f.user", [caller]
    return statement + " ORDER BY f.caller, f.user", []


def stored_feedback(row: tuple[Any, ...]) -> Vote:
    """Turn a row of `select_feedback` into a mark. Raises ValueError or TypeError for a wrong value."""
    call_id, from_tag, caller, user, given_at_ns, spam = row
    return Vote(text(call_id), text(from_tag), text(caller), text(user), time(given_at_ns), flag(spam))


def allow_row(entry: AllowEntry) -> tuple[object, ...]:
    """Return an entry in the order of PUT_ALLOWED."""
    return (entry.caller, entry.user, entry.given_at_ns)


def stored_allow_entry(row: tuple[Any, ...]) -> AllowEntry:
    """Turn a row of SELECT_ALLOWED into an entry. Raises TypeError for a wrong value."""
    caller, user, given_at_ns = row
    return AllowEntry(text(caller), text(user), time(given_at_ns))
