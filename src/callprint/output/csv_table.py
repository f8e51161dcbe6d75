"""CSV for spreadsheets and databases: the fields of the JSON objects as columns (RFC 4180, UTF-8, LF)."""

import csv
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from callprint.output.json_lines import FIELDS, Reported, flow_object

COLUMNS = tuple(field.name for field in FIELDS)
"""The header line: every field of a flow object except `type`, which is the same in all."""


def write_csv(reports: Iterable[Reported], stream: TextIO) -> int:
    """Write a header line and one line for each report; return how many reports."""
    return write_table(COLUMNS, map(flow_object, reports), stream)


def write_table(columns: Sequence[str], objects: Iterable[dict[str, Any]], stream: TextIO) -> int:
    """Write a header line and one line for each JSON object; return how many objects. Null is an empty cell."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    lines = 0
    for each in objects:
        writer.writerow([_cell(each[column]) for column in columns])
        lines += 1
    return lines


def _cell(value: object) -> object:
    # JSON's words for truth, so that both forms of one flow or call read the same.
    return str(value).lower() if isinstance(value, bool) else value
