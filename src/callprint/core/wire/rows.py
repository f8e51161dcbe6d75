"""Verdicts and flow summaries as JSON text, with the names of their fields: what crosses from bolt to bolt.

Text of another version is read as well; core/ground/named_rows.py says how.
"""

from collections.abc import Sequence
from typing import cast

from callprint.core.verdict import FlowSummary, Verdict
from callprint.core.verdicts.rows import SUMMARIES, VERDICTS


def rows_to_text(rows: Sequence[Verdict] | Sequence[FlowSummary]) -> str:
    """Return verdicts or summaries as one text."""
    if rows and isinstance(rows[0], Verdict):
        return VERDICTS.text(cast(Sequence[Verdict], rows))
    return SUMMARIES.text(cast(Sequence[FlowSummary], rows))


def text_to_verdicts(text: str) -> list[Verdict]:
    """Return the verdicts of `rows_to_text`. Raises DecodeError for any other text."""
    return VERDICTS.read_text(text)


def text_to_summaries(text: str) -> list[FlowSummary]:
    """Return the summaries of `rows_to_text`. Raises DecodeError for any other text."""
    return SUMMARIES.read_text(text)
