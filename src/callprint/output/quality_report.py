"""The quality of flows for people and programs: a table with sparklines, JSON Lines with every window."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TextIO

from rich.console import Console

from callprint.core.ground.fields import values_of
from callprint.core.quality.flow_rating import Note, Rating, rated
from callprint.core.quality.measures import FIELDS, measured_of
from callprint.core.quality.windows import Interval, read_windows
from callprint.core.verdict import FlowSummary
from callprint.output.columns import Column, Lines, cell, column_table, one_below_the_other, plain, print_line
from callprint.output.console import printable
from callprint.output.flow_table import way_of
from callprint.output.json_lines import Reported

LEAST_IN_WINDOW = 25
"""Packets of a window below which it has no MOS of its own."""

_BARS = "▁▂▃▄▅▆▇█"
_NOTHING = "·"  # no packet was sent, or too few
_BEST_MOS, _WORST_MOS = 4.5, 1.0
_MOST_BARS = 30
_BAD_BELOW, _POOR_BELOW = 3.1, 3.6  # many, and some users dissatisfied (G.107 Table B.1)
_NAMES = ("src_ip", "src_port", "dst_ip", "dst_port", "ssrc", "first_seen_ns", "last_seen_ns")


class RatedWindow(NamedTuple):
    """A window with its rating."""

    begins_s: int  # after the flow's first packet
    covers_s: int
    heard: Interval
    rating: Rating


def worst_first(report: Reported) -> tuple[bool, float, float]:
    """Return the key by which flows are shown: the worst MOS first, then those without one by their loss."""
    summary = report.summary
    if summary is None:
        return True, 0.0, 0.0
    lost = summary.lost / summary.expected if summary.expected else 0.0
    return summary.mos is None, summary.mos or 0.0, -lost


def rated_windows(summary: FlowSummary) -> list[RatedWindow]:
    """Return the windows of a flow with their ratings. Raises DecodeError for what is no text of windows."""
    if summary.quality_windows is None:
        return []
    span_s, parts = read_windows(summary.quality_windows)
    measured = measured_of(summary)
    return [
        RatedWindow(i * span_s, span_s, part, rated(measured, part, LEAST_IN_WINDOW))
        for i, part in enumerate(parts)
    ]


def sparkline(windows: list[RatedWindow]) -> str:
    """Return a bar for the MOS of each window, the worst of several where there are too many to show."""
    group = -(-len(windows) // _MOST_BARS) or 1
    found = [[w.rating.mos for w in windows[at : at + group]] for at in range(0, len(windows), group)]
    worst = (min((mos for mos in some if mos is not None), default=None) for some in found)
    return "".join(_NOTHING if mos is None else _bar(mos) for mos in worst)


def _bar(mos: float) -> str:
    height = (mos - _WORST_MOS) / (_BEST_MOS - _WORST_MOS)
    return _BARS[min(len(_BARS) - 1, max(0, int(height * len(_BARS))))]


def print_quality(console: Console, reports: Iterable[Reported]) -> None:
    """Print a line for each flow."""
    columns = (
        Column("flow"),
        Column("codec"),
        Column("lost", right=True),
        Column("late", right=True),
        Column("jitter ms\nmean  max", right=True),
        Column("R", right=True),
        Column("MOS", right=True),
        Column("each 10 s"),
        Column("notes", narrowest=12),
    )
    rows = [_cells(report.summary) for report in reports if report.summary is not None]
    table = column_table(columns, rows, console.width) or column_table(
        columns, rows, console.width, narrow=True
    )
    console.print(table or Lines(one_below_the_other(rows, console.width)))
    if any(
        report.summary is not None and report.summary.mos_band not in (None, "narrowband")
        for report in reports
    ):
        print_line(
            console, plain("w wideband, f fullband: scales of their own, see docs/use/quality.md", "dim")
        )


def _cells(summary: FlowSummary) -> list[Any]:
    expected = summary.expected or 1
    late = "–" if summary.late is None else f"{summary.late / expected:.1%}"
    jitter = "–"
    if summary.jitter_mean_ms is not None and summary.jitter_max_ms is not None:
        jitter = f"{summary.jitter_mean_ms:.1f} {summary.jitter_max_ms:5.1f}"
    mos, style = "–", "dim"
    if summary.mos is not None:
        band = {"wideband": " w", "fullband": " f"}.get(summary.mos_band or "", "")
        mos = f"{summary.mos:.2f}{band}"
        style = "red" if summary.mos < _BAD_BELOW else "yellow" if summary.mos < _POOR_BELOW else "green"
    return [
        cell(way_of(summary.flow)),
        cell(printable(summary.announced_codec or summary.codec)),
        cell(f"{summary.lost / expected:.1%}"),
        cell(late),
        cell(jitter),
        cell("–" if summary.r_factor is None else f"{summary.r_factor:.0f}"),
        cell(mos, style),
        cell(sparkline(rated_windows(summary))),
        cell(printable(_notes(summary)), "dim"),
    ]


def _notes(summary: FlowSummary) -> str:
    """Return in words why there is no MOS, or that its codec is a guess; the other assumptions are in the JSON."""
    notes = (summary.quality_notes or "").split(",")
    if summary.mos is not None:
        return "as if Opus" if Note.CODEC_ASSUMED in notes else ""
    return ", ".join(note.replace("_", " ") for note in notes)


def quality_objects(reports: Iterable[Reported]) -> Iterator[dict[str, Any]]:
    """Yield a JSON object for each flow whose statistics are known."""
    for report in reports:
        summary = report.summary
        if summary is None:
            continue
        values = values_of(summary)
        yield {
            "type": "quality",
            **{name: values[name] for name in _NAMES},
            "application": report.verdict.application,
            "codec": summary.announced_codec or summary.codec,
            **{name: values[name] for name in ("expected", "lost", "duplicates", "reordered")},
            **{name: values[name] for name in FIELDS if name != "quality_windows"},
            "windows": [
                {
                    "begins_s": window.begins_s,
                    "covers_s": window.covers_s,
                    "lost": window.heard.lost,
                    **window.heard._asdict(),
                    "r_factor": window.rating.r,
                    "mos": window.rating.mos,
                }
                for window in rated_windows(summary)
            ],
        }


def write_quality(reports: Iterable[Reported], stream: TextIO) -> int:
    """Write JSON Lines; return how many lines."""
    count = 0
    for found in quality_objects(reports):
        stream.write(json.dumps(found) + "\n")
        count += 1
    return count
