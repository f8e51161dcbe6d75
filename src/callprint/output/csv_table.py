"""CSV for spreadsheets and databases: the fields of the JSON objects as columns (RFC 4180, UTF-8, LF)."""

import csv
from collections.abc import Iterable
from typing import TextIO

from callprint.output.json_lines import STATISTICS, Reported, flow_object

COLUMNS = (
    "src_ip",
    "src_port",
    "dst_ip",
    "dst_port",
    "ssrc",
    "application",
    "best_application",
    "confidence",
    "k",
    "packets",
    "final",
    "reason",
    "model",
    "started_midflow",
    "first_seen_ns",
    "last_seen_ns",
    "decided_at_ns",
    "community_id",
    *STATISTICS,
    "ended",
)
"""The header line: every field of a flow object but `type`, which is the same in all."""


def write_csv(reports: Iterable[Reported], stream: TextIO) -> int:
    """Write a header line and one line for each report; return how many reports. Null is an empty cell."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    lines = 0
    for report in reports:
        fields = flow_object(report)
        writer.writerow([_cell(fields[column]) for column in COLUMNS])
        lines += 1
    return lines


def _cell(value: object) -> object:
    # JSON's words for truth, so that both outputs of one flow read the same.
    return str(value).lower() if isinstance(value, bool) else value
