"""Votes and changes of the allow-list as records of the feedback topic: one JSON object each.

The schema is schemas/feedback.schema.json. Whoever may write to the topic can write anything, so every value is
checked before it is believed.
"""

import json
import math
from dataclasses import dataclass
from typing import Any

from callprint.core.call import WATCH, WITHDRAWN, AllowEntry, Vote
from callprint.core.ground.errors import DecodeError

MAXIMUM_BYTES = 8_192
MAXIMUM_TEXT = 512
MAXIMUM_USER = 128
AHEAD_NS = 300 * 1_000_000_000
"""How far in the future a vote may have been given. Clocks differ by minutes; until its time has come, such a vote
would be newer than every other, and push others out."""

_VOTE = ("type", "call_id", "from_tag", "caller", "user", "given_at_ns", "spam")
_NEITHER = _VOTE[:-1]
_NEITHERS = {WATCH: "watch", WITHDRAWN: "withdraw"}  # types of records by kinds of votes
_KINDS = {name: kind for kind, name in _NEITHERS.items()}
_TYPES = {"vote": _VOTE, **dict.fromkeys(_KINDS, _NEITHER)}
_ENTRY = ("type", "caller", "user", "given_at_ns")


@dataclass(frozen=True, slots=True)
class Disallow:
    """A caller leaves the allow-list."""

    caller: str
    user: str
    given_at_ns: int


FeedbackRecord = Vote | AllowEntry | Disallow


def encode_feedback(feedback: FeedbackRecord) -> bytes:
    """Return the record."""
    record: dict[str, Any]
    if isinstance(feedback, Vote):
        kind = "vote" if feedback.kind is None else _NEITHERS[feedback.kind]
        record = {"type": kind, "call_id": feedback.call_id, "from_tag": feedback.from_tag}
    else:
        record = {"type": "allow" if isinstance(feedback, AllowEntry) else "disallow"}
    record |= {"caller": feedback.caller, "user": feedback.user, "given_at_ns": feedback.given_at_ns}
    if isinstance(feedback, Vote) and feedback.kind is None:
        record["spam"] = feedback.spam
    return json.dumps(record).encode("ascii")


def decode_feedback(data: bytes, now_ns: int | None) -> FeedbackRecord:
    """Return what a record holds. Raises DecodeError that names the defect.

    now_ns: wall clock; None for a record that was decoded before: by another clock its time may lie in the future.
    """
    if len(data) > MAXIMUM_BYTES:
        raise DecodeError(f"feedback of {len(data)} bytes, more than {MAXIMUM_BYTES}")
    try:
        record = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DecodeError(f"feedback that is not JSON: {error}") from error
    if not isinstance(record, dict):
        raise DecodeError("feedback that is not a JSON object")
    kind = record.get("type")
    if not isinstance(kind, str) or kind not in (*_TYPES, "allow", "disallow"):
        raise DecodeError("feedback whose type is not vote, watch, withdraw, allow or disallow")
    wanted = _TYPES.get(kind, _ENTRY)
    for name in wanted:
        if name not in record:
            raise DecodeError(f"feedback without {name}")
    for name in record:
        if name not in wanted:
            raise DecodeError(f"feedback with a field {name[:40]!r} that a {kind} does not have")
    caller, user = _text(record, "caller", MAXIMUM_TEXT), _text(record, "user", MAXIMUM_USER)
    given_at_ns = record["given_at_ns"]
    latest_ns = math.inf if now_ns is None else now_ns + AHEAD_NS
    if type(given_at_ns) is not int or not 0 <= given_at_ns <= latest_ns:
        raise DecodeError("feedback whose given_at_ns is not a time in nanoseconds, or lies in the future")
    if kind == "allow":
        return AllowEntry(caller, user, given_at_ns)
    if kind == "disallow":
        return Disallow(caller, user, given_at_ns)
    if kind == "vote" and type(record["spam"]) is not bool:
        raise DecodeError("feedback whose spam is neither true nor false")
    call_id = _text(record, "call_id", MAXIMUM_TEXT)
    from_tag = _text(record, "from_tag", MAXIMUM_TEXT, least=0)
    spam = record.get("spam", False)
    return Vote(call_id, from_tag, caller, user, given_at_ns, spam, _KINDS.get(kind))


def _text(record: dict[str, Any], name: str, most: int, least: int = 1) -> str:
    text = record[name]
    if not isinstance(text, str) or not least <= len(text) <= most:
        raise DecodeError(f"feedback whose {name} is not a text of {least} to {most} characters")
    if not text.isprintable():
        raise DecodeError(f"feedback whose {name} has characters that cannot be printed")
    return text
