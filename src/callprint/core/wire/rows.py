"""Verdicts and flow summaries as JSON text: what crosses from bolt to bolt, and what a journal keeps."""

import json
from collections.abc import Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any

from callprint.core.ground.errors import DecodeError
from callprint.core.verdict import FlowKey, FlowSummary, Verdict


def rows_to_text(rows: Sequence[Verdict] | Sequence[FlowSummary]) -> str:
    """Return verdicts or summaries as one text. JSON writes a float so that the same float is read back."""
    if not rows:
        return "[]"
    values = attrgetter(*(field.name for field in fields(rows[0])))  # astuple copies every value
    return json.dumps([values(row) for row in rows], separators=(",", ":"))


def text_to_verdicts(text: str) -> list[Verdict]:
    """Return the verdicts of `rows_to_text`. Raises DecodeError for any other text."""
    return [Verdict(FlowKey(*row[0]), *row[1:]) for row in _rows(text, Verdict)]


def text_to_summaries(text: str) -> list[FlowSummary]:
    """Return the summaries of `rows_to_text`. Raises DecodeError for any other text."""
    return [FlowSummary(FlowKey(*row[0]), *row[1:]) for row in _rows(text, FlowSummary)]


def _rows(text: str, kind: type) -> list[list[Any]]:
    try:
        rows = json.loads(text)
    except ValueError as error:
        raise DecodeError(f"a tuple holds no JSON: {error}") from error
    wanted = len(fields(kind))
    key = len(FlowKey._fields)
    if not isinstance(rows, list) or any(
        not isinstance(row, list) or len(row) != wanted or not isinstance(row[0], list) or len(row[0]) != key
        for row in rows
    ):
        raise DecodeError(f"a tuple holds no {kind.__name__} as this version knows it")
    return rows
