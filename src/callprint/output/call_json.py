"""JSON Lines and CSV of calls: the promise of schemas/call.schema.json."""

import csv
import json
import math
from collections.abc import Iterable
from typing import Any, TextIO

from callprint.core.call import CallRecord
from callprint.core.spam.features import NAMES

SCALARS = (
    "call_id",
    "from_tag",
    "phase",
    "caller",
    "callee",
    "started_ns",
    "ringing_ns",
    "answered_ns",
    "ended_ns",
    "state",
    "final_status",
    "ended_by",
    "caller_application",
    "callee_application",
    "caller_codec",
    "callee_codec",
    "caller_user_agent",
    "callee_user_agent",
    "attestation",
    "campaign",
    "signalling_ip",
    "judged_at_ns",
    "spam_score",
    "spam",
    "action",
    "reason",
    "detector",
)
"""Fields of a call object with one value each, in order; the columns of the CSV form."""


def call_object(call: CallRecord) -> dict[str, Any]:
    """Return the JSON object of a call row, its keys always the same and in the same order."""
    values = {name: getattr(call, name) for name in SCALARS}
    if call.spam_score is not None:
        values["spam_score"] = round(call.spam_score, 6)
    return {
        "type": "call",
        **values,
        "caller_flows": [flow._asdict() for flow in call.caller_flows],
        "callee_flows": [flow._asdict() for flow in call.callee_flows],
        "features": _features(call),
    }


def write_calls_json_lines(calls: Iterable[CallRecord], stream: TextIO) -> int:
    """Write one line for each call row and return how many. The lines are ASCII, whatever the names hold."""
    lines = 0
    for call in calls:
        stream.write(json.dumps(call_object(call), allow_nan=False) + "\n")
        lines += 1
    return lines


def write_calls_csv(calls: Iterable[CallRecord], stream: TextIO) -> int:
    """Write a header line and one line for each call row (RFC 4180, UTF-8, LF); return how many calls."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(SCALARS)
    lines = 0
    for call in calls:
        fields = call_object(call)
        writer.writerow([_cell(fields[name]) for name in SCALARS])
        lines += 1
    return lines


def _features(call: CallRecord) -> dict[str, float | None] | None:
    if len(call.features) != len(NAMES):
        return None  # stored by a version with other features: a number under a wrong name is worse than none
    return {
        name: None if math.isnan(value) else value for name, value in zip(NAMES, call.features, strict=True)
    }


def _cell(value: object) -> object:
    # JSON's words for truth, so that both forms of one call read the same.
    return str(value).lower() if isinstance(value, bool) else value
