"""Charts as SVG, made here: classes for colours, because the policy of pages allows no inline style."""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from struct import pack
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from callprint.console.shown import moment
from callprint.output.console import printable

MINUTE_NS = 60_000_000_000
WIDTH, HEIGHT = 720, 180
LEFT, BOTTOM, TOP = 44, 22, 8
COLOURS = 8
STEPS_MIN = (1, 2, 5, 10, 15, 30, 60, 120, 240, 360, 720, 1440, 10080)
MOST_BARS = 90
MOST_SERIES = 7


def step_of(minutes: int) -> int:
    """Return how many minutes one bar of a chart over so many minutes stands for."""
    return next((step for step in STEPS_MIN if minutes / step <= MOST_BARS), -(-minutes // MOST_BARS))


def largest_first(series: Mapping[str, Mapping[int, int]]) -> list[str]:
    """Return the names of series by their totals; beyond MOST_SERIES they are drawn as `other`."""
    return sorted(series, key=lambda name: (-sum(series[name].values()), name))


def stacked_bars(
    series: Mapping[str, Mapping[int, int]],
    classes: Mapping[str, str],
    begin_minute: int,
    minutes: int,
    label: str,
) -> Markup:
    """Return bars over time, stacked by name. `series`: counts by name and minute; `classes`: colour by name."""
    step = step_of(minutes)
    first = begin_minute // step * step
    bars = (begin_minute + minutes - first + step - 1) // step
    names = list(series)
    heights = np.zeros((len(names), max(1, bars)), np.int64)
    for i, name in enumerate(names):
        for minute, number in series[name].items():
            if 0 <= (at := (minute - first) // step) < bars:
                heights[i, at] += number
    top = _nice(int(heights.sum(0).max(initial=0)))
    wide = (WIDTH - LEFT) / max(1, bars)
    parts = [_axis(top)]
    for at in range(heights.shape[1]):
        y = float(HEIGHT - BOTTOM)
        tips = [f"{printable(names[i])} {heights[i, at]:,}" for i in range(len(names)) if heights[i, at]]
        if not tips:
            continue
        bar = []
        for i, name in enumerate(names):
            high = heights[i, at] / top * (HEIGHT - BOTTOM - TOP)
            if high > 0:
                y -= high
                bar.append(rect(LEFT + at * wide + 0.5, y, max(1.0, wide - 1), high, classes[name]))
        when = moment((first + at * step) * MINUTE_NS, "%Y-%m-%d %H:%M")
        parts.append(f"<g><title>{escape(when + ': ' + ', '.join(tips))}</title>{''.join(bar)}</g>")
    parts.append(_times(first, bars * step))
    return svg(WIDTH, HEIGHT, label, "".join(parts), "chart")


def spark(values: Sequence[int], label: str) -> Markup:
    """Return a small line of values."""
    top = max(1, *values) if values else 1
    wide = 120 / max(1, len(values) - 1)
    points = " ".join(f"{i * wide:.1f},{26 - 24 * value / top:.1f}" for i, value in enumerate(values))
    return svg(120, 28, label, f'<polyline class="line" points="{points}"/>', "spark")


def share_bar(share: float | None, tone: str = "accent") -> Markup:
    """Return a thin bar for a share from 0 to 1; nothing when it is not known."""
    if share is None:
        return Markup("")
    wide = 48 * min(1.0, max(0.0, share))
    inside = rect(0, 0, 48, 6, "track", 3) + rect(0, 0, wide, 6, f"fill-{tone}", 3)
    return Markup(
        f'<svg class="bar" width="48" height="6" viewBox="0 0 48 6" aria-hidden="true">{inside}</svg>'
    )


def balance(
    rows: Iterable[tuple[str, str, float]], label: str, tones: tuple[str, str] = ("bad", "good")
) -> Markup:
    """Return bars to the right for what speaks for something, to the left for what speaks against it.

    rows: name, value in words, points. tones: of bars to the right and to the left.
    """
    rows = list(rows)
    top = max((abs(points) for _, _, points in rows), default=1.0) or 1.0
    line, middle, half = 22, 470, 150
    parts = [f'<line class="grid" x1="{middle}" x2="{middle}" y1="0" y2="{line * len(rows)}"/>']
    for i, (name, value, points) in enumerate(rows):
        y = i * line
        wide = abs(points) / top * half
        x = middle if points > 0 else middle - wide
        parts.append(
            f'<text x="0" y="{y + 15}">{escape(name)}</text>'
            f'<text class="soft" x="306" y="{y + 15}" text-anchor="end">{escape(value)}</text>'
            + rect(x, y + 5, max(1.0, wide), 12, f"fill-{tones[points <= 0]}", 2)
            + f'<text class="soft" x="{WIDTH}" y="{y + 15}" text-anchor="end">{points:+.2f}</text>'
        )
    return svg(WIDTH, line * max(1, len(rows)), label, "".join(parts), "balance")


def ladder(left: str, right: str, marks: Sequence[tuple[int, str, int, str]], label: str) -> Markup:
    """Return the times of a call between two parties: time, words, direction (1 right, -1 left, 0 a note), class."""
    line, x_left, x_right = 44, 150, 570
    height = 46 + line * len(marks)
    parts = [
        f'<text class="strong" x="{x_left}" y="14" text-anchor="middle">{escape(printable(left))}</text>',
        f'<text class="strong" x="{x_right}" y="14" text-anchor="middle">{escape(printable(right))}</text>',
        f'<line class="lane" x1="{x_left}" x2="{x_left}" y1="24" y2="{height}"/>',
        f'<line class="lane" x1="{x_right}" x2="{x_right}" y1="24" y2="{height}"/>',
    ]
    first = marks[0][0] if marks else 0
    for i, (time_ns, words, direction, tone) in enumerate(marks):
        y = 54 + line * i
        parts.append(f'<text class="soft" x="0" y="{y + 4}">+{(time_ns - first) / 1e9:.3f} s</text>')
        middle = (x_left + x_right) // 2
        parts.append(f'<text x="{middle}" y="{y - 8}" text-anchor="middle">{escape(printable(words))}</text>')
        if direction:
            begin, end = (x_left, x_right) if direction > 0 else (x_right, x_left)
            tip = end - 9 * direction
            parts.append(
                f'<line class="arrow {tone}" x1="{begin}" x2="{tip}" y1="{y}" y2="{y}"/>'
                f'<polygon class="head {tone}" points="{end},{y} {tip},{y - 5} {tip},{y + 5}"/>'
            )
        else:
            parts.append(f'<line class="note {tone}" x1="{x_left}" x2="{x_right}" y1="{y}" y2="{y}"/>')
    return svg(WIDTH, height, label, "".join(parts), "ladder")


class Lane(NamedTuple):
    """A span of time, with marks below it for its parts."""

    words: str
    since_ns: int
    until_ns: int
    tone: str
    marks: Sequence[tuple[int, int, str, str]] = ()  # begin, end, class, words


def lanes(rows: Sequence[Lane], begin_ns: int, end_ns: int, label: str) -> Markup:
    """Return spans of time below each other."""
    line, left = 32, 190
    wide = max(1, end_ns - begin_ns)
    parts = []
    for i, (words, since, until, tone, marks) in enumerate(rows):
        x = left + (since - begin_ns) / wide * (WIDTH - left)
        long = max(2.0, (until - since) / wide * (WIDTH - left))
        y = i * line
        parts.append(
            f'<text x="0" y="{y + 17}">{escape(printable(words))}</text>'
            + rect(left, y + 12, WIDTH - left, 2, "track")
            + f"<g><title>{escape(moment(since, '%H:%M:%S'))} – {escape(moment(until, '%H:%M:%S'))}</title>"
            + rect(x, y + 6, min(long, WIDTH - x), 14, tone, 3)
            + "</g>"
        )
        for mark_since, mark_until, mark_tone, mark_words in marks:
            at = left + (mark_since - begin_ns) / wide * (WIDTH - left)
            mark_long = max(1.0, (min(mark_until, until) - mark_since) / wide * (WIDTH - left) - 0.5)
            if left <= at < WIDTH:
                parts.append(
                    f"<g><title>{escape(mark_words)}</title>"
                    f"{rect(at, y + 22, min(mark_long, WIDTH - at), 5, mark_tone)}</g>"
                )
    height = line * len(rows) + 20
    for at, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        parts.append(
            f'<text class="soft" x="{left + at * (WIDTH - left):.0f}" y="{height - 4}" text-anchor="{anchor}">'
            f"+{at * wide / 1e9:.1f} s</text>"
        )
    return svg(WIDTH, height, label, "".join(parts), "lanes")


def grey_png(rows: np.ndarray) -> bytes:
    """Return a greyscale picture; rows: (height, width) uint8."""
    height, width = rows.shape
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    header = pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(raw)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def rect(x: float, y: float, width: float, height: float, tone: str, round_: int = 0) -> str:
    """Return a rectangle of a class, its corners rounded by `round_`."""
    corner = f' rx="{round_}"' if round_ else ""
    return f'<rect class="{tone}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"{corner}/>'


def _axis(top: int) -> str:
    parts = []
    for share in (0.0, 0.5, 1.0):
        y = HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
        if share == 0 or top * share == int(top * share):
            text = f"{int(top * share):,}"
            parts.append(f'<text class="soft" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    return "".join(parts)


def _times(first_minute: int, minutes: int) -> str:
    parts = []
    form = "%H:%M" if minutes <= 2880 else "%m-%d"
    for share, anchor in ((0.0, "start"), (0.25, "middle"), (0.5, "middle"), (0.75, "middle"), (1.0, "end")):
        when = moment(int((first_minute + share * minutes) * MINUTE_NS), form)
        x = LEFT + share * (WIDTH - LEFT)
        parts.append(f'<text class="soft" x="{x:.0f}" y="{HEIGHT - 5}" text-anchor="{anchor}">{when}</text>')
    return "".join(parts)


def _nice(top: int) -> int:
    """Return the end of an axis: a number that is easy to read, not below `top`."""
    unit = 1
    while True:
        for digit in (1, 2, 4, 6, 8):
            if digit * unit >= top:
                return digit * unit
        unit *= 10


def svg(width: int, height: int, label: str, inside: str, kind: str) -> Markup:
    """Return a picture of parts whose texts are escaped."""
    # Safe: every text in it went through `escape`, every class is one of ours.
    return Markup(
        f'<svg class="{kind}" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">{inside}</svg>'
    )


def tone_of(name: str) -> str:
    """Return the class of an application's or action's colour: the same on every page."""
    fixed = {
        "unknown": "c-unknown", "other": "c-unknown", "allow": "c-allow",
        "watch": "c-watch", "challenge": "c-challenge", "block": "c-block",
    }  # fmt: skip
    return fixed.get(name) or f"c{zlib.crc32(name.encode('utf-8', 'replace')) % COLOURS}"
