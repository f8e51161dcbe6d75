"""CSV for spreadsheets and databases: the fields of the JSON objects as columns (RFC 4180, UTF-8, LF).

Text comes from captures, and a spreadsheet runs a cell that begins with =, +, - or @ as a formula. An apostrophe
goes in front of such text, unless it is a telephone number: a plus sign and digits calculate nothing.
"""

import csv
import io
import re
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
    row = io.StringIO()
    writer = csv.writer(
        row, lineterminator="\r\n"
    )  # with only LF here, Python would not quote a CR in a cell

    def write_row(cells: Iterable[object]) -> None:
        writer.writerow(cells)
        stream.write(row.getvalue().removesuffix("\r\n") + "\n")
        row.seek(0)
        row.truncate()

    write_row(columns)
    lines = 0
    for each in objects:
        write_row(_cell(each[column]) for column in columns)
        lines += 1
    return lines


_FORMULA = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")  # and their full-width forms
_TELEPHONE = re.compile(r"\+[0-9]+")


def _cell(value: object) -> object:
    if isinstance(value, str) and _FORMULA.match(value) and not _TELEPHONE.fullmatch(value):
        return f"'{value}"
    # JSON's words for truth, so that both forms of one flow or call read the same.
    return str(value).lower() if isinstance(value, bool) else value
