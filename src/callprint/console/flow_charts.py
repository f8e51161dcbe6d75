"""Charts of one flow: what it could be, and its quality over time."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from markupsafe import Markup

from callprint.console.charts import WIDTH, rect, svg
from callprint.core.ground.errors import DecodeError
from callprint.core.verdict import FlowSummary
from callprint.output.console import printable
from callprint.output.quality_report import RatedWindow, rated_windows

BEST_MOS, WORST_MOS = 4.5, 1.0
FAIR_MOS = 3.6  # below it some users are dissatisfied (G.107 Table B.1)
_LEFT, _MOS_TOP, _MOS_HEIGHT, _LOSS_TOP, _LOSS_HEIGHT = 52, 8, 96, 124, 60


def shares(rows: Sequence[tuple[str, float, str]], threshold: float, label: str) -> Markup:
    """Return a bar from 0 to 1 for each name, and a line at the share from which on it is sure: name, share, class."""
    line, left, right = 24, 190, 640
    wide = right - left
    height = line * max(1, len(rows))
    at = left + threshold * wide
    parts = []
    for i, (name, share, tone) in enumerate(rows):
        y = i * line
        parts.append(
            f'<text x="0" y="{y + 16}">{escape(printable(name)[:26])}</text>'
            + rect(left, y + 6, wide, 12, "track", 3)
            + rect(left, y + 6, max(1.0, share * wide), 12, tone, 3)
            + f'<text class="soft" x="{WIDTH}" y="{y + 16}" text-anchor="end">{share:.1%}</text>'
        )
    parts.append(f'<line class="limit" x1="{at:.1f}" x2="{at:.1f}" y1="0" y2="{height}"/>')
    return svg(WIDTH, height, label, "".join(parts), "balance")


class Bar(NamedTuple):
    """A stretch of time in a chart of quality."""

    words: str
    mos: float | None
    missing: float  # share of packets that a listener missed


def quality(windows: Sequence[RatedWindow], label: str) -> Markup:
    """Return the MOS of each window of a flow above, and the shares of packets that were lost or came late below."""
    span_s = sum(window.covers_s for window in windows) or len(windows)
    return mos_and_loss(
        [_bar(window) for window in windows],
        [f"{at * span_s:,.0f} s" for at in (0.0, 0.5, 1.0)],
        label,
        ("lost,", "late"),
    )


def mos_and_loss(bars: Sequence[Bar], times: Sequence[str], label: str, missing: Sequence[str]) -> Markup:
    """Return MOS above and missing packets below. times: at the begin, in the middle, at the end."""
    each = (WIDTH - _LEFT) / max(1, len(bars))
    worst = max((bar.missing for bar in bars), default=0.0)
    top = next((t for t in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if worst <= t), 1.0)
    parts = [_scale(top, missing)]
    for i, bar in enumerate(bars):
        x = _LEFT + i * each
        drawn = [rect(x, _MOS_TOP, max(1.0, each), _MOS_HEIGHT, "nothing")]
        if bar.mos is not None:
            high = max(2.0, (bar.mos - WORST_MOS) / (BEST_MOS - WORST_MOS) * _MOS_HEIGHT)
            y = _MOS_TOP + _MOS_HEIGHT - high
            drawn.append(rect(x + 0.5, y, max(1.0, each - 1), high, tone_of_mos(bar.mos)))
        if bar.missing:
            high = max(1.5, bar.missing / top * _LOSS_HEIGHT)
            y = _LOSS_TOP + _LOSS_HEIGHT - high
            drawn.append(rect(x + 0.5, y, max(1.0, each - 1), high, "fill-accent"))
        parts.append(f"<g><title>{escape(bar.words)}</title>{''.join(drawn)}</g>")
    height = _LOSS_TOP + _LOSS_HEIGHT + 22
    for at, anchor, words in zip((0.0, 0.5, 1.0), ("start", "middle", "end"), times, strict=True):
        x = _LEFT + at * (WIDTH - _LEFT)
        parts.append(
            f'<text class="soft" x="{x:.0f}" y="{height - 5}" text-anchor="{anchor}">{escape(words)}</text>'
        )
    return svg(WIDTH, height, label, "".join(parts), "chart")


def _bar(window: RatedWindow) -> Bar:
    heard, mos = window.heard, window.rating.mos
    begin = window.begins_s
    words = (
        f"{begin}–{begin + window.covers_s} s" if window.covers_s else "whole flow",
        "no MOS" if mos is None else f"MOS {mos:.2f}",
        f"{heard.lost:,} lost, {heard.late:,} late of {heard.expected:,}",
        f"jitter {heard.jitter_mean_us / 1e3:.1f} ms, at most {heard.jitter_max_us / 1e3:.1f} ms",
    )
    missing = min(1.0, (heard.lost + heard.late) / heard.expected) if heard.expected else 0.0
    return Bar("; ".join(words), mos, missing)


def windows_of(summary: FlowSummary | None) -> list[RatedWindow]:
    """Return the windows of a flow; none where the row has none, or what is no windows."""
    try:
        return rated_windows(summary) if summary else []
    except DecodeError:
        return []  # a store is data from outside


def tone_of_mos(mos: float) -> str:
    """Return the class of a MOS: good, fair or bad."""
    return "fill-good" if mos >= FAIR_MOS else "c-watch" if mos >= 3.1 else "fill-bad"


def _scale(top: float, missing: Sequence[str]) -> str:
    parts = []
    for mos in (1.0, 2.0, 3.0, 4.0):
        y = _MOS_TOP + _MOS_HEIGHT * (1 - (mos - WORST_MOS) / (BEST_MOS - WORST_MOS))
        parts.append(_line(y, f"{mos:.0f}"))
    parts += [_line(_LOSS_TOP + _LOSS_HEIGHT * (1 - share), f"{share * top:.0%}") for share in (0.0, 1.0)]
    parts.append(f'<text class="soft" x="0" y="{_MOS_TOP + 10}">MOS</text>')
    parts += [
        f'<text class="soft" x="0" y="{_LOSS_TOP + 24 + 14 * i}">{word}</text>'
        for i, word in enumerate(missing)
    ]
    return "".join(parts)


def _line(y: float, words: str) -> str:
    return (
        f'<line class="grid" x1="{_LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="soft" x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{words}</text>'
    )
