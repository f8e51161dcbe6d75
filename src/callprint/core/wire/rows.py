"""Verdicts, summaries and running flows as JSON text, with the names of their fields: what crosses from bolt to bolt.

Text of another version is read as well; core/ground/named_rows.py says how.
"""

from collections.abc import Sequence
from typing import cast

from callprint.core.verdict import FlowSummary, RunningFlow, Verdict
from callprint.core.verdicts.rows import RUNNING_FLOWS, SUMMARIES, VERDICTS


def rows_to_text(rows: Sequence[Verdict] | Sequence[FlowSummary] | Sequence[RunningFlow]) -> str:
    """Return rows of one kind as one text."""
    if rows and isinstance(rows[0], Verdict):
        return VERDICTS.text(cast(Sequence[Verdict], rows))
    if rows and isinstance(rows[0], RunningFlow):
        return RUNNING_FLOWS.text(cast(Sequence[RunningFlow], rows))
    return SUMMARIES.text(cast(Sequence[FlowSummary], rows))


def text_to_verdicts(text: str) -> list[Verdict]:
    """Return the verdicts of `rows_to_text`. Raises DecodeError for any other text."""
    return VERDICTS.read_text(text)


def text_to_summaries(text: str) -> list[FlowSummary]:
    """Return the summaries of `rows_to_text`. Raises DecodeError for any other text."""
    return SUMMARIES.read_text(text)


def text_to_running(text: str) -> list[RunningFlow]:
    """Return the running flows of `rows_to_text`. Raises DecodeError for any other text."""
    return RUNNING_FLOWS.read_text(text)
