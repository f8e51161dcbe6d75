"""JSON Lines and CSV of calls: the promise of schemas/call.schema.json."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from callprint.core.call import CallRecord
from callprint.core.ground.fields import fields_of, in_order, values_of
from callprint.core.spam.features import NAMES
from callprint.core.verdict import FlowKey
from callprint.output.csv_table import write_table
from callprint.output.json_lines import json_object, write_objects

FIELDS = in_order(fields_of(CallRecord))
"""The fields of a call object besides `type`, in their order."""

SCALARS = tuple(field.name for field in FIELDS if isinstance(field.type, type))
"""Those with one value each: the columns of the CSV form."""


def call_object(call: CallRecord) -> dict[str, Any]:
    """Return the JSON object of a call row, its keys always the same and in the same order."""
    values = values_of(call)
    values["caller_flows"] = _flows(call.caller_flows)
    values["callee_flows"] = _flows(call.callee_flows)
    values["features"] = _features(call.features)
    return json_object("call", FIELDS, values)


def write_calls_json_lines(calls: Iterable[CallRecord], stream: TextIO) -> int:
    """Write one line for each call row and return how many."""
    return write_objects(map(call_object, calls), stream)


def write_calls_csv(calls: Iterable[CallRecord], stream: TextIO) -> int:
    """Write a header line and one line for each call row; return how many calls."""
    return write_table(SCALARS, map(call_object, calls), stream)


def _flows(keys: Sequence[FlowKey]) -> list[dict[str, Any]]:
    return [key._asdict() for key in keys]


def _features(features: Sequence[float]) -> dict[str, float | None] | None:
    if len(features) != len(NAMES):
        return None  # stored by a version with other features: a number under a wrong name is worse than none
    return {name: None if math.isnan(value) else value for name, value in zip(NAMES, features, strict=True)}
